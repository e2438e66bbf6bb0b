package config

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"mox/dns"
	"mox/sconf"
	"mox/smtp"
)

// checker collects what is wrong with a file.
type checker struct {
	doc      *sconf.Doc
	errs     sconf.Errors
	warnings sconf.Errors
	opts     Options
	dir      string // Of the configuration files.
}

func (c *checker) errorf(p sconf.Path, format string, args ...any) {
	c.errs = append(c.errs, c.doc.Errorf(p, format, args...))
}

func (c *checker) warnf(p sconf.Path, format string, args ...any) {
	c.warnings = append(c.warnings, c.doc.Errorf(p, format, args...))
}

// sorted iterates a map in order of keys, for errors in a stable order.
func sorted[V any](m map[string]V) []string {
	return slices.Sorted(maps.Keys(m))
}

// oneOf checks a word against a list.
func (c *checker) oneOf(p sconf.Path, word string, valid ...string) bool {
	if slices.Contains(valid, word) {
		return true
	}
	c.errorf(p, "unknown value %q, known are %s%s", word, strings.Join(valid, ", "), didYouMean(word, valid))
	return false
}

func didYouMean(word string, valid []string) string {
	if s := sconf.Suggest(word, valid); s != "" {
		return fmt.Sprintf("; did you mean %q?", s)
	}
	return ""
}

// known checks that a name is a key of a map, of things called what.
func known[V any](c *checker, p sconf.Path, what, name string, m map[string]V) bool {
	if _, ok := m[name]; ok {
		return true
	}
	c.errorf(p, "unknown %s %q%s", what, name, didYouMean(name, sorted(m)))
	return false
}

// domain parses a name that people write: with U-labels.
func (c *checker) domain(p sconf.Path, s string) (dns.Domain, bool) {
	d, err := dns.ParseDomain(s)
	if err != nil {
		c.errorf(p, "bad domain %q: %s", s, cause(err, dns.ErrDomain))
		return dns.Domain{}, false
	}
	if d.Unicode != "" && strings.Contains(strings.ToLower(s), "xn--") {
		c.errorf(p, "domain %q must be written in Unicode: %s", s, d.Unicode)
		return dns.Domain{}, false
	}
	if d.Numeric() {
		c.errorf(p, "bad domain %q: looks like an IP address", s)
		return dns.Domain{}, false
	}
	return d, true
}

// domainKey parses a name that is a key, so must be in its canonical form.
func (c *checker) domainKey(p sconf.Path, s string) (dns.Domain, bool) {
	d, ok := c.domain(p, s)
	if ok && d.Name() != s {
		c.errorf(p, "domain %q must be written as %s", s, d.Name())
		return dns.Domain{}, false
	}
	return d, ok
}

// cause takes the text of a sentinel off the front of an error: the message has it.
func cause(err, sentinel error) string {
	return strings.TrimPrefix(err.Error(), sentinel.Error()+": ")
}

func (c *checker) domains(p sconf.Path, l []string) []dns.Domain {
	var domains []dns.Domain
	for i, s := range l {
		if d, ok := c.domain(p.Index(i), s); ok {
			if slices.Contains(domains, d) {
				c.errorf(p.Index(i), "domain %s is listed twice", d.Name())
			}
			domains = append(domains, d)
		}
	}
	return domains
}

func (c *checker) localpart(p sconf.Path, s string) (smtp.Localpart, bool) {
	lp, err := smtp.ParseLocalpart(s)
	if err != nil {
		c.errorf(p, "bad localpart %q: %s", s, cause(err, smtp.ErrAddress))
		return "", false
	}
	return smtp.Localpart(norm.NFC.String(string(lp))), true
}

func (c *checker) address(p sconf.Path, s string) (smtp.Address, bool) {
	a, err := smtp.ParseAddress(s)
	if err != nil {
		c.errorf(p, "bad address %q: %s", s, cause(err, smtp.ErrAddress))
		return smtp.Address{}, false
	}
	if _, ok := c.domain(p, s[strings.LastIndexByte(s, '@')+1:]); !ok {
		return smtp.Address{}, false
	}
	a.Localpart = smtp.Localpart(norm.NFC.String(string(a.Localpart)))
	return a, true
}

func (c *checker) ip(p sconf.Path, s string) (netip.Addr, bool) {
	ip, err := netip.ParseAddr(s)
	if err != nil {
		c.errorf(p, "bad IP address %q", s)
		return netip.Addr{}, false
	}
	return ip.Unmap(), true
}

func (c *checker) port(p sconf.Path, port int) {
	if port < 0 || port > 65535 {
		c.errorf(p, "bad port %d, must be from 1 to 65535", port)
	}
}

func (c *checker) notNegative(p sconf.Path, d time.Duration) {
	if d < 0 {
		c.errorf(p, "must not be negative")
	}
}

func (c *checker) regexp(p sconf.Path, s string) *regexp.Regexp {
	if s == "" {
		return nil
	}
	re, err := regexp.Compile(s)
	if err != nil {
		c.errorf(p, "bad regular expression: %s", strings.TrimPrefix(err.Error(), "error parsing regexp: "))
	}
	return re
}

// httpURL parses an absolute URL of HTTP or HTTPS.
func (c *checker) httpURL(p sconf.Path, s string, schemes ...string) (*url.URL, bool) {
	u, err := url.Parse(s)
	switch {
	case err != nil:
		var uerr *url.Error
		if errors.As(err, &uerr) {
			err = uerr.Err
		}
		c.errorf(p, "bad URL: %v", err)
	case !slices.Contains(schemes, u.Scheme):
		c.errorf(p, "bad URL %q: must start with %s://", s, strings.Join(schemes, ":// or "))
	case u.Hostname() == "":
		c.errorf(p, "bad URL %q: missing host", s)
	default:
		return u, true
	}
	return nil, false
}

// replyText checks a text that goes into an SMTP reply.
func (c *checker) replyText(p sconf.Path, s string) {
	const maxText = 256
	if len(s) > maxText {
		c.errorf(p, "text is longer than %d characters", maxText)
	}
	if strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' }) {
		c.errorf(p, "text must be printable ASCII")
	}
}

// mailbox checks the name of a mailbox and returns it normalized.
func (c *checker) mailbox(p sconf.Path, name string) string {
	n, err := MailboxName(name)
	if err != nil {
		c.errorf(p, "%v", err)
	}
	return n
}

func (c *checker) mailboxNotInbox(p sconf.Path, name string) string {
	n := c.mailbox(p, name)
	if n == Inbox {
		c.errorf(p, "must be another mailbox than Inbox")
	}
	return n
}

// Inbox is the mailbox that every account has.
const Inbox = "Inbox"

// ErrMailboxName is wrapped by the errors of [MailboxName].
var ErrMailboxName = errors.New("bad mailbox name")

// MailboxName checks the name of a mailbox and returns it normalized: in Unicode NFC,
// with Inbox in this spelling.
func MailboxName(name string) (string, error) {
	bad := func(why string) (string, error) {
		return "", fmt.Errorf("%w %q: %s", ErrMailboxName, name, why)
	}
	if name == "" {
		return bad("empty")
	}
	if strings.HasPrefix(name, "#") || strings.HasPrefix(name, "/") {
		return bad("must not start with # or /")
	}
	if strings.ContainsFunc(name, unicode.IsControl) || strings.ContainsAny(name, "\u2028\u2029") {
		return bad("control characters")
	}
	n := norm.NFC.String(name)
	for e := range strings.SplitSeq(n, "/") {
		if e == "" || e == "." || e == ".." {
			return bad("empty, . or .. as part")
		}
	}
	first, rest, sub := strings.Cut(n, "/")
	if strings.EqualFold(first, Inbox) {
		n = Inbox
		if sub {
			n += "/" + rest
		}
	}
	return n, nil
}

// filePath checks that a path is there and returns it relative to the directory of the
// configuration.
func (c *checker) filePath(p sconf.Path, s string) (string, bool) {
	if s == "" {
		c.errorf(p, "path is empty")
		return "", false
	}
	return resolve(c.dir, s), true
}

// readFile reads a file that a field names, unless files are not to be looked at.
func (c *checker) readFile(p sconf.Path, s string) ([]byte, bool) {
	path, ok := c.filePath(p, s)
	if !ok || c.opts.SkipFiles {
		return nil, false
	}
	data, err := c.opts.ReadFile(path)
	if err != nil {
		c.errorf(p, "reading file: %v", err)
		return nil, false
	}
	return data, true
}

// slashPath checks a path of URLs and completes it with a slash.
func (c *checker) slashPath(p sconf.Path, s string) string {
	if !strings.HasPrefix(s, "/") {
		c.errorf(p, "path %q must start with a slash", s)
	} else if clean := path.Clean(s); clean != s && clean+"/" != s {
		c.errorf(p, "path %q must be written as %s", s, strings.TrimSuffix(clean, "/")+"/")
	} else if !strings.HasSuffix(s, "/") {
		c.warnf(p, "path %q should end with a slash, taking it as %s/", s, s)
		return s + "/"
	}
	return s
}
