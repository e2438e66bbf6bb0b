package message

import (
	"bytes"
	"slices"
	"strconv"
	"strings"
)

// commonStrings are strings that most messages have: found here they need no memory.
var commonStrings = func() map[string]string {
	m := make(map[string]string, len(stringTable))
	for _, s := range stringTable {
		m[s] = s
	}
	return m
}()

func isTSpecial(c byte) bool {
	switch c {
	case '(', ')', '<', '>', '@', ',', ';', ':', '\\', '"', '/', '[', ']', '?', '=':
		return true
	}
	return false
}

// RFC 2045 5.1: a token is printable ASCII without tspecials.
func isTokenByte(c byte) bool { return c > ' ' && c < 0x7f && !isTSpecial(c) }

func skipSpace(b []byte) []byte {
	i := 0
	for i < len(b) && (b[i] == ' ' || b[i] == '\t') {
		i++
	}
	return b[i:]
}

// skipCFWS skips white space and comments; a comment without end reaches to the end.
func skipCFWS(b []byte) []byte {
	for {
		b = skipSpace(b)
		if len(b) == 0 || b[0] != '(' {
			return b
		}
		b = b[commentLen(b):]
	}
}

// commentLen returns the length of the comment that b starts with.
func commentLen[T []byte | string](b T) int {
	depth := 0
	for i := 0; i < len(b); i++ {
		switch b[i] {
		case '\\':
			i++
		case '(':
			depth++
		case ')':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return len(b)
}

// stripComments returns s with comments as spaces.
func stripComments(s string) string {
	if !strings.Contains(s, "(") {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '(' {
			b.WriteByte(s[i])
			continue
		}
		i += commentLen(s[i:]) - 1
		b.WriteByte(' ')
	}
	return b.String()
}

func takeToken(b []byte) (token, rest []byte) {
	i := 0
	for i < len(b) && isTokenByte(b[i]) {
		i++
	}
	return b[:i], b[i:]
}

// firstToken returns the token that a value starts with, such as an encoding.
func firstToken(b []byte) []byte {
	b = skipCFWS(b)
	if len(b) > 0 && b[0] == '"' {
		b = b[1:]
	}
	token, _ := takeToken(b)
	return token
}

// parseMediaType splits the value of a Content-Type field. It is not ok when there is
// no type or no subtype.
func parseMediaType(b []byte) (typ, subtype, params []byte, ok bool) {
	b = skipCFWS(b)
	if len(b) > 0 && b[0] == '"' {
		b = b[1:] // some quote it
	}
	typ, b = takeToken(b)
	b = skipCFWS(b)
	if len(typ) == 0 || len(b) == 0 || b[0] != '/' {
		return nil, nil, nil, false
	}
	subtype, b = takeToken(skipCFWS(b[1:]))
	if len(b) > 0 && b[0] == '"' {
		b = b[1:]
	}
	return typ, subtype, b, len(subtype) > 0
}

// parseDisposition splits the value of a Content-Disposition field.
//
// RFC 2183 2.8: an unknown disposition is as attachment; so is one that is missing
// before the parameters.
func parseDisposition(b []byte) (disposition, params []byte) {
	disposition, rest := takeToken(skipCFWS(b))
	if after := skipSpace(rest); len(disposition) > 0 && len(after) > 0 && after[0] == '=' {
		return []byte("attachment"), b
	}
	if len(disposition) == 0 && len(rest) > 0 {
		disposition = []byte("attachment")
	}
	return disposition, rest
}

// rawParam is a parameter as it is in the field.
type rawParam struct {
	name  []byte // as in the field
	value []byte // unquoted
}

// nextParam returns the next parameter of b and what follows it. What is not a
// parameter is skipped; at the end ok is false.
func nextParam(b []byte) (p rawParam, rest []byte, ok bool) {
	for {
		b = skipCFWS(b)
		if len(b) == 0 {
			return p, nil, false
		}
		if b[0] == ';' || b[0] == ',' {
			b = b[1:]
			continue
		}
		var name []byte
		name, b = takeToken(b)
		if len(name) == 0 {
			b = b[1:]
			continue
		}
		after := skipCFWS(b)
		if len(after) == 0 || after[0] != '=' {
			b = after
			continue
		}
		after = skipCFWS(after[1:])
		if len(after) > 0 && after[0] == '"' {
			p.value, rest = quotedValue(after)
		} else {
			p.value, rest = bareValue(after)
		}
		p.name = name
		return p, rest, true
	}
}

// quotedValue takes a quoted string, which may lack its end.
func quotedValue(b []byte) (value, rest []byte) {
	escaped := false
	for i := 1; i < len(b); i++ {
		switch {
		case b[i] == '\\' && i+1 < len(b) && (b[i+1] == '"' || b[i+1] == '\\'):
			// Other backslashes stay: they are from Windows paths, not from RFC 822.
			escaped = true
			i++
		case b[i] == '"':
			if escaped {
				return unescape(b[1:i]), b[i+1:]
			}
			return b[1:i], b[i+1:]
		}
	}
	return b[1:], nil
}

func unescape(b []byte) []byte {
	out := make([]byte, 0, len(b))
	for i := 0; i < len(b); i++ {
		if b[i] == '\\' && i+1 < len(b) && (b[i+1] == '"' || b[i+1] == '\\') {
			i++
		}
		out = append(out, b[i])
	}
	return out
}

// bareValue takes a value without quotes: to the next semicolon, white space included
// as in filename=my file.txt, unless another parameter or a comment follows.
func bareValue(b []byte) (value, rest []byte) {
	for i := 0; i < len(b); i++ {
		switch b[i] {
		case ';':
			return bytes.TrimSpace(b[:i]), b[i:]
		case ' ', '\t':
			next := skipSpace(b[i:])
			if len(next) > 0 && next[0] == '(' {
				return b[:i], next
			}
			token, after := takeToken(next)
			if after = skipSpace(after); len(token) > 0 && len(after) > 0 && after[0] == '=' {
				return b[:i], next
			}
			// The token was looked at; go on after it, for linear time.
			i = len(b) - len(next) + len(token) - 1
		}
	}
	return bytes.TrimSpace(b), nil
}

// segment is a parameter of RFC 2231: value n of a continuation, percent-encoded or not.
type segment struct {
	name     string
	n        int
	extended bool
	value    []byte
}

// parseParams parses the parameters of a field, at most limit. Strings are made with str.
func parseParams(b []byte, limit int, str func([]byte) string) []Param {
	var params []Param
	var segments []segment
	for range limit {
		raw, rest, ok := nextParam(b)
		if !ok {
			break
		}
		b = rest
		if len(raw.name) > maxFieldName {
			continue
		}
		for i, c := range raw.name {
			raw.name[i] = lowerByte(c)
		}
		if bytes.IndexByte(raw.name, '*') > 0 {
			if s, ok := parseSegment(raw); ok {
				segments = append(segments, s)
				continue
			}
		}
		if params == nil {
			params = make([]Param, 0, 2)
		}
		params = append(params, plainParam(raw, str))
	}
	if len(segments) > 0 {
		params = joinSegments(params, segments, str)
	}
	return params
}

func plainParam(raw rawParam, str func([]byte) string) Param {
	p := Param{Name: str(raw.name), Value: str(raw.value)}
	switch {
	case strings.Contains(p.Value, "=?"):
		if s := DecodeWords(p.Value); s != p.Value {
			p.Value, p.Raw = s, p.Value
			if !isASCII(p.Raw) {
				p.Raw = ""
			}
		}
	case !isASCII(p.Value):
		p.Value = lenientUTF8(p.Value)
	}
	return p
}

// parseSegment recognises the names of RFC 2231: name*, name*0, name*0*.
func parseSegment(raw rawParam) (segment, bool) {
	name, mark, _ := strings.Cut(string(raw.name), "*")
	s := segment{name: name, value: bytes.Clone(raw.value)}
	if mark == "" {
		s.extended = true
		return s, true
	}
	mark, s.extended = strings.CutSuffix(mark, "*")
	n, err := strconv.Atoi(mark)
	s.n = n
	return s, err == nil && n >= 0 && n < 1000
}

// joinSegments adds the parameters that the segments make.
//
// RFC 2231 3, 4.1: segments are joined by number, in whatever order they come; the
// first extended one has charset and language before its value. Those after a gap
// are joined too.
func joinSegments(params []Param, segments []segment, str func([]byte) string) []Param {
	slices.SortStableFunc(segments, func(a, b segment) int {
		if c := strings.Compare(a.name, b.name); c != 0 {
			return c
		}
		return a.n - b.n
	})
	for i := 0; i < len(segments); {
		j := i + 1
		for j < len(segments) && segments[j].name == segments[i].name {
			j++
		}
		params = append(params, joinOne(segments[i:j], str))
		i = j
	}
	return params
}

func joinOne(segments []segment, str func([]byte) string) Param {
	var value []byte
	charset, extended := "", segments[0].extended
	for i, s := range segments {
		if i > 0 && s.n == segments[i-1].n {
			continue // repeated
		}
		if i == 0 && s.extended {
			if label, rest, ok := bytes.Cut(s.value, []byte("'")); ok {
				if _, text, ok := bytes.Cut(rest, []byte("'")); ok {
					charset, s.value = string(label), text
				}
			}
		}
		if s.extended {
			value = appendPercentDecoded(value, s.value)
		} else {
			value = append(value, s.value...)
		}
	}
	p := Param{Name: str([]byte(segments[0].name)), Extended: extended}
	switch {
	case charset != "":
		p.Value = str([]byte(DecodeCharset(charset, value)))
	case bytes.Contains(value, []byte("=?")):
		p.Value = str([]byte(DecodeWords(string(value))))
	default:
		p.Value = str([]byte(lenientUTF8(string(value))))
	}
	return p
}

func appendPercentDecoded(dst, b []byte) []byte {
	for i := 0; i < len(b); i++ {
		if b[i] == '%' && i+2 < len(b) {
			if hi, lo := hexValue(b[i+1]), hexValue(b[i+2]); hi >= 0 && lo >= 0 {
				dst = append(dst, byte(hi<<4|lo))
				i += 2
				continue
			}
		}
		dst = append(dst, b[i])
	}
	return dst
}

func hexValue(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

// boundaryParam returns the boundary of a multipart, from its parameters or, when the
// tree could not keep them, from the field.
//
// RFC 2046 5.1.1: a boundary does not end with white space.
func boundaryParam(params []Param, field []byte) string {
	b := findParam(params, "boundary")
	for b == "" {
		raw, rest, ok := nextParam(field)
		if !ok {
			break
		}
		field = rest
		if strings.EqualFold(string(raw.name), "boundary") {
			b = string(raw.value)
		}
	}
	return strings.TrimRight(b, " \t")
}
