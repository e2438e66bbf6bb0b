package store

import (
	"fmt"
	"slices"
	"strings"
)

// Bounds of keywords.
const (
	maxKeywords   = 200 // of a message
	maxKeywordLen = 200 // bytes

	maxKeywordSets = 50_000 // distinct combinations in an account
)

// keywords is the interned keyword sets of an account.
type keywords struct {
	byID    map[KeywordSet][]string // sorted by lower case
	byWords map[string]KeywordSet   // joined by spaces
	forms   map[string]string       // lower case to the form that was used first
	muted   map[KeywordSet]bool     // those with KeywordMuted
}

func newKeywords() keywords {
	return keywords{map[KeywordSet][]string{}, map[string]KeywordSet{}, map[string]string{}, map[KeywordSet]bool{}}
}

func (k *keywords) add(id KeywordSet, words []string) {
	k.byID[id] = words
	k.byWords[strings.Join(words, " ")] = id
	if hasMuted(words) {
		k.muted[id] = true
	}
	for _, w := range words {
		if l := strings.ToLower(w); k.forms[l] == "" {
			k.forms[l] = w
		}
	}
}

// Keywords returns the keywords of a set, sorted; not to be written to.
func (a *Account) Keywords(set KeywordSet) []string {
	if set == 0 {
		return nil
	}
	a.mu.RLock()
	defer a.mu.RUnlock()
	return a.keywords.byID[set]
}

// KeywordSets returns the sets that contain a keyword, whatever its case.
func (a *Account) KeywordSets(keyword string) map[KeywordSet]bool {
	a.mu.RLock()
	defer a.mu.RUnlock()
	sets := map[KeywordSet]bool{}
	for id, words := range a.keywords.byID {
		if slices.ContainsFunc(words, func(w string) bool { return strings.EqualFold(w, keyword) }) {
			sets[id] = true
		}
	}
	return sets
}

// words returns the keywords of a set as the operation sees them.
func (t *tx) words(set KeywordSet) []string {
	if w, ok := t.a.keywords.byID[set]; ok || set == 0 {
		return w
	}
	for w, id := range t.overlay.keywords {
		if id == set {
			return strings.Fields(w)
		}
	}
	return nil
}

// intern returns the set of the given keywords, making it where it is new.
func (t *tx) intern(words []string) (KeywordSet, error) {
	if len(words) == 0 {
		return 0, nil
	}
	norm := make([]string, 0, len(words))
	for _, w := range words {
		if f, ok := t.a.keywords.forms[strings.ToLower(w)]; ok {
			w = f
		}
		norm = append(norm, w)
	}
	lower := func(x, y string) int { return strings.Compare(strings.ToLower(x), strings.ToLower(y)) }
	slices.SortFunc(norm, lower)
	norm = slices.CompactFunc(norm, strings.EqualFold)
	if len(norm) > maxKeywords {
		return 0, fmt.Errorf("%w: more than %d keywords", ErrBadName, maxKeywords)
	}
	joined := strings.Join(norm, " ")
	if id, ok := t.a.keywords.byWords[joined]; ok {
		return id, nil
	}
	if id, ok := t.overlay.keywords[joined]; ok {
		return id, nil
	}
	if len(t.a.keywords.byID)+len(t.overlay.keywords) >= maxKeywordSets {
		return 0, fmt.Errorf("%w combinations of keywords", ErrLimit)
	}
	id := KeywordSet(len(t.a.keywords.byID) + len(t.overlay.keywords) + 1)
	if err := t.c.Exec("INSERT INTO keyword_set (id, words) VALUES (?, ?)", int64(id), joined); err != nil {
		return 0, err
	}
	put(&t.overlay.keywords, joined, id)
	t.dirty = true
	return id, nil
}

// checkKeywords refuses what cannot be a keyword. Keywords with a bit are for Flags.
func checkKeywords(words []string) error {
	for _, w := range words {
		if w == "" || len(w) > maxKeywordLen || strings.ContainsFunc(w, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
			return fmt.Errorf("%w: keyword %q", ErrBadName, w)
		}
		if _, ok := ParseFlag(w); ok {
			return fmt.Errorf("%w: keyword %q is a flag", ErrBadName, w)
		}
	}
	return nil
}

// normalFlags moves keywords that have a bit to flags.
func normalFlags(f Flags, words []string) (Flags, []string, error) {
	var rest []string
	for i, w := range words {
		bit, ok := ParseFlag(w)
		if ok && rest == nil {
			rest = slices.Clone(words[:i])
		}
		switch {
		case ok:
			f |= bit
		case rest != nil:
			rest = append(rest, w)
		}
	}
	if rest == nil {
		rest = words
	}
	return f & FlagsAll, rest, checkKeywords(rest)
}

// changeWords applies an operation to a list of keywords.
func changeWords(op FlagOp, old, words []string) []string {
	switch op {
	case FlagsAdd:
		return append(slices.Clone(old), words...)
	case FlagsRemove:
		return slices.DeleteFunc(slices.Clone(old), func(w string) bool {
			return slices.ContainsFunc(words, func(x string) bool { return strings.EqualFold(w, x) })
		})
	}
	return words
}
