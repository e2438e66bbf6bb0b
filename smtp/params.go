package smtp

import (
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Bounds of values, in characters.
const (
	maxEnvID = 100 // RFC 3461 4.4
	maxORcpt = 500 // RFC 3461 4.2
)

var mailParams = map[string]func(m *MailParams, v string) *Error{
	"SIZE":       (*MailParams).setSize,
	"BODY":       (*MailParams).setBody,
	"SMTPUTF8":   func(m *MailParams, v string) *Error { m.SMTPUTF8 = true; return noValue(v) },
	"REQUIRETLS": func(m *MailParams, v string) *Error { m.RequireTLS = true; return noValue(v) },
	"RET":        (*MailParams).setRet,
	"ENVID":      (*MailParams).setEnvID,
	"AUTH":       (*MailParams).setAuth,
	"HOLDFOR":    (*MailParams).setHoldFor,
	"HOLDUNTIL":  (*MailParams).setHoldUntil,
}

var rcptParams = map[string]func(r *RcptParams, v string) *Error{
	"NOTIFY": (*RcptParams).setNotify,
	"ORCPT":  (*RcptParams).setORcpt,
}

func noValue(v string) *Error {
	if v != "" {
		return badParam("parameter takes no value")
	}
	return nil
}

func (m *MailParams) set(p Param) *Error {
	set, ok := mailParams[p.Keyword]
	if !ok {
		m.Other = append(m.Other, p)
		return nil
	}
	return set(m, p.Value)
}

func (m *MailParams) setSize(v string) *Error {
	// RFC 1870 3: 1*20DIGIT.
	p := parser{s: v}
	n, ok := p.number(20)
	if !ok || !p.empty() {
		return badParam("bad SIZE, must be a number of octets")
	}
	m.HasSize, m.Size = true, n
	return nil
}

func (m *MailParams) setBody(v string) *Error {
	switch b := Body(strings.ToUpper(v)); b {
	case Body7Bit, Body8BitMIME, BodyBinaryMIME:
		m.Body = b
		return nil
	}
	return Errorf(504, "5.5.4", "unknown BODY, must be 7BIT, 8BITMIME or BINARYMIME")
}

func (m *MailParams) setRet(v string) *Error {
	switch r := Ret(strings.ToUpper(v)); r {
	case RetFull, RetHdrs:
		m.Ret = r
		return nil
	}
	return badParam("bad RET, must be FULL or HDRS")
}

func (m *MailParams) setEnvID(v string) *Error {
	s, err := DecodeXtext(v)
	if err != nil || s == "" || len(v) > maxEnvID || !printable(s) {
		return badParam("bad ENVID, must be xtext of at most %d characters, printable ones only", maxEnvID)
	}
	m.EnvID = s
	return nil
}

// printable tells whether s is graphic ASCII and spaces (RFC 3461 4.4).
func printable(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' })
}

func (m *MailParams) setAuth(v string) *Error {
	s, err := DecodeXtext(v)
	if err != nil || s == "" {
		return badParam("bad AUTH")
	}
	m.Auth = s
	return nil
}

func (m *MailParams) setHoldFor(v string) *Error {
	// RFC 4865 5: 1 to 9 digits, no leading zero.
	p := parser{s: v}
	n, ok := p.number(9)
	if !ok || !p.empty() || v[0] == '0' {
		return badParam("bad HOLDFOR")
	}
	m.HoldFor = n
	return nil
}

func (m *MailParams) setHoldUntil(v string) *Error {
	t, err := time.Parse(time.RFC3339, strings.ToUpper(v))
	if err != nil || t.IsZero() {
		return badParam("bad HOLDUNTIL")
	}
	t = t.UTC().Truncate(time.Second)
	if t.Year() < 1970 || t.Year() > 9999 {
		return badParam("bad HOLDUNTIL")
	}
	m.HoldUntil = t
	return nil
}

func (r *RcptParams) set(p Param) *Error {
	set, ok := rcptParams[p.Keyword]
	if !ok {
		r.Other = append(r.Other, p)
		return nil
	}
	return set(r, p.Value)
}

func (r *RcptParams) setNotify(v string) *Error {
	var n Notify
	for word := range strings.SplitSeq(v, ",") {
		bit := Notify(0)
		for _, e := range notifyNames {
			if strings.EqualFold(word, e.name) {
				bit = e.bit
			}
		}
		// To name one twice is of no use, but allowed by the grammar.
		if bit == 0 {
			return badParam("bad NOTIFY, must be NEVER or a list of SUCCESS, FAILURE and DELAY")
		}
		n |= bit
	}
	// RFC 3461 4.1: NEVER stands alone.
	if n&NotifyNever != 0 && n != NotifyNever {
		return badParam("bad NOTIFY, NEVER must be alone")
	}
	r.Notify = n
	return nil
}

func (r *RcptParams) setORcpt(v string) *Error {
	typ, addr, ok := strings.Cut(v, ";")
	typ = strings.ToLower(typ)
	bad := badParam("bad ORCPT, must be a type, a semicolon and an address as xtext, of at most %d printable characters", maxORcpt)
	if !ok || typ == "" || len(v) > maxORcpt || strings.ContainsFunc(typ, func(r rune) bool { return r >= 0x80 || !isAtext(byte(r)) }) {
		return bad
	}
	decode := DecodeXtext
	if typ == "utf-8" {
		decode = DecodeUTF8Xtext
	}
	s, err := decode(addr)
	if typ == "rfc822" && utf8.ValidString(s) && !printable(s) {
		// RFC 6533 3 has a type for these addresses, which Postfix does not use.
		typ = "utf-8"
	}
	// RFC 3461 4.2, RFC 6533 3: what cannot be printed could not be in a notification.
	if err != nil || s == "" || typ != "utf-8" && !printable(s) || strings.ContainsFunc(s, unicode.IsControl) {
		return bad
	}
	r.ORcpt = ORcpt{typ, s}
	return nil
}
