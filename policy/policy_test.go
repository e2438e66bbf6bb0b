package policy

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mox/trace"
)

// A case of testdata/*.txt is a title, settings and facts in JSON, and what is decided:
// "need FACT", or action, reason, reply, mailbox, delay and "token", as far as they are
// set. The line text has a part of the text of the reply.
type testCase struct{ name, settings, facts, verdict, text string }

func readCases(t testing.TB) []testCase {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal(err, "no files")
	}
	var l []testCase
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for block := range strings.SplitSeq(string(b), "\n\n") {
			c := testCase{settings: "{}"}
			for line := range strings.SplitSeq(strings.TrimSpace(block), "\n") {
				key, value, _ := strings.Cut(line, ": ")
				switch {
				case strings.HasPrefix(line, "# "):
					c.name = filepath.Base(file) + ": " + line[2:]
				case key == "settings":
					c.settings = value
				case key == "facts":
					c.facts = value
				case key == "verdict":
					c.verdict = value
				case key == "text":
					c.text = value
				default:
					t.Fatalf("%s: line %q", file, line)
				}
			}
			l = append(l, c)
		}
	}
	return l
}

func words(d Decision) string {
	if d.Need != Nothing {
		return "need " + map[Fact]string{NeedReputation: "reputation", NeedWords: "words", NeedDNSBL: "dnsbl"}[d.Need]
	}
	l := []string{string(d.Action), d.Reason}
	if d.Code != 0 && d.Action == trace.Reject {
		l = append(l, fmt.Sprint(d.Code), d.Enhanced)
	}
	if d.Mailbox != "" {
		l = append(l, d.Mailbox)
	}
	if d.Delay != 0 {
		l = append(l, d.Delay.String())
	}
	if d.Token {
		l = append(l, "token")
	}
	return strings.Join(l, " ")
}

func decode(t testing.TB, s string, v any) {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(s))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		t.Fatalf("%s: %v", s, err)
	}
}

func TestDecide(t *testing.T) {
	for _, c := range readCases(t) {
		var f trace.Facts
		var s Settings
		decode(t, c.facts, &f)
		decode(t, c.settings, &s)
		d := Decide(&f, s)
		if got := words(d); got != c.verdict {
			t.Errorf("%s\ngot  %s\nwant %s\nsteps %v", c.name, got, c.verdict, d.Steps)
		}
		if !strings.Contains(d.Text, c.text) {
			t.Errorf("%s\ntext %q, want %q in it", c.name, d.Text, c.text)
		}
		if d.Need == Nothing && (len(d.Steps) == 0 || d.Reason == "") {
			t.Errorf("%s\nno reason", c.name)
		}
		if d.Action == trace.Reject && (d.Code == 0 || d.Enhanced == "" || d.Text == "") {
			t.Errorf("%s\nno reply", c.name)
		}
	}
}

// FuzzDecide: any facts give a verdict, with its reason, and the same one again.
func FuzzDecide(f *testing.F) {
	for _, c := range readCases(f) {
		f.Add(c.facts, c.settings)
	}
	f.Fuzz(func(t *testing.T, facts, settings string) {
		var fs trace.Facts
		var s Settings
		if json.Unmarshal([]byte(facts), &fs) != nil || json.Unmarshal([]byte(settings), &s) != nil {
			t.Skip()
		}
		d := Decide(&fs, s)
		if d.Need == Nothing && (d.Reason == "" || d.Action == "" || d.Action == trace.Reject && d.Code == 0) {
			t.Fatalf("%+v", d)
		}
		if got := words(Decide(&fs, s)); got != words(d) {
			t.Fatalf("%s and then %s", words(d), got)
		}
	})
}

func BenchmarkDecide(b *testing.B) {
	f := &trace.Facts{TLS: "TLS1.3", Reputation: &trace.Reputation{Method: "none"}, Words: &trace.Words{Probability: 0.1, Significant: true}}
	for b.Loop() {
		Decide(f, Settings{Threshold: 0.95})
	}
}
