package authres

import (
	"errors"
	"fmt"
	"strconv"
)

// ErrSyntax: a value is not one of an Authentication-Results field. Errors of the parsing
// functions wrap it.
var ErrSyntax = errors.New("invalid Authentication-Results")

// Parse parses the value of an Authentication-Results field, folded or not. It is lenient: the
// authserv-id may be missing if results come first, properties may lack their type, values need no
// quotes. Strings are bounded and without control characters. The error says what cannot be
// understood; the results before it are returned.
func Parse(value string) (Results, error) {
	l := &lexer{s: value}
	return parse(l, Results{})
}

// ParseARC parses the value of an ARC-Authentication-Results field (RFC 8617 4.1.1).
func ParseARC(value string) (Results, error) {
	l := &lexer{s: value}
	l.cfws()
	if l.keyword() != "i" {
		return Results{}, syntaxError(l, "no instance")
	}
	l.cfws()
	if !l.take('=') {
		return Results{}, syntaxError(l, "no instance")
	}
	l.cfws()
	i, err := strconv.Atoi(l.digits())
	l.cfws()
	// RFC 8617 4.2.1: instances are 1 to 50.
	if err != nil || i < 1 || i > 50 || !l.take(';') {
		return Results{}, syntaxError(l, "invalid instance")
	}
	return parse(l, Results{Instance: i})
}

func syntaxError(l *lexer, text string) error {
	if l.err != nil {
		text = l.err.Error()
	}
	return fmt.Errorf("%w: at %d: %s", ErrSyntax, l.pos, text)
}

// parse parses what is after the instance.
func parse(l *lexer, r Results) (Results, error) {
	if len(l.s) > maxValue {
		return r, fmt.Errorf("%w: longer than %d octets", ErrSyntax, maxValue)
	}
	if err := parseID(l, &r); err != nil {
		return r, err
	}
	for !l.end() {
		if !l.take(';') {
			return r, syntaxError(l, "unexpected text")
		}
		comment := l.cfws()
		// A semicolon at the end, or twice, is common.
		if l.err == nil && (l.end() || l.peek() == ';') {
			continue
		}
		if len(r.Methods) >= maxMethods {
			return r, syntaxError(l, "too many results")
		}
		m, none, err := parseMethod(l)
		if err != nil {
			return r, err
		}
		if !none {
			m.Comment = join(comment, m.Comment)
			r.Methods = append(r.Methods, m)
		}
	}
	if l.err != nil {
		return r, syntaxError(l, "")
	}
	return r, nil
}

// parseID parses authserv-id and version with the comments around, up to the semicolon. The
// lexer stays where it is if there is a result instead.
func parseID(l *lexer, r *Results) error {
	comment := l.cfws()
	start := l.pos
	quoted := l.peek() == '"'
	r.Hostname = l.value()
	if l.err != nil || r.Hostname == "" && !quoted {
		return syntaxError(l, "no authserv-id")
	}
	comment = join(comment, l.cfws())
	if v := l.digits(); isDigits(v) {
		r.Version = v
		comment = join(comment, l.cfws())
	}
	r.Comment = comment
	if l.err == nil && (l.end() || l.peek() == ';') && (quoted || !looksLikeResult(l.s[start:])) {
		return nil
	}
	// Some servers do not write who they are.
	if l.err == nil && looksLikeResult(l.s[start:]) {
		l.pos = start
		m, _, err := parseMethod(l)
		if err != nil {
			return err
		}
		*r = Results{Instance: r.Instance, Methods: []Method{m}}
		return nil
	}
	return syntaxError(l, "unexpected text after the authserv-id")
}

// looksLikeResult tells whether s begins with a methodspec.
func looksLikeResult(s string) bool {
	l := &lexer{s: s}
	method := l.keyword()
	l.cfws()
	return method != "" && l.err == nil && l.peek() == '='
}

// join joins comments.
func join(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return collapse(a + " " + b)
}

// parseMethod parses a resinfo after its semicolon, up to the next. none: it is "none".
func parseMethod(l *lexer) (m Method, none bool, err error) {
	m.Method = l.keyword()
	m.Comment = l.cfws()
	if m.Method == "none" && l.err == nil && (l.end() || l.peek() == ';') {
		return m, true, nil
	}
	if l.take('/') {
		m.Comment = join(m.Comment, l.cfws())
		if m.Version = l.digits(); !isDigits(m.Version) {
			return m, false, syntaxError(l, "invalid version of method")
		}
		m.Comment = join(m.Comment, l.cfws())
	}
	if m.Method == "" || !l.take('=') {
		return m, false, syntaxError(l, "no method and result")
	}
	m.Comment = join(m.Comment, l.cfws())
	if m.Result = l.keyword(); m.Result == "" {
		return m, false, syntaxError(l, "no result")
	}
	m.Comment = join(m.Comment, l.cfws())
	for l.err == nil && !l.end() && l.peek() != ';' {
		if len(m.Props) >= maxProps {
			return m, false, syntaxError(l, "too many properties")
		}
		if err := parseProp(l, &m); err != nil {
			return m, false, err
		}
	}
	if l.err != nil {
		return m, false, syntaxError(l, "")
	}
	return m, false, nil
}

// parseProp parses a reasonspec or propspec, with the comments after it.
func parseProp(l *lexer, m *Method) error {
	var p Prop
	p.Property = l.keyword()
	comment := l.cfws()
	if l.take('.') {
		p.Type = p.Property
		comment = join(comment, l.cfws())
		p.Property = l.keyword()
		comment = join(comment, l.cfws())
	}
	if p.Property == "" || !l.take('=') {
		return syntaxError(l, "invalid property")
	}
	comment = join(comment, l.cfws())
	p.Value = l.value()
	p.Comment = join(comment, l.cfws())
	if l.err != nil {
		return syntaxError(l, "")
	}
	if p.Type == "" && p.Property == "reason" && m.Reason == "" && len(m.Props) == 0 {
		m.Reason = p.Value
		m.Comment = join(m.Comment, p.Comment)
		return nil
	}
	m.Props = append(m.Props, p)
	return nil
}
