package classifier

import (
	"fmt"
	"strings"
	"testing"
)

func TestGrid3(t *testing.T) {
	if *corpusDir == "" {
		t.Skip()
	}
	drop := func(s string) bool { return strings.HasPrefix(s, "Message-ID:@") }
	ss := sets(t, func(v *vocab, m *mail) {
		v.ours(m, "12", Options{Onegrams: true, Twograms: true}, drop)
	})
	var tr []trial
	for _, k := range []float64{20, 40} {
		for _, c := range []float64{2.5, 3.5, 4.6} {
			for _, top := range []float64{100, 150} {
				for _, pw := range []float64{.4, .5, .6} {
					for _, rare := range []float64{.5, 2} {
						for _, min := range []float64{0.1, .4, 1} {
							if pw != .5 && (rare != .5 || min != .4) {
								continue
							}
							sc := map[float64]float64{.4: .6, .5: 1, .6: 1.6}[pw]
							tr = append(tr, trial{fmt.Sprintf("k%g c%g top%g pow%g rare%g min%g", k, c, top, pw, rare, min), func() method {
								return &pool{k: k, top: top, each: true, pow: pw, scale: sc, clamp: c, rare: rare, min: min}
							}, "12"})
						}
					}
				}
			}
		}
	}
	table(ss, tr)
}
