package imapimport

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"mox/imap"
)

func TestFolder(t *testing.T) {
	uses := map[string]string{`\sent`: "Sent", `\archive`: "Archive"}
	plain := &Mapping{}
	for _, tc := range []struct {
		m      *Mapping
		prefix string
		name   string
		delim  string
		attrs  []string
		gmail  bool
		want   string // empty: it is left out
	}{
		{m: plain, name: "INBOX", delim: ".", want: "Inbox"},
		{m: plain, name: "inbox/Sub", delim: "/", want: "Inbox/Sub"},
		{m: plain, prefix: "INBOX.", name: "INBOX", delim: ".", want: "Inbox"},
		{m: plain, prefix: "INBOX.", name: "INBOX.Work.a/b", delim: ".", want: "Work/a_b"},
		{m: plain, prefix: "INBOX.", name: "INBOX.Inbox", delim: ".", want: "Inbox/Inbox"},
		{m: plain, name: "Gesendet", delim: "/", attrs: []string{`\Sent`}, want: "Sent"},
		{m: plain, name: "Papierkorb", delim: "/", attrs: []string{`\Trash`}, want: "Papierkorb"}, // there is none
		{m: &Mapping{NoSpecialUse: true}, name: "Gesendet", delim: "/", attrs: []string{`\Sent`}, want: "Gesendet"},
		{m: &Mapping{Root: "Old"}, name: "Gesendet", delim: "/", attrs: []string{`\Sent`}, want: "Old/Gesendet"},
		{m: &Mapping{Names: map[string]string{"Gesendet": "Out"}}, name: "Gesendet", delim: "/", attrs: []string{`\Sent`}, want: "Out"},
		{m: plain, name: "[Gmail]", delim: "/", attrs: []string{`\Noselect`}},
		{m: plain, name: "[Gmail]/All Mail", delim: "/", attrs: []string{`\All`}, gmail: true, want: "Archive"},
		{m: plain, name: "[Gmail]/Starred", delim: "/", attrs: []string{`\Flagged`}, gmail: true},
		{m: plain, name: "[Gmail]/Important", delim: "/", attrs: []string{`\Important`}, gmail: true},
		{m: plain, name: "Virtual/All", delim: "/", attrs: []string{`\All`}},
		{m: &Mapping{Include: []string{"Virtual/All"}}, name: "Virtual/All", delim: "/", attrs: []string{`\All`}, want: "Virtual/All"},
		{m: plain, name: "user/jo/Work", delim: "/"},
		{m: &Mapping{Include: []string{"Work/%"}}, name: "Work/a", delim: "/", want: "Work/a"},
		{m: &Mapping{Include: []string{"Work/%"}}, name: "Work/a/b", delim: "/"},
		{m: &Mapping{Exclude: []string{"w*b"}}, name: "Work/a/b", delim: "/"},
	} {
		n := namer{m: tc.m, uses: uses, prefix: tc.prefix, others: []string{"user/", ""}}
		f, err := n.folder(&imap.ListResponse{Mailbox: tc.name, Delimiter: tc.delim, Attrs: tc.attrs}, tc.gmail)
		got := ""
		if f != nil {
			got = f.target
		}
		if err != nil || got != tc.want {
			t.Errorf("%q: %q, %v; want %q", tc.name, got, err, tc.want)
		}
	}
}

func TestState(t *testing.T) {
	s := newState(7)
	s.localValidity, s.modSeq, s.next = 9, 1<<40, 1<<32-1
	s.pairs[1<<32-2] = pair{1, s.flagSet("a b")}
	s.pairs[3] = pair{1<<32 - 1, s.flagSet("")}
	s.pairs[4] = pair{0, s.flagSet("a b")}
	b, err := s.encode()
	if err != nil {
		t.Fatal(err)
	}
	got, err := decodeState(b)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(s, got, cmp.AllowUnexported(state{}, pair{})); diff != "" {
		t.Error(diff)
	}
}

func FuzzState(f *testing.F) {
	f.Add([]byte(`{"UIDValidity":1,"Source":[1,2],"Local":[5,-1],"Flags":[0,0],"Sets":["\\Seen"]}`))
	f.Add([]byte(`{"Source":[1],"Local":[-1],"Flags":[0],"Sets":[""]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := decodeState(b)
		if err != nil {
			return
		}
		if b, err = s.encode(); err != nil {
			t.Fatal(err)
		}
		got, err := decodeState(b)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(s.pairs, got.pairs, cmp.AllowUnexported(pair{})); diff != "" {
			t.Error(diff)
		}
	})
}

func TestFlagDiff(t *testing.T) {
	add, remove := flagDiff(flagKey([]string{`\Seen`, "b", "a", "B"}), flagKey([]string{"c", `\seen`}))
	if diff := cmp.Diff([][]string{{"c"}, {"a", "b"}}, [][]string{add, remove}); diff != "" {
		t.Error(diff)
	}
}

func TestMessageID(t *testing.T) {
	for header, want := range map[string]string{
		"Message-ID: <a@b>\r\n\r\n":        "a@b",
		"message-id:\r\n <a@b>\r\n\r\n":    "a@b",
		"\r\n":                             "",
		"Message-ID: \r\n\r\n":             "",
		"Message-ID: (c) <x y@z> \r\n\r\n": "xy@z",
	} {
		if got := messageID([]byte(header)); got != want {
			t.Errorf("%q: %q, want %q", header, got, want)
		}
	}
}
