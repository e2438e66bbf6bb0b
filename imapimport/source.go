package imapimport

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"mox/imap"
	"mox/imapclient"
	"mox/sasl"
)

// Login is an account of another server. The zero value of TLS is no TLS.
type Login struct {
	Host string // name or address; with ":port" where it is not the usual one
	TLS  imapclient.TLSMode
	// TLSConfig is for certificates that are not as usual; nil: as usual.
	TLSConfig *tls.Config
	User      string
	Password  string
	// TokenFile has a bearer token (OAUTHBEARER, XOAUTH2) in place of a password. It is read
	// for each connection, as tokens do not live long.
	TokenFile string
	Mechanism string // of SASL; empty: the best that the server offers, or LOGIN
}

// addr returns host and port.
func (l *Login) addr() string {
	if _, _, err := net.SplitHostPort(l.Host); err == nil {
		return l.Host
	}
	port := "143"
	if l.TLS == imapclient.Implicit {
		port = "993"
	}
	return net.JoinHostPort(strings.Trim(l.Host, "[]"), port)
}

// server is the connection to a source, which is made again when it breaks.
type server struct {
	login   Login
	trouble func(string)
	backoff time.Duration // before the first new attempt
	tries   int           // attempts without any progress in between

	c        *imapclient.Client
	reached  bool // there was a session
	progress int  // counts what came; a change begins a new series of attempts
	selected string
}

// errPermanent marks errors that a new connection does not mend.
var errPermanent = errors.New("refused")

// do runs f on a connection, and again on a new one when it broke.
func (s *server) do(ctx context.Context, f func(c *imapclient.Client) error) error {
	wait, seen := s.backoff, s.progress
	for n := 1; ; n++ {
		err := s.attempt(ctx, f)
		if err == nil || ctx.Err() != nil || !transient(err) || !s.reached && isNoServer(err) {
			return cmp.Or(ctx.Err(), err)
		}
		s.close()
		if s.progress != seen {
			wait, seen, n = s.backoff, s.progress, 1
		}
		if n >= s.tries {
			return fmt.Errorf("%w (after %d attempts)", err, n)
		}
		s.trouble(fmt.Sprintf("%s: %v; again in %v", s.login.Host, err, wait))
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return ctx.Err()
		}
		wait = min(2*wait, time.Minute)
	}
}

func (s *server) attempt(ctx context.Context, f func(c *imapclient.Client) error) error {
	if s.c == nil {
		c, err := s.connect(ctx)
		if err != nil {
			return fmt.Errorf("connecting: %w", err)
		}
		s.c, s.selected, s.reached = c, "", true
	}
	return f(s.c)
}

// transient tells whether a new connection may help. RFC 5530 3: what some codes mean.
func transient(err error) bool {
	var refused *imap.Error
	var cert *tls.CertificateVerificationError
	switch {
	case errors.As(err, &refused):
		return refused.Code == "UNAVAILABLE" || refused.Code == "INUSE" || refused.Code == "SERVERBUG"
	case errors.As(err, &cert), errors.Is(err, errPermanent), errors.Is(err, imapclient.ErrNoMechanism):
		return false
	}
	return true
}

// isNoServer tells whether the very first attempt failed for what is more likely a wrong
// host or port than a server that is away.
func isNoServer(err error) bool {
	var dns *net.DNSError
	var record tls.RecordHeaderError
	return errors.As(err, &dns) && dns.IsNotFound || errors.As(err, &record) || errors.Is(err, syscall.ECONNREFUSED)
}

// connect connects and logs in.
func (s *server) connect(ctx context.Context) (*imapclient.Client, error) {
	l := &s.login
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	c, err := imapclient.Dial(ctx, l.addr(), l.TLS, l.TLSConfig, imapclient.Options{Timeout: 5 * time.Minute})
	if record := (tls.RecordHeaderError{}); errors.As(err, &record) {
		return nil, fmt.Errorf("%s does not begin with TLS, which is for another port or another way of TLS: %w", l.addr(), err)
	} else if err != nil {
		return nil, err
	}
	if c.Greeting().Type != imap.PREAUTH {
		err = s.authenticate(ctx, c)
	}
	if err == nil {
		// What a server offers before login may be less.
		_, err = c.Do(ctx, "CAPABILITY")
	}
	if err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

func (s *server) authenticate(ctx context.Context, c *imapclient.Client) error {
	l := &s.login
	caps, err := c.Capabilities(ctx)
	if err != nil {
		return err
	}
	host, _, _ := net.SplitHostPort(l.addr())
	cred := sasl.Credentials{Authcid: l.User, Password: l.Password, Host: host}
	mechanism := strings.ToUpper(l.Mechanism)
	if l.TokenFile != "" {
		b, err := os.ReadFile(l.TokenFile)
		if err != nil {
			return fmt.Errorf("%w: %w", errPermanent, err)
		}
		cred.Password = strings.TrimSpace(string(b))
		if mechanism == "" {
			mechanism = sasl.XOAuth2
			if slices.Contains(caps, "AUTH="+sasl.OAuthBearer) {
				mechanism = sasl.OAuthBearer
			}
		}
	}
	err = c.Authenticate(ctx, mechanism, cred)
	if errors.Is(err, imapclient.ErrNoMechanism) && !c.Has("LOGINDISABLED") {
		// Plain: who asks for no TLS has said that the password may be seen.
		err = c.Login(ctx, l.User, l.Password)
	}
	if err != nil {
		return fmt.Errorf("login of %q: %w", l.User, err)
	}
	return nil
}

func (s *server) close() {
	if s.c != nil {
		s.c.Close()
		s.c = nil
	}
}

// logout ends the session; nothing depends on how.
func (s *server) logout() {
	if s.c != nil {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_ = s.c.Logout(ctx)
		s.c = nil
	}
}

// errRenewed: the mailbox is not the one any more that it was before.
var errRenewed = fmt.Errorf("%w: the mailbox has a new UIDVALIDITY", errPermanent)

// in runs f with a mailbox selected. validity 0 takes any.
func (s *server) in(ctx context.Context, mailbox string, validity uint32, f func(c *imapclient.Client) error) error {
	return s.do(ctx, func(c *imapclient.Client) error {
		if s.selected != mailbox {
			sel, err := s.examine(ctx, c, mailbox)
			if err != nil {
				return err
			}
			if sel.UIDValidity != validity {
				return errRenewed
			}
		}
		return f(c)
	})
}

// examine selects a mailbox, for reading.
func (s *server) examine(ctx context.Context, c *imapclient.Client, mailbox string) (*imapclient.Selected, error) {
	s.selected = ""
	params := ""
	if condstore(c) {
		params = "(CONDSTORE)"
	}
	sel, err := c.Examine(ctx, mailbox, params)
	if err == nil {
		s.selected = mailbox
	}
	return sel, err
}

func condstore(c *imapclient.Client) bool { return c.Has("CONDSTORE") || c.Has("QRESYNC") }
