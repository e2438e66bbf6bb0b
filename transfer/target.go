package transfer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"sync"

	"mox/store"
)

// Bounds of what is in flight, and of a batch. What the database is given at once is below
// what it would write in several steps.
const (
	inFlight      = 24
	batchMessages = 500
	batchWeight   = 3 << 20
	batchLarge    = 16 << 20 // octets of messages that are written in advance
)

// Options are those of an import. The zero value imports into Inbox and mailboxes named
// like the folders.
type Options struct {
	// Mailbox is where the folder itself goes; those below it go below. Empty or "/": the
	// folder itself goes to Inbox, and others to mailboxes of their names.
	Mailbox string
	// SpecialUse puts folders with names such as "Sent Items" into the mailbox that has that
	// special use, where there is one; and messages by their labels of Gmail.
	SpecialUse bool
	// Duplicates adds messages also where the mailbox has them.
	Duplicates bool
	// SkipPrefix is left out of the names of folders that are it, or below it. It is as in the source, with "/"
	// between levels.
	SkipPrefix string
	// MaxMessage is the octets of a message; larger ones are left out. Default 512 MiB.
	MaxMessage int64

	// Progress is called after each batch that is durable; Problem with what is left out, and
	// why; Count with how many more messages of a mailbox are there, added durably or since before. They
	// are called one after the other, and may be nil.
	Progress func(Result)
	Problem  func(text string)
	Count    func(mailbox string, messages int)
}

// Result is what an import has done so far.
type Result struct {
	Added      int   // messages
	Duplicates int   // that were there already
	Problems   int   // things that were left out
	Mailboxes  int   // made
	Bytes      int64 // of messages added
}

// Target is a Receiver that adds to an account.
type Target struct {
	ctx    context.Context
	cancel context.CancelFunc
	acc    *store.Account
	o      Options
	root   string
	names  map[string]string // mailboxes of folders; only for who calls Folder and Message

	prepare  chan *incoming // to the goroutines that prepare messages
	queue    chan *incoming
	prepared sync.WaitGroup
	gathered sync.WaitGroup

	tell sync.Mutex // held to call Options; guards:
	res  Result

	mu  sync.Mutex // guards:
	err error      // that ended the import

	// Only for the goroutine that gathers:
	boxes   map[string]*targetBox
	pending map[*targetBox][]*incoming
	count   int
	weight  int
	large   int64
	commit  sync.WaitGroup
}

// targetBox is a mailbox that messages go to.
type targetBox struct {
	id    store.MailboxID
	name  string
	known *store.Known // nil: nothing is there
}

// incoming is a message in flight, or a folder.
type incoming struct {
	folder *Folder
	name   string // of the mailbox
	where  string
	m      store.NewMessage
	weight int
	err    error
	done   chan struct{} // closed when it is prepared
}

// NewTarget begins an import. Close must be called.
func NewTarget(ctx context.Context, acc *store.Account, o Options) (*Target, error) {
	o.MaxMessage = cmp.Or(o.MaxMessage, 512<<20)
	root := strings.Trim(o.Mailbox, "/")
	if root != "" {
		name, err := store.NormalName(root)
		if err != nil {
			return nil, fmt.Errorf("mailbox %q: %w", o.Mailbox, err)
		}
		root = name
	}
	t := &Target{acc: acc, o: o, root: root, names: map[string]string{}, boxes: map[string]*targetBox{}, pending: map[*targetBox][]*incoming{}}
	t.ctx, t.cancel = context.WithCancel(ctx)
	t.prepare = make(chan *incoming)
	for range max(2, runtime.GOMAXPROCS(0)) {
		t.prepared.Go(t.preparer)
	}
	t.queue = make(chan *incoming, inFlight)
	t.gathered.Go(t.gather)
	return t, nil
}

// Import sends all of a Source to an account. What was added before an error stays.
func Import(ctx context.Context, acc *store.Account, src Source, o Options) (Result, error) {
	t, err := NewTarget(ctx, acc, o)
	if err != nil {
		return Result{}, err
	}
	err = src.Send(t.ctx, t)
	res, cerr := t.Close()
	if cerr != nil {
		err = cerr // the source may only say that it was ended
	}
	return res, err
}

// Close waits until all messages are durable, or were given up, and tells what was done and
// the error that ended the import.
func (t *Target) Close() (Result, error) {
	close(t.prepare)
	close(t.queue)
	t.prepared.Wait()
	t.gathered.Wait()
	t.cancel()
	t.tell.Lock()
	defer t.tell.Unlock()
	return t.res, t.failed()
}

// fail ends the import.
func (t *Target) fail(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.err == nil {
		t.err = err
	}
	t.cancel()
}

func (t *Target) failed() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.err
}

// Problem implements [Receiver].
func (t *Target) Problem(text string) {
	t.tell.Lock()
	defer t.tell.Unlock()
	t.res.Problems++
	if t.o.Problem != nil {
		t.o.Problem(text)
	}
}

// mailbox returns the name of the mailbox for a folder.
func (t *Target) mailbox(folder string, labels []string) string {
	if len(labels) > 0 {
		return t.findMailbox(folder, labels)
	}
	name, ok := t.names[folder]
	if !ok {
		if len(t.names) > 1000 {
			clear(t.names)
		}
		name = t.findMailbox(folder, nil)
		t.names[folder] = name
	}
	return name
}

// skipped is a folder's name without the prefix that is left out.
func (t *Target) skipped(folder string) string {
	prefix := strings.Trim(t.o.SkipPrefix, "/")
	if rest, ok := strings.CutPrefix(folder, prefix); prefix != "" && ok && (rest == "" || rest[0] == '/') {
		return strings.TrimPrefix(rest, "/")
	}
	return folder
}

func (t *Target) findMailbox(folder string, labels []string) string {
	folder = t.skipped(folder)
	if t.o.SpecialUse {
		use := specialUse(folder)
		if use == 0 {
			use = labelUse(labels)
		}
		if use != 0 {
			for _, m := range t.acc.Mailboxes() {
				if m.SpecialUse&use != 0 {
					return m.Name
				}
			}
		}
	}
	name := strings.Trim(t.root+"/"+cleanName(folder), "/")
	if name == "" {
		return store.Inbox
	}
	normal, err := store.NormalName(name)
	if err != nil {
		normal = cmp.Or(t.root, store.Inbox)
		t.Problem(fmt.Sprintf("folder %.100q: %v: its messages go to %q", folder, err, normal))
	}
	if folder == "" || !t.acc.Reserved(normal) {
		return normal // what was asked for by name is refused rather
	}
	// As of another server, or of an export of ours: what waited to be sent there, does not here.
	other := normal + "_"
	for t.acc.Reserved(other) {
		other += "_"
	}
	t.Problem(fmt.Sprintf("folder %.100q: mailbox %q is for what this server sends: its messages go to %q", folder, normal, other))
	return other
}

// Folder implements [Receiver].
func (t *Target) Folder(f Folder) error {
	return t.enqueue(&incoming{folder: &f, name: t.mailbox(f.Name, nil)})
}

// Message implements [Receiver].
func (t *Target) Message(m *Message) error {
	if err := t.ended(); err != nil {
		return err
	}
	sp := t.acc.NewSpool()
	n, err := io.Copy(sp, io.LimitReader(readOnly{m.Body}, t.o.MaxMessage+1))
	switch {
	case errors.Is(err, store.ErrDiskFull):
		sp.Close()
		return err
	case err == nil && n > t.o.MaxMessage:
		err = fmt.Errorf("%w: message of more than %d bytes", ErrLimit, t.o.MaxMessage)
	}
	if err != nil {
		sp.Close()
		if !errors.Is(err, errBroken) { // told by the other side
			t.Problem(fmt.Sprintf("%s: %v", m.Where, err))
		}
		return t.ended()
	}
	in := &incoming{name: t.mailbox(m.Folder, m.Labels), where: m.Where, done: make(chan struct{})}
	in.m = store.NewMessage{Spool: sp, Received: m.Received}
	in.m.Flags, in.m.Keywords = cleanFlags(m.Flags)
	select {
	case t.prepare <- in:
	case <-t.ctx.Done():
		sp.Close()
		return t.ended()
	}
	return t.enqueue(in)
}

// preparer prepares messages. That needs a large stack, which a goroutine for each message would have
// to grow each time.
func (t *Target) preparer() {
	for in := range t.prepare {
		sp := in.m.Spool
		if in.err = sp.Finish(); in.err == nil {
			in.weight, in.err = sp.Condense()
		}
		close(in.done)
	}
}

// readOnly hides other methods of a reader, with which copying would pass by the limit.
type readOnly struct{ io.Reader }

// ended returns why the import is over.
func (t *Target) ended() error { return cmp.Or(t.failed(), t.ctx.Err()) }

func (t *Target) enqueue(in *incoming) error {
	select {
	case t.queue <- in:
		return nil
	case <-t.ctx.Done():
		in.close()
		return t.ended()
	}
}

// close frees what a message holds, once nobody prepares it.
func (in *incoming) close() {
	if in.done != nil {
		<-in.done
		in.m.Spool.Close()
	}
}

// gather takes messages in their order and makes batches of them.
func (t *Target) gather() {
	for in := range t.queue {
		if t.ctx.Err() != nil {
			in.close()
			continue
		}
		if err := t.take(in); err != nil {
			t.fail(err)
			in.close()
		}
	}
	if err := t.ctx.Err(); err != nil {
		t.fail(err)
	} else if err := t.flush(); err != nil {
		t.fail(err)
	}
	t.commit.Wait()
	for _, list := range t.pending {
		for _, in := range list {
			in.close()
		}
	}
}

// take adds one message, or a folder. With an error, it is still the caller's.
func (t *Target) take(in *incoming) error {
	if in.folder != nil {
		return t.takeFolder(in)
	}
	<-in.done
	if in.err != nil {
		if errors.Is(in.err, store.ErrDiskFull) {
			return in.err
		}
		t.Problem(fmt.Sprintf("%s: %v", in.where, in.err))
		in.close()
		return nil
	}
	box, err := t.box(in.name)
	if err != nil {
		return err
	}
	if box.known != nil {
		there, err := box.known.Take(t.ctx, in.m.Spool)
		if err != nil {
			return fmt.Errorf("looking for a duplicate: %w", err)
		}
		if there {
			t.there(box)
			in.close()
			return nil
		}
	}
	t.pending[box] = append(t.pending[box], in)
	t.count, t.weight = t.count+1, t.weight+in.weight
	if size := in.m.Spool.Size(); size > 1<<20 {
		t.large += size
	}
	if t.count >= batchMessages || t.weight >= batchWeight || t.large >= batchLarge {
		if err := t.flush(); err != nil {
			t.fail(err) // in is one of those pending
		}
	}
	return nil
}

// there tells of a message that the mailbox has had.
func (t *Target) there(box *targetBox) {
	t.tell.Lock()
	defer t.tell.Unlock()
	t.res.Duplicates++
	if t.o.Count != nil {
		t.o.Count(box.name, 1)
	}
}

// added tells of messages that are durable.
func (t *Target) added(box *targetBox, messages int, size int64) {
	t.tell.Lock()
	defer t.tell.Unlock()
	t.res.Added += messages
	t.res.Bytes += size
	if t.o.Count != nil {
		t.o.Count(box.name, messages)
	}
}

func (t *Target) takeFolder(in *incoming) error {
	f := in.folder
	if f.NameOnly {
		if _, ok := t.acc.MailboxByName(in.name); ok {
			return nil
		}
	} else {
		fresh := t.boxes[in.name] == nil
		if _, ok := t.acc.MailboxByName(in.name); ok {
			fresh = false
		}
		if _, err := t.box(in.name); err != nil {
			return err
		}
		// What the user has subscribed to here stays.
		if !fresh {
			return nil
		}
	}
	if f.Subscription == SubscriptionUnknown {
		return nil
	}
	return t.acc.Subscribe(t.ctx, in.name, f.Subscription == Subscribed)
}

// box returns a mailbox, which is made when missing.
func (t *Target) box(name string) (*targetBox, error) {
	if b := t.boxes[name]; b != nil {
		return b, nil
	}
	b := &targetBox{name: name}
	m, ok := t.acc.MailboxByName(name)
	if !ok {
		var err error
		if m, err = t.acc.CreateMailbox(t.ctx, name, 0); errors.Is(err, store.ErrExists) {
			if m, ok = t.acc.MailboxByName(name); ok {
				err = nil
			}
		} else if err == nil {
			t.tell.Lock()
			t.res.Mailboxes++
			t.tell.Unlock()
		}
		if err != nil {
			return nil, err
		}
	}
	if ok && !t.o.Duplicates {
		var err error
		if b.known, err = t.acc.Known(t.ctx, m.ID); err != nil {
			return nil, err
		}
	}
	b.id = m.ID
	t.boxes[name] = b
	return b, nil
}

// flush begins to commit what is pending, once the batch before is.
func (t *Target) flush() error {
	t.commit.Wait()
	if err := t.ended(); err != nil || t.count == 0 {
		return err
	}
	batch := t.pending
	t.pending, t.count, t.weight, t.large = map[*targetBox][]*incoming{}, 0, 0, 0
	t.commit.Go(func() {
		// Mailboxes side by side: the store commits them together.
		var wg sync.WaitGroup
		some := make(chan struct{}, 64)
		for box, list := range batch {
			some <- struct{}{}
			wg.Go(func() {
				defer func() { <-some }()
				t.add(box, list)
			})
		}
		wg.Wait()
		t.progress()
	})
	return nil
}

func (t *Target) progress() {
	t.tell.Lock()
	defer t.tell.Unlock()
	if t.o.Progress != nil {
		t.o.Progress(t.res)
	}
}

// add adds messages to a mailbox in one operation, or one by one when one of them cannot be
// added.
func (t *Target) add(box *targetBox, list []*incoming) {
	defer func() {
		for _, in := range list {
			in.close()
		}
	}()
	msgs := make([]store.NewMessage, len(list))
	size := int64(0)
	for i, in := range list {
		msgs[i] = in.m
		size += in.m.Spool.Size()
	}
	_, err := t.acc.Add(t.ctx, box.id, msgs)
	switch {
	case err == nil:
		t.added(box, len(list), size)
	case !ofMessage(err):
		t.fail(err)
	case len(list) > 1:
		for i := range list {
			if t.ctx.Err() == nil {
				t.add(box, list[i:i+1])
			}
		}
	case errors.Is(err, store.ErrLimit) && len(list[0].m.Keywords) > 0:
		t.Problem(fmt.Sprintf("%s: %v: it is added without keywords", list[0].where, err))
		list[0].m.Keywords = nil
		t.add(box, list)
	default:
		t.Problem(fmt.Sprintf("%s: %v", list[0].where, err))
	}
}

// ofMessage tells whether an error is of one message, and not of all.
func ofMessage(err error) bool {
	return errors.Is(err, store.ErrTooLarge) || errors.Is(err, store.ErrBadName) || errors.Is(err, store.ErrLimit)
}
