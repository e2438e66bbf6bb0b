package setup

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"embed"
	"encoding/base64"
	"html/template"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"mox/dns"
	"mox/page"
	"mox/quickstart"
)

// Lifetime is how long the link, and what is behind it, works.
const Lifetime = 30 * time.Minute

// maxForm bounds the body of a request.
const maxForm = 64 << 10

const cookieName = "moxsetup"

// Config is what a Server is made from.
type Config struct {
	// Options are what the forms show at first, and where facts come from.
	Options quickstart.Options
	// Fresh is a resolver that remembers nothing, to look records up again; nil: that of
	// Options.
	Fresh dns.Resolver
	// Secure: the pages are served with TLS.
	Secure bool
	Log    *slog.Logger
	Now    func() time.Time // nil: time.Now
}

// phase is how far the person is.
type phase int

const (
	asking  phase = iota // for the address
	looking              // at the machine
	planned              // found, to be agreed to
	secrets              // written, with passwords to be kept
	records              // to be added to DNS
	ended
)

// Server is the pages. Make it with [New].
type Server struct {
	Config
	token string // of the link
	end   time.Time
	mux   *http.ServeMux
	cross *http.CrossOriginProtection
	ctx   context.Context
	stop  context.CancelFunc
	wg    sync.WaitGroup
	done  chan struct{} // closed when the person has finished

	mu      sync.Mutex
	session string // of the one browser, "" before it came
	form    string // token of forms
	phase   phase
	form1   form                 // as last sent
	problem string               // with the form, to be shown once
	found   []checkFound         // so far
	plan    *quickstart.Plan     // from planned on
	result  *quickstart.Result   // from secrets on; without passwords after that
	looked  map[int]recordLooked // records that were looked up, by their index
}

// checkFound is what a check found.
type checkFound struct {
	quickstart.Check
	Found []quickstart.Finding
}

// recordLooked is what was found for a record, and when.
type recordLooked struct {
	quickstart.RecordFound
	At time.Time
}

//go:embed pages
var pageFiles embed.FS

var pages = page.Templates(pageFiles, template.FuncMap{"join": strings.Join})

// New returns a Server, whose link ends with [Server.Path].
func New(c Config) *Server {
	if c.Now == nil {
		c.Now = time.Now
	}
	s := &Server{Config: c, token: random(), form: random(), end: c.Now().Add(Lifetime), cross: http.NewCrossOriginProtection(), done: make(chan struct{}), looked: map[int]recordLooked{}}
	s.ctx, s.stop = context.WithCancel(context.Background())
	s.form1 = newForm(c.Options)
	s.mux = http.NewServeMux()
	s.mux.HandleFunc("GET /{$}", s.show)
	s.mux.HandleFunc("POST /look", s.look)
	s.mux.HandleFunc("POST /back", s.back)
	s.mux.HandleFunc("POST /write", s.write)
	s.mux.HandleFunc("POST /kept", s.kept)
	s.mux.HandleFunc("POST /record", s.record)
	s.mux.HandleFunc("POST /finish", s.finish)
	return s
}

// random returns a secret that nobody can guess.
func random() string {
	b := make([]byte, 24)
	rand.Read(b) // never fails
	return base64.RawURLEncoding.EncodeToString(b)
}

// Path is that of the link, with the token.
func (s *Server) Path() string { return "/?token=" + s.token }

// Done is closed when the person has finished, after the last page was sent.
func (s *Server) Done() <-chan struct{} { return s.done }

// Close ends what runs, and waits for it.
func (s *Server) Close() {
	s.stop()
	s.wg.Wait()
}

// ServeHTTP implements [http.Handler].
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	page.Private(w)
	switch {
	case !s.Now().Before(s.end):
		s.refuse(w, http.StatusGone, "The link has expired: it worked for half an hour. Start mox setup again for another.")
	case r.URL.Path == "/favicon.ico":
		http.NotFound(w, r)
	case r.URL.Query().Has("token"):
		s.enter(w, r)
	case !s.known(r):
		s.refuse(w, http.StatusForbidden, "This needs the whole link that mox setup has printed, in the browser that opened it first.")
	case s.cross.Check(r) != nil:
		s.refuse(w, http.StatusForbidden, "The request comes from another site.")
	default:
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
		if r.Method == http.MethodPost && !equal(r.PostFormValue("form"), s.form) {
			s.refuse(w, http.StatusForbidden, "The form is not of these pages, or too large.")
			return
		}
		s.mux.ServeHTTP(w, r)
	}
}

func equal(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// enter takes the token of the link, once.
func (s *Server) enter(w http.ResponseWriter, r *http.Request) {
	if s.known(r) {
		http.Redirect(w, r, "/", http.StatusSeeOther)
		return
	}
	if r.Method != http.MethodGet || !equal(r.URL.Query().Get("token"), s.token) {
		s.refuse(w, http.StatusForbidden, "The link is not the one that mox setup has printed last.")
		return
	}
	s.mu.Lock()
	used := s.session != ""
	if !used {
		s.session = random()
	}
	session := s.session
	s.mu.Unlock()
	if used {
		s.Log.Warn("link of setup was opened again by another browser", "remote", r.RemoteAddr)
		s.refuse(w, http.StatusForbidden, "The link was opened already, in another browser, and works only once. If that was not you, stop mox setup and start it again.")
		return
	}
	http.SetCookie(w, &http.Cookie{Name: cookieName, Value: session, Path: "/", HttpOnly: true, Secure: s.Secure, SameSite: http.SameSiteStrictMode})
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

// known tells whether a request is of the browser that opened the link.
func (s *Server) known(r *http.Request) bool {
	c, err := r.Cookie(cookieName)
	s.mu.Lock()
	defer s.mu.Unlock()
	return err == nil && s.session != "" && equal(c.Value, s.session)
}

// refuse answers with a page that only says why.
func (s *Server) refuse(w http.ResponseWriter, status int, text string) {
	s.render(w, status, "refused.html", view{Title: "mox setup", Text: text})
}

// render writes a page.
func (s *Server) render(w http.ResponseWriter, status int, name string, v view) {
	v.Nonce, v.Form, v.End = page.Nonce(), s.form, s.end.Format("15:04")
	if err := page.Write(w, status, pages, name, v.Nonce, v); err != nil {
		s.Log.Error("making page of setup", "err", err)
	}
}
