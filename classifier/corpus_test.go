package classifier

import (
	"bytes"
	"cmp"
	"context"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"mox/message"
)

// The measurement of docs/junk.md: "make junkbench DIR=..." with a directory that has
// easy-ham-1, hard-ham-1 and spam-1 of the SpamAssassin public corpus, a mail in each
// file, as text. Nothing is split at random: training is always with mails older than
// those tested with.
var corpusDir = flag.String("corpus", "", "directory with easy-ham-1, hard-ham-1 and spam-1")

// mail is a mail of the corpus, and its tokens as each candidate makes them.
type mail struct {
	class string
	spam  bool
	date  time.Time
	data  []byte
	part  *message.Part
	words [][]Token // by index of the tokens in use
}

// preparation is how much is taken from mails that could give away their kind.
type preparation int

const (
	asIs        preparation = iota
	noCollector             // without what those who collected the mails left in them
	noList                  // also without what mailing lists add
)

// Those who collected the mails replaced their own addresses, by names that differ
// between the kinds of mail.
var (
	collectorAddress = regexp.MustCompile(`(?i)\b(yyyy+|zzz+|qqqq+|jm)([-+._][a-z0-9.-]+)?@([a-z0-9.-]*\.)?(spamassassin\.taint\.org|netnoteinc\.com|example\.com|localhost|spamtraps\.taint\.org)`)
	collectorHost    = regexp.MustCompile(`(?i)([a-z0-9.-]*\.)?(spamassassin\.taint\.org|netnoteinc\.com|spamtraps\.taint\.org|slashnull\.org)|\bexample\.sourceforge\.net|\b(yyyy+|zzz+|qqqq+)\b`)
	collectorFields  = []string{"x-spam", "x-status", "x-keywords", "status", "delivered-to", "delivery-date", "x-eudora", "received", "replied", "forwarded", "lines", "x-evolution", "x-sieve"}
	listFields       = []string{"list-", "x-mailman", "x-beenthere", "precedence", "sender", "errors-to", "x-loop", "mailing-list", "x-list", "x-egroups", "return-path", "reply-to", "in-reply-to", "references", "to", "cc", "x-original", "message-id"}
	listTag          = regexp.MustCompile(`(?i)\[[a-z0-9 ._-]{2,25}\]\s*`)
	listFooter       = regexp.MustCompile(`(?s)\n(_{22}|-{55}\nThis sf\.net|------------------------ Yahoo! Groups Sponsor).*$`)
)

// prepare removes the "From " line and what p says.
func prepare(b []byte, p preparation) []byte {
	if bytes.HasPrefix(b, []byte("From ")) {
		_, b, _ = bytes.Cut(b, []byte("\n"))
	}
	if p == asIs {
		return b
	}
	b = collectorAddress.ReplaceAll(b, []byte("me@mail.example"))
	b = collectorHost.ReplaceAll(b, []byte("mail.example"))
	header, body, _ := bytes.Cut(b, []byte("\n\n"))
	h := message.ParseHeader(append(bytes.Clone(header), "\n\n"...))
	remove := collectorFields
	if p == noList {
		remove = slices.Concat(remove, listFields)
		h.Replace("Subject", listTag.ReplaceAllString(h.Get("Subject"), ""))
		if i := listFooter.FindIndex(body); i != nil && len(body)-i[0] < 1500 {
			body = body[:i[0]+1]
		}
	}
	h.RemoveFunc(func(f message.Field) bool {
		name := strings.ToLower(f.Name())
		return slices.ContainsFunc(remove, func(prefix string) bool { return strings.HasPrefix(name, prefix) })
	})
	return append(h.Append(nil), body...)
}

// received is when a mail came.
func received(h *message.Header) time.Time {
	for _, r := range h.Values("Received") {
		if d, err := message.ParseDate(strings.TrimSpace(r[strings.LastIndexByte(r, ';')+1:])); err == nil {
			return d
		}
	}
	d, _ := message.ParseDate(h.Get("Date"))
	return d
}

// loadCorpus returns the mails in order of time.
func loadCorpus(t *testing.T, p preparation) []*mail {
	var all []*mail
	for _, class := range []string{"easy-ham-1", "hard-ham-1", "spam-1"} {
		files, err := filepath.Glob(filepath.Join(*corpusDir, class, "*.txt"))
		if err != nil || len(files) == 0 {
			t.Fatalf("no %s in %s", class, *corpusDir)
		}
		for _, f := range files {
			b, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			m := &mail{class: class, spam: class == "spam-1", date: received(message.ParseHeader(prepare(b, asIs))), data: prepare(b, p)}
			if m.part, err = message.Parse(bytes.NewReader(m.data), message.Limits{}); err != nil {
				t.Fatal(err)
			}
			all = append(all, m)
		}
	}
	slices.SortStableFunc(all, func(a, b *mail) int { return a.date.Compare(b.date) })
	return all
}

// candidate is a method under test, with its tokens.
type candidate struct {
	name   string
	tokens func(m *mail) []Token
	make   func() method
}

// method learns from mails and judges others.
type method interface {
	train(tokens []Token, spam bool)
	score(tokens []Token) float64
}

// halves splits each class: the older half, and the newer.
func halves(all []*mail) (older, newer []*mail) { return at(all, 0.5) }

// last returns the last n mails, half of them spam as far as there is enough.
func last(list []*mail, n int) []*mail {
	left := map[bool]int{true: min(n/2, 250)}
	left[false] = n - left[true]
	var r []*mail
	for _, m := range slices.Backward(list) {
		if left[m.spam] > 0 {
			left[m.spam]--
			r = append(r, m)
		}
	}
	slices.Reverse(r)
	return r
}

// at splits each class after a part of its mails.
func at(all []*mail, part float64) (older, newer []*mail) {
	n, seen := map[string]int{}, map[string]int{}
	for _, m := range all {
		n[m.class]++
	}
	for _, m := range all {
		if seen[m.class]++; float64(seen[m.class]) <= part*float64(n[m.class]) {
			older = append(older, m)
		} else {
			newer = append(newer, m)
		}
	}
	return older, newer
}

// outcome is what a candidate made of mails.
type outcome struct {
	ham, spam    int
	at01, at1    int // spam found with 0.1% and 1% of ham above
	at05         int // with 0.5%
	pairs        int // of a ham and a spam with the ham above or equal
	found, wrong int // at the threshold of 0.95
}

func judge(mails []*mail, scores []float64) (o outcome) {
	order := make([]int, len(mails))
	for i, m := range mails {
		order[i] = i
		junk := scores[i] >= 0.95
		switch {
		case m.spam:
			o.spam++
			if junk {
				o.found++
			}
		default:
			o.ham++
			if junk {
				o.wrong++
			}
		}
	}
	// Where scores are equal, ham is first: it counts against the candidate.
	slices.SortStableFunc(order, func(a, b int) int {
		if c := cmp.Compare(scores[b], scores[a]); c != 0 || mails[a].spam == mails[b].spam {
			return c
		} else if mails[a].spam {
			return 1
		}
		return -1
	})
	ham, spam := 0, 0
	for _, i := range order {
		if !mails[i].spam {
			ham++
			continue
		}
		spam++
		o.pairs += ham
		if ham <= o.ham/200 {
			o.at05 = spam
		}
		if ham <= o.ham/1000 {
			o.at01 = spam
		}
		if ham <= o.ham/100 {
			o.at1 = spam
		}
	}
	return o
}

// interval is the 95% confidence interval of a part (Wilson), in percent.
func interval(part, whole int) string {
	if whole == 0 {
		return "-"
	}
	p, n, z := float64(part)/float64(whole), float64(whole), 1.96
	mid := (p + z*z/(2*n)) / (1 + z*z/n)
	half := z / (1 + z*z/n) * math.Sqrt(p*(1-p)/n+z*z/(4*n*n))
	return fmt.Sprintf("%.1f (%.0f-%.0f)", 100*p, 100*(mid-half), 100*(mid+half))
}

func (o outcome) String() string {
	return fmt.Sprintf("%s | %s | %s | %d", interval(o.at01, o.spam), interval(o.at1, o.spam), interval(o.found, o.spam), o.wrong)
}

// split trains with some mails and judges others.
func (c candidate) split(words int, train, test []*mail) outcome {
	m := c.make()
	for _, x := range train {
		m.train(x.words[words], x.spam)
	}
	scores := make([]float64, len(test))
	for i, x := range test {
		scores[i] = m.score(x.words[words])
	}
	return judge(test, scores)
}

// replay judges each mail, then trains with it; the first ones do not count.
func (c candidate) replay(words int, all []*mail, from int) outcome {
	m := c.make()
	var scores []float64
	for i, x := range all {
		if i >= from {
			scores = append(scores, m.score(x.words[words]))
		}
		m.train(x.words[words], x.spam)
	}
	return judge(all[from:], scores)
}

// cuts prints the averages of several splits, each by time: less of one mail's chance is in
// them.
func (c candidate) cuts(words int, all []*mail) string {
	var at01, at05, at1, found, above, wrong float64
	var each []string
	parts := []float64{0.3, 0.4, 0.5, 0.6, 0.7}
	for _, part := range parts {
		older, newer := at(all, part)
		o := c.split(words, older, newer)
		n := float64(o.spam*len(parts)) / 100
		at01 += float64(o.at01) / n
		at05 += float64(o.at05) / n
		at1 += float64(o.at1) / n
		found += float64(o.found) / n
		above += float64(o.pairs) / float64(o.ham) / n
		wrong += float64(o.wrong) / float64(len(parts))
		each = append(each, fmt.Sprintf("%.0f", 100*float64(o.at01)/float64(o.spam)))
	}
	return fmt.Sprintf("%.1f (%s) | %.1f | %.1f | %.2f | %.1f | %.1f", at01, strings.Join(each, ", "), at05, at1, above, found, wrong)
}

func TestCorpus(t *testing.T) {
	if *corpusDir == "" {
		t.Skip("no -corpus given")
	}
	for p, title := range []string{"As they are", "Without traces of the collectors", "Also without traces of mailing lists"} {
		all := loadCorpus(t, preparation(p))
		list := candidates()
		for i, c := range list {
			for _, m := range all {
				if len(m.words) == i {
					m.words = append(m.words, c.tokens(m))
				}
			}
		}
		older, newer := halves(all)
		test := map[bool]int{}
		for _, m := range newer {
			test[m.spam]++
		}
		fmt.Printf("\n### %s\n\nTested with %d ham and %d spam, the newer half of each.\n\n", title, test[false], test[true])
		fmt.Println("| Method | Trained with | Recall at 0.1 % | at 1 % | Recall at 0.95 | False positives |\n| --- | --- | --- | --- | --- | --- |")
		for i, c := range list {
			for _, n := range []int{50, 200, 1000, len(older)} {
				fmt.Printf("| %s | %d | %v |\n", c.name, n, c.split(i, last(older, n), newer))
			}
			fmt.Printf("| %s | replay | %v |\n", c.name, c.replay(i, all, 1000))
		}
		fmt.Println("\n| Method | Mean recall at 0.1 % (each cut) | at 0.5 % | at 1 % | 1 - area | at 0.95 | False positives |\n| --- | --- | --- | --- | --- | --- | --- |")
		for i, c := range list {
			fmt.Printf("| %s | %s |\n", c.name, c.cuts(i, all))
		}
	}
}

// ours is the package itself.
type ours struct {
	Memory
	params Params
}

func (o *ours) train(tokens []Token, spam bool) { o.Train(tokens, spam) }
func (o *ours) score(tokens []Token) float64    { return o.Classify(o.params, tokens).Probability }

func ourTokens(o Options) func(m *mail) []Token {
	return func(m *mail) []Token {
		tokens, err := Tokens(context.Background(), m.part, bytes.NewReader(m.data), o)
		if err != nil {
			panic(err)
		}
		return tokens
	}
}
