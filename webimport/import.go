package webimport

import (
	"archive/tar"
	"archive/zip"
	"compress/flate"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"mox/admin"
	"mox/mbox"
	"mox/store"
	"mox/transfer"
)

// Import is one.
type Import struct {
	s       *Imports
	token   string
	account string
	actor   admin.Actor
	begun   time.Time
	ctx     context.Context
	cancel  context.CancelCauseFunc

	// Of who has begun it, then of its goroutine.
	file *os.File
	size int64

	// Guarded by Imports.mu.
	started bool
	timer   *time.Timer // after its end, to forget it

	mu      sync.Mutex    // guards the fields below
	changed chan struct{} // closed, and made anew, with each change
	ended   bool
	told    []Event // steps and problems
	problem int     // how many of these are problems
	dropped int     // problems beyond
	counts  map[string]int
	names   []string // of counts, as they came
	end     Event
}

// Token is a secret by which an import is known.
func (im *Import) Token() string { return im.token }

// Context ends with the import.
func (im *Import) Context() context.Context { return im.ctx }

// over tells whether it has ended.
func (im *Import) over() bool {
	im.mu.Lock()
	defer im.mu.Unlock()
	return im.ended
}

// Drop ends an import that was not started.
func (im *Import) Drop() {
	im.cancel(nil)
	im.closeFile()
	im.s.mu.Lock()
	defer im.s.mu.Unlock()
	im.s.forget(im)
}

func (im *Import) closeFile() {
	if im.file != nil {
		im.file.Close()
		_ = os.Remove(im.file.Name()) // mostly gone already
		im.file = nil
	}
}

// receivePiece is how much is written between looks at the disk.
const receivePiece = 16 << 20

// Receive writes the file, of most octets at most. Errors are ErrTooLarge, ErrDisk, why the import has ended, and those of r.
func (im *Import) Receive(r io.Reader, most int64) error {
	var err error
	if im.file, err = createTemp(im.s.c.Dir); store.IsNoSpace(err) {
		return fmt.Errorf("%w: %w", ErrDisk, err)
	} else if err != nil {
		return fmt.Errorf("making temporary file: %w", err)
	}
	for {
		if im.ctx.Err() != nil {
			return context.Cause(im.ctx)
		}
		if err := im.s.room(receivePiece); err != nil {
			return err
		}
		n, err := io.CopyN(im.file, r, receivePiece)
		im.size += n
		switch {
		case im.size > most:
			return fmt.Errorf("%w: more than %d MiB", ErrTooLarge, most>>20)
		case err == io.EOF:
			return nil
		case im.ctx.Err() != nil:
			return context.Cause(im.ctx)
		case store.IsNoSpace(err):
			return fmt.Errorf("%w: %w", ErrDisk, err)
		case err != nil:
			return err
		}
	}
}

// ownExport is the name of a file with a single mailbox that an export has.
var ownExport = regexp.MustCompile(`^mailexport-(.+)-\d{8}-\d{6}(?: ?\(\d+\))?\.mbox$`)

// mboxName is the name for a file that may be an mbox, by which its mailbox is called. Names that say nothing are for Inbox.
func mboxName(name string) string {
	if m := ownExport.FindStringSubmatch(name); m != nil {
		name = m[1] + ".mbox"
	}
	base := strings.TrimSuffix(strings.TrimSuffix(name, ".gz"), ".mbox")
	switch strings.ToLower(base) {
	case "", "mbox", "inbox":
		return "Inbox"
	}
	return name
}

// Start begins to add what is in the file, which has a name in the browser. An error of the file, which wraps ErrEmpty or
// ErrFile, is returned at once; then Drop must be called.
func (im *Import) Start(name, skipPrefix string) error {
	if im.size == 0 {
		return ErrEmpty
	}
	src, err := transfer.OpenArchive(mboxName(name), im.file, im.size, transfer.SourceOptions{Named: true, Limits: im.s.c.Limits.Transfer})
	if text, ok := forUser(err); ok {
		return fmt.Errorf("%w: %s", ErrFile, text)
	} else if err != nil {
		return fmt.Errorf("opening file: %w", err)
	}
	s := im.s
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		src.Close()
		return ErrStopping
	}
	im.started = true
	s.running.Go(func() {
		defer s.keep(im)
		defer im.closeFile()
		defer src.Close()
		im.run(src, skipPrefix)
	})
	return nil
}

// run adds what is in the file, and tells of the end.
func (im *Import) run(src transfer.Source, skipPrefix string) {
	defer im.cancel(nil)
	var res transfer.Result
	err := im.turn(func() (err error) {
		im.step("Looking for mailboxes in the file")
		res, err = im.s.c.Import(im.ctx, im.actor, im.account, noting{src, func() { im.step("Adding messages") }}, transfer.Options{
			SkipPrefix: skipPrefix, Count: im.count,
			Problem: func(text string) { im.tellProblem(text) },
		})
		return err
	})
	if err == nil {
		im.finish(Event{Name: "done", Data: Done{res}})
		return
	}
	im.finish(Event{Name: "aborted", Data: Aborted{im.reason(err), res}})
}

// turn calls f when few enough others are running.
func (im *Import) turn(f func() error) (err error) {
	select {
	case im.s.turns <- struct{}{}:
	default:
		im.step("Waiting for imports of others")
		select {
		case im.s.turns <- struct{}{}:
		case <-im.ctx.Done():
			return im.ctx.Err()
		}
	}
	defer func() {
		<-im.s.turns
		if v := recover(); v != nil {
			err = fmt.Errorf("panic: %v\n%s", v, debug.Stack())
			if im.s.c.Panic != nil {
				im.s.c.Panic()
			}
		}
	}()
	return f()
}

// reason is why an import was aborted, for the user; empty: because he wanted that.
func (im *Import) reason(err error) string {
	if cause := context.Cause(im.ctx); cause != nil {
		if cause == ErrAborted {
			return ""
		}
		return cause.Error()
	}
	if text, ok := forUser(err); ok {
		return text
	}
	id := im.s.c.NextID()
	im.s.c.Log.Error("import failed", "err", err, "cid", id, "account", im.account)
	return fmt.Sprintf("internal error, see log lines with cid %x", id)
}

// fileErrors are those of files that are not what they should be.
var fileErrors = []error{
	transfer.ErrLimit, transfer.ErrNothing, mbox.ErrFormat, zip.ErrFormat, zip.ErrAlgorithm, zip.ErrChecksum, tar.ErrHeader, tar.ErrFieldTooLong,
	gzip.ErrHeader, gzip.ErrChecksum, io.ErrUnexpectedEOF,
}

// forUser returns the text of an error for the user, if it is one to tell.
func forUser(err error) (string, bool) {
	if err == nil {
		return "", false
	}
	if errors.Is(err, store.ErrQuota) {
		return err.Error(), true
	}
	if errors.Is(err, store.ErrDiskFull) {
		return "the disk of the server is full", true
	}
	var corrupt flate.CorruptInputError
	if errors.As(err, &corrupt) {
		return "the archive is damaged: " + err.Error(), true
	}
	for _, e := range fileErrors {
		if errors.Is(err, e) {
			return err.Error(), true
		}
	}
	if errors.Is(err, admin.ErrNotFound) || errors.Is(err, store.ErrNoAccount) {
		return ErrGone.Error(), true
	}
	return "", false
}

// noting is a source that tells when its first message, or folder, comes.
type noting struct {
	transfer.Source
	begin func()
}

func (n noting) Send(ctx context.Context, r transfer.Receiver) error {
	return n.Source.Send(ctx, &noted{Receiver: r, begin: sync.OnceFunc(n.begin)})
}

type noted struct {
	transfer.Receiver
	begin func()
}

func (n *noted) Folder(f transfer.Folder) error {
	n.begin()
	return n.Receiver.Folder(f)
}

func (n *noted) Message(m *transfer.Message) error {
	n.begin()
	return n.Receiver.Message(m)
}
