package webapiserver

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

	"mox/auth"
	"mox/httpauth"
	"mox/mlog"
	"mox/store"
	"mox/webapi"
)

// Config is what a Server needs. It must not change once in use.
type Config struct {
	Auth  *auth.Service
	Store *store.Store
	// Send sends messages.
	Send Sender
	// Suppressions has the suppression lists; nil: they are not available.
	Suppressions Suppressions

	Hostname string           // ASCII; for message ids
	Log      *slog.Logger     // nil: none
	Now      func() time.Time // nil: time.Now
	NextID   func() int64     // ids of calls for the log; nil: none
	Limits   Limits
	Metrics  Metrics
}

// Limits bound what a call may take. Zero fields have the defaults.
type Limits struct {
	Body       int64         // octets of a request; 0: 100 MiB
	JSON       int64         // octets of a request without uploaded files; 0: 64 MiB
	InFlight   int64         // octets of all requests together that are in memory; 0: 256 MiB
	Wait       time.Duration // for room among those; 0: 10 s
	Upload     time.Duration // that the body of a request may take; 0: 10 min
	Call       time.Duration // that a call may take after that; 0: 5 min
	Message    int64         // octets of a message to send; 0: 100 MiB
	Files      int           // of a message; 0: 100
	Recipients int           // of a message; 0: 1000
	Headers    int           // fields given in Headers; 0: 100
	Header     int           // octets of a text for the header, such as Subject; 0: 16 KiB
	References int           // 0: 100
	Batch      int           // messages in a batch; 0: 100
	Flags      int           // in a call; 0: 100
	PartPath   int           // elements; 0: 100
}

func (l *Limits) setDefaults() {
	for p, v := range map[*int64]int64{&l.Body: 100 << 20, &l.JSON: 64 << 20, &l.InFlight: 256 << 20, &l.Message: 100 << 20} {
		if *p == 0 {
			*p = v
		}
	}
	for p, v := range map[*int]int{&l.Files: 100, &l.Recipients: 1000, &l.Headers: 100, &l.Header: 16 << 10, &l.References: 100, &l.Batch: 100, &l.Flags: 100, &l.PartPath: 100} {
		if *p == 0 {
			*p = v
		}
	}
	for p, v := range map[*time.Duration]time.Duration{&l.Wait: 10 * time.Second, &l.Upload: 10 * time.Minute, &l.Call: 5 * time.Minute} {
		if *p == 0 {
			*p = v
		}
	}
}

// Metrics are called when set.
type Metrics struct {
	Result     func(method, result string, d time.Duration) // "ok", "badauth", or an error code
	Submission func(result string)                          // "ok", or an error code
	Error      func(kind string)                            // our own failures: "submit", "storesent", "internal"
	Panic      func()
}

// Server is the API, an [http.Handler] for paths below where it is mounted, which must be
// stripped.
type Server struct {
	c       Config
	methods map[string]method
	memory  *semaphore.Weighted
	cross   *http.CrossOriginProtection
	openapi func() []byte
}

// New returns a Server.
func New(c Config) *Server {
	c.Limits.setDefaults()
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.NextID == nil {
		c.NextID = func() int64 { return 0 }
	}
	c.Log = mlog.New("webapiserver", c.Log)
	s := &Server{c: c, memory: semaphore.NewWeighted(c.Limits.InFlight), cross: http.NewCrossOriginProtection()}
	s.openapi = sync.OnceValue(openAPI)
	s.methods = methods()
	return s
}

// call is a request of somebody.
type call struct {
	s       *Server
	w       http.ResponseWriter
	r       *http.Request
	method  string
	cid     int64
	who     *auth.Principal
	account *store.Account
	files   uploads
	raw     bool // the result was written
}

// ServeHTTP answers a request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	name, ok := strings.CutPrefix(r.URL.Path, "/v0/")
	m, known := s.methods[name]
	switch {
	case r.URL.Path == "/" || r.URL.Path == "/v0":
		s.redirect(w, r)
	case !ok || !known && name != "" && name != "openapi.json":
		http.Error(w, "404 - no such method; the methods are listed at v0/", http.StatusNotFound)
	case r.Method == http.MethodGet || r.Method == http.MethodHead:
		s.page(w, r, name)
	case !known || r.Method != http.MethodPost:
		w.Header().Set("Allow", "GET, HEAD, POST")
		http.Error(w, "405 - method not allowed", http.StatusMethodNotAllowed)
	default:
		s.serveCall(w, r, name, m)
	}
}

// redirect leads to the list of methods, relative to where this is mounted.
func (s *Server) redirect(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "405 - method not allowed", http.StatusMethodNotAllowed)
		return
	}
	target := "v0/"
	// http.Redirect would make it absolute, by a path without where this is mounted.
	w.Header().Set("Location", target)
	w.WriteHeader(http.StatusSeeOther)
}

// serveCall runs a method, and answers.
func (s *Server) serveCall(w http.ResponseWriter, r *http.Request, name string, m method) {
	start := s.c.Now()
	c := &call{s: s, w: w, r: r, method: name, cid: s.c.NextID()}
	result := "error"
	defer func() {
		if v := recover(); v != nil {
			s.c.Log.Error("panic", "panic", v, "stack", string(debug.Stack()), "cid", c.cid, "method", name)
			if s.c.Metrics.Panic != nil {
				s.c.Metrics.Panic()
			}
			result = string(c.fail(fmt.Errorf("panic: %v", v)))
		}
		if s.c.Metrics.Result != nil {
			s.c.Metrics.Result(name, result, s.c.Now().Sub(start))
		}
	}()
	if err := s.cross.Check(r); err != nil {
		result = "badauth"
		http.Error(w, "403 - calls of other sites are refused", http.StatusForbidden)
		return
	}
	if status := c.login(); status != 0 {
		result = "badauth"
		return
	}
	if !c.who.May(m.scope) {
		result = string(c.fail(&webapi.Error{Code: webapi.CodeForbidden, Message: fmt.Sprintf("the token has not the scope %q", m.scope)}))
		return
	}
	v, err := c.run(m)
	if err != nil {
		result = string(c.fail(err))
		return
	}
	result = "ok"
	if !c.raw {
		c.answer(http.StatusOK, v)
	}
}

// run reads the request and calls the method.
func (c *call) run(m method) (any, error) {
	s := c.s
	free, err := s.reserve(c.r)
	if err != nil {
		return nil, err
	}
	defer free()
	request, err := c.decode(m)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(c.r.Context(), s.c.Limits.Call)
	defer cancel()
	if c.account, err = s.c.Store.Account(ctx, c.who.Account); err != nil {
		return nil, err
	}
	defer c.account.Release()
	return m.call(ctx, c, request)
}

// login finds out who calls. The status is 0 then, else that of the answer that was given.
func (c *call) login() int {
	who, err := httpauth.Login(c.r.Context(), c.s.c.Auth, "webapi", c.r, c.cid)
	var refusal *httpauth.Refusal
	switch {
	case errors.As(err, &refusal):
		refusal.Answer(c.w, "webapi")
		return refusal.Status
	case err != nil:
		c.fail(err)
		return http.StatusInternalServerError
	}
	c.who = who
	return 0
}

// tooLarge is the error for a request of more octets than Limits allow.
type tooLarge struct{ limit int64 }

func (e *tooLarge) Error() string { return fmt.Sprintf("request of more than %d octets", e.limit) }

// errBusy: too many large requests at the same time.
var errBusy = errors.New("too much is being uploaded at the moment, try again later")

// fail answers an error and returns its code.
func (c *call) fail(err error) webapi.Code {
	var e *webapi.Error
	var large *tooLarge
	status := http.StatusBadRequest
	switch {
	case errors.As(err, &large):
		status, e = http.StatusRequestEntityTooLarge, &webapi.Error{Code: webapi.CodeMessageTooLarge, Message: err.Error()}
	case errors.Is(err, errBusy):
		c.w.Header().Set("Retry-After", "10")
		status, e = http.StatusServiceUnavailable, &webapi.Error{Code: webapi.CodeServer, Message: err.Error()}
	case !errors.As(err, &e):
		e = &webapi.Error{Code: webapi.CodeServer, Message: fmt.Sprintf("internal error, see log lines with cid %x", c.cid)}
	}
	switch e.Code {
	case webapi.CodeForbidden:
		status = http.StatusForbidden
	case webapi.CodeServer:
		status = max(status, http.StatusInternalServerError)
		c.s.failure("internal")
		level := slog.LevelError
		if c.r.Context().Err() != nil {
			level = slog.LevelInfo // the client has gone
		}
		c.s.c.Log.Log(c.r.Context(), level, "call failed", "err", err, "cid", c.cid, "method", c.method)
	default:
		c.s.c.Log.Debug("call refused", "err", err, "cid", c.cid, "method", c.method)
	}
	if !c.raw {
		c.answer(status, e)
	}
	return e.Code
}

// failure counts one of our own.
func (s *Server) failure(kind string) {
	if s.c.Metrics.Error != nil {
		s.c.Metrics.Error(kind)
	}
}

// answer writes a JSON result, or a page with it when the form of a page asks so.
func (c *call) answer(status int, v any) {
	if c.r.URL.Query().Get("answer") == "page" {
		if err := c.answerPage(status, v); err != nil {
			c.s.c.Log.Error("making page of result", "err", err, "cid", c.cid, "method", c.method)
			http.Error(c.w, "500 - internal error", http.StatusInternalServerError)
		}
		return
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false) // "<" of message ids stays readable; nosniff keeps it from being taken for HTML
	if err := e.Encode(v); err != nil {
		c.s.c.Log.Error("encoding result", "err", err, "cid", c.cid, "method", c.method)
		http.Error(c.w, "500 - internal error", http.StatusInternalServerError)
		return
	}
	c.w.Header().Set("Content-Type", "application/json; charset=utf-8")
	c.w.Header().Set("X-Content-Type-Options", "nosniff")
	c.w.WriteHeader(status)
	c.w.Write(b.Bytes())
}
