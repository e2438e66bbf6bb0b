package sconf

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Path names a value by the keys that lead to it, from the outermost. Indexes of lists
// are elements like "[2]". The nil path is the whole file.
type Path []string

// Key returns the path of a member, or with several keys of a member of a member.
func (p Path) Key(keys ...string) Path {
	return append(p[:len(p):len(p)], keys...)
}

// Index returns the path of a list item, counted from 0.
func (p Path) Index(i int) Path {
	return p.Key("[" + strconv.Itoa(i) + "]")
}

// String returns the path as "Listeners.public.IPs[2]". Unprintable characters are
// escaped.
func (p Path) String() string {
	var b strings.Builder
	for i, e := range p {
		if i > 0 && !isIndex(e) {
			b.WriteByte('.')
		}
		b.WriteString(printable(e))
	}
	return b.String()
}

func isIndex(e string) bool {
	return len(e) > 2 && e[0] == '[' && e[len(e)-1] == ']'
}

// printable escapes what a terminal would act on, and shortens what is very long.
func printable(s string) string {
	const maxShown = 200
	if len(s) > maxShown {
		n := maxShown
		for n > 0 && !utf8.RuneStart(s[n]) {
			n--
		}
		s = s[:n] + "..."
	}
	q := strconv.Quote(s)
	if len(q) == len(s)+2 {
		return s
	}
	return strings.ReplaceAll(strings.ReplaceAll(q[1:len(q)-1], `\"`, `"`), `\\`, `\`)
}

// Error is one problem in a file.
type Error struct {
	File string // As given by the caller, may be empty.
	Line int    // From 1; 0 if unknown.
	Path Path   // May be nil, for errors of syntax.
	Msg  string
}

// Error returns "file:line: path: message".
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.File)
	if e.Line > 0 {
		if b.Len() == 0 {
			b.WriteString("line ")
		} else {
			b.WriteByte(':')
		}
		b.WriteString(strconv.Itoa(e.Line))
	}
	if b.Len() > 0 {
		b.WriteString(": ")
	}
	if len(e.Path) > 0 {
		b.WriteString(e.Path.String())
		b.WriteString(": ")
	}
	b.WriteString(e.Msg)
	return b.String()
}

// Errors is all problems found in a file, in order of lines as far as known. It is
// never empty when returned as error.
type Errors []*Error

// Error returns all errors, a line each.
func (l Errors) Error() string {
	texts := make([]string, len(l))
	for i, e := range l {
		texts[i] = e.Error()
	}
	return strings.Join(texts, "\n")
}

// Unwrap returns the errors one by one, for [errors.As].
func (l Errors) Unwrap() []error {
	errs := make([]error, len(l))
	for i, e := range l {
		errs[i] = e
	}
	return errs
}

// Suggest returns the valid word that word was probably meant to be, or "" if none is
// near.
func Suggest(word string, valid []string) string {
	const maxWord = 64
	if word == "" || len(word) > maxWord {
		return ""
	}
	best, bestDist := "", (len(word)+2)/4+1
	for _, v := range valid {
		if strings.EqualFold(word, v) {
			return v
		}
		if len(v) > maxWord || abs(len(v)-len(word)) >= bestDist {
			continue
		}
		if d := distance(strings.ToLower(word), strings.ToLower(v)); d < bestDist {
			best, bestDist = v, d
		}
	}
	return best
}

func abs(i int) int {
	return max(i, -i)
}

// distance is how many insertions, deletions, substitutions and swaps of neighbours
// make b out of a.
func distance(a, b string) int {
	prev2, prev, cur := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(a); i++ {
		cur[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			cur[j] = min(prev[j]+1, cur[j-1]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				cur[j] = min(cur[j], prev2[j-2]+1)
			}
		}
		prev2, prev, cur = prev, cur, prev2
	}
	return prev[len(b)]
}

// didYouMean returns a clause for a message about an unknown word, or "".
func didYouMean(word string, valid []string) string {
	if s := Suggest(word, valid); s != "" {
		return fmt.Sprintf("; did you mean %q?", s)
	}
	return ""
}
