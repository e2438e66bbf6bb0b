package jmapserver

import (
	"fmt"
	"testing"
	"time"

	"mox/jmap"
	"mox/store"
)

// newLarge is an account with so many messages in Inbox, three to a thread.
func newLarge(b *testing.B, n int) *tester {
	x := newTester(b)
	box := x.box("Inbox").ID
	sp := make([]store.NewMessage, 0, 500)
	for i := range n {
		refs := ""
		if i%3 > 0 {
			refs = fmt.Sprintf("References: <%d@x.example>\r\n", i-i%3)
		}
		s := x.fixture.Store.NewSpool()
		fmt.Fprintf(s, "Message-ID: <%d@x.example>\r\n%sFrom: Sender %d <a%d@x.example>\r\nTo: mjl@mx.example\r\nSubject: Re: subject %d\r\nDate: Mon, 2 Jan 2006 15:04:05 +0000\r\n\r\ntext %d\r\n", i, refs, i%97, i%97, i/3, i)
		if err := s.Finish(); err != nil {
			b.Fatal(err)
		}
		sp = append(sp, store.NewMessage{Spool: s, Flags: store.Flags(i) & store.FlagSeen, Received: time.Unix(1700000000+int64(i)*60, 0)})
		if len(sp) == cap(sp) || i+1 == n {
			if _, err := x.acc.Add(b.Context(), box, sp); err != nil {
				b.Fatal(err)
			}
			for _, m := range sp {
				m.Spool.Close()
			}
			sp = sp[:0]
		}
	}
	return x
}

const benchMessages = 100_000

func BenchmarkLarge(b *testing.B) {
	x := newLarge(b, benchMessages)
	query := `{"filter": {"inMailbox": "F1"}, "sort": [{"property": "receivedAt", "isAscending": false}], "collapseThreads": true, "calculateTotal": true, "limit": 50}`
	var res struct {
		IDs   []jmap.ID `json:"ids"`
		Total int
	}
	fresh := func() { x.server.mails = &mailsCache{accounts: map[string]*mailsEntry{}} }
	flag := func(i int) {
		op := store.FlagOp(i % 2)
		if _, err := x.acc.SetFlags(b.Context(), x.box("Inbox").ID, store.NewUIDSet(7), store.FlagChange{Op: op, Flags: store.FlagFlagged}); err != nil {
			b.Fatal(err)
		}
	}
	b.Run("QueryCold", func(b *testing.B) {
		for b.Loop() {
			fresh()
			x.call("Email/query", query, &res)
		}
	})
	b.Run("QueryAfterChange", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			flag(i)
			x.call("Email/query", query, &res)
		}
		if res.Total != (benchMessages+2)/3 {
			b.Fatal(res.Total)
		}
	})
	b.Run("QueryAgain", func(b *testing.B) {
		for b.Loop() {
			x.call("Email/query", query, &res)
		}
	})
	b.Run("QueryBySubject", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			flag(i)
			x.call("Email/query", `{"sort": [{"property": "subject"}], "limit": 50}`, &res)
		}
	})
	b.Run("Mailboxes", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			flag(i)
			x.call("Mailbox/get", `{"ids": null}`, &struct{}{})
		}
	})
	b.Run("Rows", func(b *testing.B) {
		x.call("Email/query", query, &res)
		args := fmt.Sprintf(`{"ids": %s, "properties": ["id", "threadId", "mailboxIds", "keywords", "size", "receivedAt", "from", "to", "subject", "preview", "hasAttachment", "messageId"]}`, idList(res.IDs))
		for b.Loop() {
			x.call("Email/get", args, &struct{}{})
		}
	})
}

// idList is ids as JSON.
func idList(ids []jmap.ID) string {
	s := "["
	for i, id := range ids {
		if i > 0 {
			s += ","
		}
		s += `"` + string(id) + `"`
	}
	return s + "]"
}
