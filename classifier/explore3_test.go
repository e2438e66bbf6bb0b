package classifier

import (
	"fmt"
	"math"
	"sort"
	"strings"
	"sync"
	"testing"
)

// pool is log odds with rates pulled to the common rate.
type pool struct {
	counts
	k, top                 float64
	each                   bool // top per side
	pow, scale, min, clamp float64
	rare                   float64
	bias                   float64
}

func (o *pool) weight(id int32) (float64, bool) {
	h, s := o.get(id)
	if h+s == 0 {
		return 0, false
	}
	q := (h + s) / (o.ham + o.spam)
	w := math.Log((s+o.k*q)/(o.spam+o.k)) - math.Log((h+o.k*q)/(o.ham+o.k))
	w *= (h + s) / (h + s + o.rare)
	return max(min(w, o.clamp), -o.clamp), true
}
func (o *pool) score(f []int32) float64 {
	var p, n []float64
	for _, id := range f {
		w, ok := o.weight(id)
		if !ok || math.Abs(w) < o.min {
			continue
		}
		if w > 0 {
			p = append(p, w)
		} else {
			n = append(n, -w)
		}
	}
	sort.Sort(sort.Reverse(sort.Float64Slice(p)))
	sort.Sort(sort.Reverse(sort.Float64Slice(n)))
	if o.each {
		p, n = p[:min(len(p), int(o.top))], n[:min(len(n), int(o.top))]
	} else {
		i, j := 0, 0
		for i+j < int(o.top) && (i < len(p) || j < len(n)) {
			if j >= len(n) || i < len(p) && p[i] >= n[j] {
				i++
			} else {
				j++
			}
		}
		p, n = p[:i], n[:j]
	}
	t := 0.0
	for _, w := range p {
		t += w
	}
	for _, w := range n {
		t -= w
	}
	if c := len(p) + len(n); c > 0 {
		t *= o.scale / math.Pow(float64(c), o.pow)
	}
	return 1 / (1 + math.Exp(-(t + o.bias)))
}

func sets(t *testing.T, add func(v *vocab, m *mail)) [][]*mail {
	var r [][]*mail
	for _, lists := range []bool{false, true} {
		all := loadCorpus(t, lists)
		v := &vocab{map[uint64]int32{}}
		for _, m := range all {
			add(v, m)
		}
		r = append(r, all)
	}
	return r
}

type trial struct {
	n    string
	f    func() method
	feat string
}

func table(ss [][]*mail, trials []trial) {
	out := make([]string, len(trials))
	var wg sync.WaitGroup
	sem := make(chan int, 2)
	for i, x := range trials {
		wg.Add(1)
		go func() {
			defer wg.Done()
			sem <- 1
			defer func() { <-sem }()
			var b strings.Builder
			fmt.Fprintf(&b, "%-34s", x.n+" "+x.feat)
			for _, all := range ss {
				train, test := halves(all)
				p := func(f figures) {
					fmt.Fprintf(&b, " %5.1f %5.1f %5.2f (%5.1f/%2d)", 100*float64(f.r01)/float64(f.spam), 100*float64(f.r1)/float64(f.spam), 100*f.auc, 100*float64(f.tp95)/float64(f.spam), f.fp95)
				}
				p(run(x.f, x.feat, train, test))
				fs := run(x.f, x.feat, few(train, 200), test)
				fmt.Fprintf(&b, " [%5.2f]", 100*fs.auc)
				p(playFrom(x.f, x.feat, all, 1000))
				fmt.Fprint(&b, " |")
			}
			out[i] = b.String()
		}()
	}
	wg.Wait()
	for _, s := range out {
		fmt.Println(s)
	}
}
func playFrom(mk func() method, feat string, all []*mail, from int) figures {
	m := mk()
	var s []float64
	for i, x := range all {
		if i >= from {
			m.finish()
			s = append(s, m.score(x.feat[feat]))
		}
		m.train(x.feat[feat], x.spam)
	}
	return judge(all[from:], s)
}

func TestGrid(t *testing.T) {
	if *corpusDir == "" {
		t.Skip()
	}
	ss := sets(t, func(v *vocab, m *mail) {
		v.ours(m, "1", Options{Onegrams: true}, nil)
		v.ours(m, "12", Options{Onegrams: true, Twograms: true}, nil)
	})
	var tr []trial
	add := func(n string, f func() method) {
		for _, x := range []string{"1", "12"} {
			tr = append(tr, trial{n, f, x})
		}
	}
	add("old", func() method { return &old{maxPower: .01, ignore: .1, top: 10, rare: 2} })
	add("fisher150", func() method { return &fisher{s: 0.3, x: 0.5, min: 0.1, top: 150, maxPower: 0.001} })
	add("lo a=1", func() method { return &lo{a: 1, top: 3000, pow: 0.5, scale: 2, conf: 1} })
	for _, k := range []float64{5, 20, 60} {
		for _, top := range []float64{30, 150, 3000} {
			for _, each := range []bool{false, true} {
				if top == 3000 && each {
					continue
				}
				add(fmt.Sprintf("pool k%g top%g %v", k, top, each), func() method { return &pool{k: k, top: top, each: each, pow: 0.5, scale: 1, clamp: 99, rare: 0.5} })
			}
		}
	}
	table(ss, tr)
}
