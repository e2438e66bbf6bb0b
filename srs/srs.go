package srs

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"strings"
	"time"

	"mox/dns"
	"mox/smtp"
)

// Errors of Forward and Reverse.
var (
	// ErrSender: the address cannot be in another, being null or an address literal.
	ErrSender = errors.New("sender cannot be rewritten")
	// ErrTooLong: the localpart would be longer than smtp.MaxLocalpartLax.
	ErrTooLong = errors.New("rewritten address too long")
	// ErrForm: not an address as Forward makes them.
	ErrForm = errors.New("not a rewritten address")
	// ErrForged: not made with this key.
	ErrForged = errors.New("rewritten address of somebody else")
	// ErrExpired: made too long ago.
	ErrExpired = errors.New("rewritten address has expired")
)

// DefaultMaxAge is the default of Rewriter.MaxAge: servers give up after 4 to 5 days (RFC
// 5321 4.5.4.1), and there may be several on the way.
const DefaultMaxAge = 10 * 24 * time.Hour

// Rewriter makes and takes back addresses. It may be used concurrently.
type Rewriter struct {
	Key    []byte           // of this server, at least 16 bytes
	MaxAge time.Duration    // after which an address counts no more, in whole days; 0: DefaultMaxAge
	Now    func() time.Time // nil: time.Now
}

const (
	prefix0, prefix1 = "SRS0", "SRS1"
	dayLen, hashLen  = 2, 8 // characters of 5 bits
	dayCycle         = 1024
)

var encoding = base32.StdEncoding.WithPadding(base32.NoPadding)

const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"

// Is tells whether a localpart has the form of a rewritten one, whoever made it.
func Is(l smtp.Localpart) bool { return isForm(string(l), prefix0) || isForm(string(l), prefix1) }

// isForm tells whether s begins with a prefix and one of the separators in use.
func isForm(s, prefix string) bool {
	return len(s) > len(prefix) && strings.EqualFold(s[:len(prefix)], prefix) && strings.IndexByte("=+-", s[len(prefix)]) >= 0
}

// Forward returns the address of a domain of ours for messages from sender. The errors are
// ErrSender and ErrTooLong.
func (r *Rewriter) Forward(sender smtp.Path, domain dns.Domain) (smtp.Path, error) {
	if sender.IsZero() || sender.IPDomain.IsIP() || sender.IPDomain.IsZero() || sender.Localpart == "" {
		return smtp.Path{}, ErrSender
	}
	day := r.day()
	l := string(sender.Localpart)
	from := sender.IPDomain.Domain.ASCII
	var s string
	if host, rest, ok := forwarded(l, from); ok {
		s = prefix1 + "=" + day + r.hash(prefix1, day, host, rest) + "=" + host + "=" + rest
	} else {
		s = prefix0 + "=" + r.hash(prefix0, day, from, l) + "=" + day + "=" + from + "=" + l
	}
	if len(s) > smtp.MaxLocalpartLax {
		return smtp.Path{}, ErrTooLong
	}
	return smtp.Path{Localpart: smtp.Localpart(s), IPDomain: smtp.IPDomain{Domain: domain}}, nil
}

// forwarded takes apart an address that another server has rewritten: the first forwarder,
// and what is behind SRS0 in its localpart.
func forwarded(l, domain string) (host, rest string, ok bool) {
	if isForm(l, prefix0) {
		return domain, l[len(prefix0):], true
	}
	if !isForm(l, prefix1) {
		return "", "", false
	}
	_, l, _ = strings.Cut(l[len(prefix1)+1:], "=")
	host, rest, ok = strings.Cut(l, "=")
	d, err := dns.ParseDomain(host)
	return d.ASCII, rest, ok && err == nil && isForm(prefix0+rest, prefix0)
}

// Reverse returns the address that a localpart was made of. The errors are ErrForm,
// ErrForged and ErrExpired.
func (r *Rewriter) Reverse(l smtp.Localpart) (smtp.Path, error) {
	s := string(l)
	switch {
	case len(s) > smtp.MaxLocalpartLax || !Is(l) || s[len(prefix0)] != '=':
		return smtp.Path{}, ErrForm
	case isForm(s, prefix0):
		f := strings.SplitN(s, "=", 5)
		if len(f) != 5 {
			return smtp.Path{}, ErrForm
		}
		return r.check(prefix0, f[1], f[2], f[3], f[4], f[4])
	}
	f := strings.SplitN(s, "=", 4)
	if len(f) != 4 || len(f[1]) != dayLen+hashLen || !isForm(prefix0+f[3], prefix0) {
		return smtp.Path{}, ErrForm
	}
	return r.check(prefix1, f[1][dayLen:], f[1][:dayLen], f[2], f[3], prefix0+f[3])
}

// check returns localpart at domain if the hash is that of all others.
func (r *Rewriter) check(kind, hash, day, domain, signed, localpart string) (smtp.Path, error) {
	d, err := dns.ParseDomain(domain)
	if err != nil || localpart == "" || len(day) != dayLen {
		return smtp.Path{}, ErrForm
	}
	if !hmac.Equal([]byte(strings.ToUpper(hash)), []byte(r.hash(kind, day, domain, signed))) {
		return smtp.Path{}, ErrForged
	}
	made, ok := parseDay(day)
	if !ok {
		return smtp.Path{}, ErrForm
	}
	maxAge := r.MaxAge
	if maxAge == 0 {
		maxAge = DefaultMaxAge
	}
	// A clock that was put back is no reason to lose a notification.
	age := (r.today() - made + dayCycle + 1) % dayCycle
	if age > int(maxAge/(24*time.Hour))+1 {
		return smtp.Path{}, ErrExpired
	}
	return smtp.Path{Localpart: smtp.Localpart(localpart), IPDomain: smtp.IPDomain{Domain: d}}, nil
}

// today is the number of the day within its cycle.
func (r *Rewriter) today() int {
	now := time.Now
	if r.Now != nil {
		now = r.Now
	}
	return int(now().Unix() / (24 * 60 * 60) % dayCycle)
}

func (r *Rewriter) day() string {
	n := r.today()
	return string([]byte{alphabet[n>>5], alphabet[n&31]})
}

func parseDay(s string) (int, bool) {
	s = strings.ToUpper(s)
	hi, lo := strings.IndexByte(alphabet, s[0]), strings.IndexByte(alphabet, s[1])
	return hi<<5 | lo, hi >= 0 && lo >= 0
}

// hash signs the parts of an address.
func (r *Rewriter) hash(parts ...string) string {
	h := hmac.New(sha256.New, r.Key)
	for _, p := range parts {
		h.Write([]byte(strings.ToLower(p)))
		h.Write([]byte{0})
	}
	return encoding.EncodeToString(h.Sum(nil))[:hashLen]
}
