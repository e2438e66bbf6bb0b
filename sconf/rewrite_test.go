package sconf

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// rewrite checks what must always hold.
func rewrite(t *testing.T, text string, c conf) string {
	t.Helper()
	out, err := Rewrite([]byte(text), &c)
	if err != nil {
		t.Fatalf("rewriting: %v", err)
	}
	if !same(parse(t, string(out)), c) {
		t.Fatalf("rewritten text is another value:\n%s", out)
	}
	return string(out)
}

// diff returns the lines removed and added.
func diff(a, b string) string {
	al, bl := strings.SplitAfter(a, "\n"), strings.SplitAfter(b, "\n")
	for len(al) > 0 && len(bl) > 0 && al[0] == bl[0] {
		al, bl = al[1:], bl[1:]
	}
	for len(al) > 0 && len(bl) > 0 && al[len(al)-1] == bl[len(bl)-1] {
		al, bl = al[:len(al)-1], bl[:len(bl)-1]
	}
	var out strings.Builder
	for _, l := range al {
		out.WriteString("-" + l)
	}
	for _, l := range bl {
		out.WriteString("+" + l)
	}
	return out.String()
}

func TestRewrite(t *testing.T) {
	tests := []struct {
		name   string
		change func(c *conf)
		want   string
	}{
		{"nothing", func(c *conf) {}, ""},
		{"scalar", func(c *conf) { c.Level = "debug" }, "-Level: info\n+Level: debug\n"},
		{"scalar removed", func(c *conf) { c.Size = 0 }, "-Size: -5\n"},
		{"required emptied", func(c *conf) { c.Level = "" }, "-Level: info\n+Level:\n"},
		{"with comment removed", func(c *conf) { c.SMTP.Port = 0 }, "-\t# The port.\n-\tPort: 1025\n"},
		{"section removed", func(c *conf) { c.SMTP = service{} }, "-SMTP:\n-\tEnabled: true\n-\n-\t# The port.\n-\tPort: 1025\n"},
		{"map entry added", func(c *conf) { c.Accounts["aa"] = account{Domain: "x"} }, "+\taa:\n+\t\tDomain: x\n+\n"},
		{"map entry added between", func(c *conf) { c.Accounts["z"] = account{Domain: "x"} }, "+\tz:\n+\t\tDomain: x\n+\n"},
		{"map entry added at end", func(c *conf) { c.Accounts["ö"] = account{} }, "+\tö: nil\n"},
		{"map entry removed", func(c *conf) { delete(c.Accounts, "ä") }, "-\t# Second.\n-\tä:\n-\t\tRules:\n-\t\t\t-\n-\t\t\t\tMatch:\n-\t\t\t\t\t^x-foo: ^bar$\n-\t\t\t\tTo: A\n-\n-\t\t\t# Second rule.\n-\t\t\t-\n-\t\t\t\tTo: B\n-\t\t\t\tTags:\n-\t\t\t\t\t- one\n-\t\t\t\t\t- two words\n"},
		{"nil filled", func(c *conf) { c.Accounts["mjl"].Destinations["mjl@example.org"] = dest{Mailbox: "M"} }, "-\t\t\tmjl@example.org: nil\n+\t\t\tmjl@example.org:\n+\t\t\t\tMailbox: M\n"},
		{"emptied", func(c *conf) { c.Accounts["mjl"].Destinations["@example.org"] = dest{} }, "-\t\t\t\tMailbox: Catch: all\n"},
		{"field added", func(c *conf) {
			a := c.Accounts["ä"]
			a.Domain = "d"
			c.Accounts["ä"] = a
		}, "+\t\tDomain: d\n"},
		{"pointer removed", func(c *conf) {
			a := c.Accounts["mjl"]
			a.Tickets = nil
			c.Accounts["mjl"] = a
		}, "-\t\tTickets: false\n"},
		{"deep", func(c *conf) { c.Accounts["mjl"].Filter.Params.Ones = true }, "+\t\t\t\tOnes: true\n"},
		{"item added", func(c *conf) { c.Names = append(c.Names, "new") }, "+\t- new\n"},
		{"item added first", func(c *conf) { c.Names = append([]string{"new"}, c.Names...) }, "+\t- new\n"},
		{"item removed", func(c *conf) { c.Names = c.Names[1:] }, "-\t# x is first\n-\t- x\n"},
		{"item changed", func(c *conf) { c.Names[1] = "yy" }, "-\t- y\n+\t- yy\n"},
		{"list emptied", func(c *conf) { c.Names = nil }, "-# Names follow.\n-Names:\n-\t# x is first\n-\t- x\n-\t- y\n-\t- \n-\t- z\n"},
		{"list section changed", func(c *conf) { c.Accounts["ä"].Rules[1].To = "C" }, "-\t\t\t\tTo: B\n+\t\t\t\tTo: C\n"},
		{"list section removed", func(c *conf) {
			a := c.Accounts["ä"]
			a.Rules = a.Rules[:1]
			c.Accounts["ä"] = a
		}, "-\t\t\t# Second rule.\n-\t\t\t-\n-\t\t\t\tTo: B\n-\t\t\t\tTags:\n-\t\t\t\t\t- one\n-\t\t\t\t\t- two words\n"},
		{"list section added", func(c *conf) {
			a := c.Accounts["ä"]
			a.Rules = append(a.Rules[:1:1], rule{To: "N"}, a.Rules[1])
			c.Accounts["ä"] = a
		}, "+\t\t\t-\n+\t\t\t\tTo: N\n+\n"},
		{"new list", func(c *conf) { c.Rules = []rule{{To: "r"}} }, "+Rules:\n+\t-\n+\t\tTo: r\n"},
		{"nested list", func(c *conf) { c.Nested[1] = []string{"n"} }, "+\t\t- n\n"},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			for _, eol := range []string{"\n", "\r\n"} {
				text := strings.ReplaceAll(sample, "\n", eol)
				c := parse(t, sample)
				tc.change(&c)
				got := strings.ReplaceAll(diff(text, rewrite(t, text, c)), "\r\n", "\n")
				if normalize(got) != normalize(tc.want) {
					t.Errorf("got\n%s\nwant\n%s", got, tc.want)
				}
			}
		})
	}

	if _, err := Rewrite([]byte("Foo: bar\n"), conf{}); err == nil {
		t.Error("unparsable text rewritten")
	}
	// Without line end at the end.
	c := parse(t, "DataDir: x\nLevel: y\nAccounts:")
	c.Accounts["a"] = account{}
	c.Names = []string{"n"}
	if got := rewrite(t, "DataDir: x\nLevel: y\nAccounts:", c); got != "DataDir: x\nLevel: y\nAccounts:\n\ta: nil\nNames:\n\t- n\n" {
		t.Errorf("got %q", got)
	}
}

// normalize sorts out that of equal neighbouring lines either can be said to be new.
func normalize(d string) string {
	lines := strings.SplitAfter(d, "\n")
	counts := map[string]int{}
	for _, l := range lines {
		counts[l]++
	}
	var b strings.Builder
	for _, l := range lines {
		if l != "+\n" && l != "-\n" {
			b.WriteString(l)
		}
	}
	return b.String() + fmt.Sprint(counts["+\n"], counts["-\n"])
}

// mutate changes a value at random.
func mutate(r *rand.Rand, c *conf) {
	word := func() string { return []string{"", "a", "b c", "nil", "true", "x: y", "# z", "- d"}[r.IntN(8)] }
	key := func() string { return []string{"a", "b", "c", "mjl", "ä", "@x", "z z"}[r.IntN(7)] }
	words := func() []string {
		l := make([]string, r.IntN(4))
		for i := range l {
			l[i] = word()
		}
		return l
	}
	newRule := func() rule { return rule{map[string]string{key(): word()}, word(), words()} }
	rules := func(l []rule) []rule {
		l = append([]rule(nil), l...)
		for i := range l {
			if r.IntN(3) == 0 {
				l[i] = newRule()
			}
		}
		if len(l) > 0 && r.IntN(2) == 0 {
			i := r.IntN(len(l))
			l = append(l[:i], l[i+1:]...)
		}
		if r.IntN(2) == 0 {
			l = append(l, newRule())
		}
		r.Shuffle(len(l), func(i, j int) {
			if r.IntN(3) == 0 {
				l[i], l[j] = l[j], l[i]
			}
		})
		return l
	}
	acc := func(a account) account {
		switch r.IntN(7) {
		case 0:
			a.Domain = word()
		case 1:
			a.Destinations = maps.Clone(a.Destinations)
			if a.Destinations == nil {
				a.Destinations = map[string]dest{}
			}
			a.Destinations[key()] = dest{word(), rules(a.Destinations[key()].Rules)}
		case 2:
			if a.Filter == nil {
				a.Filter = &filter{}
			} else {
				f := *a.Filter
				f.Threshold = r.Float64()
				f.Params.Ones = !f.Params.Ones
				a.Filter = &f
			}
		case 3:
			a.Rules = rules(a.Rules)
		case 4:
			b := r.IntN(2) == 0
			a.Tickets = &b
		case 5:
			a.Weights = map[string]float64{key(): r.Float64() - 0.5}
		case 6:
			a = account{}
		}
		return a
	}
	switch r.IntN(10) {
	case 0:
		c.DataDir = word()
	case 1:
		c.Size = int64(r.IntN(3)) - 1
	case 2:
		c.Wait = time.Duration(r.IntN(3)) * time.Hour
	case 3:
		c.SMTP = service{r.IntN(2) == 0, r.IntN(2)}
	case 4:
		c.Names = words()
	case 5:
		c.Rules = rules(c.Rules)
	case 6:
		c.Nested = append([][]string{words()}, c.Nested[r.IntN(len(c.Nested)+1):]...)
	case 7:
		delete(c.Accounts, key())
	default:
		k := key()
		c.Accounts[k] = acc(c.Accounts[k])
	}
}

// comment puts blank lines and comments between the lines of a text.
func comment(r *rand.Rand, text string) string {
	var b strings.Builder
	for l := range strings.SplitAfterSeq(text, "\n") {
		switch r.IntN(8) {
		case 0:
			b.WriteString("\n")
		case 1:
			b.WriteString(strings.Repeat("\t", r.IntN(4)) + "# comment\n")
		}
		b.WriteString(l)
	}
	return b.String()
}

func TestRewriteRandom(t *testing.T) {
	n := 250
	if testing.Short() {
		n = 60
	}
	for seed := range uint64(n) {
		r := rand.New(rand.NewPCG(seed, 1))
		text := sample
		for range 10 {
			c := parse(t, text)
			for range 1 + r.IntN(3) {
				mutate(r, &c)
			}
			out := rewrite(t, text, c)
			var plain bytes.Buffer
			if err := Write(&plain, c); err != nil {
				t.Fatal(err)
			}
			if strings.Contains(text, "#") && out == plain.String() && strings.Contains(text, "# End.") {
				t.Fatalf("seed %d: fell back to plain writing\n%s", seed, text)
			}
			if again := rewrite(t, out, c); again != out {
				t.Fatalf("seed %d: rewriting without change: %s", seed, cmp.Diff(out, again))
			}
			text = comment(r, out)
			if len(text) > 20000 {
				break
			}
		}
	}
}

func FuzzRewrite(f *testing.F) {
	f.Add(sample, ok(""), uint64(1))
	f.Add(ok("Names:\n\t- a\n\t- b\n"), sample, uint64(2))
	f.Add("DataDir: \nLevel:\nAccounts:\n\t# c\n\tx: nil\n\n\n\ty:\n\t\tFilter:\n\t\t\tThreshold: 1e3\n\t\t\tParams:\n\t\t\t\tTop: -0\n#", sample, uint64(3))
	f.Add("\ufeff# x\r\nDataDir: a\r\nLevel: b\r\nAccounts:\r\n", sample, uint64(4))
	f.Fuzz(func(t *testing.T, a, b string, seed uint64) {
		var ca, cb conf
		if _, err := Parse([]byte(a), "a", &ca); err != nil {
			return
		}
		var w bytes.Buffer
		if err := Write(&w, ca); err != nil {
			t.Fatalf("writing what was parsed: %v\n%q", err, a)
		}
		if got := parse(t, w.String()); !same(got, ca) {
			t.Fatalf("parse, write, parse gives another value: %s", w.String())
		}
		if _, err := Parse([]byte(b), "b", &cb); err == nil {
			rewrite(t, a, cb)
		}
		mutate(rand.New(rand.NewPCG(seed, 2)), &ca)
		if _, err := Rewrite([]byte(a), ca); err == nil {
			rewrite(t, a, ca)
		}
	})
}

func BenchmarkRewrite(b *testing.B) {
	c := conf{Accounts: map[string]account{}}
	for i := range 10000 {
		c.Accounts[fmt.Sprint("account", i)] = account{Domain: "example.org", Destinations: map[string]dest{fmt.Sprint("u", i, "@example.org"): {}}}
	}
	var w bytes.Buffer
	if err := Write(&w, c); err != nil {
		b.Fatal(err)
	}
	c.Accounts["account5000"] = account{Domain: "x"}
	b.SetBytes(int64(w.Len()))
	for b.Loop() {
		if _, err := Rewrite(w.Bytes(), c); err != nil {
			b.Fatal(err)
		}
	}
}

// extent returns the lines of a text before those about an account and its comments, and those behind.
func extent(t *testing.T, text, account string) (before, after []string) {
	t.Helper()
	var c conf
	doc, err := Parse([]byte(text), "", &c)
	if err != nil {
		t.Fatal(err)
	}
	r := rewriter{t: doc.tree}
	n := doc.tree.root.child("Accounts").child(account)
	lines := strings.SplitAfter(text, "\n")
	return lines[:r.attached(n)], lines[r.after(n):]
}

// TestRewriteUntouched: a change of one entry leaves every line that is not about it as it is, and
// adding one takes nothing away, whatever comments and blank lines there are.
func TestRewriteUntouched(t *testing.T) {
	for seed := range uint64(400) {
		r := rand.New(rand.NewPCG(seed, 3))
		text := comment(r, sample)
		for range 2 {
			text = comment(r, text)
		}
		c := parse(t, text)
		name := []string{"mjl", "ä"}[r.IntN(2)]
		before, after := extent(t, text, name)
		switch r.IntN(3) {
		case 0: // changed
			a := c.Accounts[name]
			a.Domain, a.Destinations = "changed.example", map[string]dest{"new@changed.example": {Mailbox: "x"}}
			c.Accounts[name] = a
		case 1: // removed
			delete(c.Accounts, name)
		default: // another added
			c.Accounts[fmt.Sprint("new", seed)] = account{Domain: "added.example"}
			keepsAll(t, text, rewrite(t, text, c))
			continue
		}
		out := strings.SplitAfter(rewrite(t, text, c), "\n")
		if len(out) < len(before) || strings.Join(out[:len(before)], "") != strings.Join(before, "") {
			t.Fatalf("seed %d: lines before %s have changed:\n%s", seed, name, cmp.Diff(text, strings.Join(out, "")))
		}
		// Of two blank lines that come together, one goes.
		if len(after) > 0 && after[0] == "\n" {
			after = after[1:]
		}
		if len(out) < len(after) || strings.Join(out[len(out)-len(after):], "") != strings.Join(after, "") {
			t.Fatalf("seed %d: lines behind %s have changed:\n%s", seed, name, cmp.Diff(text, strings.Join(out, "")))
		}
	}
}

// keepsAll checks that the lines of old are all in the new text, in their order.
func keepsAll(t *testing.T, old, text string) {
	t.Helper()
	lines := strings.SplitAfter(text, "\n")
	for line := range strings.Lines(old) {
		for len(lines) > 0 && lines[0] != line {
			lines = lines[1:]
		}
		if len(lines) == 0 {
			t.Fatalf("lost line %q:\n%s", line, cmp.Diff(old, text))
		}
		lines = lines[1:]
	}
}
