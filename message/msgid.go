package message

import "strings"

// ParseMessageIDs returns the message ids of a Message-ID, In-Reply-To or References
// field, without angle brackets and white space, in order. Of more than max (0: 1000)
// the last are returned, which are nearest to the message. Where nothing is in angle
// brackets, words with an "@" count (RFC 5322 4.5.4 allowed phrases in between).
func ParseMessageIDs(s string, max int) []string {
	if max <= 0 {
		max = 1000
	}
	var ids []string
	for rest := s; ; {
		i := strings.IndexByte(rest, '<')
		if i < 0 {
			break
		}
		rest = rest[i+1:]
		e := strings.IndexAny(rest, "<>")
		if e < 0 {
			break
		}
		if rest[e] == '>' {
			if id := cleanID(rest[:e]); id != "" {
				ids = append(ids, id)
			}
			e++
		}
		rest = rest[e:]
	}
	if len(ids) == 0 {
		for w := range strings.FieldsSeq(stripComments(s)) {
			if w = cleanID(strings.Trim(w, "<>,;\"")); strings.Contains(w, "@") {
				ids = append(ids, w)
			}
		}
	}
	if len(ids) > max {
		ids = append([]string(nil), ids[len(ids)-max:]...)
	}
	return ids
}

// cleanID removes white space, which folding puts into ids.
func cleanID(s string) string {
	s = strings.TrimSpace(s)
	if !strings.ContainsAny(s, " \t\r\n\x00") {
		return s
	}
	return idSpace.Replace(s)
}

var idSpace = strings.NewReplacer(" ", "", "\t", "", "\r", "", "\n", "", "\x00", "")

// References returns the message ids by which RFC 5256 3 threads a message, the closest
// last, at most max of them: those of References; when it has none the first of
// In-Reply-To, where only what is in angle brackets counts, since addresses occur there.
func References(references, inReplyTo string, max int) []string {
	if ids := ParseMessageIDs(references, max); len(ids) > 0 {
		return ids
	}
	if !strings.Contains(inReplyTo, "<") {
		return nil
	}
	// Of more than it is asked for, ParseMessageIDs returns the last.
	if ids := ParseMessageIDs(inReplyTo, 0); len(ids) > 0 {
		return ids[:1]
	}
	return nil
}

// UnquoteMessageID returns a message id, without angle brackets, in the form that
// compares: RFC 5256 3: <"a"@b> is <a@b>.
func UnquoteMessageID(id string) string {
	if !strings.Contains(id, `"`) {
		return id
	}
	var b strings.Builder
	quoted := false
	for i := 0; i < len(id); i++ {
		switch c := id[i]; {
		case c == '"':
			quoted = !quoted
		case c == '\\' && quoted && i+1 < len(id):
			i++
			b.WriteByte(id[i])
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}
