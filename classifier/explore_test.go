package classifier

import (
	"fmt"
	"math"
	"sort"
	"strings"
	"testing"
)

type counts struct {
	c         [][2]float32
	ham, spam float64
}

func (c *counts) train(f []int32, spam bool) {
	k := 0
	if spam {
		k = 1
		c.spam++
	} else {
		c.ham++
	}
	for _, id := range f {
		for int(id) >= len(c.c) {
			c.c = append(c.c, make([][2]float32, len(c.c)+1000)...)
		}
		c.c[id][k]++
	}
}
func (c *counts) finish() {}
func (c *counts) get(id int32) (h, s float64) {
	if int(id) >= len(c.c) {
		return 0, 0
	}
	return float64(c.c[id][0]), float64(c.c[id][1])
}

// old is the existing method.
type old struct {
	counts
	maxPower, ignore float64
	top, rare        int
}

func (o *old) score(f []int32) float64 {
	var hs, ss []float64
	for _, id := range f {
		h, s := o.get(id)
		if h+s == 0 {
			continue
		}
		hr, sr := h/math.Max(o.ham, 1), s/math.Max(o.spam, 1)
		r := sr / (sr + hr)
		r = min(max(r, o.maxPower), 1-o.maxPower)
		if int(h+s) <= o.rare {
			r += (0.5 - r) * 0.1 * (float64(o.rare) + 1 - (h + s))
		}
		if math.Abs(r-0.5) < o.ignore {
			continue
		}
		if r > 0.5 {
			ss = append(ss, r)
		} else {
			hs = append(hs, r)
		}
	}
	sort.Float64s(hs)
	sort.Sort(sort.Reverse(sort.Float64Slice(ss)))
	e := 0.0
	for _, r := range hs[:min(o.top, len(hs))] {
		e += math.Log(1-r) - math.Log(r)
	}
	for _, r := range ss[:min(o.top, len(ss))] {
		e += math.Log(1-r) - math.Log(r)
	}
	return 1 / (1 + math.Exp(e))
}

// fisher is Robinson/Fisher.
type fisher struct {
	counts
	s, x, min float64
	top       int
	maxPower  float64
}

func chi2q(x float64, df int) float64 {
	m := x / 2
	sum := math.Exp(-m)
	term := sum
	if sum == 0 { // log space
		lt := -m
		mx := lt
		ls := []float64{lt}
		for i := 1; i < df/2; i++ {
			lt += math.Log(m / float64(i))
			ls = append(ls, lt)
			mx = math.Max(mx, lt)
		}
		t := 0.0
		for _, l := range ls {
			t += math.Exp(l - mx)
		}
		return math.Min(1, math.Exp(mx)*t)
	}
	for i := 1; i < df/2; i++ {
		term *= m / float64(i)
		sum += term
	}
	return math.Min(1, sum)
}

func (o *fisher) score(f []int32) float64 {
	var ps []float64
	for _, id := range f {
		h, s := o.get(id)
		hr, sr := h/math.Max(o.ham, 1), s/math.Max(o.spam, 1)
		p := o.x
		if h+s > 0 {
			p = sr / (sr + hr)
		}
		p = (o.s*o.x + (h+s)*p) / (o.s + h + s)
		p = min(max(p, o.maxPower), 1-o.maxPower)
		if math.Abs(p-0.5) < o.min {
			continue
		}
		ps = append(ps, p)
	}
	sort.Slice(ps, func(i, j int) bool { return math.Abs(ps[i]-.5) > math.Abs(ps[j]-.5) })
	if len(ps) > o.top {
		ps = ps[:o.top]
	}
	if len(ps) == 0 {
		return 0.5
	}
	a, b := 0.0, 0.0
	for _, p := range ps {
		a += math.Log(1 - p)
		b += math.Log(p)
	}
	S := 1 - chi2q(-2*a, 2*len(ps))
	H := 1 - chi2q(-2*b, 2*len(ps))
	// finer ordering
	return (S-H+1)/2 + 1e-9*(b-a)/float64(len(ps))
}

// lo is a sum of log odds, damped by length.
type lo struct {
	counts
	a     float64 // prior
	top   int
	pow   float64
	scale float64
	min   float64
	conf  float64
}

func (o *lo) score(f []int32) float64 {
	var ws []float64
	for _, id := range f {
		h, s := o.get(id)
		n := h + s
		if n == 0 {
			continue
		}
		a := o.a
		w := math.Log((s+a)/(o.spam+2*a)) - math.Log((h+a)/(o.ham+2*a))
		w *= n / (n + o.conf)
		if math.Abs(w) < o.min {
			continue
		}
		ws = append(ws, w)
	}
	sort.Slice(ws, func(i, j int) bool { return math.Abs(ws[i]) > math.Abs(ws[j]) })
	if len(ws) > o.top {
		ws = ws[:o.top]
	}
	t := 0.0
	for _, w := range ws {
		t += w
	}
	if len(ws) > 0 {
		t *= o.scale / math.Pow(float64(len(ws)), o.pow)
	}
	return 1 / (1 + math.Exp(-t))
}

// lr is batch logistic regression by SGD passes.
type lr struct {
	fs       [][]int32
	ys       []bool
	w        []float64
	b        float64
	passes   int
	rate, l2 float64
	done     int
}

func (l *lr) train(f []int32, spam bool) {
	l.fs = append(l.fs, f)
	l.ys = append(l.ys, spam)
	for _, id := range f {
		for int(id) >= len(l.w) {
			l.w = append(l.w, make([]float64, len(l.w)+1000)...)
		}
	}
}
func (l *lr) dot(f []int32) float64 {
	if len(f) == 0 {
		return l.b
	}
	n := 1 / math.Sqrt(float64(len(f)))
	t := l.b
	for _, id := range f {
		if int(id) < len(l.w) {
			t += n * l.w[id]
		}
	}
	return t
}
func (l *lr) finish() {
	if l.passes == 0 { // online
		for ; l.done < len(l.fs); l.done++ {
			l.step(l.done)
		}
		return
	}
	for p := range l.passes {
		_ = p
		for i := range l.fs {
			l.step(i)
		}
	}
}
func (l *lr) step(i int) {
	f := l.fs[i]
	if len(f) == 0 {
		return
	}
	y := 0.0
	if l.ys[i] {
		y = 1
	}
	g := y - 1/(1+math.Exp(-l.dot(f)))
	n := 1 / math.Sqrt(float64(len(f)))
	for _, id := range f {
		l.w[id] += l.rate * (g*n - l.l2*l.w[id])
	}
	l.b += l.rate * g * 0.1
}
func (l *lr) score(f []int32) float64 { return 1 / (1 + math.Exp(-l.dot(f))) }

func TestExplore(t *testing.T) {
	if *corpusDir == "" {
		t.Skip()
	}
	for _, lists := range []bool{false, true} {
		all := loadCorpus(t, lists)
		v := &vocab{map[uint64]int32{}}
		for _, m := range all {
			v.ours(m, "1", Options{Onegrams: true}, nil)
			v.ours(m, "12", Options{Onegrams: true, Twograms: true}, nil)
			v.ours(m, "2", Options{Twograms: true}, nil)
			v.ours(m, "body12", Options{Onegrams: true, Twograms: true}, func(s string) bool {
				i := strings.IndexByte(s, ':')
				return i > 0 && (s[0] >= 'A' && s[0] <= 'Z' || strings.HasPrefix(s, "precedence") || strings.HasPrefix(s, "x-")) && !strings.HasPrefix(s, "Subject:")
			})
		}
		train, test := halves(all)
		fmt.Println("strict", lists, len(train), len(test), train[0].date, test[0].date, "vocab", len(v.ids))
		for _, feat := range []string{"1", "12", "2", "body12"} {
			for _, x := range []struct {
				n string
				f func() method
			}{
				{"old", func() method { return &old{maxPower: .01, ignore: .1, top: 10, rare: 2} }},
				{"fisher150", func() method { return &fisher{s: 0.3, x: 0.5, min: 0.1, top: 150, maxPower: 0.001} }},
				{"fisher50", func() method { return &fisher{s: 0.3, x: 0.5, min: 0.1, top: 50, maxPower: 0.001} }},
				{"lo", func() method { return &lo{a: 0.5, top: 3000, pow: 0.5, scale: 2, conf: 1} }},
				{"lo150", func() method { return &lo{a: 0.5, top: 150, pow: 0.5, scale: 2, conf: 1} }},
				{"lr", func() method { return &lr{passes: 20, rate: 0.5, l2: 1e-6} }},
			} {
				fmt.Printf("%-8s %-10s %v\n", feat, x.n, run(x.f, feat, train, test))
				for _, n := range []int{50, 200} {
					fmt.Printf("%20d %v\n", n, run(x.f, feat, few(train, n), test))
				}
				if x.n != "lr" {
					fmt.Printf("                play %v\n", play(x.f, feat, all))
				} else {
					fmt.Printf("                play %v\n", play(func() method { return &lr{rate: 1} }, feat, all))
				}
			}
		}
	}
}
