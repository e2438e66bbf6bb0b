package dsn

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mox/message"
)

// odd returns the notifications of testdata/odd, and what is in them: lines of action,
// status, recipient, type of the diagnostic, Message-ID and format.
func odd(t testing.TB) map[string][2]string {
	t.Helper()
	files, err := filepath.Glob("testdata/odd/*.eml")
	if err != nil || len(files) == 0 {
		t.Fatal(len(files), err)
	}
	all := map[string][2]string{}
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		text, want := string(b), ""
		for strings.HasPrefix(text, "# ") {
			line, rest, _ := strings.Cut(text, "\n")
			want, text = want+line[2:]+"\n", rest
		}
		all[filepath.Base(name)] = [2]string{text, want}
	}
	return all
}

func anyOf(text string) (*Report, error) {
	root, err := message.Parse(strings.NewReader(text), limits)
	if err != nil {
		return nil, err
	}
	return Any(strings.NewReader(text), root)
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// TestOdd reads what does not keep to RFC 3464, with line ends of both kinds.
func TestOdd(t *testing.T) {
	for name, tc := range odd(t) {
		for _, text := range []string{tc[0], crlf(tc[0])} {
			rep, err := anyOf(text)
			if tc[1] == "" {
				if !errors.Is(err, ErrNone) {
					t.Errorf("%s: %+v, %v", name, rep, err)
				}
				continue
			}
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			got := ""
			for _, r := range rep.Status.Recipients {
				got += fmt.Sprintln(r.Action, dash(r.Status), r.Final.Address, dash(r.Diagnostic.Type), dash(rep.MessageID), rep.Format)
			}
			if got != tc[1] || rep.Guessed != (rep.Format != "rfc3464") {
				t.Errorf("%s: guessed %v\n%swant\n%s%+v", name, rep.Guessed, got, tc[1], rep.Status.Recipients)
			}
		}
	}
}

// TestOddDiagnostics has what recipients are told to have been refused with.
func TestOddDiagnostics(t *testing.T) {
	for name, want := range map[string]string{
		"qmail.eml":             "550 5.1.1 bob@there.example is not here Giving up on 192.0.2.7.",
		"exim.eml":              "550 5.1.1 <bob@there.example>: unknown here",
		"exim-headers-only.eml": "554 spam, and no thanks",
		"sendmail.eml":          "550 5.1.1 unknown",
		"domino.eml":            "because: User bob (bob@there.example) not listed in the Directory",
		"folded.eml":            "550-5.4.1 first line of it 550-5.4.1 which goes on: without space 550 5.4.1 and ends",
	} {
		rep, err := anyOf(odd(t)[name][0])
		if err != nil || rep.Status.Recipients[0].Diagnostic.Text != want {
			t.Errorf("%s: %+v, %v", name, rep.Status.Recipients[0].Diagnostic, err)
		}
	}
}

func TestFindCodes(t *testing.T) {
	for s, want := range map[string]string{
		"": "0", "550 5.1.1 no": "550 5.1.1", "550-5.1.1 no": "550 5.1.1", "host x[192.0.2.1] said: 450 4.2.0 later": "450 4.2.0", "not found (#5.1.2)": "0 5.1.2",
		"server said 550": "550", "5.7.26 is it.": "0 5.7.26", "it is 5.7.1.": "0 5.7.1", "call 555 1234": "0", "192.5.1.1 is an address": "0", "at 5.1.1.9": "0", "550 4.4.1 strange": "550",
		"host m [192.0.2.1]: 554 no": "554", "2.0.0 fine": "0 2.0.0", "after 250 tries": "0", "error 5.05.1": "0",
	} {
		code, enhanced := findCodes(s)
		if got := strings.TrimSpace(fmt.Sprint(code, " ", enhanced)); got != want {
			t.Errorf("%q: %s, want %s", s, got, want)
		}
	}
}

// TestGuessBounds: large texts take no long time, and do not give many recipients.
func TestGuessBounds(t *testing.T) {
	head := "From: mailer-daemon@x.example\n\nThis is the mail system at host x\n\n"
	for _, fill := range []string{"<a@b.example>: 550 5.1.1 no\n", "----\n", "<a%d@b.example>: 550 5.1.1 no\n\n", "a@b.example ", "Message-ID:\n", "550 5.1.1 "} {
		var b strings.Builder
		b.WriteString(head)
		for i := 0; b.Len() < 1<<20; i++ {
			b.WriteString(strings.ReplaceAll(fill, "%d", fmt.Sprint(i)))
		}
		rep, err := anyOf(b.String())
		if err == nil && len(rep.Status.Recipients) > maxGuessed {
			t.Errorf("%d recipients", len(rep.Status.Recipients))
		}
	}
}

func FuzzAny(f *testing.F) {
	for _, tc := range odd(f) {
		f.Add([]byte(tc[0]))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		root, err := message.Parse(bytes.NewReader(b), limits)
		if err != nil {
			return
		}
		rep, err := Any(bytes.NewReader(b), root)
		if err != nil {
			return
		}
		if rep.Status == nil || len(rep.Status.Recipients) == 0 {
			t.Error("no recipient")
		}
		printed := rep.Status.Append(nil, true)
		if _, err := ParseStatus(printed); err != nil && !bytes.ContainsAny(printed, "\\") {
			t.Errorf("printed and parsed: %v\n%s", err, printed)
		}
	})
}
