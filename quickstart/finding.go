package quickstart

import (
	"fmt"
	"strings"
)

// Level is how bad a finding is.
type Level string

// Levels. A problem keeps mail from working, a warning from working well; a note is to be
// known only.
const (
	OK      Level = "ok"
	Note    Level = "note"
	Warning Level = "warning"
	Problem Level = "problem"
)

// Finding is what a check has to say.
type Finding struct {
	Check  string // name of the check, such as "reverse-dns"
	Level  Level
	Text   string // sentences for the person who installs
	Remedy string // what to do about it; empty for OK, and where nothing can be done
}

func ok(format string, args ...any) Finding {
	return Finding{Level: OK, Text: fmt.Sprintf(format, args...)}
}

func note(remedy, format string, args ...any) Finding {
	return Finding{Level: Note, Text: fmt.Sprintf(format, args...), Remedy: remedy}
}

func warning(remedy, format string, args ...any) Finding {
	return Finding{Level: Warning, Text: fmt.Sprintf(format, args...), Remedy: remedy}
}

func problem(remedy, format string, args ...any) Finding {
	return Finding{Level: Problem, Text: fmt.Sprintf(format, args...), Remedy: remedy}
}

// list joins words as in "a, b and c".
func list[T fmt.Stringer](all []T) string {
	words := make([]string, len(all))
	for i, v := range all {
		words[i] = v.String()
	}
	return join(words)
}

func join(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:len(words)-1], ", ") + " and " + words[len(words)-1]
}

// plural is "address" or "addresses".
func plural(n int, one, more string) string {
	if n == 1 {
		return one
	}
	return more
}
