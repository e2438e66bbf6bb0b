// Package storetest has fixtures for tests of what delivers to and reads from accounts:
// a configuration with its accounts, in a directory of the test.
package storetest

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mox/config"
	"mox/directory"
	"mox/store"
	"mox/trace"
)

// Static is a mox.conf for tests; the host is mx.example.
const Static = `DataDir: data
LogLevel: info
Hostname: mx.example
Listeners:
	local:
		IPs:
			- 127.0.0.1
Postmaster:
	Account: mjl
	Mailbox: Postmaster
`

// Fixture is a configuration and the accounts in it.
type Fixture struct {
	Snapshot  *config.Snapshot
	Directory *directory.Directory
	Store     *store.Store
}

// New makes a Fixture of a domains.conf. Accounts have the quotas of the configuration.
// At the end of the test every account is checked.
func New(t testing.TB, dynamic string) *Fixture {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{"mox.conf": Static, "domains.conf": dynamic} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	snap, err := config.Load(filepath.Join(dir, "mox.conf"))
	if err != nil {
		t.Fatal(err)
	}
	f := &Fixture{Snapshot: snap}
	f.Directory = directory.New(func() *config.Snapshot { return f.Snapshot })
	f.Store, err = store.Open(filepath.Join(dir, "data"), store.Options{
		Synchronous: "OFF", // tests of crashes have their own
		LimitsOf: func(account string) store.Limits {
			if a := snap.Accounts[account]; a != nil {
				return store.Limits{Bytes: a.Quota, Messages: a.QuotaMessages, Mailboxes: a.QuotaMailboxes}
			}
			return store.Limits{}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	for name := range snap.Accounts {
		if err := f.Store.Create(t.Context(), name, store.InitialMailboxes{}); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { f.close(t) })
	return f
}

func (f *Fixture) close(t testing.TB) {
	names, err := f.Store.Names()
	if err != nil {
		t.Error(err)
	}
	for _, name := range names {
		// The context of the test has ended.
		acc, err := f.Store.Account(context.Background(), name)
		if err != nil {
			if !errors.Is(err, store.ErrCorrupt) {
				t.Error(err)
			}
			continue
		}
		problems, err := acc.Check(context.Background())
		if err != nil || len(problems) > 0 {
			t.Errorf("check of account %s: %v, %v", name, problems, err)
		}
		acc.Release()
	}
	if err := f.Store.Close(); err != nil {
		t.Error(err)
	}
}

// Messages returns the messages of a mailbox, none when it does not exist.
func (f *Fixture) Messages(t testing.TB, account, mailbox string) []string {
	t.Helper()
	acc, err := f.Store.Account(t.Context(), account)
	if err != nil {
		t.Fatal(err)
	}
	defer acc.Release()
	mb, ok := acc.MailboxByName(mailbox)
	if !ok {
		return nil
	}
	box, err := acc.OpenBox(t.Context(), mb.ID)
	if err != nil {
		t.Fatal(err)
	}
	defer box.Close()
	var l []string
	for _, m := range box.View().All() {
		l = append(l, body(t, acc, m.Body))
	}
	return l
}

func body(t testing.TB, acc *store.Account, id store.BodyID) string {
	t.Helper()
	r, err := acc.OpenBody(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var b strings.Builder
	if _, err := r.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// Spool returns a finished spool with a message.
func (f *Fixture) Spool(t testing.TB, message string) *store.Spool {
	t.Helper()
	sp := f.Store.NewSpool()
	t.Cleanup(func() { sp.Close() })
	if _, err := io.WriteString(sp, message); err != nil {
		t.Fatal(err)
	}
	if err := sp.Finish(); err != nil {
		t.Fatal(err)
	}
	return sp
}

// LastTrace returns the decision trace of the last message in a mailbox.
func LastTrace(t testing.TB, acc *store.Account, mailbox string) *trace.Trace {
	t.Helper()
	mb, _ := acc.MailboxByName(mailbox)
	box, err := acc.OpenBox(t.Context(), mb.ID)
	if err != nil {
		t.Fatal(err)
	}
	defer box.Close()
	v := box.View()
	for r, err := range acc.Rendered(t.Context(), []*store.Message{v.At(v.Len() - 1)}, store.FieldTrace, false) {
		if err != nil {
			t.Fatal(err)
		}
		tr, err := trace.Decode(r.Trace)
		if err != nil {
			t.Fatal(err)
		}
		return tr
	}
	t.Fatal("no message")
	return nil
}
