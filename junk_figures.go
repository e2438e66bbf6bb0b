package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
)

// junkFigures gathers verdicts on mails whose kind is known.
type junkFigures struct {
	threshold float64
	verdicts  []junkVerdict
}

type junkVerdict struct {
	probability float64
	spam        bool
	name        string
}

func (f *junkFigures) add(m *junkMail, probability float64) {
	f.verdicts = append(f.verdicts, junkVerdict{probability, m.spam, m.name()})
}

// confusion are the four numbers of a threshold.
type confusion struct {
	truePositives, falsePositives, trueNegatives, falseNegatives int
}

func (f *junkFigures) confusion() (c confusion) {
	for _, v := range f.verdicts {
		junk := v.probability >= f.threshold
		switch {
		case junk && v.spam:
			c.truePositives++
		case junk:
			c.falsePositives++
		case v.spam:
			c.falseNegatives++
		default:
			c.trueNegatives++
		}
	}
	return c
}

// at returns how much junk is found at the threshold that lets at most the given part of
// ham be taken for junk, and that threshold. Where junk and ham have the same
// probability, the ham counts first.
func (f *junkFigures) at(rate float64) (found, allowed int, threshold float64) {
	list := slices.Clone(f.verdicts)
	ham := 0
	for _, v := range list {
		if !v.spam {
			ham++
		}
	}
	slices.SortStableFunc(list, func(a, b junkVerdict) int {
		return cmp.Or(cmp.Compare(b.probability, a.probability), cmp.Compare(boolInt(a.spam), boolInt(b.spam)))
	})
	allowed = int(rate * float64(ham))
	wrong := 0
	threshold = 1
	for _, v := range list {
		if !v.spam {
			if wrong++; wrong > allowed {
				break
			}
			continue
		}
		found++
		threshold = v.probability
	}
	return found, allowed, threshold
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

func percent(part, whole int) string {
	if whole == 0 {
		return "none"
	}
	return fmt.Sprintf("%.2f%% (%d of %d)", 100*float64(part)/float64(whole), part, whole)
}

// junkRates are the parts of ham that may be taken for junk, of thresholds to compare.
var junkRates = [...]float64{0.001, 0.01}

// print writes the figures.
func (f *junkFigures) print(w io.Writer) {
	c := f.confusion()
	spam, ham := c.truePositives+c.falseNegatives, c.falsePositives+c.trueNegatives
	fmt.Fprintf(w, "tested:                  %d ham, %d junk, threshold %g\n", ham, spam, f.threshold)
	fmt.Fprintf(w, "junk found:              %d\n", c.truePositives)
	fmt.Fprintf(w, "junk missed:             %d\n", c.falseNegatives)
	fmt.Fprintf(w, "ham passed:              %d\n", c.trueNegatives)
	fmt.Fprintf(w, "ham taken for junk:      %d\n", c.falsePositives)
	fmt.Fprintf(w, "recall:                  %s\n", percent(c.truePositives, spam))
	fmt.Fprintf(w, "precision:               %s\n", percent(c.truePositives, c.truePositives+c.falsePositives))
	fmt.Fprintf(w, "false positives:         %s\n", percent(c.falsePositives, ham))
	for _, rate := range junkRates {
		found, allowed, threshold := f.at(rate)
		fmt.Fprintf(w, "recall at %.1f%% of ham:   %s; allows %d false positives, threshold %.6f\n", 100*rate, percent(found, spam), allowed, threshold)
	}
}

// printWrong lists the mails that were taken for what they are not.
func (f *junkFigures) printWrong(w io.Writer) {
	for _, v := range f.verdicts {
		if junk := v.probability >= f.threshold; junk != v.spam {
			fmt.Fprintf(w, "%s %.6f %s\n", map[bool]string{true: "junk missed       ", false: "ham taken for junk"}[v.spam], v.probability, v.name)
		}
	}
}

// junkFiguresAnswer are figures for programs.
type junkFiguresAnswer struct {
	After                        string `json:",omitempty"`
	Ham, Junk                    int    // tested
	Found, Missed, Passed, Taken int    // junk found and missed, ham passed and taken for junk
	Threshold                    float64
	AtRates                      []junkRate
	Wrong                        []junkWrong `json:",omitempty"`
}

// junkRate is how much junk is found where so much of ham may be taken for junk.
type junkRate struct {
	Rate      float64
	Found     int
	Allowed   int
	Threshold float64
}

// junkWrong is a mail that was taken for what it is not.
type junkWrong struct {
	Name        string
	Junk        bool // what it is
	Probability float64
}

func (f *junkFigures) answer(after string, wrong bool) junkFiguresAnswer {
	c := f.confusion()
	a := junkFiguresAnswer{
		After: after, Ham: c.falsePositives + c.trueNegatives, Junk: c.truePositives + c.falseNegatives,
		Found: c.truePositives, Missed: c.falseNegatives, Passed: c.trueNegatives, Taken: c.falsePositives, Threshold: f.threshold,
	}
	for _, rate := range junkRates {
		found, allowed, threshold := f.at(rate)
		a.AtRates = append(a.AtRates, junkRate{rate, found, allowed, threshold})
	}
	for _, v := range f.verdicts {
		if junk := v.probability >= f.threshold; wrong && junk != v.spam {
			a.Wrong = append(a.Wrong, junkWrong{v.name, v.spam, v.probability})
		}
	}
	return a
}
