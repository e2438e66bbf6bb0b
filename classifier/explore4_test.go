package classifier

import (
	"fmt"
	"math"
	"testing"
)

// nblr is logistic regression on log-count ratios.
type nblr struct {
	pool
	fs              [][]int32
	ys              []bool
	w               []float64
	b               float64
	passes          int
	rate, l2, spamW float64
	done            int
}

func (l *nblr) train(f []int32, spam bool) {
	l.fs = append(l.fs, f)
	l.ys = append(l.ys, spam)
	l.pool.train(f, spam)
	for _, id := range f {
		for int(id) >= len(l.w) {
			n := make([]float64, len(l.w)+1000)
			for i := range n {
				n[i] = 1
			}
			l.w = append(l.w, n...)
		}
	}
}
func (l *nblr) vec(f []int32) ([]int32, []float64) {
	var ids []int32
	var xs []float64
	t := 0.0
	for _, id := range f {
		w, ok := l.weight(id)
		if !ok || math.Abs(w) < .3 {
			continue
		}
		ids = append(ids, id)
		xs = append(xs, w)
		t++
	}
	n := l.scale / math.Sqrt(math.Max(t, 1))
	for i := range xs {
		xs[i] *= n
	}
	return ids, xs
}
func (l *nblr) dotv(ids []int32, xs []float64) float64 {
	t := l.b
	for i, id := range ids {
		if int(id) < len(l.w) {
			t += l.w[id] * xs[i]
		}
	}
	return t
}
func (l *nblr) finish() {
	if l.passes == 0 {
		for ; l.done < len(l.fs); l.done++ {
			l.step(l.done)
		}
		return
	}
	for range l.passes {
		for i := range l.fs {
			l.step(i)
		}
	}
}
func (l *nblr) step(i int) {
	ids, xs := l.vec(l.fs[i])
	y := 0.0
	if l.ys[i] {
		y = 1
	}
	g := y - 1/(1+math.Exp(-l.dotv(ids, xs)))
	for j, id := range ids {
		l.w[id] += l.rate * (g*xs[j] - l.l2*(l.w[id]-1))
	}
	l.b += l.rate * g * .1
}
func (l *nblr) score(f []int32) float64 {
	ids, xs := l.vec(f)
	return 1 / (1 + math.Exp(-l.dotv(ids, xs)))
}

func TestGrid2(t *testing.T) {
	if *corpusDir == "" {
		t.Skip()
	}
	ss := sets(t, func(v *vocab, m *mail) {
		v.ours(m, "1", Options{Onegrams: true}, nil)
		v.ours(m, "12", Options{Onegrams: true, Twograms: true}, nil)
		v.ours(m, "123", Options{Onegrams: true, Twograms: true, Threegrams: true}, nil)
	})
	var tr []trial
	add := func(n string, f func() method) {
		for _, x := range []string{"1", "12", "123"} {
			tr = append(tr, trial{n, f, x})
		}
	}
	for _, k := range []float64{20, 60} {
		for _, pw := range []float64{0, 0.5, 1} {
			for _, top := range []float64{70, 150, 300} {
				for _, clamp := range []float64{3, 5} {
					if clamp == 3 && pw != .5 {
						continue
					}
					add(fmt.Sprintf("pool k%g pow%g top%g c%g", k, pw, top, clamp), func() method { return &pool{k: k, top: top, each: true, pow: pw, scale: 1, clamp: clamp, rare: 0.5} })
				}
			}
		}
	}
	for _, rate := range []float64{.02, .1} {
		add(fmt.Sprintf("nblr r%g", rate), func() method { return &nblr{pool: pool{k: 20, clamp: 99, rare: .5, scale: 1}, rate: rate, passes: 10} })
		add(fmt.Sprintf("nblr l2 r%g", rate), func() method {
			return &nblr{pool: pool{k: 20, clamp: 99, rare: .5, scale: 1}, rate: rate, passes: 10, l2: 1e-3}
		})
	}
	for _, rate := range []float64{.1, 1} {
		add(fmt.Sprintf("lr r%g", rate), func() method { return &lr{rate: rate, passes: 10, l2: 1e-7} })
	}
	// online ones for the replay column only are run by tableOnline
	for i := range tr {
		f := tr[i].f
		if m, ok := f().(*nblr); ok {
			_ = m
		}
	}
	table2(ss, tr)
}

func table2(ss [][]*mail, trials []trial) {
	for _, x := range trials {
		s := fmt.Sprintf("%-30s", x.n+" "+x.feat)
		for _, all := range ss {
			train, test := halves(all)
			p := func(f figures) {
				s += fmt.Sprintf(" %5.1f %5.1f %5.2f (%5.1f/%2d)", 100*float64(f.r01)/float64(f.spam), 100*float64(f.r1)/float64(f.spam), 100*f.auc, 100*float64(f.tp95)/float64(f.spam), f.fp95)
			}
			p(run(x.f, x.feat, train, test))
			s += fmt.Sprintf(" [%5.2f]", 100*run(x.f, x.feat, few(train, 200), test).auc)
			mk := x.f
			switch m := mk().(type) {
			case *nblr:
				mk = func() method { n := x.f().(*nblr); n.passes = 0; n.rate *= 3; return n }
				_ = m
			case *lr:
				mk = func() method { n := x.f().(*lr); n.passes = 0; n.rate *= 3; return n }
			}
			p(playFrom(mk, x.feat, all, 1000))
			s += " |"
		}
		fmt.Println(s)
	}
}
