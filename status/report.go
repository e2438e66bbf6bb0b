package status

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// Level is how bad something is.
type Level string

// The levels, from the worst.
const (
	Urgent  Level = "urgent"  // mail is refused or can be lost, now or soon
	Problem Level = "problem" // something does not work as it should
	Hint    Level = "hint"    // all works; something could be better
)

// levels in the order of reports.
var levels = []Level{Urgent, Problem, Hint}

// Sentence tells of one thing.
type Sentence struct {
	Level   Level
	Kind    string // of the thing, such as "certificate": for programs
	Text    string // ends with a full stop
	Command string // what to run next
}

// MaxSentences is how many sentences a report has at most.
const MaxSentences = 5

// Report is how a server is, for people.
type Report struct {
	OK        bool       // there is nothing but hints
	Summary   string     `json:",omitempty"` // the good sentence, if OK
	Sentences []Sentence // the worst first; with Summary five at most
	More      int        `json:",omitempty"` // problems that are left out
}

// Report judges the facts.
func (f *Facts) Report() Report {
	all := f.sentences()
	hints := slices.IndexFunc(all, func(s Sentence) bool { return s.Level == Hint })
	if hints < 0 {
		hints = len(all)
	}
	r := Report{OK: hints == 0, Sentences: all}
	room := MaxSentences
	if r.OK {
		r.Summary = f.summary()
		room--
	}
	if len(all) > room {
		r.Sentences = all[:room]
	}
	// Hints that there is no room for are not missed.
	r.More = max(hints-room, 0)
	return r
}

// All judges the facts and leaves nothing out, for who goes through everything.
func (f *Facts) All() Report {
	r := f.Report()
	r.Sentences, r.More = f.sentences(), 0
	return r
}

// sentences are those of all rules, the worst first.
func (f *Facts) sentences() []Sentence {
	var all []Sentence
	for _, r := range rules {
		if s, ok := r.judge(f); ok {
			s.Kind, s.Text = r.kind, line(s.Text, maxText)
			all = append(all, s)
		}
	}
	slices.SortStableFunc(all, func(a, b Sentence) int { return slices.Index(levels, a.Level) - slices.Index(levels, b.Level) })
	return withoutErrors(all)
}

// withoutErrors leaves out that errors were logged where another problem is told: nearly all problems
// log some, and someone who solves it sees whether more come.
func withoutErrors(all []Sentence) []Sentence {
	for _, s := range all {
		if s.Level != Hint && s.Kind != kindErrors {
			return slices.DeleteFunc(all, func(s Sentence) bool { return s.Kind == kindErrors })
		}
	}
	return all
}

// NotRunning is the report of a server that does not run.
func NotRunning() Report {
	return Report{Sentences: []Sentence{{Level: Urgent, Kind: "server", Text: "The server is not running: no mail is received or sent.", Command: "mox serve"}}}
}

// Print writes the report as text.
func (r Report) Print(w io.Writer) error {
	var b strings.Builder
	if r.OK {
		fmt.Fprintln(&b, r.Summary)
	}
	for _, s := range r.Sentences {
		label := map[Level]string{Urgent: "URGENT: ", Hint: "Hint: "}[s.Level]
		fmt.Fprintf(&b, "%s%s\n    run: %s\n", label, s.Text, s.Command)
	}
	if r.More > 0 {
		fmt.Fprintf(&b, "And %s: they are shown when these are solved.\n", number(r.More, "more problem", "more problems"))
	}
	_, err := io.WriteString(w, b.String())
	return err
}
