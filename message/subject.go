package message

import "strings"

// BaseSubject returns the base subject of RFC 5256 2.1, by which IMAP sorts and
// threads, of a Subject as it is in the message (encoded-words allowed), in UTF-8 and
// its own case, and whether the message is a reply or forward by RFC 5256 3.
func BaseSubject(subject string) (base string, reply bool) {
	// (1) Decode, white space to single spaces.
	s := singleSpaces(DecodeWords(subject))
	for {
		// (2) Trailers: "(fwd)" and white space.
		for {
			s = strings.TrimRight(s, " ")
			rest, ok := cutSuffixFold(s, "(fwd)")
			if !ok {
				break
			}
			s, reply = rest, true
		}
		// (3), (4), (5) Leaders and blobs.
		var refwd bool
		s, refwd = trimLeaders(s)
		reply = reply || refwd
		// (6) "[fwd: ... ]"
		inner, ok := cutPrefixFold(s, "[fwd:")
		if !ok || !strings.HasSuffix(inner, "]") {
			return s, reply
		}
		s, reply = inner[:len(inner)-1], true
	}
}

func singleSpaces(s string) string {
	var b strings.Builder
	b.Grow(len(s))
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c == '\t' || c == '\r' || c == '\n' {
			c = ' '
		}
		if c == ' ' && i > 0 && (s[i-1] == ' ' || s[i-1] == '\t' || s[i-1] == '\r' || s[i-1] == '\n') {
			continue
		}
		b.WriteByte(c)
	}
	return b.String()
}

// trimLeaders removes subj-leader and subj-blob from the start until none is left,
// and reports whether a subj-refwd was among them. Each byte is looked at once.
func trimLeaders(s string) (rest string, refwd bool) {
	for {
		s = strings.TrimLeft(s, " ")
		// All blobs, the last of them noted: what follows decides.
		after, last := s, s
		for {
			rest, ok := cutBlob(after)
			if !ok {
				break
			}
			last, after = after, rest
		}
		if rest, ok := cutRefwd(after); ok {
			// subj-leader = *subj-blob subj-refwd
			s, refwd = rest, true
			continue
		}
		if after == "" {
			// Removing the last blob would leave no base.
			return last, refwd
		}
		return after, refwd
	}
}

// cutBlob: subj-blob = "[" *BLOBCHAR "]" *WSP
func cutBlob(s string) (rest string, ok bool) {
	if s == "" || s[0] != '[' {
		return s, false
	}
	i := strings.IndexAny(s[1:], "[]")
	if i < 0 || s[1+i] != ']' {
		return s, false
	}
	return strings.TrimLeft(s[i+2:], " "), true
}

// cutRefwd: subj-refwd = ("re" / ("fw" ["d"])) *WSP [subj-blob] ":"
func cutRefwd(s string) (rest string, ok bool) {
	if rest, ok = cutPrefixFold(s, "re"); !ok {
		if rest, ok = cutPrefixFold(s, "fwd"); !ok {
			if rest, ok = cutPrefixFold(s, "fw"); !ok {
				return s, false
			}
		}
	}
	rest, _ = cutBlob(strings.TrimLeft(rest, " "))
	return strings.CutPrefix(rest, ":")
}

func cutPrefixFold(s, prefix string) (rest string, ok bool) {
	if len(s) < len(prefix) || !strings.EqualFold(s[:len(prefix)], prefix) {
		return s, false
	}
	return s[len(prefix):], true
}

func cutSuffixFold(s, suffix string) (rest string, ok bool) {
	n := len(s) - len(suffix)
	if n < 0 || !strings.EqualFold(s[n:], suffix) {
		return s, false
	}
	return s[:n], true
}
