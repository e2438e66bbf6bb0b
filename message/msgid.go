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
