package dkim

import (
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// errTags says that text is not a tag-list. The caller wraps it in what it means there.
var errTags = errors.New("bad tag-list")

// maxTagList bounds a tag-list, in bytes. Fields of real signers are below 4 KiB; z=
// can make them longer.
const maxTagList = 64 << 10

// maxTags bounds the number of tags of a list.
const maxTags = 100

// Tag is an element of a tag-list (RFC 6376 3.2).
type Tag struct {
	Name string
	// Value without white space around it; inside, folding is as it was.
	Value string
}

// Tags is a tag-list, in its order.
type Tags []Tag

// Get returns the value of a tag, and whether there is one.
func (t Tags) Get(name string) (string, bool) {
	for _, tag := range t {
		if tag.Name == name {
			return tag.Value, true
		}
	}
	return "", false
}

// ParseTags parses a tag-list (RFC 6376 3.2), which may have UTF-8 (RFC 8616 5). Names
// that occur twice make it invalid.
func ParseTags(s string) (Tags, error) {
	if len(s) > maxTagList {
		return nil, fmt.Errorf("%w: longer than %d bytes", errTags, maxTagList)
	}
	if !utf8.ValidString(s) {
		return nil, fmt.Errorf("%w: invalid UTF-8", errTags)
	}
	s = strings.TrimSuffix(strings.TrimRight(s, fws), ";")
	tags := make(Tags, 0, 12)
	for spec := range strings.SplitSeq(s, ";") {
		name, value, ok := strings.Cut(spec, "=")
		name, value = strings.Trim(name, fws), strings.Trim(value, fws)
		switch {
		case !ok || !isTagName(name):
			return nil, fmt.Errorf("%w: %.50q is not a tag", errTags, spec)
		case strings.ContainsFunc(value, notValue):
			return nil, fmt.Errorf("%w: control character in tag %s", errTags, name)
		case len(tags) == maxTags:
			return nil, fmt.Errorf("%w: more than %d tags", errTags, maxTags)
		}
		if _, dup := tags.Get(name); dup {
			return nil, fmt.Errorf("%w: tag %s occurs twice", errTags, name)
		}
		tags = append(tags, Tag{name, value})
	}
	return tags, nil
}

// fws is what folding white space is made of.
const fws = " \t\r\n"

// notValue tells what is neither in a tval nor white space (RFC 6376 3.2).
func notValue(r rune) bool {
	return r < ' ' && r != '\t' && r != '\r' && r != '\n' || r == 0x7f
}

// isTagName is ALPHA *ALNUMPUNC.
func isTagName(s string) bool {
	for i := range len(s) {
		c := s[i] | 0x20
		if c >= 'a' && c <= 'z' || i > 0 && (s[i] >= '0' && s[i] <= '9' || s[i] == '_') {
			continue
		}
		return false
	}
	return s != "" && len(s) <= 64
}

// unfolded returns s without white space.
func unfolded(s string) string {
	if !strings.ContainsAny(s, fws) {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := range len(s) {
		if strings.IndexByte(fws, s[i]) < 0 {
			b = append(b, s[i])
		}
	}
	return string(b)
}

// list splits a colon-separated list and takes white space off its elements. Empty
// elements are left out.
func list(s string) []string {
	l := make([]string, 0, strings.Count(s, ":")+1)
	for e := range strings.SplitSeq(s, ":") {
		if e = strings.Trim(e, fws); e != "" {
			l = append(l, e)
		}
	}
	return l
}

// decodeBase64 decodes base64 with white space anywhere.
func decodeBase64(s string) ([]byte, error) {
	return base64.StdEncoding.DecodeString(unfolded(s))
}

// number parses 1*76DIGIT. What is larger than an int64 becomes its maximum, which
// RFC 6376 3.5 allows for t= and x=, and which no body's length reaches.
func number(s string) (int64, error) {
	if s == "" || len(s) > 76 || strings.Trim(s, "0123456789") != "" {
		return 0, fmt.Errorf("%.80q is not a number", s)
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		n = math.MaxInt64
	}
	return n, nil
}

// decodeQP decodes dkim-quoted-printable (RFC 6376 2.11), whose white space means
// nothing.
func decodeQP(s string) (string, error) {
	s = unfolded(s)
	if !strings.Contains(s, "=") {
		return s, nil
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] != '=' {
			b = append(b, s[i])
			continue
		}
		if i+2 >= len(s) {
			return "", errors.New("bad quoted-printable")
		}
		c, err := strconv.ParseUint(s[i+1:i+3], 16, 8)
		if err != nil {
			return "", errors.New("bad quoted-printable")
		}
		b = append(b, byte(c))
		i += 2
	}
	return string(b), nil
}

// encodeQP is the inverse of decodeQP. With utf8, text that is not ASCII is left as it
// is (RFC 8616 5).
func encodeQP(s string, utf8 bool) string {
	const hex = "0123456789ABCDEF"
	b := make([]byte, 0, len(s))
	for i := range len(s) {
		// RFC 6376 2.11: dkim-safe-char. "|" is not safe in z=, ":" not in lists.
		c := s[i]
		if c > ' ' && c < 0x7f && c != ';' && c != '=' && c != '|' && c != ':' || utf8 && c >= 0x80 {
			b = append(b, c)
		} else {
			b = append(b, '=', hex[c>>4], hex[c&15])
		}
	}
	return string(b)
}
