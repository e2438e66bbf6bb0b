package serve

import (
	"context"
	"errors"
	"io"
	"net/netip"
	"strings"

	"mox/auth"
	"mox/dns"
	"mox/imapserver"
	"mox/smtp"
	"mox/smtpserver"
)

// userAccount returns the account of a user name in an imap URL: a login name of an account
// that may log in.
func (s *Server) userAccount(name string) (account string, ok bool) {
	a, err := s.dir.Login(name)
	if err != nil || a.Config.LoginDisabled != "" {
		return "", false
	}
	return a.Name, true
}

// ownHost tells whether a host in a URL, which may have a port, is this server.
func (s *Server) ownHost(host string) bool {
	if i := strings.LastIndexByte(host, ':'); i >= 0 && !strings.HasSuffix(host, "]") {
		host = host[:i]
	}
	if ip, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		return s.own(smtp.IPDomain{IP: ip})
	}
	d, err := dns.ParseDomain(host)
	return err == nil && s.own(smtp.IPDomain{Domain: d})
}

// burl is BURL for submission: URLs of the IMAP server in this process.
func (s *Server) burl(hostname dns.Domain) *smtpserver.Burl {
	return &smtpserver.Burl{Servers: []string{"imap://" + hostname.ASCII}, Open: s.openURL}
}

// urlErrors are what clients are told, RFC 4468 6.
var urlErrors = []struct {
	err   error
	reply *smtp.Error
}{
	{imapserver.ErrURLHost, smtp.Errorf(554, "5.7.8", "URL resolution requires trust relationship: the URL is not of this server")},
	{imapserver.ErrURLDenied, smtp.Errorf(554, "5.7.0", "IMAP URL authorization failed")},
	{imapserver.ErrURLGone, smtp.Errorf(554, "5.6.6", "IMAP URL resolution failed")},
	{imapserver.ErrURL, smtp.Errorf(554, "5.6.6", "IMAP URL resolution failed: not an imap URL of a message")},
}

func (s *Server) openURL(ctx context.Context, principal any, url string) (io.ReadCloser, int64, error) {
	p, ok := principal.(*auth.Principal)
	if !ok {
		return nil, 0, smtp.Errorf(530, "5.7.0", "authentication required")
	}
	r, err := s.imap.OpenURL(ctx, p.Account, url)
	for _, e := range urlErrors {
		if errors.Is(err, e.err) {
			return nil, 0, smtp.WrapErrorf(err, e.reply.Code, e.reply.Enhanced, "%s", e.reply.Text)
		}
	}
	if err != nil {
		return nil, 0, err
	}
	return r, r.Size, nil
}
