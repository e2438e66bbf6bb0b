package imap

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// URL is an imap URL (RFC 5092) of a message or a part of one; other imap URLs are not
// parsed. Strings are decoded.
type URL struct {
	// Absolute: it has the server: User, Auth and Host. Otherwise it is relative to
	// a session, and without Mailbox to its selected mailbox.
	Absolute bool
	User     string // Empty: none.
	Auth     string // Mechanism after ";AUTH=", or "*"; empty: none.
	Host     string // With its port, as given.

	Mailbox     string // UTF-8, INBOX in upper case.
	UIDValidity uint32 // 0: none.
	UID         uint32
	Section     Section
	Partial     *Partial // Count 0: to the end. Nil: all.

	Expire time.Time // Zero: never; RFC 4467 3.
	Access *Access   // Of ";URLAUTH="; nil: none.
	// Mechanism, in upper case, and Token, hexadecimal, authorize the URL. Empty: it is
	// not authorized.
	Mechanism, Token string
	// Rump is the URL as it was given but for mechanism and token: what the token is
	// computed of (RFC 4467 6). String does not look at it.
	Rump string
}

// AccessKind says who may use a URL that is authorized, RFC 4467 3.
type AccessKind uint8

// Access identifiers.
const (
	AccessAnonymous AccessKind = iota // any session
	AccessAuthUser                    // any session that is not anonymous
	AccessUser                        // sessions of User
	AccessSubmit                      // submission of messages of User
)

var accessNames = [...]string{AccessAnonymous: "anonymous", AccessAuthUser: "authuser", AccessUser: "user+", AccessSubmit: "submit+"}

// Access is an access identifier. User is set for AccessUser and AccessSubmit only.
type Access struct {
	Kind AccessKind
	User string
}

// ErrURL is wrapped by the errors of [ParseURL].
var ErrURL = errors.New("bad imap URL")

// maxURL bounds the length of a URL.
const maxURL = 8 << 10

const (
	urlScheme     = "imap://"
	urlDateLayout = time.RFC3339Nano
)

// ParseURL parses a URL. Its errors wrap [ErrURL].
func ParseURL(s string) (*URL, error) {
	u := &URL{}
	if err := u.parse(s); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrURL, err)
	}
	return u, nil
}

func (u *URL) parse(s string) error {
	if len(s) > maxURL {
		return errors.New("too long")
	}
	for i := range len(s) {
		// RFC 3986 2: what is no printable ASCII is percent-encoded, and what delimits
		// URLs in text.
		if c := s[i]; c <= ' ' || c >= 0x7f || strings.IndexByte("\"<>\\^`{|}", c) >= 0 {
			return fmt.Errorf("octet %q", c)
		}
	}
	s, err := u.authorization(s)
	if err != nil {
		return err
	}
	if len(s) >= len(urlScheme) && strings.EqualFold(s[:len(urlScheme)], urlScheme) {
		if s, err = u.server(s[len(urlScheme):]); err != nil {
			return err
		}
	}
	return u.message(s)
}

// authorization takes [";EXPIRE=" date-time] ";URLAUTH=" access [":" mechanism ":" token]
// off the end.
func (u *URL) authorization(s string) (string, error) {
	u.Rump = s
	at := lastParam(s, ";URLAUTH=")
	if at < 0 {
		if lastParam(s, ";EXPIRE=") >= 0 {
			return "", errors.New("EXPIRE without URLAUTH")
		}
		return s, nil
	}
	value := s[at+len(";URLAUTH="):]
	access, verifier, has := strings.Cut(value, ":")
	if has {
		u.Rump = s[:len(s)-len(verifier)-1]
		if err := u.verifier(verifier); err != nil {
			return "", err
		}
	}
	var err error
	if u.Access, err = parseAccess(access); err != nil {
		return "", err
	}
	s = s[:at]
	if at = lastParam(s, ";EXPIRE="); at >= 0 {
		// RFC 3339 5.6: T and Z may be in lower case.
		if u.Expire, err = time.Parse(urlDateLayout, strings.ToUpper(s[at+len(";EXPIRE="):])); err != nil {
			return "", errors.New("EXPIRE is no date-time")
		}
		if y := u.Expire.UTC().Year(); y < 1 || y > 9999 {
			return "", errors.New("EXPIRE is out of range")
		}
		s = s[:at]
	}
	return s, nil
}

// lastParam returns where the last parameter of a name begins, -1 when there is none.
func lastParam(s, name string) int {
	at := strings.LastIndexByte(s, ';')
	for ; at >= 0; at = strings.LastIndexByte(s[:at], ';') {
		if len(s)-at >= len(name) && strings.EqualFold(s[at:at+len(name)], name) {
			return at
		}
	}
	return -1
}

// minToken is how many hexadecimal digits a token has at least, RFC 4467 9: enc-urlauth.
const minToken = 32

func (u *URL) verifier(s string) error {
	mech, token, ok := strings.Cut(s, ":")
	if !ok || mech == "" || len(token) < minToken {
		return errors.New("URLAUTH without mechanism and token")
	}
	for i := range len(mech) {
		if !isMechanismChar(mech[i]) {
			return errors.New("bad mechanism of URLAUTH")
		}
	}
	for i := range len(token) {
		if unhex(token[i]) < 0 {
			return errors.New("token of URLAUTH is not hexadecimal")
		}
	}
	u.Mechanism, u.Token = upper(mech), token
	return nil
}

func isMechanismChar(c byte) bool {
	return c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z' || c == '-' || c == '.'
}

func parseAccess(s string) (*Access, error) {
	for kind, name := range accessNames {
		a := &Access{Kind: AccessKind(kind)}
		if a.Kind < AccessUser {
			if strings.EqualFold(s, name) {
				return a, nil
			}
			continue
		}
		if len(s) > len(name) && strings.EqualFold(s[:len(name)], name) {
			var err error
			a.User, err = unescape(s[len(name):])
			return a, err
		}
	}
	return nil, errors.New("unknown access identifier")
}

// server reads iserver, and returns the path behind it.
func (u *URL) server(s string) (string, error) {
	u.Absolute = true
	at := strings.IndexByte(s, '/')
	if at < 0 {
		return "", errors.New("no message")
	}
	authority, path := s[:at], s[at:]
	// Some do not encode the "@" in the user.
	if i := strings.LastIndexByte(authority, '@'); i >= 0 {
		if err := u.userinfo(authority[:i]); err != nil {
			return "", err
		}
		authority = authority[i+1:]
	}
	if authority == "" || strings.ContainsAny(authority, ";?#%@") {
		return "", errors.New("bad host")
	}
	u.Host = authority
	return path, nil
}

// userinfo: enc-user [iauth] / [enc-user] iauth.
func (u *URL) userinfo(s string) (err error) {
	user, auth, has := strings.Cut(s, ";")
	if has {
		const name = "AUTH="
		if len(auth) <= len(name) || !strings.EqualFold(auth[:len(name)], name) {
			return errors.New("bad parameter of user")
		}
		if auth = auth[len(name):]; auth != "*" {
			if auth, err = unescape(auth); err == nil && auth == "*" {
				// RFC 5092 3.2: "%2A" is not it.
				err = errors.New("bad mechanism")
			}
		}
		if u.Auth = auth; err != nil {
			return err
		}
	} else if user == "" {
		return errors.New("empty user")
	}
	u.User, err = unescape(user)
	return err
}

// message reads imessagepart after a slash, or without mailbox.
func (u *URL) message(s string) (err error) {
	s, found := strings.CutPrefix(s, "/")
	if u.Absolute && !found {
		return errors.New("no message")
	}
	at := strings.IndexByte(s, ';')
	if at < 0 || strings.ContainsAny(s, "?#") {
		return errors.New("not of a message")
	}
	box, params := s[:at], s[at:]
	if box == "" && (found || !u.startsUID(params)) || box != "" && !found {
		// RFC 5092 7.2: no relative paths; but ";UID=20" in the selected mailbox, as in 9.1.
		return errors.New("bad path")
	}
	if params, err = u.validity(params); err != nil {
		return err
	}
	if box != "" {
		trimmed, ok := strings.CutSuffix(box, "/")
		if u.UIDValidity != 0 {
			trimmed, ok = box, strings.HasPrefix(params, "/")
			params = strings.TrimPrefix(params, "/")
		}
		if !ok {
			return errors.New("not of a message")
		}
		if err := u.mailbox(trimmed); err != nil {
			return err
		}
	}
	return u.params(params)
}

func (u *URL) startsUID(s string) bool {
	_, ok := cutParam(s, ";UID=")
	return ok
}

// cutParam returns what follows the name of a parameter.
func cutParam(s, name string) (string, bool) {
	if len(s) < len(name) || !strings.EqualFold(s[:len(name)], name) {
		return s, false
	}
	return s[len(name):], true
}

func (u *URL) validity(s string) (string, error) {
	rest, ok := cutParam(s, ";UIDVALIDITY=")
	if !ok {
		return s, nil
	}
	var err error
	u.UIDValidity, rest, err = urlNumber(rest)
	return rest, err
}

// mailbox decodes enc-mailbox. Dot segments (RFC 3986 3.3) would stand for other
// mailboxes.
func (u *URL) mailbox(s string) error {
	if strings.HasPrefix(s, "/") {
		return errors.New("bad path")
	}
	for seg := range strings.SplitSeq(s, "/") {
		if seg == "." || seg == ".." {
			return errors.New("dot segment in path")
		}
	}
	name, err := unescape(s)
	if err != nil {
		return err
	}
	if name == "" {
		return errors.New("no mailbox")
	}
	u.Mailbox = canonicalInbox(name)
	return nil
}

// params reads iuid-only [isection] [ipartial].
func (u *URL) params(s string) (err error) {
	s, ok := cutParam(s, ";UID=")
	if !ok {
		return errors.New("not of a message")
	}
	if u.UID, s, err = urlNumber(s); err != nil {
		return err
	}
	if rest, ok := cutParam(s, "/;SECTION="); ok {
		end := strings.Index(rest, "/;")
		if end < 0 {
			end = len(rest)
		}
		if err := u.section(rest[:end]); err != nil {
			return err
		}
		s = rest[end:]
	}
	if rest, ok := cutParam(s, "/;PARTIAL="); ok {
		if u.Partial, err = parseURLPartial(rest); err != nil {
			return err
		}
		s = ""
	}
	if s != "" {
		return errors.New("text after the message")
	}
	return nil
}

// maxSection bounds the length of a section.
const maxSection = 1000

// section decodes enc-section. It cannot be empty.
func (u *URL) section(s string) error {
	text, err := unescape(s)
	if err != nil {
		return err
	}
	if len(text) > maxSection || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r >= 0x7f }) {
		return errors.New("bad section")
	}
	p := scanner{line: []byte("[" + text + "]"), limits: DefaultLimits}
	u.Section = p.section(false)
	if p.err == nil && (!p.end() || text == "") {
		return errors.New("bad section")
	}
	return p.err
}

// parseURLPartial: partial-range = number ["." nz-number].
func parseURLPartial(s string) (*Partial, error) {
	first, second, has := strings.Cut(s, ".")
	p := &Partial{}
	var err1, err2 error
	p.Offset, err1 = parseDigits(first)
	if has {
		p.Count, err2 = parseDigits(second)
	}
	if err1 != nil || err2 != nil || has && p.Count == 0 {
		return nil, errors.New("bad partial range")
	}
	return p, nil
}

// parseDigits parses a number that fits 63 bits.
func parseDigits(s string) (int64, error) {
	p := scanner{line: []byte(s)}
	n := p.number64("number")
	if p.err == nil && !p.end() {
		p.fail("text after number")
	}
	return int64(n), p.err
}

// urlNumber reads an nz-number up to a slash or the end.
func urlNumber(s string) (uint32, string, error) {
	digits := s
	if i := strings.IndexByte(s, '/'); i >= 0 {
		digits = s[:i]
	}
	n, err := parseDigits(digits)
	if err != nil || n == 0 || n > math.MaxUint32 {
		return 0, "", errors.New("bad number")
	}
	return uint32(n), s[len(digits):], nil
}

func unhex(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

// unescape decodes percent-encoding of UTF-8 without NUL.
func unescape(s string) (string, error) {
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c == '%' {
			if i+2 >= len(s) || unhex(s[i+1]) < 0 || unhex(s[i+2]) < 0 {
				return "", errors.New("bad percent-encoding")
			}
			c = byte(unhex(s[i+1])<<4 | unhex(s[i+2]))
			i += 2
		}
		if c == 0 {
			return "", errors.New("NUL")
		}
		b = append(b, c)
	}
	if !utf8.Valid(b) {
		return "", errors.New("not UTF-8")
	}
	return string(b), nil
}

// appendEscaped writes s with what is not unreserved, sub-delims-sh (RFC 5092 11) or in
// also percent-encoded.
func appendEscaped(b []byte, s, also string) []byte {
	for i := range len(s) {
		c := s[i]
		if c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z' || strings.IndexByte("-._~!$'()*+,", c) >= 0 || strings.IndexByte(also, c) >= 0 {
			b = append(b, c)
			continue
		}
		b = append(b, '%', "0123456789ABCDEF"[c>>4], "0123456789ABCDEF"[c&15])
	}
	return b
}

// String returns the URL, with mechanism and token when it has them.
func (u *URL) String() string {
	var b []byte
	if u.Absolute {
		b = u.appendServer(append(b, urlScheme...))
	}
	if u.Mailbox != "" {
		b = appendEscapedMailbox(append(b, '/'), u.Mailbox)
		if u.UIDValidity != 0 {
			b = strconv.AppendUint(append(b, ";UIDVALIDITY="...), uint64(u.UIDValidity), 10)
		}
		b = append(b, '/')
	}
	b = strconv.AppendUint(append(b, ";UID="...), uint64(u.UID), 10)
	if len(u.Section.Part) > 0 || u.Section.Spec != SectionAll {
		sec := AppendSection(nil, u.Section)
		b = appendEscaped(append(b, "/;SECTION="...), string(sec[1:len(sec)-1]), "")
	}
	if p := u.Partial; p != nil {
		b = strconv.AppendInt(append(b, "/;PARTIAL="...), p.Offset, 10)
		if p.Count > 0 {
			b = strconv.AppendInt(append(b, '.'), p.Count, 10)
		}
	}
	return string(u.appendAuthorization(b))
}

func (u *URL) appendServer(b []byte) []byte {
	b = appendEscaped(b, u.User, "&=")
	switch u.Auth {
	case "":
	case "*":
		b = append(b, ";AUTH=*"...)
	default:
		b = appendEscaped(append(b, ";AUTH="...), u.Auth, "&=")
	}
	if u.User != "" || u.Auth != "" {
		b = append(b, '@')
	}
	return append(b, u.Host...)
}

// appendEscapedMailbox writes enc-mailbox: slashes as they are, but where they or dots
// would be taken for something else.
func appendEscapedMailbox(b []byte, name string) []byte {
	segments := strings.Split(name, "/")
	for i, seg := range segments {
		if i > 0 && (segments[0] == "" || i == len(segments)-1 && seg == "") {
			b = append(b, "%2F"...)
		} else if i > 0 {
			b = append(b, '/')
		}
		if seg == "." || seg == ".." {
			b = append(b, strings.ReplaceAll(seg, ".", "%2E")...)
			continue
		}
		b = appendEscaped(b, seg, "&=:@")
	}
	return b
}

func (u *URL) appendAuthorization(b []byte) []byte {
	if u.Access == nil {
		return b
	}
	if !u.Expire.IsZero() {
		b = u.Expire.AppendFormat(append(b, ";EXPIRE="...), urlDateLayout)
	}
	b = append(append(b, ";URLAUTH="...), accessNames[u.Access.Kind]...)
	b = appendEscaped(b, u.Access.User, "&=")
	if u.Mechanism != "" {
		b = append(append(append(append(b, ':'), u.Mechanism...), ':'), u.Token...)
	}
	return b
}
