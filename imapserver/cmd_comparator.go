package imapserver

import (
	"context"
	"strings"

	"mox/imap"
	"mox/message"
)

// cmdComparator is COMPARATOR, RFC 5255 4.7.
func (s *session) cmdComparator(_ context.Context, r *imap.Request) error {
	patterns := r.Args.(*imap.Comparator).Patterns
	var matching []comparator
	for _, p := range patterns {
		m, err := matchComparators(p)
		if err != nil {
			return err
		}
		matching = append(matching, m...)
	}
	if len(patterns) > 0 {
		if len(matching) == 0 {
			return imap.No(imap.CodeBadComparator, "no such comparator")
		}
		s.comparator = matching[0]
	}
	b := append(s.output(), "* COMPARATOR "...)
	b = imap.AppendAString(b, s.comparator.String())
	// RFC 5255 4.8: the list only when more than one matches.
	if names := comparatorNames(matching); len(names) > 1 {
		sep := " ("
		for _, n := range names {
			b = imap.AppendAString(append(b, sep...), n)
			sep = " "
		}
		b = append(b, ')')
	}
	s.out = append(b, "\r\n"...)
	return nil
}

// comparatorNames returns the identifiers, each once.
func comparatorNames(cs []comparator) (names []string) {
	seen := map[message.Collation]bool{}
	for _, c := range cs {
		if !seen[c.collation] {
			seen[c.collation] = true
			names = append(names, c.collation.String())
		}
	}
	return names
}

// matchComparators returns the comparators that a collation-order of RFC 4790 3.3
// matches, the most widely useful first.
func matchComparators(pattern string) (matching []comparator, err error) {
	if strings.EqualFold(pattern, "default") {
		return []comparator{{}}, nil
	}
	pattern, descending := strings.CutPrefix(pattern, "-")
	if !descending {
		pattern = strings.TrimPrefix(pattern, "+")
	}
	// RFC 4790 3.2: wildcards must not be adjacent.
	if pattern == "" || len(pattern) > 254 || strings.Contains(pattern, "**") {
		return nil, imap.Bad("bad comparator pattern")
	}
	for _, c := range message.Collations {
		if matchWild(pattern, c.String()) {
			matching = append(matching, comparator{c, descending})
		}
	}
	return matching, nil
}

// matchWild matches a name against a pattern in which "*" stands for anything. Case
// makes no difference: identifiers have ASCII letters.
func matchWild(pattern, name string) bool {
	pattern, name = strings.ToLower(pattern), strings.ToLower(name)
	parts := strings.Split(pattern, "*")
	last := len(parts) - 1
	if last == 0 {
		return pattern == name
	}
	if !strings.HasPrefix(name, parts[0]) {
		return false
	}
	name = name[len(parts[0]):]
	for _, p := range parts[1:last] {
		i := strings.Index(name, p)
		if i < 0 {
			return false
		}
		name = name[i+len(p):]
	}
	return strings.HasSuffix(name, parts[last])
}
