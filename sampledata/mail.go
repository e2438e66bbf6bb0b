package sampledata

import (
	"fmt"
	"io"
	"net/netip"
	"strings"
	"time"

	"mox/imap"
	"mox/store"
	"mox/trace"
)

// withAccount opens an account for fn.
func (w *writer) withAccount(name string, fn func(a *store.Account) error) error {
	a, err := w.s.Store.Account(w.ctx, name)
	if err != nil {
		return err
	}
	defer a.Release()
	return fn(a)
}

// message is one to be added, whose spool is closed by add.
func (w *writer) message(text string) (store.NewMessage, error) {
	sp := w.s.Store.NewSpool()
	if _, err := io.WriteString(sp, text); err != nil {
		sp.Close()
		return store.NewMessage{}, err
	}
	if err := sp.Finish(); err != nil {
		sp.Close()
		return store.NewMessage{}, err
	}
	return store.NewMessage{Spool: sp}, nil
}

// deliver puts a message into a mailbox, by its name.
func (w *writer) deliver(a *store.Account, mailbox, text string, change func(*store.NewMessage)) error {
	m, err := w.message(text)
	if err != nil {
		return err
	}
	defer m.Spool.Close()
	if change != nil {
		change(&m)
	}
	_, err = a.Deliver(w.ctx, mailbox, m)
	return err
}

// mail is message i, in a thread with the one before it when it is odd.
func mail(i int) string {
	more := ""
	if i%2 == 1 {
		more = fmt.Sprintf("In-Reply-To: <m%d@example.org>\r\n", i-1)
	}
	return fmt.Sprintf("From: Alice <alice@example.org>\r\nTo: %s\r\nSubject: Message %d\r\nMessage-ID: <m%d@example.org>\r\nDate: Mon, 05 Jan 2026 15:04:%02d +0000\r\n%s\r\nHello number%d, here are some words.\r\n", address(Account), i, i, i%60, more, i)
}

// oddMails are those that are unlike others.
func oddMails() []string {
	return []string{
		"Subject: caf\u00e9\r\n\r\nno From, 8-bit header\r\n",
		"\r\nno header\r\n",
		"Content-Type: message/rfc822\r\n\r\n" + mail(100),
		"From: bob@example.org\r\nSubject: =?utf-8?q?attached_=E2=98=83?=\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\nContent-Type: multipart/alternative; boundary=y\r\n\r\n--y\r\n\r\nplain\r\n--y\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<p>html\r\n--y--\r\n--x\r\nContent-Type: application/octet-stream; name=a.bin\r\nContent-Disposition: attachment; filename=a.bin\r\nContent-Transfer-Encoding: base64\r\n\r\nAAECAwQ=\r\n--x--\r\n",
		"From: long@example.org\r\nSubject: long\r\n\r\n" + strings.Repeat("a long line of a body that is in several chunks\r\n", 20_000),
		"From: list@example.org\r\nSubject: list\r\nList-ID: <list.example.org>\r\nAuto-Submitted: auto-generated\r\n\r\nlist\r\n",
	}
}

// accounts fills the mailboxes of both accounts.
func (w *writer) accounts() error {
	if err := w.withAccount(Other, func(a *store.Account) error {
		return w.deliver(a, "Inbox", mail(0), nil)
	}); err != nil {
		return err
	}
	return w.withAccount(Account, func(a *store.Account) error {
		for _, step := range []func(*store.Account) error{w.fill, w.flags, w.share, w.annotate, w.upload} {
			if err := step(a); err != nil {
				return err
			}
		}
		return nil
	})
}

// fill adds messages.
func (w *writer) fill(a *store.Account) error {
	for i := range 20 {
		if err := w.deliver(a, "Inbox", mail(i), nil); err != nil {
			return err
		}
	}
	for _, text := range oddMails() {
		if err := w.deliver(a, "Lists/Été", text, nil); err != nil {
			return err
		}
	}
	if err := a.Subscribe(w.ctx, "Elsewhere", true); err != nil {
		return err
	}
	facts := trace.Trace{Version: trace.Version, Time: w.now, ID: "sample", Account: Account, Facts: trace.Facts{
		Mailbox: "Inbox", From: "eve@sender.example", OrgDomain: "sender.example", Validation: trace.ValidationDMARC, MailFrom: "eve@sender.example",
		SPF: []trace.SPF{{Identity: "mailfrom", Domain: "sender.example", Status: "pass"}}, DKIM: []trace.DKIM{{Domain: "sender.example", Status: "pass"}},
		Remote: netip.AddrFrom4([4]byte{192, 0, 2, 1}),
	}}
	encoded, err := facts.Encode()
	if err != nil {
		return err
	}
	for i, flag := range []store.Flags{store.FlagJunk, store.FlagNotJunk | store.FlagSeen} {
		err := w.deliver(a, []string{"Junk", "Inbox"}[i], fmt.Sprintf("From: eve@sender.example\r\nMessage-ID: <eve%d@sender.example>\r\nSubject: buy %d\r\n\r\nbuy or not, that is the offer\r\n", i, i), func(m *store.NewMessage) {
			m.Flags, m.Keywords, m.Trace, m.Prefix = flag, []string{"Sorted"}, encoded, []byte("Return-Path: <eve@sender.example>\r\n")
			m.Received = w.now.Add(-48 * time.Hour)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// flags changes, copies, moves and removes messages.
func (w *writer) flags(a *store.Account) error {
	in, ok := a.MailboxByName("Inbox")
	archive, ok2 := a.MailboxByName("Archive")
	if !ok || !ok2 {
		return fmt.Errorf("account %s lacks mailboxes", Account)
	}
	if _, err := a.SetFlags(w.ctx, in.ID, uids(1, 6), store.FlagChange{Flags: store.FlagSeen | store.FlagFlagged, Keywords: []string{"Work", "$label1"}}); err != nil {
		return err
	}
	if _, err := a.Copy(w.ctx, in.ID, uids(2, 5), archive.ID); err != nil {
		return err
	}
	if _, err := a.Move(w.ctx, in.ID, uids(3, 3), archive.ID); err != nil {
		return err
	}
	if _, err := a.SetFlags(w.ctx, in.ID, uids(7, 8), store.FlagChange{Flags: store.FlagDeleted}); err != nil {
		return err
	}
	_, _, err := a.Expunge(w.ctx, in.ID, store.NewUIDSet(7))
	return err
}

// uids is the range of UIDs from first to last.
func uids(first, last store.UID) store.UIDSet {
	return store.UIDSet{{Start: first, End: last}}
}

// share gives others rights.
func (w *writer) share(a *store.Account) error {
	box, err := a.CreateMailbox(w.ctx, "Shared", 0)
	if err != nil {
		return err
	}
	if err := w.deliver(a, "Shared", mail(30), nil); err != nil {
		return err
	}
	if err := a.SetACL(w.ctx, box.ID, Other, imap.RightsReplace, imap.RightLookup|imap.RightRead); err != nil {
		return err
	}
	if err := a.SetACL(w.ctx, box.ID, "-anyone", imap.RightsReplace, imap.RightAdmin); err != nil {
		return err
	}
	if err := a.SetURLKey(w.ctx, "", box.ID, []byte("access key")); err != nil {
		return err
	}
	return a.SetMetadata(w.ctx, box.ID, []store.MetadataEntry{{Name: "/private/comment", Value: []byte("theirs"), User: Other}})
}

// upload adds what programs that speak JMAP leave: a file, and things that are kept as settings.
func (w *writer) upload(a *store.Account) error {
	if _, err := a.AddUpload(w.ctx, "text/plain", strings.NewReader("a file\n"), 1<<20); err != nil {
		return err
	}
	for name, value := range map[string]string{
		"jmap/sortorder":   `{}`,
		"jmap/identity/J1": `{"name": "Me", "email": "user@example.org", "replyTo": null, "bcc": null, "textSignature": "me", "htmlSignature": ""}`,
	} {
		if err := a.SetSetting(w.ctx, name, []byte(value)); err != nil {
			return err
		}
	}
	return nil
}

// annotate adds annotations of messages, mailboxes and the account.
func (w *writer) annotate(a *store.Account) error {
	in, _ := a.MailboxByName("Inbox")
	box, _ := a.MailboxByName("Shared")
	for _, list := range []struct {
		box     store.MailboxID
		entries []store.MetadataEntry
	}{
		{in.ID, []store.MetadataEntry{{Name: "/private/comment", Value: []byte("mine")}, {Name: "/shared/comment", Value: []byte{0, 1}}}},
		{0, []store.MetadataEntry{{Name: "/private/filters/values/boss", Value: []byte("FROM boss")}}},
	} {
		if err := a.SetMetadata(w.ctx, list.box, list.entries); err != nil {
			return err
		}
	}
	for id, list := range map[store.MailboxID][]store.Annotation{
		in.ID:  {{Name: "/comment", Value: []byte("note")}, {Name: "/1/comment", Shared: true, Value: []byte{0}}},
		box.ID: {{Name: "/comment", Value: []byte("theirs"), User: Other}},
	} {
		if _, err := a.SetAnnotations(w.ctx, id, store.NewUIDSet(1), list, nil); err != nil {
			return err
		}
	}
	return nil
}
