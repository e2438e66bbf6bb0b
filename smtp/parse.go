package smtp

import (
	"encoding/base64"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// grammars has how the arguments of a verb are parsed.
var grammars = map[string]func(p *parser) (Command, *Error){
	"EHLO":     func(p *parser) (Command, *Error) { h, err := p.host(); return Ehlo{h}, err },
	"HELO":     func(p *parser) (Command, *Error) { h, err := p.host(); return Helo{h}, err },
	"LHLO":     func(p *parser) (Command, *Error) { h, err := p.host(); return Lhlo{h}, err },
	"MAIL":     (*parser).mail,
	"RCPT":     (*parser).rcpt,
	"DATA":     func(p *parser) (Command, *Error) { return Data{}, p.noArguments() },
	"RSET":     func(p *parser) (Command, *Error) { return Rset{}, p.noArguments() },
	"QUIT":     func(p *parser) (Command, *Error) { return Quit{}, p.noArguments() },
	"STARTTLS": func(p *parser) (Command, *Error) { return StartTLS{}, p.noArguments() },
	"BDAT":     (*parser).bdat,
	"BURL":     (*parser).burl,
	"NOOP":     func(p *parser) (Command, *Error) { s, err := p.text(); return Noop{s}, err },
	"HELP":     func(p *parser) (Command, *Error) { s, err := p.text(); return Help{s}, err },
	"VRFY":     func(p *parser) (Command, *Error) { s, utf8, err := p.textUTF8(); return Vrfy{s, utf8}, err },
	"EXPN":     func(p *parser) (Command, *Error) { s, utf8, err := p.textUTF8(); return Expn{s, utf8}, err },
	"AUTH":     (*parser).auth,
}

// Verb returns the first word of a command line in upper case, and whether it is a
// command of this package.
func Verb(line string) (verb string, known bool) {
	word, _, _ := strings.Cut(strings.TrimRight(line, " \t"), " ")
	verb = strings.ToUpper(word)
	_, known = grammars[verb]
	return verb, known
}

// ParseCommand parses a command line without CRLF. Its errors are replies: 500 for
// an unknown command, 501 for arguments that are wrong. A bound on the length of the
// line is up to the caller.
func ParseCommand(line string, o Options) (Command, *Error) {
	// RFC 5321 4.1.1: white space before the CRLF is tolerated.
	line = strings.TrimRight(line, " \t")
	word, rest, _ := strings.Cut(line, " ")
	parse, ok := grammars[strings.ToUpper(word)]
	if !ok {
		return nil, Errorf(500, "5.5.1", "unknown command")
	}
	p := &parser{s: line, i: len(line) - len(rest), o: o}
	cmd, err := parse(p)
	if err != nil {
		return nil, err
	}
	return cmd, nil
}

// badSyntax is the reply for arguments that are not of the grammar.
func badSyntax(err error) *Error {
	return WrapErrorf(err, 501, "5.5.2", "syntax error: %v", err)
}

func badParam(format string, args ...any) *Error { return Errorf(501, "5.5.4", format, args...) }

func (p *parser) noArguments() *Error {
	if !p.empty() {
		return badParam("command takes no arguments")
	}
	return nil
}

// host parses the argument of EHLO.
func (p *parser) host() (Host, *Error) {
	s := p.rest()
	if s == "" {
		return Host{}, badParam("missing domain or address literal")
	}
	d, err := ParseIPDomain(s, p.o)
	if err == nil {
		return Host{IPDomain: d}, nil
	}
	// RFC 5321 4.1.4: an EHLO that cannot be understood is no reason to refuse mail,
	// as long as what was said can be put in a header.
	if p.o.Pedantic || len(s) > 255 || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		return Host{}, WrapErrorf(err, 501, "5.5.4", "bad domain or address literal")
	}
	return Host{Raw: s}, nil
}

func (p *parser) text() (string, *Error) {
	s := strings.Trim(p.rest(), " \t")
	if !utf8.ValidString(s) {
		return "", badParam("invalid UTF-8")
	}
	return s, nil
}

func (p *parser) textUTF8() (string, bool, *Error) {
	s, err := p.text()
	const param = " SMTPUTF8"
	utf8 := false
	if k := len(s) - len(param); k > 0 && strings.EqualFold(s[k:], param) {
		s, utf8 = strings.TrimRight(s[:k], " \t"), true
	}
	switch {
	case err != nil:
	case s == "":
		err = badParam("missing argument")
	case !utf8 && !isASCII(s):
		err = Errorf(553, "5.6.7", "address needs SMTPUTF8")
	}
	return s, utf8, err
}

func (p *parser) bdat() (Command, *Error) {
	n, ok := p.number(20)
	if !ok {
		return nil, badParam("missing chunk size")
	}
	c := Bdat{Size: n}
	if p.empty() {
		return c, nil
	}
	if !p.space() || !p.take("LAST") || !p.empty() {
		return nil, badParam("unexpected text after chunk size")
	}
	c.Last = true
	return c, nil
}

// number parses at most digits decimal digits; a value that is too large becomes the
// largest.
func (p *parser) number(digits int) (int64, bool) {
	s := p.takeWhile(func(c byte) bool { return c >= '0' && c <= '9' })
	if s == "" || len(s) > digits {
		return 0, false
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		n = math.MaxInt64
	}
	return n, true
}

// maxMechanism is the most characters of a SASL mechanism's name (RFC 4422 3.1).
const maxMechanism = 20

func (p *parser) auth() (Command, *Error) {
	mech := strings.ToUpper(p.takeWhile(func(c byte) bool { return c > ' ' }))
	bad := strings.ContainsFunc(mech, func(r rune) bool {
		return (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_'
	})
	if mech == "" || bad || len(mech) > maxMechanism {
		return nil, badParam("missing or bad mechanism")
	}
	c := Auth{Mechanism: mech}
	if p.empty() {
		return c, nil
	}
	if !p.space() {
		return nil, badParam("bad arguments")
	}
	s := p.rest()
	// RFC 4954 4: an initial response of no octets is "=".
	if s == "=" {
		c.Initial = []byte{}
		return c, nil
	}
	b, err := base64.StdEncoding.Strict().DecodeString(s)
	if err != nil || strings.ContainsAny(s, "\r\n") {
		return nil, Errorf(501, "5.5.2", "bad base64")
	}
	c.Initial = b
	return c, nil
}

func (p *parser) mail() (Command, *Error) {
	path, err := p.pathAfter("FROM:", true)
	if err != nil {
		return nil, badPath("5.1.7", err)
	}
	c := Mail{From: path}
	if perr := p.eachParam(c.Params.set); perr != nil {
		return nil, perr
	}
	if c.Params.HoldFor != 0 && !c.Params.HoldUntil.IsZero() {
		return nil, badParam("HOLDFOR and HOLDUNTIL together")
	}
	// RFC 6531 3.4: UTF-8 is for those who ask for it.
	if !c.Params.SMTPUTF8 && !isASCII(p.s) {
		return nil, Errorf(553, "5.6.7", "address with UTF-8 needs SMTPUTF8")
	}
	return c, nil
}

func (p *parser) rcpt() (Command, *Error) {
	path, err := p.pathAfter("TO:", false)
	if err != nil {
		return nil, badPath("5.1.3", err)
	}
	c := Rcpt{To: path}
	if perr := p.eachParam(c.Params.set); perr != nil {
		return nil, perr
	}
	return c, nil
}

// badPath is the reply for a path that cannot be parsed: 501 for the syntax (RFC 5321
// 4.3.2 has 553 only for mailbox names), with the enhanced code for addresses.
func badPath(enhanced string, err error) *Error {
	return WrapErrorf(err, 501, enhanced, "bad address: %v", err)
}

// pathAfter parses "FROM:<...>".
func (p *parser) pathAfter(prefix string, null bool) (Path, error) {
	if !p.take(prefix) {
		return Path{}, p.errorf("missing %s", prefix)
	}
	if !p.o.Pedantic {
		// Many clients have a space here, though RFC 5321 3.3 says that there is none.
		p.takeWhile(func(c byte) bool { return c == ' ' || c == '\t' })
	}
	return p.path(null)
}

// maxParams is how many parameters a command may have.
const maxParams = 30

// eachParam parses what follows the path, and calls set for each parameter.
func (p *parser) eachParam(set func(Param) *Error) *Error {
	l, err := p.params()
	if err != nil {
		return err
	}
	for _, param := range l {
		if err := set(param); err != nil {
			return err
		}
	}
	return nil
}

// params parses what follows the path: parameters, each of which may be there once.
func (p *parser) params() ([]Param, *Error) {
	var l []Param
	for !p.empty() {
		if !p.space() {
			return nil, badSyntax(p.errorf("missing space"))
		}
		k := strings.ToUpper(p.takeWhile(func(c byte) bool {
			return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-'
		}))
		if k == "" || k[0] == '-' {
			return nil, badSyntax(p.errorf("bad parameter"))
		}
		param := Param{Keyword: k}
		if p.take("=") {
			param.HasValue = true
			param.Value = p.takeWhile(func(c byte) bool { return c > ' ' && c != '=' && c != 0x7f })
			if param.Value == "" || !utf8.ValidString(param.Value) {
				return nil, badSyntax(p.errorf("bad value of parameter %s", k))
			}
		}
		for _, o := range l {
			if o.Keyword == k {
				return nil, badParam("parameter %s twice", k)
			}
		}
		l = append(l, param)
		if len(l) > maxParams {
			return nil, badParam("too many parameters")
		}
	}
	return l, nil
}
