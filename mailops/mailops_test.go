package mailops

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	"mox/store"
	"mox/storetest"
	"mox/webapi"
)

const domains = `Domains:
	mx.example: nil
Accounts:
	mjl:
		Domain: mx.example
		Destinations:
			mjl@mx.example: nil
`

func newAccount(t *testing.T) (*storetest.Fixture, *store.Account) {
	t.Helper()
	f := storetest.New(t, domains)
	acc, err := f.Store.Account(t.Context(), "mjl")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(acc.Release)
	return f, acc
}

func add(t *testing.T, f *storetest.Fixture, acc *store.Account, text string) store.MessageID {
	t.Helper()
	sp := f.Store.NewSpool()
	defer sp.Close()
	sp.Write([]byte(strings.ReplaceAll(text, "\n", "\r\n")))
	if err := sp.Finish(); err != nil {
		t.Fatal(err)
	}
	added, err := acc.Deliver(t.Context(), "Inbox", store.NewMessage{Spool: sp})
	if err != nil {
		t.Fatal(err)
	}
	return added.IDs[0]
}

// TestMoving: operations find a message that others move around all the time.
func TestMoving(t *testing.T) {
	f, acc := newAccount(t)
	ctx := t.Context()
	id := add(t, f, acc, "Subject: a\n\nb\n")
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for n := range 25 {
				var err error
				switch i {
				case 0, 1:
					err = Move(ctx, acc, id, []string{"Inbox", "Archive", "Sent"}[(n+i)%3])
				case 2:
					err = SetFlags(ctx, acc, id, store.FlagOp(n%2), []string{`\Flagged`, "x"})
				default:
					var c *Content
					if c, err = Open(ctx, acc, id); err == nil {
						err = c.Close()
					}
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if err := Delete(ctx, acc, id); err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{Delete(ctx, acc, id), Move(ctx, acc, id, "Inbox"), Move(ctx, acc, id, "None"), SetFlags(ctx, acc, id, store.FlagsAdd, nil)} {
		if !errors.Is(err, store.ErrNoMessage) {
			t.Error(err)
		}
	}
	if _, err := Open(ctx, acc, id); !errors.Is(err, store.ErrNoMessage) {
		t.Error(err)
	}
}

func TestParseFlags(t *testing.T) {
	c, err := ParseFlags([]string{`\seen`, "$FORWARDED", "Own-1"})
	if err != nil || c.Flags != store.FlagSeen|store.FlagForwarded || !slices.Equal(c.Keywords, []string{"Own-1"}) {
		t.Errorf("%+v, %v", c, err)
	}
	for _, bad := range []string{"", " ", "a b", `\Own`, "a(", "ü", "a]", strings.Repeat("k", 101)} {
		if _, err := ParseFlags([]string{bad}); !errors.Is(err, ErrFlag) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestContent(t *testing.T) {
	f, acc := newAccount(t)
	for _, tc := range []struct {
		name, text string
		want       webapi.Message // From, Text and HTML
		automated  bool
		dsn        bool
		parts      string
	}{
		{"text", "From: A <a@x.example>\nSubject: s\n\nhi\n", webapi.Message{From: []webapi.NameAddress{{Name: "A", Address: "a@x.example"}}, Text: "hi\n"}, false, false, "text/plain"},
		{"no header", "\nhi\n", webapi.Message{From: []webapi.NameAddress{}, Text: "hi\n"}, false, false, "text/plain"},
		{"list", "From: a@x.example\nList-Id: <l.x.example>\n\nhi\n", webapi.Message{From: []webapi.NameAddress{{Address: "a@x.example"}}, Text: "hi\n"}, true, false, "text/plain"},
		{"auto", "Auto-Submitted: auto-replied\n\nhi\n", webapi.Message{From: []webapi.NameAddress{}, Text: "hi\n"}, true, false, "text/plain"},
		{"no auto", "Auto-Submitted: no; x\n\nhi\n", webapi.Message{From: []webapi.NameAddress{}, Text: "hi\n"}, false, false, "text/plain"},
		{"attached text is none", "Content-Type: multipart/mixed; boundary=x\n\n--x\nContent-Disposition: attachment\n\nattached\n--x\nContent-Type: text/html\n\n<p>\n--x\nContent-Type: message/rfc822\n\nSubject: inner\n\ninner text\n--x--\n",
			webapi.Message{From: []webapi.NameAddress{}, HTML: "<p>"}, false, false, "multipart/mixed(text/plain text/html message/rfc822(text/plain))"},
		{"dsn", "Content-Type: multipart/report; report-type=Delivery-Status; boundary=x\n\n--x\n\nfailed\n--x\nContent-Type: message/delivery-status\n\nx\n--x--\n",
			webapi.Message{From: []webapi.NameAddress{}, Text: "failed"}, true, true, "multipart/report(text/plain message/delivery-status)"},
	} {
		c, err := Open(t.Context(), acc, add(t, f, acc, tc.text))
		if err != nil {
			t.Fatal(err)
		}
		m, err := c.Message()
		if err != nil || m.Text != tc.want.Text || m.HTML != tc.want.HTML || !slices.Equal(m.From, tc.want.From) {
			t.Errorf("%s: %+v, %v", tc.name, m, err)
		}
		if c.Automated() != tc.automated || c.Meta().DSN != tc.dsn {
			t.Errorf("%s: automated %v, dsn %v", tc.name, c.Automated(), c.Meta().DSN)
		}
		s, err := c.Structure()
		if got := parts(s); err != nil || got != tc.parts {
			t.Errorf("%s: structure %s, %v", tc.name, got, err)
		}
		c.Close()
	}
}

func parts(s webapi.Structure) string {
	if len(s.Parts) == 0 {
		return s.ContentType
	}
	var l []string
	for _, p := range s.Parts {
		l = append(l, parts(p))
	}
	return s.ContentType + "(" + strings.Join(l, " ") + ")"
}

func TestCut(t *testing.T) {
	f, acc := newAccount(t)
	c, err := Open(t.Context(), acc, add(t, f, acc, "Content-Type: text/plain; charset=utf-8\n\nx"+strings.Repeat("é", MaxText)))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	m, err := c.Message()
	if err != nil || len(m.Text) != MaxText-1 || strings.Contains(m.Text, "\uFFFD") {
		t.Errorf("%d octets, %v", len(m.Text), err)
	}
}
