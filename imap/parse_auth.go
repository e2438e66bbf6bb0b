package imap

import (
	"encoding/base64"
	"strings"
)

// parseAuthenticate: "AUTHENTICATE" SP auth-type [SP initial-resp]; RFC 4959 3: "="
// is an empty initial response.
func parseAuthenticate(d *Decoder, _ *Request) any {
	p := &d.s
	p.space()
	a := &Authenticate{Mechanism: p.keyword("mechanism")}
	if !p.accept(' ') {
		return a
	}
	a.HasInitial = true
	rest := string(p.line[p.pos:])
	p.pos = len(p.line)
	a.Initial = p.base64(rest)
	return a
}

// base64 decodes a SASL response; "=" is empty.
func (p *scanner) base64(s string) []byte {
	if s == "=" {
		return []byte{}
	}
	data, err := DecodeBase64(s)
	if err != nil || len(data) == 0 {
		p.fail("bad base64 in initial response")
	}
	return data
}

// DecodeBase64 decodes one line of a SASL exchange, strictly: RFC 9051 9: base64.
func DecodeBase64(s string) ([]byte, error) {
	// The standard decoder skips CR and LF, which must not be in a line.
	if strings.ContainsAny(s, "\r\n") {
		return nil, Bad("bad base64")
	}
	data, err := base64.StdEncoding.Strict().DecodeString(s)
	if err != nil {
		return nil, Bad("bad base64")
	}
	return data, nil
}

// parseLogin: "LOGIN" SP userid SP password.
func parseLogin(d *Decoder, _ *Request) any {
	p := &d.s
	p.space()
	l := &Login{Username: p.astring("user name")}
	p.space()
	l.Password = p.astring("password")
	return l
}

const maxIDParams = 30 // RFC 2971 3.3: a client must not send more.

// parseID: "ID" SP ("(" [string SP nstring *(SP string SP nstring)] ")" / nil).
func parseID(d *Decoder, _ *Request) any {
	p := &d.s
	p.space()
	id := &ID{}
	if p.acceptWord("NIL") {
		return id
	}
	p.expect('(')
	if p.accept(')') {
		return id
	}
	for first := true; p.nextItem(&first); {
		var f IDParam
		var ok bool
		f.Key = p.string("field name")
		p.space()
		f.Value, ok = p.nstring("field value")
		f.Nil = !ok
		id.Params = append(id.Params, f)
		if len(id.Params) > maxIDParams {
			p.fail("too many fields")
		}
	}
	return id
}

// parseEnable: "ENABLE" 1*(SP capability).
func parseEnable(d *Decoder, _ *Request) any {
	p := &d.s
	e := &Enable{}
	for p.err == nil {
		p.space()
		p.count()
		e.Capabilities = append(e.Capabilities, p.keyword("capability"))
		if p.end() {
			break
		}
	}
	return e
}
