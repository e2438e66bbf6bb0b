package logfile

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"net/netip"
	"regexp"
	"slices"
	"strings"

	"mox/mlog"
)

// Scrubber takes out what is about people, for lines that are given to others: what comes before the @
// of addresses, names of accounts and public IP addresses become short hashes, the same for the same within one Scrubber; subjects
// and lines of protocols, which have anything, are left out. Domains and hosts stay.
type Scrubber struct{ key []byte }

// NewScrubber returns one. Its hashes can be compared with no other's.
func NewScrubber() *Scrubber {
	s := &Scrubber{make([]byte, 32)}
	rand.Read(s.key) // never fails
	return s
}

// hidden are fields that are left out, named those that are hashed as a whole.
var (
	hidden = []string{"subject", "filename", "password", "token", "query", "path"}
	named  = []string{"account", "username", "user", "login", "localpart", "mailbox", "actor"}
)

var (
	localpart = regexp.MustCompile(`("(?:[^"\\]|\\.)*"|[^\s<>"'(),;:\[\]{}=|]+)@([\pL\pN][\pL\pN.-]*|\[[^\]]*\])`)
	ipv4      = regexp.MustCompile(`\b\d{1,3}(?:\.\d{1,3}){3}\b`)
	ipv6      = regexp.MustCompile(`(?i)\b[0-9a-f]{0,4}(?::[0-9a-f]{0,4}){2,7}(?:\.\d{1,3}){0,3}`)
)

// hash is a short one of a text.
func (s *Scrubber) hash(text string) string {
	m := hmac.New(sha256.New, s.key)
	m.Write([]byte(strings.ToLower(text)))
	return hex.EncodeToString(m.Sum(nil)[:5])
}

// Line returns a line without what is about people.
func (s *Scrubber) Line(l *Line) *Line {
	n := &Line{Time: l.Time, Level: l.Level, Msg: s.text(l.Msg)}
	if l.Level < mlog.LevelDebug {
		n.Msg = "(line of a protocol)"
	}
	for _, f := range l.Fields {
		switch {
		case slices.Contains(hidden, f.Key):
			f.Value = "***"
		case slices.Contains(named, f.Key) && f.Value != "" && !strings.Contains(f.Value, "@"):
			f.Value = "h-" + s.hash(f.Value)
		default:
			f.Value = s.text(f.Value)
		}
		n.Fields = append(n.Fields, f)
	}
	return n
}

// text replaces what is about people in a text.
func (s *Scrubber) text(text string) string {
	text = localpart.ReplaceAllStringFunc(text, func(a string) string {
		i := strings.LastIndexByte(a, '@')
		domain := a[i+1:]
		if strings.HasPrefix(domain, "[") {
			domain = "[***]"
		}
		return "h-" + s.hash(a[:i]) + "@" + domain
	})
	ip := func(a string) string {
		addr, err := netip.ParseAddr(a)
		if err != nil || !addr.IsGlobalUnicast() || addr.IsPrivate() {
			return a
		}
		return "ip-" + s.hash(addr.String())
	}
	return ipv6.ReplaceAllStringFunc(ipv4.ReplaceAllStringFunc(text, ip), ip)
}
