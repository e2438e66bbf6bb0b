package classifier

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"sort"
	"strings"
	"testing"
	"time"

	"mox/message"
)

var corpusDir = flag.String("corpus", "", "directory with easy-ham-1, hard-ham-1 and spam-1 of the public corpus")

type mail struct {
	date time.Time
	spam bool
	hard bool
	name string
	part *message.Part
	data []byte
	feat map[string][]int32
	toks map[string]int // number of tokens
}

var tokMaskedUser = regexp.MustCompile(`(?i)\b(yyyy+|zzzz*|qqqq+|jm)([-+._][a-z0-9.-]+)?@([a-z0-9.-]*\.)?(spamassassin\.taint\.org|netnoteinc\.com|example\.com|localhost|spamtraps\.taint\.org)`)
var tokMaskedHost = regexp.MustCompile(`(?i)([a-z0-9.-]*\.)?(spamassassin\.taint\.org|netnoteinc\.com|spamtraps\.taint\.org)|\bexample\.sourceforge\.net|\b(yyyy+|zzz+|qqqq+)\b`)
var listTag = regexp.MustCompile(`(?i)\[[a-z0-9 ._-]{2,25}\]\s*`)

// scrub removes what the collectors left.
func scrub(b []byte, lists bool) []byte {
	if bytes.HasPrefix(b, []byte("From ")) {
		_, b, _ = bytes.Cut(b, []byte("\n"))
	}
	b = tokMaskedUser.ReplaceAll(b, []byte("me@mail.example"))
	b = tokMaskedHost.ReplaceAll(b, []byte("mail.example"))
	n := bytes.Index(b, []byte("\n\n"))
	if n < 0 {
		n = len(b) - 1
	}
	h := message.ParseHeader(append(bytes.Clone(b[:n+1]), '\n'))
	h.RemoveFunc(func(f message.Field) bool {
		name := strings.ToLower(f.Name())
		for _, p := range []string{"x-spam", "x-status", "x-keywords", "status", "delivered-to", "delivery-date", "x-eudora", "received", "replied", "forwarded", "lines", "x-evolution", "x-sieve"} {
			if strings.HasPrefix(name, p) {
				return true
			}
		}
		if lists {
			for _, p := range []string{"list-", "x-mailman", "x-beenthere", "precedence", "sender", "errors-to", "x-loop", "mailing-list", "x-list", "x-egroups", "return-path", "reply-to", "in-reply-to", "references", "to", "cc", "x-original", "message-id"} {
				if strings.HasPrefix(name, p) {
					return true
				}
			}
		}
		return false
	})
	if lists {
		if s := h.Get("Subject"); s != "" {
			h.Replace("Subject", listTag.ReplaceAllString(s, ""))
		}
	}
	body := b[min(n+2, len(b)):]
	if lists {
		// Footers of lists.
		if i := bytes.LastIndex(body, []byte("\n______________________")); i > 0 && len(body)-i < 600 {
			body = body[:i+1]
		}
		if i := bytes.Index(body, []byte("-------------------------------------------------------\nThis sf.net")); i > 0 {
			body = body[:i]
		}
		if i := bytes.Index(body, []byte("Yahoo! Groups Sponsor")); i > 0 {
			body = body[:i]
		}
	}
	return append(h.Append(nil), body...)
}

func mailDate(h *message.Header) time.Time {
	for _, r := range h.Values("Received") {
		if i := strings.LastIndex(r, ";"); i >= 0 {
			if d, err := message.ParseDate(strings.TrimSpace(r[i+1:])); err == nil {
				return d
			}
		}
	}
	d, _ := message.ParseDate(h.Get("Date"))
	return d
}

func loadCorpus(t testing.TB, lists bool) []*mail {
	var all []*mail
	for _, d := range []string{"easy-ham-1", "hard-ham-1", "spam-1"} {
		files, _ := filepath.Glob(filepath.Join(*corpusDir, d, "*.txt"))
		for _, f := range files {
			b, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			raw := b
			if bytes.HasPrefix(b, []byte("From ")) {
				_, raw, _ = bytes.Cut(b, []byte("\n"))
			}
			m := &mail{spam: d == "spam-1", hard: d == "hard-ham-1", name: d + "/" + filepath.Base(f), feat: map[string][]int32{}}
			m.date = mailDate(message.ParseHeader(raw))
			m.data = scrub(b, lists)
			m.part, _ = message.Parse(bytes.NewReader(m.data), message.Limits{})
			all = append(all, m)
		}
	}
	sort.SliceStable(all, func(i, j int) bool { return all[i].date.Before(all[j].date) })
	return all
}

type vocab struct{ ids map[uint64]int32 }

func (v *vocab) id(h uint64) int32 {
	id, ok := v.ids[h]
	if !ok {
		id = int32(len(v.ids))
		v.ids[h] = id
	}
	return id
}

func (v *vocab) ours(m *mail, name string, o Options, drop func(string) bool) {
	toks, _ := Tokens(context.Background(), m.part, bytes.NewReader(m.data), o)
	var l []int32
	for _, k := range toks {
		if drop != nil && drop(k.Text) {
			continue
		}
		l = append(l, v.id(k.Hash))
	}
	m.feat[name] = l
}

// method learns and scores.
type method interface {
	train(f []int32, spam bool)
	finish()
	score(f []int32) float64
}

type figures struct {
	n, spam    int
	auc        float64
	r01, r1    int
	fp95, tp95 int
	thr01      float64
	fps        []string
	fns        []string
}

func judge(ms []*mail, scores []float64) figures {
	var f figures
	type p struct {
		s float64
		m *mail
	}
	var ps []p
	for i, m := range ms {
		ps = append(ps, p{scores[i], m})
		if m.spam {
			f.spam++
			if scores[i] >= 0.95 {
				f.tp95++
			}
		} else {
			f.n++
			if scores[i] >= 0.95 {
				f.fp95++
				f.fps = append(f.fps, m.name)
			}
		}
	}
	sort.SliceStable(ps, func(i, j int) bool {
		if ps[i].s != ps[j].s {
			return ps[i].s > ps[j].s
		}
		return !ps[i].m.spam && ps[j].m.spam
	})
	a01, a1 := int(math.Round(0.001*float64(f.n))), int(0.01*float64(f.n))
	h, s := 0, 0
	for _, x := range ps {
		if x.m.spam {
			s++
			f.auc += float64(h)
			if h <= a01 {
				f.thr01 = x.s
			}
		} else {
			h++
		}
		if h <= a01 {
			f.r01 = s
		}
		if h <= a1 {
			f.r1 = s
		}
		if x.m.spam && h > a01 {
			f.fns = append(f.fns, x.m.name)
		}
		if !x.m.spam && h <= a01+2 {
			f.fns = append(f.fns, fmt.Sprintf("!%s(%.4f)", x.m.name, x.s))
		}
	}
	f.auc = f.auc / float64(f.n) / float64(f.spam)
	return f
}

func (f figures) String() string {
	return fmt.Sprintf("r@0.1%% %5.1f%% r@1%% %5.1f%%  @.95 rec %5.1f%% fp %d  1-auc %.4f%% (%d spam %d ham)", 100*float64(f.r01)/float64(f.spam), 100*float64(f.r1)/float64(f.spam), 100*float64(f.tp95)/float64(f.spam), f.fp95, 100*f.auc, f.spam, f.n)
}

// halves splits each class by time.
func halves(all []*mail) (train, test []*mail) {
	var n, k [3]int
	class := func(m *mail) int {
		if m.spam {
			return 0
		}
		if m.hard {
			return 1
		}
		return 2
	}
	for _, m := range all {
		n[class(m)]++
	}
	for _, m := range all {
		c := class(m)
		if k[c]++; k[c] <= n[c]/2 {
			train = append(train, m)
		} else {
			test = append(test, m)
		}
	}
	return
}

func few(train []*mail, n int) []*mail {
	ns := min(n/2, 250)
	nh := n - ns
	var r []*mail
	for _, m := range slices.Backward(train) {
		if m.spam && ns > 0 {
			ns--
			r = append(r, m)
		} else if !m.spam && nh > 0 {
			nh--
			r = append(r, m)
		}
	}
	slices.Reverse(r)
	return r
}

func run(mk func() method, feat string, train, test []*mail) figures {
	m := mk()
	for _, x := range train {
		m.train(x.feat[feat], x.spam)
	}
	m.finish()
	var s []float64
	for _, x := range test {
		s = append(s, m.score(x.feat[feat]))
	}
	return judge(test, s)
}

func play(mk func() method, feat string, all []*mail) figures {
	m := mk()
	var s []float64
	for _, x := range all {
		m.finish()
		s = append(s, m.score(x.feat[feat]))
		m.train(x.feat[feat], x.spam)
	}
	return judge(all[100:], s[100:])
}
