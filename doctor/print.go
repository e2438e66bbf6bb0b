package doctor

import (
	"fmt"
	"io"
	"strings"
	"unicode"
)

// Print writes the report as text; with all, also what is right.
func (r *Report) Print(w io.Writer, all bool) error {
	var b strings.Builder
	count := map[Level]int{}
	fixed, can := 0, 0
	for _, f := range r.Findings {
		switch {
		case f.Fixed != "":
			fixed++
		case f.CanFix:
			can++
			count[f.Level]++
		default:
			count[f.Level]++
		}
		if f.Level == OK && !all {
			continue
		}
		f.print(&b)
	}
	bad := count[Urgent] + count[Problem]
	switch {
	case bad > 0:
		fmt.Fprintf(&b, "%d %s", bad, plural(bad, "problem", "problems"))
	default:
		b.WriteString("No problems")
	}
	fmt.Fprintf(&b, ", %d %s, %d in order", count[Warning]+count[Hint], plural(count[Warning]+count[Hint], "hint", "hints"), count[OK])
	if fixed > 0 {
		fmt.Fprintf(&b, ", %d repaired", fixed)
	}
	b.WriteString(".\n")
	if can > 0 {
		fmt.Fprintf(&b, "%d of them %s repaired by: mox doctor -fix\n", can, plural(can, "is", "are"))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// labels begin lines.
var labels = map[Level]string{Urgent: "URGENT", Problem: "PROBLEM", Warning: "WARNING", Hint: "hint", OK: "ok"}

func (f Finding) print(b *strings.Builder) {
	label := labels[f.Level]
	if f.Fixed != "" {
		label = "FIXED"
	}
	fmt.Fprintf(b, "%-8s %s: %s\n", label, f.Check, shown(f.Text))
	if f.Fixed != "" {
		fmt.Fprintf(b, "         done: %s\n", shown(f.Fixed))
		return
	}
	for line := range strings.Lines(f.Remedy) {
		fmt.Fprintf(b, "         %s\n", shown(line))
	}
}

// shown is a text of others without what a terminal would act on.
func shown(text string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\r' || r == '\t' {
			return ' '
		}
		if !unicode.IsGraphic(r) {
			return -1
		}
		return r
	}, strings.TrimRight(text, "\r\n"))
}
