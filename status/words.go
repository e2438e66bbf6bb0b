package status

import (
	"fmt"
	"strings"
	"time"
	"unicode"
)

// Lengths in characters: others' words are quoted, which may be any.
const (
	maxText  = 400
	maxQuote = 160
)

// line makes text one line of at most max characters. What others said may have controls, which
// are not for terminals.
func line(text string, max int) string {
	text = strings.Join(strings.FieldsFunc(strings.ToValidUTF8(text, "\uFFFD"), func(r rune) bool {
		return unicode.IsSpace(r) || !unicode.IsGraphic(r)
	}), " ")
	if runes := []rune(text); len(runes) > max {
		text = string(runes[:max-3]) + "..."
	}
	return text
}

// because is ": text" for the end of a sentence, or nothing.
func because(text string) string {
	if text = strings.TrimRight(line(text, maxQuote), ". "); text == "" {
		return ""
	}
	return ": " + text
}

// number is "1 message" or "2 messages".
func number(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// span is a duration in its largest unit, rounded down.
func span(d time.Duration) string {
	switch {
	case d >= 2*365*24*time.Hour:
		return fmt.Sprintf("%d years", d/(365*24*time.Hour))
	case d >= 48*time.Hour:
		return fmt.Sprintf("%d days", d/(24*time.Hour))
	case d >= 2*time.Hour:
		return fmt.Sprintf("%d hours", d/time.Hour)
	case d >= 2*time.Minute:
		return fmt.Sprintf("%d minutes", d/time.Minute)
	}
	return number(int(max(d, 0)/time.Second), "second", "seconds")
}

// bytes is a size in a unit that people read.
func bytes(n uint64) string {
	switch {
	case n >= 10<<30:
		return fmt.Sprintf("%d GiB", n>>30)
	case n >= 1<<30:
		return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
	}
	return fmt.Sprintf("%d MiB", n>>20)
}

// others is ", and 2 others", or nothing.
func others(n int, one, many string) string {
	if n <= 0 {
		return ""
	}
	return " (and " + number(n, one, many) + ")"
}
