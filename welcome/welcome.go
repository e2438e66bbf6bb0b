package welcome

import (
	"context"
	"embed"
	"encoding/base64"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	"mox/auth"
	"mox/clientconf"
	"mox/invite"
	"mox/page"
	"mox/ratelimit"
)

// Path is where the pages are; the token follows.
const Path = "/invite/"

// maxForm bounds a form.
const maxForm = 16 << 10

// Config is what a Server needs.
type Config struct {
	// Look returns the invitation of a token, or invite.ErrInvalid.
	Look func(token string) (invite.Invite, error)
	// Accept sets the password. Errors are invite.ErrInvalid, auth.ErrBadPassword and others.
	Accept func(ctx context.Context, token, password string) (invite.Invite, error)
	// Settings are those of mail programs for an address.
	Settings func(address string) (*clientconf.Settings, error)
	// QR makes a picture (PNG) of an URL.
	QR func(url string) ([]byte, error)
	// Bad limits requests with tokens that are of no use; nil: any number.
	Bad *ratelimit.Limiter
	Now func() time.Time
	Log *slog.Logger
}

// Server is the pages: a [http.Handler] that gets what comes after Path, with a slash before.
type Server struct {
	c     Config
	cross *http.CrossOriginProtection
}

// New returns a Server.
func New(c Config) *Server { return &Server{c, http.NewCrossOriginProtection()} }

//go:embed pages
var files embed.FS

var pages = page.Templates(files, nil)

// view is what pages are made from.
type view struct {
	Title, Nonce, Text, Problem string
	Invite                      invite.Invite
	End                         string
	Min                         int
	Incoming, Outgoing          []entry
	ProfileURL                  string
	QR                          template.URL
}

// entry is a server as mail programs ask for it.
type entry struct {
	Host, Port, TLS string
}

// ServeHTTP implements [http.Handler].
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	page.Private(w)
	w.Header().Set("X-Robots-Tag", "noindex")
	ip := remote(r)
	token := strings.TrimPrefix(r.URL.Path, "/")
	switch {
	case r.Method != http.MethodGet && r.Method != http.MethodHead && r.Method != http.MethodPost:
		w.Header().Set("Allow", "GET, HEAD, POST")
		http.Error(w, "405 - only GET, HEAD and POST", http.StatusMethodNotAllowed)
	case s.c.Bad != nil && !s.c.Bad.Allowed(ip, s.c.Now(), 1):
		w.Header().Set("Retry-After", "600")
		s.refuse(w, http.StatusTooManyRequests, "Too many links that are of no use were tried from your network. Try again later.")
	case s.cross.Check(r) != nil:
		s.refuse(w, http.StatusForbidden, "The request comes from another site.")
	default:
		inv, err := s.c.Look(token)
		if err == nil && r.Method == http.MethodPost {
			s.accept(w, r, token, inv)
		} else if err == nil {
			s.form(w, http.StatusOK, inv, "")
		} else {
			s.invalid(w, ip)
		}
	}
}

func remote(r *http.Request) netip.Addr {
	ap, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return ap.Addr().Unmap().WithZone("")
}

// invalid answers for all tokens that are of no use.
func (s *Server) invalid(w http.ResponseWriter, ip netip.Addr) {
	if s.c.Bad != nil {
		s.c.Bad.Add(ip, s.c.Now(), 1)
	}
	s.refuse(w, http.StatusNotFound, "This link is not valid, or not any more: it works once, and for some days. Ask who runs the server for another.")
}

func (s *Server) refuse(w http.ResponseWriter, status int, text string) {
	s.render(w, status, "refused.html", view{Title: "Invitation", Text: text})
}

func (s *Server) render(w http.ResponseWriter, status int, name string, v view) {
	v.Nonce = page.Nonce()
	if err := page.Write(w, status, pages, name, v.Nonce, v); err != nil {
		s.c.Log.Debug("page of invitation", "err", err)
	}
}

// form shows the question for a password.
func (s *Server) form(w http.ResponseWriter, status int, inv invite.Invite, problem string) {
	s.render(w, status, "ask.html", view{
		Title: "Choose a password", Invite: inv, Problem: problem, Min: auth.MinPasswordLength, End: inv.Expires.Format("2 January 2006, 15:04 MST"),
	})
}

// accept takes the form.
func (s *Server) accept(w http.ResponseWriter, r *http.Request, token string, inv invite.Invite) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		s.form(w, http.StatusBadRequest, inv, "The form could not be read.")
		return
	}
	password := r.PostForm.Get("password")
	switch {
	case utf8.RuneCountInString(password) < auth.MinPasswordLength:
		s.form(w, http.StatusUnprocessableEntity, inv, fmt.Sprintf("The password needs at least %d characters.", auth.MinPasswordLength))
		return
	case password != r.PostForm.Get("again"):
		s.form(w, http.StatusUnprocessableEntity, inv, "The two passwords differ. Nothing was changed.")
		return
	}
	inv, err := s.c.Accept(r.Context(), token, password)
	switch {
	case errors.Is(err, invite.ErrInvalid):
		s.invalid(w, remote(r))
	case errors.Is(err, auth.ErrBadPassword):
		s.form(w, http.StatusUnprocessableEntity, inv, "The password cannot be used: "+strings.TrimPrefix(err.Error(), auth.ErrBadPassword.Error()+": ")+".")
	case err != nil:
		s.c.Log.ErrorContext(r.Context(), "setting password of an invitation", "err", err, "account", inv.Account)
		s.form(w, http.StatusInternalServerError, inv, "The server could not do it at the moment. Try again in some minutes: the link works still.")
	default:
		s.done(w, r, inv)
	}
}

// done shows the settings.
func (s *Server) done(w http.ResponseWriter, r *http.Request, inv invite.Invite) {
	v := view{Title: "Welcome", Invite: inv}
	settings, err := s.c.Settings(inv.Address)
	if err != nil {
		s.c.Log.ErrorContext(r.Context(), "settings for an invitation", "err", err)
		s.render(w, http.StatusOK, "done.html", v)
		return
	}
	v.Incoming, v.Outgoing = entries(settings.Best(clientconf.IMAP)), entries(settings.Best(clientconf.Submission))
	v.Invite.Address = settings.Username
	// As the certificate of the server is for names, and the profile is signed, https is what devices want.
	u := url.URL{Scheme: "https", Host: strings.ToLower(r.Host), Path: "/profile.mobileconfig", RawQuery: url.Values{"addresses": {settings.Username}}.Encode()}
	v.ProfileURL = u.RequestURI()
	if png, err := s.c.QR(u.String()); err == nil {
		v.QR = template.URL("data:image/png;base64," + base64.StdEncoding.EncodeToString(png))
	}
	s.render(w, http.StatusOK, "done.html", v)
}

// maxEntries is how many ways to connect are shown: more confuse.
const maxEntries = 1

func entries(l []clientconf.Entry) []entry {
	var all []entry
	for _, e := range l[:min(len(l), maxEntries)] {
		tls := map[clientconf.TLSMode]string{clientconf.ImplicitTLS: "SSL/TLS", clientconf.STARTTLS: "STARTTLS", clientconf.OptionalTLS: "STARTTLS", clientconf.NoTLS: "none"}[e.TLS]
		all = append(all, entry{e.Host.Name(), fmt.Sprint(e.Port), tls})
	}
	return all
}
