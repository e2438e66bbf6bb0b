package classifier

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"sort"
	"testing"
)

func TestWhy(t *testing.T) {
	if *corpusDir == "" {
		t.Skip()
	}
	all := loadCorpus(t, false)
	v := &vocab{map[uint64]int32{}}
	for _, m := range all {
		v.ours(m, "1", Options{Onegrams: true}, nil)
	}
	train, test := halves(all)
	m := &fisher{s: 0.3, x: 0.5, min: 0.1, top: 150, maxPower: 0.001}
	for _, x := range train {
		m.train(x.feat["1"], x.spam)
	}
	var ds []string
	var sp []*mail
	for _, x := range all {
		if x.spam {
			sp = append(sp, x)
		}
	}
	for i := 0; i < len(sp); i += 25 {
		ds = append(ds, sp[i].date.Format("01-02"))
	}
	fmt.Println("spam dates", ds)
	for _, cls := range []bool{true, false} {
		type q struct {
			m *mail
			s float64
		}
		var l []q
		for _, x := range test {
			if x.spam == cls {
				l = append(l, q{x, m.score(x.feat["1"])})
			}
		}
		sort.Slice(l, func(i, j int) bool { return (l[i].s < l[j].s) == cls })
		for i := 0; i < 60; i += 2 {
			x := l[i].m
			toks, _ := Tokens(context.Background(), x.part, bytes.NewReader(x.data), Options{Onegrams: true})
			type w struct {
				t    string
				p    float64
				h, s float64
			}
			var ws []w
			for _, k := range toks {
				h, s := m.get(v.id(k.Hash))
				if h+s == 0 {
					continue
				}
				p := (s / m.spam) / (s/m.spam + h/m.ham)
				p = (.15 + (h+s)*p) / (.3 + h + s)
				ws = append(ws, w{k.Text, p, h, s})
			}
			sort.Slice(ws, func(i, j int) bool { return math.Abs(ws[i].p-.5) > math.Abs(ws[j].p-.5) })
			fmt.Printf("%s %.4f %s known %d of %d:", x.name[:16], l[i].s, x.date.Format("01-02"), len(ws), len(toks))
			for _, w := range ws[:min(25, len(ws))] {
				fmt.Printf(" %s(%.2f %.0f/%.0f)", w.t, w.p, w.h, w.s)
			}
			fmt.Println()
		}
	}
}
