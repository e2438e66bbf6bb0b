package mbox

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

type read struct {
	Sender, Time, Flags, Content string
}

func readAll(t testing.TB, r *Reader) ([]read, error) {
	t.Helper()
	var l []read
	for {
		m, err := r.Next()
		if err == io.EOF {
			return l, nil
		} else if err != nil {
			return l, err
		}
		b, err := io.ReadAll(m)
		if err != nil {
			return l, err
		}
		at := ""
		if !m.Received.IsZero() {
			at = m.Received.UTC().Format(time.DateTime)
		}
		l = append(l, read{m.Sender, at, strings.Join(m.Flags, " "), string(b)})
	}
}

const sep = "From a@example.org Thu Jan  1 00:00:01 2015\n"

func TestRead(t *testing.T) {
	const sep2 = "From b@example.org Fri Jan  2 00:00:01 2015\n"
	one := func(flags, content string) read { return read{"a@example.org", "2015-01-01 00:00:01", flags, content} }
	two := func(flags, content string) read { return read{"b@example.org", "2015-01-02 00:00:01", flags, content} }
	for _, tc := range []struct {
		name    string
		variant Variant
		in      string
		want    []read
	}{
		{"empty", Detect, "", nil},
		{"one", Detect, sep + "A: b\n\nx\n\n", []read{one("", "A: b\r\n\r\nx\r\n")}},
		{"no empty line at the end", Detect, sep + "A: b\n\nx\n", []read{one("", "A: b\r\n\r\nx\r\n")}},
		{"no line ending at the end", Detect, sep + "A: b\n\nx", []read{one("", "A: b\r\n\r\nx")}},
		{"CRLF", Detect, strings.ReplaceAll(sep+"A: b\n\nx\n\n"+sep2+"A: c\n\ny\n\n", "\n", "\r\n"), []read{one("", "A: b\r\n\r\nx\r\n"), two("", "A: c\r\n\r\ny\r\n")}},
		{"empty lines in the body", Detect, sep + "A: b\n\n\n\nx\n\n\n\n" + sep2 + "A: c\n\n", []read{one("", "A: b\r\n\r\n\r\n\r\nx\r\n\r\n\r\n"), two("", "A: c\r\n\r\n")}},
		{"no empty line before a separator", Detect, sep + "A: b\n\nx\n" + sep2 + "A: c\n\ny\n", []read{one("", "A: b\r\n\r\nx\r\n"), two("", "A: c\r\n\r\ny\r\n")}},
		{"header only", Detect, sep + "A: b\n" + sep2 + "A: c\n\ny\n", []read{one("", "A: b\r\n\r\n"), two("", "A: c\r\n\r\ny\r\n")}},
		{"mboxrd", Detect, sep + "A: b\n\n>From x\n>>From y\n> From z\n\n", []read{one("", "A: b\r\n\r\nFrom x\r\n>From y\r\n> From z\r\n")}},
		{"mboxo", Mboxo, sep + "A: b\n\n>From x\n>>From y\n\n", []read{one("", "A: b\r\n\r\nFrom x\r\n>>From y\r\n")}},
		{"unquoted text", Detect, sep + "A: b\n\nHello.\n\nFrom me to you, a word:\nno.\nFrom you: none\n", []read{one("", "A: b\r\n\r\nHello.\r\n\r\nFrom me to you, a word:\r\nno.\r\nFrom you: none\r\n")}},
		{"mboxcl2", Detect, sep + "A: b\nContent-Length: " + fmt.Sprint(3+len(sep2)) + "\n\nx\n\n" + sep2 + "\n" + sep2 + "A: c\nContent-Length: 8\n\n>From y\n\n",
			[]read{one("", "A: b\r\n\r\nx\r\n\r\n"+strings.TrimSuffix(sep2, "\n")+"\r\n"), two("", "A: c\r\n\r\n>From y\r\n")}},
		{"mboxcl", Detect, sep + "A: b\nContent-Length: 8\n\n>From x\n\n" + sep2 + "A: c\nContent-Length: 2\n\ny\n\n", []read{one("", "A: b\r\n\r\nFrom x\r\n"), two("", "A: c\r\n\r\ny\r\n")}},
		{"Content-Length is wrong", Detect, sep + "A: b\nContent-Length: 5\n\nx\n\n" + sep2 + "A: c\nContent-Length: 99999\n\ny\n\n",
			[]read{one("", "A: b\r\nContent-Length: 5\r\n\r\nx\r\n"), two("", "A: c\r\nContent-Length: 99999\r\n\r\ny\r\n")}},
		{"Content-Length without line ending", Detect, sep + "A: b\nContent-Length: 1\n\nx\n\n" + sep2 + "A: c\n\ny\n", []read{one("", "A: b\r\n\r\nx"), two("", "A: c\r\n\r\ny\r\n")}},
		{"flags", Detect, sep + "A: b\nStatus: RO\nX-Status: AFT\nX-Keywords: work $Junk, later\n\nx\n\n", []read{one(`\Seen \Answered \Flagged \Deleted work $Junk later`, "A: b\r\n\r\nx\r\n")}},
		{"flags of Dovecot", Detect, sep + "A: b\nStatus: O\nX-Status: D\nX-UID: 4\n\nx\n\n", []read{one(`\Deleted`, "A: b\r\n\r\nx\r\n")}},
		{"UW IMAP", Detect, "From MAILER-DAEMON Thu Jan  1 00:00:01 2015\nSubject: DON'T DELETE THIS MESSAGE -- FOLDER INTERNAL DATA\nX-IMAP: 1 2\nStatus: RO\n\nThis text is internal.\n\n" + sep2 + "X-Status: T\n\ny\n",
			[]read{two(`\Draft`, "\r\ny\r\n")}},
		{"Thunderbird", Detect, "From - Thu Jan  1 00:00:01 2015\nX-Mozilla-Status: 1007\n\nx\n", []read{{"-", "2015-01-01 00:00:01", `\Seen \Answered \Flagged $Forwarded`, "X-Mozilla-Status: 1007\r\n\r\nx\r\n"}}},
		{"Takeout", Detect, "From 1790@xxx Thu Jan 01 00:00:01 +0100 2015\nX-Gmail-Labels: Inbox,Starred,=?UTF-8?Q?my_label?=,\n Category Updates\n\nx\n",
			[]read{{"1790@xxx", "2014-12-31 23:00:01", `\Flagged my_label \Seen`, "X-Gmail-Labels: Inbox,Starred,=?UTF-8?Q?my_label?=,\r\n Category Updates\r\n\r\nx\r\n"}}},
		{"no date in the separator", Detect, "From nobody\nDate: Thu, 1 Jan 2015 00:00:02 +0000\n\nx\n\nFrom nobody\nA: b\n\ny\n",
			[]read{{"", "2015-01-01 00:00:02", "", "Date: Thu, 1 Jan 2015 00:00:02 +0000\r\n\r\nx\r\n"}, {"", "", "", "A: b\r\n\r\ny\r\n"}}},
		{"renamed fields", Detect, sep + "X-Mox-Original-Status: R\nX-Mox-Original-Subject: x\nX-Mox-Original-X-Mox-Original-X-UID: 3\nStatus: O\n\n", []read{one("", "Status: R\r\nX-Mox-Original-Subject: x\r\nX-Mox-Original-X-UID: 3\r\n\r\n")}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := readAll(t, NewReader(strings.NewReader(tc.in), tc.variant))
			if err != nil || !reflect.DeepEqual(got, tc.want) {
				t.Errorf("got %q, %v\nwant %q", got, err, tc.want)
			}
		})
	}
	if _, err := NewReader(strings.NewReader("Subject: x\n\nFrom y\n"), Detect).Next(); !errors.Is(err, ErrFormat) {
		t.Error(err)
	}
}

func TestSeparator(t *testing.T) {
	for _, tc := range []struct{ in, sender, time string }{
		{"From a@b Thu Jan  1 00:00:01 2015", "a@b", "2015-01-01 00:00:01"},
		{"From a@b Thu Jan 01 00:00 2015", "a@b", "2015-01-01 00:00:00"},
		{`From "a b"@c Thu Jan  1 00:00:01 2015 +0200`, `"a b"@c`, "2014-12-31 22:00:01"},
		{"From a@b Thu Jan  1 00:00:01 EST 2015", "a@b", "2015-01-01 05:00:01"},
		{"From a@b Thu Jan  1 00:00:01 2015 remote from c", "a@b", "2015-01-01 00:00:01"},
		{"From ???@??? Thu Jan  1 00:00:01 2015", "???@???", "2015-01-01 00:00:01"},
		{"From a@b Thu, 1 Jan 2015 00:00:01 -0130", "a@b", "2015-01-01 01:30:01"},
		{"From  Thu Jan  1 00:00:01 2015", "", "2015-01-01 00:00:01"},
		{"From Monday on, Mon is a day", "", ""},
		{"From a@b Thu Jan 32 00:00:01 2015", "", ""},
		{"From a@b Thu Jan 1 25:00:01 2015", "", ""},
		{"From", "", ""},
	} {
		s, at, ok := parseSeparator([]byte(tc.in))
		got := ""
		if ok {
			got = at.UTC().Format(time.DateTime)
		}
		if s != tc.sender || got != tc.time {
			t.Errorf("%s: %q %q", tc.in, s, got)
		}
	}
}

var tricky = []string{
	"A: b\r\n\r\nx\r\n",
	"A: b\r\n\r\n",
	"Status: x\r\nX-Mox-Original-Status: y\r\nContent-Length: 3\r\nX-UID: 1\r\n\r\nFrom x\r\n>From y\r\n\r\nFrom z Thu Jan  1 00:00:01 2015\r\nA: b\r\n\r\n",
	"From x@y Thu Jan  1 00:00:01 2015\r\nA: b\r\n\r\nx\r\n",
	"A: b\r\n\r\nbinary\n\nFrom z Thu Jan  1 00:00:01 2015\nA: b\r\n\r\n",
	"A: b\r\n\r\nx\r\r\n\r\n",
	"\r\n\r\n\r\n",
	"A: b\r\n\r\n\r\n\r\n",
	"A: b\r\n\r\n" + strings.Repeat(">", 1000) + "From x\r\n" + strings.Repeat("y", bufferSize) + "\r\n",
}

func TestRoundTrip(t *testing.T) {
	var b bytes.Buffer
	w := NewWriter(&b)
	flags := []string{`\Seen`, `\Answered`, `\Flagged`, `\Deleted`, `\Draft`, `$Junk`, "work"}
	at := time.Date(2020, 2, 29, 23, 59, 58, 0, time.UTC)
	for i, m := range tricky {
		if err := w.Write(Meta{Sender: fmt.Sprint(i), Received: at, Flags: flags[:i%len(flags)+1]}, strings.NewReader(m)); err != nil {
			t.Fatal(err)
		}
	}
	w.Flush()
	r := NewReader(&b, Detect)
	for i, want := range tricky {
		m, err := r.Next()
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(m)
		if err != nil || string(got) != want {
			t.Errorf("%d: %v, got %.200q\nwant %.200q", i, err, got, want)
		}
		slices.Sort(m.Flags)
		wf := slices.Sorted(slices.Values(flags[:i%len(flags)+1]))
		if !m.Received.Equal(at) || m.Sender != fmt.Sprint(i) || !slices.Equal(m.Flags, wf) {
			t.Errorf("%d: %v %q %q", i, m.Received, m.Sender, m.Flags)
		}
	}
	if _, err := r.Next(); err != io.EOF {
		t.Error(err)
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(sep + "A: b\nContent-Length: 3\n\nx\n\n" + sep))
	f.Add([]byte(sep + "A: b\n\n>From x\n\nFrom y\nA: b\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, v := range []Variant{Detect, Mboxo, Mboxrd, Mboxcl, Mboxcl2} {
			l, err := readAll(t, NewReader(bytes.NewReader(b), v))
			if err != nil && !errors.Is(err, ErrFormat) {
				t.Fatal(err)
			}
			n := 0
			for _, m := range l {
				n += len(m.Content)
			}
			if n > 2*len(b)+4*len(l) {
				t.Fatalf("%d octets became %d", len(b), n)
			}
		}
	})
}

func FuzzWrite(f *testing.F) {
	for _, m := range tricky[:8] {
		f.Add(m, "A: c\r\n\r\ny\r\n")
	}
	f.Fuzz(func(t *testing.T, one, two string) {
		var b bytes.Buffer
		w := NewWriter(&b)
		at := time.Unix(1e9, 0)
		for _, m := range []string{one, two} {
			if err := w.Write(Meta{Received: at}, strings.NewReader(m)); err != nil {
				t.Fatal(err)
			}
		}
		w.Flush()
		file := b.String()
		l, err := readAll(t, NewReader(&b, Detect))
		if err != nil || len(l) != 2 {
			t.Fatalf("%d messages, %v, of %q", len(l), err, file)
		}
		for i, m := range []string{one, two} {
			if strings.Contains(strings.ReplaceAll(m, "\r\n", ""), "\n") || strings.Contains(m, "\r\r\n") || !strings.Contains(m, "\r\n\r\n") || !strings.HasSuffix(m, "\r\n") || len(m) > 1<<20 || m[0] == ' ' || m[0] == '\t' {
				continue // not mail as it is stored
			}
			if l[i].Content != m {
				t.Errorf("%q\ncame back as %q\nof %q", m, l[i].Content, file)
			}
		}
	})
}
