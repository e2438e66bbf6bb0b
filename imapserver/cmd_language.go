package imapserver

import (
	"context"
	"strings"

	"mox/imap"
)

// languages are those of texts for people, the first when any will do. RFC 2277 4.5:
// i-default is understandable to who knows English; the texts are the same.
var languages = []string{"en", "i-default"}

// cmdLanguage is LANGUAGE, RFC 5255 3.2. There are no translated names, so that no
// NAMESPACE response follows.
func (s *session) cmdLanguage(_ context.Context, r *imap.Request) error {
	ranges := r.Args.(*imap.Language).Ranges
	if len(ranges) == 0 {
		s.line("* LANGUAGE (", strings.Join(languages, " "), ")")
		return nil
	}
	for _, rg := range ranges {
		if tag := lookupLanguage(rg); tag != "" {
			s.line("* LANGUAGE (", tag, ")")
			return nil
		}
	}
	return imap.No("", "language is not supported")
}

// lookupLanguage finds the language for a range, empty when there is none. RFC 4647 3.4:
// the range is shortened from its end until it fits.
func lookupLanguage(rg string) string {
	switch {
	case strings.EqualFold(rg, "default"):
		// What the administrator prefers: nothing was said.
		return "i-default"
	case rg == "*":
		return languages[0]
	}
	for rg != "" {
		for _, l := range languages {
			if strings.EqualFold(rg, l) {
				return l
			}
		}
		i := strings.LastIndexByte(rg, '-')
		if i < 0 {
			return ""
		}
		rg = rg[:i]
		// A single letter or digit goes with what follows it.
		if i >= 2 && rg[i-2] == '-' {
			rg = rg[:i-2]
		}
	}
	return ""
}
