package imapimport

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"mox/imap"
	"mox/imapclient"
	"mox/message"
	"mox/transfer"
)

// meta is what is known of a message of the source.
type meta struct {
	uid   uint32
	size  int64
	date  int64
	flags uint32 // index in the state
	id    string
}

// key is by what messages are recognized.
type key struct {
	id   string
	size int64
}

// idLength is how much of a Message-ID is compared: the store keeps no more of very long ones.
const idLength = 200

func clipID(id string) string { return id[:min(len(id), idLength)] }

func (m *meta) key() key  { return key{m.id, m.size} }
func (e *Entry) key() key { return key{clipID(e.MessageID), e.Size} }

// syncing brings one mailbox here to the state of one of the source.
type syncing struct {
	r   *run
	f   *folder
	res *MailboxResult
	st  *state

	uids    map[uint32]bool // that the source has
	changed map[uint32]uint32
	local   []Entry
	byUID   map[uint32]*Entry
	free    map[key][]*Entry  // those here that belong to no message that the source has
	gone    map[uint32]uint32 // source UIDs that are gone, by UID here
	changes []Change
	spool   transfer.Spool
}

func (s *syncing) run(ctx context.Context) error {
	defer s.spool.Reset()
	var sel *imapclient.Selected
	err := s.r.src.do(ctx, func(c *imapclient.Client) (err error) {
		sel, err = s.r.src.examine(ctx, c, s.f.name)
		return err
	})
	if err != nil {
		return fmt.Errorf("opening: %w", err)
	}
	s.res.Messages = int(sel.Exists)
	box, err := s.load(ctx, sel)
	if err != nil || s.unchanged(sel) {
		return err
	}
	if err := s.list(ctx); err != nil {
		return fmt.Errorf("listing messages: %w", err)
	}
	fresh := slices.DeleteFunc(slices.Sorted(maps.Keys(s.uids)), func(uid uint32) bool { _, ok := s.st.pairs[uid]; return ok })
	if err := s.readChanged(ctx); err != nil {
		return fmt.Errorf("reading flags: %w", err)
	}
	if err := s.readLocal(ctx, box != nil); err != nil {
		return err
	}
	if err := s.delete(ctx); err != nil {
		return err
	}
	problems := s.res.Problems
	if err := s.take(ctx, fresh, box == nil); err != nil {
		return err
	}
	s.changeFlags()
	if err := s.apply(ctx); err != nil {
		return err
	}
	s.st.modSeq, s.st.next = sel.HighestModSeq, sel.UIDNext
	if s.res.Problems > problems {
		s.st.next = 0 // what was left out is tried again
	}
	return s.save(ctx)
}

// load reads the record, and finds the mailbox here, nil when there is none.
func (s *syncing) load(ctx context.Context, sel *imapclient.Selected) (*Mailbox, error) {
	box, err := s.r.mailbox(ctx, s.f.target)
	if err != nil {
		return nil, err
	}
	s.st = newState(sel.UIDValidity)
	b, err := s.r.target.State(ctx, s.r.stateName(s.f))
	if err != nil || len(b) == 0 || box == nil {
		return box, err
	}
	st, err := decodeState(b)
	if err != nil {
		s.r.problem(fmt.Sprintf("mailbox %q: %v: it is begun anew", s.f.name, err))
	} else if st.validity == sel.UIDValidity && st.localValidity == box.UIDValidity {
		s.st = st
	}
	return box, nil
}

// unchanged tells that there is nothing to do: a deletion makes the number of messages less, if
// no other message came, and then there is another UIDNEXT.
func (s *syncing) unchanged(sel *imapclient.Selected) bool {
	return sel.HighestModSeq != 0 && sel.HighestModSeq == s.st.modSeq && sel.UIDNext != 0 && sel.UIDNext == s.st.next &&
		int(sel.Exists) == len(s.st.pairs)
}

// gmailArchived finds what is in no other mailbox but that with all mail.
const gmailArchived = `X-GM-RAW "has:nouserlabels -in:inbox -in:sent -in:drafts -in:chats"`

// list reads the source's UIDs.
func (s *syncing) list(ctx context.Context) error {
	return s.r.src.in(ctx, s.f.name, s.st.validity, func(c *imapclient.Client) error {
		keys := "ALL"
		if s.f.archived {
			keys = gmailArchived
		}
		res, err := c.Search(ctx, true, "", keys)
		if err != nil {
			return err
		}
		s.uids = map[uint32]bool{}
		for _, r := range res.Numbers {
			if r.Stop < r.Start || r.Stop-r.Start > 50_000_000 {
				return fmt.Errorf("%w: %w: UIDs %d:%d", errPermanent, imapclient.ErrProtocol, r.Start, r.Stop)
			}
			for n := r.Start; ; n++ {
				if s.uids[n] = true; n == r.Stop {
					break
				}
			}
		}
		if s.f.archived {
			s.res.Messages = len(s.uids)
		}
		return nil
	})
}

// readChanged reads the flags of messages that are in the record.
func (s *syncing) readChanged(ctx context.Context) error {
	s.changed = map[uint32]uint32{}
	if len(s.st.pairs) == 0 {
		return nil
	}
	return s.r.src.in(ctx, s.f.name, s.st.validity, func(c *imapclient.Client) error {
		items := "(UID FLAGS)"
		if condstore(c) && s.st.modSeq != 0 {
			items += fmt.Sprintf(" (CHANGEDSINCE %d)", s.st.modSeq)
		}
		return c.Fetch(ctx, true, "1:*", items, func(f *imap.FetchResponse) error {
			if p, ok := s.st.pairs[f.UID]; ok && f.Has[imap.FetchFlags] {
				if now := s.flags(f.Flags); now != p.flags {
					s.changed[f.UID] = now
				} else {
					delete(s.changed, f.UID)
				}
			}
			s.r.src.progress++
			return nil
		})
	})
}

// flags returns the index of flags as messages have them here.
func (s *syncing) flags(list []string) uint32 {
	return s.st.flagSet(flagKey(transfer.FlagNames(list)))
}

// readLocal reads what is here.
func (s *syncing) readLocal(ctx context.Context, exists bool) error {
	s.local, s.byUID, s.free, s.gone = nil, map[uint32]*Entry{}, map[key][]*Entry{}, map[uint32]uint32{}
	if !exists {
		return nil
	}
	err := s.r.target.Messages(ctx, s.f.target, func(e Entry) error {
		s.local = append(s.local, e)
		return nil
	})
	if err != nil {
		return fmt.Errorf("reading mailbox %q here: %w", s.f.target, err)
	}
	used := map[uint32]bool{}
	for uid, p := range s.st.pairs {
		if s.uids[uid] {
			used[p.local] = true
		} else if p.local != 0 {
			s.gone[p.local] = uid
		}
	}
	for i := range s.local {
		e := &s.local[i]
		s.byUID[e.UID] = e
		if !used[e.UID] {
			s.free[e.key()] = append(s.free[e.key()], e)
		}
	}
	return nil
}

// take pairs messages without record with those here, and adds what is missing.
func (s *syncing) take(ctx context.Context, fresh []uint32, create bool) error {
	again := map[uint32]bool{}
	if len(s.local) > 0 && len(fresh) > 0 {
		metas, err := s.readMetas(ctx, fresh)
		if err != nil {
			return fmt.Errorf("reading Message-IDs: %w", err)
		}
		fresh, again = s.match(metas)
	}
	if len(fresh) == 0 && !create {
		return nil
	}
	s.r.progress(Progress{Mailbox: s.f.name, Total: len(fresh)})
	problems := s.res.Problems
	got, err := s.download(ctx, fresh)
	if err != nil {
		return err
	}
	s.res.Present = max(0, s.res.Present-len(again))
	box, err := s.r.mailbox(ctx, s.f.target)
	if err != nil {
		return err
	} else if box == nil {
		return fmt.Errorf("mailbox %q was not made", s.f.target)
	}
	s.st.localValidity = box.UIDValidity
	if err := s.readLocal(ctx, true); err != nil {
		return err
	}
	for _, m := range got {
		if again[m.uid] {
			continue
		}
		if free := s.free[m.key()]; len(free) > 0 {
			s.pair(m, pick(free, m))
		} else if s.res.Problems == problems {
			// It was moved or deleted here at once, say.
			s.st.pairs[m.uid] = pair{flags: m.flags}
		}
	}
	return nil
}

// pick returns the message of the same time, or else the first.
func pick(free []*Entry, m *meta) *Entry {
	i := slices.IndexFunc(free, func(e *Entry) bool { return e.Date == m.date })
	return free[max(i, 0)]
}

// pair records that a message of the source is one here, with the flags of the source.
func (s *syncing) pair(m *meta, e *Entry) {
	free := s.free[e.key()]
	s.free[e.key()] = slices.DeleteFunc(free, func(f *Entry) bool { return f == e })
	if old, ok := s.gone[e.UID]; ok {
		delete(s.st.pairs, old) // it came back with another UID
		delete(s.gone, e.UID)
	}
	s.st.pairs[m.uid] = pair{e.UID, m.flags}
	if add, remove := flagDiff(flagKey(e.Flags), s.st.sets[m.flags]); len(add)+len(remove) > 0 {
		s.changes = append(s.changes, Change{UID: e.UID, Add: add, Remove: remove})
		s.res.Flags++
	}
}

// match pairs by Message-ID and size where there are enough here of each, and returns what is
// to be fetched. Where there are not, all of that key are fetched, also those that are paired
// already (again), and their contents tell how many are missing: see [store.Known].
func (s *syncing) match(metas []*meta) (fetch []uint32, again map[uint32]bool) {
	again = map[uint32]bool{}
	paired := map[key][]uint32{}
	for uid, p := range s.st.pairs {
		if e := s.byUID[p.local]; e != nil && s.uids[uid] {
			paired[e.key()] = append(paired[e.key()], uid)
		}
	}
	groups := map[key][]*meta{}
	for _, m := range metas {
		groups[m.key()] = append(groups[m.key()], m)
	}
	for k, group := range groups {
		if k.id != "" && len(s.free[k]) >= len(group) {
			for _, m := range group {
				s.pair(m, pick(s.free[k], m))
			}
			s.res.Present += len(group)
			continue
		}
		for _, m := range group {
			fetch = append(fetch, m.uid)
		}
		for _, uid := range paired[k] {
			fetch, again[uid] = append(fetch, uid), true
		}
	}
	slices.Sort(fetch)
	return fetch, again
}

const (
	metaItems = "(UID FLAGS RFC822.SIZE INTERNALDATE BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)])"
	bodyItems = "(UID FLAGS INTERNALDATE BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)] BODY.PEEK[])"
	metaBatch = 1000 // messages of a FETCH
	bodyBatch = 100
)

// readMetas reads what is known of messages without their content.
func (s *syncing) readMetas(ctx context.Context, uids []uint32) ([]*meta, error) {
	var metas []*meta
	left := slices.Clone(uids)
	if len(left) == 0 {
		return nil, nil
	}
	err := s.r.src.in(ctx, s.f.name, s.st.validity, func(c *imapclient.Client) error {
		got := map[uint32]bool{}
		err := c.FetchMany(ctx, true, sets(left, metaBatch), metaItems, nil, func(f *imap.FetchResponse) error {
			if m := s.meta(f); m != nil && f.Has[imap.FetchRFC822Size] && !got[m.uid] {
				metas, got[m.uid] = append(metas, m), true
				s.r.src.progress++
			}
			return nil
		})
		left = slices.DeleteFunc(left, func(uid uint32) bool { return got[uid] })
		return err
	})
	// What is left then is gone.
	return metas, err
}

// sets splits UIDs into sequence sets of at most n.
func sets(uids []uint32, n int) (l []string) {
	for part := range slices.Chunk(uids, n) {
		l = append(l, imapclient.Set(part...))
	}
	return l
}

// meta returns nil for a response that is about something else, such as a change of flags.
func (s *syncing) meta(f *imap.FetchResponse) *meta {
	if f.UID == 0 || !f.Has[imap.FetchFlags] || !f.Has[imap.FetchInternalDate] {
		return nil
	}
	m := &meta{uid: f.UID, size: f.Size, date: f.InternalDate.Unix(), flags: s.flags(f.Flags)}
	for _, sec := range f.Sections {
		if strings.HasPrefix(strings.ToUpper(sec.Label), "BODY[HEADER.FIELDS") {
			m.id = messageID(sec.Data)
			return m
		}
	}
	return nil
}

// messageID returns the id of a header that has that field only.
func messageID(header []byte) string {
	_, value, _ := bytes.Cut(header, []byte(":"))
	ids := message.ParseMessageIDs(string(bytes.TrimSpace(value)), 1)
	if len(ids) == 0 {
		return ""
	}
	return clipID(ids[0])
}

// receiverError is an error of this side.
type receiverError struct{ err error }

func (e *receiverError) Error() string      { return e.err.Error() }
func (e *receiverError) Unwrap() error      { return e.err }
func (*receiverError) Is(target error) bool { return target == errPermanent }

// download adds messages of the source, and tells what they are.
func (s *syncing) download(ctx context.Context, uids []uint32) ([]*meta, error) {
	d := &downloading{syncing: s, left: uids, total: len(uids)}
	res, err := s.r.target.Add(ctx, func(text string) { s.res.Problems++; s.r.problem(text) }, func(to transfer.Receiver) error {
		d.to = to
		if err := to.Folder(transfer.Folder{Name: s.f.target, Subscription: s.f.sub}); err != nil {
			return err
		}
		if len(d.left) == 0 {
			return nil
		}
		err := s.r.src.in(ctx, s.f.name, s.st.validity, func(c *imapclient.Client) error { return d.fetch(ctx, c, bodyBatch) })
		if isRefusal(err) && len(d.left) > 0 {
			err = d.singly(ctx)
		}
		return err // what is left then is gone
	})
	s.res.Added += res.Added
	s.res.Present += res.Duplicates
	s.res.Bytes += res.Bytes
	return d.got, err
}

// downloading is messages on their way.
type downloading struct {
	*syncing
	to    transfer.Receiver
	left  []uint32
	total int
	got   []*meta
	large bool // the message is too large
}

func (d *downloading) fetch(ctx context.Context, c *imapclient.Client, batch int) error {
	here := map[uint32]bool{}
	var failure error
	err := c.FetchMany(ctx, true, sets(d.left, batch), bodyItems, d.sink, func(f *imap.FetchResponse) error {
		if failure != nil || here[f.UID] {
			return nil
		}
		done, err := d.message(f)
		if err != nil {
			failure = &receiverError{err}
			c.Close() // what is coming is of no use any more
		} else if done {
			here[f.UID] = true
			d.r.src.progress++
			d.r.progress(Progress{Mailbox: d.f.name, Done: d.total - len(d.left) + len(here), Total: d.total})
		}
		return nil
	})
	d.left = slices.DeleteFunc(d.left, func(uid uint32) bool { return here[uid] })
	return cmp.Or(failure, err)
}

// singly fetches what is left one by one, where the source refuses some of it.
func (d *downloading) singly(ctx context.Context) error {
	all := d.left
	for _, uid := range all {
		d.left = []uint32{uid}
		err := d.r.src.in(ctx, d.f.name, d.st.validity, func(c *imapclient.Client) error { return d.fetch(ctx, c, 1) })
		if isRefusal(err) {
			d.to.Problem(fmt.Sprintf("mailbox %q, UID %d: %v", d.f.name, uid, err))
		} else if err != nil {
			return err
		}
	}
	d.left = nil
	return nil
}

// sink is where a content goes. Small ones stay in memory, others go to a file.
func (d *downloading) sink(label string, size int64) io.Writer {
	if label != "BODY[]" {
		return nil
	}
	d.spool.Reset()
	if d.large = size > d.r.o.MaxMessage; d.large {
		return io.Discard
	}
	return &d.spool
}

// message passes a message on. It is not done when the response is about something else.
func (d *downloading) message(f *imap.FetchResponse) (done bool, err error) {
	m := d.meta(f)
	i := slices.IndexFunc(f.Sections, func(sec imap.SectionData) bool { return strings.EqualFold(sec.Label, "BODY[]") })
	if m == nil || i < 0 {
		return false, nil
	}
	where := fmt.Sprintf("mailbox %q, UID %d", d.f.name, m.uid)
	sec := f.Sections[i]
	var body io.Reader = bytes.NewReader(sec.Data)
	m.size = int64(len(sec.Data))
	switch {
	case sec.Nil:
		d.to.Problem(where + ": it has no content")
		return true, nil
	case sec.Spooled > 0 && d.large:
		d.to.Problem(fmt.Sprintf("%s: message of %d bytes, more than %d", where, sec.Spooled, d.r.o.MaxMessage))
		return true, nil
	case sec.Spooled > 0:
		body, m.size = d.spool.Reader(), sec.Spooled
	}
	d.got = append(d.got, m)
	return true, d.to.Message(&transfer.Message{Folder: d.f.target, Flags: f.Flags, Received: f.InternalDate, Where: where, Body: body})
}

// changeFlags gathers what changed in the source since the last run. Flags that were changed
// here stay, where the source's did not change.
func (s *syncing) changeFlags() {
	for _, uid := range slices.Sorted(maps.Keys(s.changed)) {
		p := s.st.pairs[uid]
		add, remove := flagDiff(s.st.sets[p.flags], s.st.sets[s.changed[uid]])
		if e := s.byUID[p.local]; e != nil && len(add)+len(remove) > 0 {
			s.changes = append(s.changes, Change{UID: p.local, Add: add, Remove: remove})
			s.res.Flags++
		}
		s.st.pairs[uid] = pair{p.local, s.changed[uid]}
	}
}

// delete deletes what is gone in the source, when that is asked for: before others are added,
// of which one may be equal and then would be taken for it.
func (s *syncing) delete(ctx context.Context) error {
	if !s.r.o.Delete || s.f.shared {
		return nil
	}
	for uid, p := range s.st.pairs {
		if s.uids[uid] {
			continue
		}
		delete(s.st.pairs, uid)
		if s.byUID[p.local] != nil {
			s.changes = append(s.changes, Change{UID: p.local, Delete: true})
			s.res.Deleted++
		}
	}
	if len(s.changes) == 0 {
		return nil
	}
	if err := s.apply(ctx); err != nil {
		return err
	}
	return s.readLocal(ctx, true)
}

// apply makes the changes.
func (s *syncing) apply(ctx context.Context) error {
	for part := range slices.Chunk(s.changes, 10_000) {
		if err := s.r.target.Change(ctx, s.f.target, part); err != nil {
			return fmt.Errorf("changing messages of %q: %w", s.f.target, err)
		}
	}
	s.changes = nil
	return nil
}

func (s *syncing) save(ctx context.Context) error {
	box, err := s.r.mailbox(ctx, s.f.target)
	if err != nil || box == nil {
		return err
	}
	s.st.localValidity = box.UIDValidity
	b, err := s.st.encode()
	if err != nil {
		return err
	}
	return s.r.target.SetState(ctx, s.r.stateName(s.f), b)
}
