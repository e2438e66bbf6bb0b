package imapimport

import (
	"context"
	"fmt"
	"slices"

	"mox/imap"
	"mox/store"
	"mox/transfer"
)

// Mailbox is a mailbox of the account that mail is taken over into.
type Mailbox struct {
	Name        string
	UIDValidity uint32
	Use         []string `json:",omitempty"` // \Sent and the like
}

// Entry describes a message of the account.
type Entry struct {
	UID       uint32
	Size      int64
	Date      int64    `json:",omitempty"` // INTERNALDATE, unix seconds
	Flags     []string `json:",omitempty"`
	MessageID string   `json:",omitempty"` // without angle brackets
}

// Change is what to do with a message of the account.
type Change struct {
	UID    uint32
	Add    []string `json:",omitempty"` // flags
	Remove []string `json:",omitempty"`
	Delete bool     `json:",omitempty"` // the message itself
}

// Target is an account that mail is taken over into. It is for one goroutine.
type Target interface {
	// Mailboxes lists the mailboxes.
	Mailboxes(ctx context.Context) ([]Mailbox, error)
	// Messages calls on for each message of a mailbox, by ascending UID.
	Messages(ctx context.Context, mailbox string, on func(Entry) error) error
	// Add adds what send gives. All of it is durable when it returns without error.
	Add(ctx context.Context, problem func(string), send func(transfer.Receiver) error) (transfer.Result, error)
	// Change changes and deletes messages of a mailbox; those that are gone are passed over.
	Change(ctx context.Context, mailbox string, changes []Change) error
	// State returns what SetState stored under a name, nil for nothing.
	State(ctx context.Context, name string) ([]byte, error)
	SetState(ctx context.Context, name string, value []byte) error
}

// statePrefix is where the records are among the account's settings.
const statePrefix = "imapimport/"

// Local is a Target in this process.
type Local struct{ Account *store.Account }

// Mailboxes implements [Target].
func (l Local) Mailboxes(context.Context) ([]Mailbox, error) {
	var list []Mailbox
	for _, m := range l.Account.Mailboxes() {
		list = append(list, Mailbox{m.Name, m.UIDValidity, m.SpecialUse.Names()})
	}
	return list, nil
}

// listBatch is how many messages are looked up at once.
const listBatch = 1000

// Messages implements [Target].
func (l Local) Messages(ctx context.Context, mailbox string, on func(Entry) error) error {
	box, err := l.open(ctx, mailbox)
	if err != nil {
		return err
	}
	defer box.Close()
	v := box.View()
	for from := 0; from < v.Len(); from += listBatch {
		var batch []*store.Message
		for _, m := range v.Range(from, min(v.Len(), from+listBatch)) {
			batch = append(batch, m)
		}
		for r, err := range l.Account.Rendered(ctx, batch, store.FieldText, false) {
			if err != nil {
				return err
			}
			m := batch[r.Index]
			e := Entry{UID: uint32(m.UID), Size: int64(m.Size), Date: int64(m.Received), MessageID: string(r.Keys.TextMessageID)}
			e.Flags = append(m.Flags.Names(), l.Account.Keywords(m.Keywords)...)
			if err := on(e); err != nil {
				return err
			}
		}
	}
	return nil
}

func (l Local) open(ctx context.Context, mailbox string) (*store.Box, error) {
	m, ok := l.Account.MailboxByName(mailbox)
	if !ok {
		return nil, fmt.Errorf("mailbox %q: %w", mailbox, store.ErrNoMailbox)
	}
	return l.Account.OpenBox(ctx, m.ID)
}

// Add implements [Target].
func (l Local) Add(ctx context.Context, problem func(string), send func(transfer.Receiver) error) (transfer.Result, error) {
	return transfer.Import(ctx, l.Account, source(send), transfer.Options{Problem: problem})
}

// source is a function that sends.
type source func(transfer.Receiver) error

// Send implements [transfer.Source].
func (f source) Send(_ context.Context, r transfer.Receiver) error { return f(r) }

// Change implements [Target]. Messages with equal changes are changed together.
func (l Local) Change(ctx context.Context, mailbox string, changes []Change) error {
	m, ok := l.Account.MailboxByName(mailbox)
	if !ok {
		return fmt.Errorf("mailbox %q: %w", mailbox, store.ErrNoMailbox)
	}
	flags := map[string][]store.UID{}
	var gone []store.UID
	for _, c := range changes {
		if c.Delete {
			gone = append(gone, store.UID(c.UID))
		}
		if key := string(imap.AppendFlags(nil, c.Add)) + "-" + string(imap.AppendFlags(nil, c.Remove)); !c.Delete {
			flags[key] = append(flags[key], store.UID(c.UID))
		}
	}
	for _, c := range changes {
		key := string(imap.AppendFlags(nil, c.Add)) + "-" + string(imap.AppendFlags(nil, c.Remove))
		uids := flags[key]
		if c.Delete || uids == nil {
			continue
		}
		delete(flags, key)
		set := uidSet(uids)
		for op, names := range map[store.FlagOp][]string{store.FlagsAdd: c.Add, store.FlagsRemove: c.Remove} {
			if len(names) == 0 {
				continue
			}
			f := store.FlagChange{Op: op}
			for _, n := range names {
				if bit, ok := store.ParseFlag(n); ok {
					f.Flags |= bit
				} else {
					f.Keywords = append(f.Keywords, n)
				}
			}
			if _, err := l.Account.SetFlags(ctx, m.ID, set, f); err != nil {
				return fmt.Errorf("setting flags: %w", err)
			}
		}
	}
	if len(gone) == 0 {
		return nil
	}
	if _, _, err := l.Account.Remove(ctx, m.ID, uidSet(gone)); err != nil {
		return fmt.Errorf("removing messages: %w", err)
	}
	return nil
}

func uidSet(uids []store.UID) store.UIDSet {
	slices.Sort(uids)
	return store.NewUIDSet(slices.Compact(uids)...)
}

// State implements [Target].
func (l Local) State(ctx context.Context, name string) ([]byte, error) {
	return l.Account.Setting(ctx, statePrefix+name)
}

// SetState implements [Target].
func (l Local) SetState(ctx context.Context, name string, value []byte) error {
	return l.Account.SetSetting(ctx, statePrefix+name, value)
}
