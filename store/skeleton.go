package store

import (
	"context"
	"errors"
	"io"
	"iter"
	"log/slog"
	"time"

	"mox/message"
)

var errTODO = errors.New("not written yet")

// Options configure a [Store]. The zero value is usable.
type Options struct {
	Log            *slog.Logger
	Now            func() time.Time // clock; nil: time.Now
	Quota          int64            // bytes an account may hold unless SetQuota says otherwise; 0: no limit
	MaxMessageSize int64            // 0: no limit
	SpoolMemory    int64            // memory of all spools together; 0: 32 MiB
	Grace          time.Duration    // how long content stays readable after its last message is gone; 0: 10 minutes
	Retention      time.Duration    // how long expunged messages can be brought back; 0: not
}

type Store struct{}

func Open(dir string, o Options) (*Store, error) { return nil, errTODO }
func (s *Store) Create(ctx context.Context, name string, boxes InitialMailboxes) error {
	return errTODO
}
func (s *Store) Remove(ctx context.Context, name string) error              { return errTODO }
func (s *Store) Names() ([]string, error)                                   { return nil, errTODO }
func (s *Store) Account(ctx context.Context, name string) (*Account, error) { return nil, errTODO }
func (s *Store) Close() error                                               { return errTODO }
func (s *Store) NewSpool() *Spool                                           { return nil }

type Spool struct{}

func (s *Spool) Write(p []byte) (int, error)             { return 0, errTODO }
func (s *Spool) Finish() error                           { return errTODO } // no more writes; parses
func (s *Spool) Size() int64                             { return 0 }
func (s *Spool) ReadAt(p []byte, off int64) (int, error) { return 0, errTODO }
func (s *Spool) Part() *message.Part                     { return nil } // after Finish
func (s *Spool) Close() error                            { return nil } // frees memory and file; safe after Add

type Account struct{}

func (a *Account) Name() string { return "" }
func (a *Account) Dir() string  { return "" }
func (a *Account) Release()     {}

func (a *Account) Add(ctx context.Context, mailbox MailboxID, msgs []NewMessage) (Added, error) {
	return Added{}, errTODO
}
func (a *Account) Deliver(ctx context.Context, mailbox string, m NewMessage) (Added, error) {
	return Added{}, errTODO
}
func (a *Account) SetFlags(ctx context.Context, box MailboxID, set UIDSet, c FlagChange) (FlagResult, error) {
	return FlagResult{}, errTODO
}
func (a *Account) Copy(ctx context.Context, src MailboxID, set UIDSet, dst MailboxID) (Copied, error) {
	return Copied{}, errTODO
}
func (a *Account) Move(ctx context.Context, src MailboxID, set UIDSet, dst MailboxID) (Copied, error) {
	return Copied{}, errTODO
}
func (a *Account) Expunge(ctx context.Context, box MailboxID, set UIDSet) (UIDSet, ModSeq, error) {
	return nil, 0, errTODO
} // nil set: all
func (a *Account) Remove(ctx context.Context, box MailboxID, set UIDSet) (UIDSet, ModSeq, error) {
	return nil, 0, errTODO
}

func (a *Account) Rendered(ctx context.Context, msgs []*Message, f Fields, utf8 bool) iter.Seq2[*Rendered, error] {
	return nil
}
func (a *Account) OpenBody(ctx context.Context, id BodyID) (*BodyReader, error) { return nil, errTODO }
func (a *Account) Thread(ctx context.Context, id BodyID) (ThreadID, error)      { return 0, errTODO }
func EmailID(id BodyID) string                                                  { return "" }
func MailboxObjectID(id MailboxID) string                                       { return "" }
func ThreadObjectID(id ThreadID) string                                         { return "" }

// BodyReader reads the content of one body; chunks are read as needed. Not safe for concurrent use.
type BodyReader struct{}

func (b *BodyReader) Size() int64                                        { return 0 }
func (b *BodyReader) ReadAt(p []byte, off int64) (int, error)            { return 0, errTODO }
func (b *BodyReader) CopyRange(w io.Writer, off, n int64) (int64, error) { return 0, errTODO }
func (b *BodyReader) WriteTo(w io.Writer) (int64, error)                 { return 0, errTODO }
func (b *BodyReader) Close() error                                       { return nil }

func (a *Account) Mailboxes() []Mailbox                      { return nil }
func (a *Account) MailboxByName(name string) (Mailbox, bool) { return Mailbox{}, false }
func (a *Account) MailboxByID(id MailboxID) (Mailbox, bool)  { return Mailbox{}, false }
func (a *Account) CreateMailbox(ctx context.Context, name string, use SpecialUse) (Mailbox, error) {
	return Mailbox{}, errTODO
}
func (a *Account) RenameMailbox(ctx context.Context, old, new string) error { return errTODO }
func (a *Account) DeleteMailbox(ctx context.Context, name string) error     { return errTODO }
func (a *Account) SetSpecialUse(ctx context.Context, box MailboxID, use SpecialUse) error {
	return errTODO
}
func (a *Account) Subscribe(ctx context.Context, name string, on bool) error { return errTODO }
func (a *Account) Subscriptions() []string                                   { return nil } // also of names without mailbox
func (a *Account) Vanished(ctx context.Context, box MailboxID, since ModSeq) (UIDSet, error) {
	return nil, errTODO
}
func NormalName(name string) (string, error) { return "", errTODO }

func (a *Account) ModSeq() ModSeq { return 0 }
func (a *Account) Watch() *Watch  { return nil }
func (a *Account) Changes(ctx context.Context, since ModSeq, max int) ([]Change, error) {
	return nil, errTODO
}
func (a *Account) Quota() Quota                                            { return Quota{} }
func (a *Account) SetQuota(limit int64)                                    {} // in memory: the caller's configuration holds it
func (a *Account) Credentials(ctx context.Context) (Credentials, error)    { return nil, errTODO }
func (a *Account) SetCredentials(ctx context.Context, c Credentials) error { return errTODO }
func (a *Account) Check(ctx context.Context) ([]Problem, error)            { return nil, errTODO }
func (a *Account) Keywords(set KeywordSet) []string                        { return nil } // wire form, sorted
func (a *Account) KeywordSets(keyword string) map[KeywordSet]bool          { return nil } // sets that contain keyword

// Watch wakes its owner on changes of the account: C receives after one or more commits (capacity 1).
type Watch struct{ C <-chan ModSeq }

func (w *Watch) Close() {}

func (a *Account) OpenBox(ctx context.Context, id MailboxID) (*Box, error) { return nil, errTODO }

// Box is a mailbox kept in memory.
type Box struct{}

func (b *Box) View() *View      { return nil }
func (b *Box) Mailbox() Mailbox { return Mailbox{} }
func (b *Box) Close()           {}

// View is an immutable snapshot of a mailbox.
type View struct {
	Mailbox     MailboxID
	UIDValidity uint32
	UIDNext     UID
	ModSeq      ModSeq // HIGHESTMODSEQ
	Deleted     bool   // the mailbox itself is gone; the view is its last
}

func (v *View) Len() int                                    { return 0 }
func (v *View) At(i int) *Message                           { return nil }
func (v *View) Find(uid UID) (i int, ok bool)               { return 0, false }
func (v *View) All() iter.Seq2[int, *Message]               { return nil }
func (v *View) Range(from, to int) iter.Seq2[int, *Message] { return nil }
func (v *View) Counts() Counts                              { return Counts{} }
func (v *View) KeywordSets() []KeywordSet                   { return nil } // in use in the mailbox
func (v *View) Superseded() <-chan struct{}                 { return nil }
func (v *View) Diff(new *View) Diff                         { return Diff{} }

// Diff is what changed from one view to a newer one.
type Diff struct {
	Expunged []int // indexes in the old view, ascending
	Changed  []int // indexes in the new view of messages in both whose ModSeq differs
	Added    int   // messages at the end of the new view
}

// NewBodies, for search: bodies in ascending order after the given id.
func (a *Account) NewBodies(ctx context.Context, after BodyID, max int) ([]BodyID, error) {
	return nil, errTODO
}
func (a *Account) MissingBodies(ctx context.Context, ids []BodyID) ([]BodyID, error) {
	return nil, errTODO
}
