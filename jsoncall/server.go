package jsoncall

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"reflect"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"mox/webapi"
)

// Codes of errors of functions. Any other is answered with status 400, too.
const (
	CodeUser        webapi.Code = "user:error"       // 400: the request is not possible as it is
	CodeLoginFailed webapi.Code = "user:loginFailed" // 400: wrong name or password, or logins are disabled
	CodeChanged     webapi.Code = "user:changed"     // 400: what is to be changed was changed by somebody else
	CodeNoAuth      webapi.Code = "user:noAuth"      // 401: there is no session
	CodeBadAuth     webapi.Code = "user:badAuth"     // 401: the session has ended
	CodeBadCSRF     webapi.Code = "user:badCSRF"     // 403: CSRF token missing or wrong, or a call of another site
	CodeTooMany     webapi.Code = "user:tooMany"     // 429: too many failed logins
	CodeServer      webapi.Code = "server:error"     // 500: our own failure
)

// statusOf is the status of an answer with a code.
func statusOf(c webapi.Code) int {
	switch c {
	case CodeNoAuth, CodeBadAuth:
		return http.StatusUnauthorized
	case CodeBadCSRF:
		return http.StatusForbidden
	case CodeTooMany:
		return http.StatusTooManyRequests
	case CodeServer:
		return http.StatusInternalServerError
	}
	return http.StatusBadRequest
}

// UserError returns the error of a function that says what is wrong with a request.
func UserError(format string, args ...any) error {
	return &webapi.Error{Code: CodeUser, Message: fmt.Sprintf(format, args...)}
}

// ForUser returns the error of a function for the user if it is one of known, else as it is.
func ForUser(err error, known ...error) error {
	for _, k := range known {
		if errors.Is(err, k) {
			return UserError("%v", err)
		}
	}
	return err
}

// OrNull is a time of a result; nil for zero.
func OrNull(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// Bounds of calls.
const (
	maxRequest    = 1 << 20 // octets
	requestTime   = 30 * time.Second
	defaultFinish = time.Minute
)

// Call is a call of somebody, of type Who.
type Call[Who any] struct {
	Who Who
	W   http.ResponseWriter // for header fields only
	R   *http.Request
	CID int64
}

// Handler does what a function is for.
type Handler[Who any] struct {
	request, result reflect.Type
	call            func(ctx context.Context, c *Call[Who], request any) (any, error)
}

// Handle makes a Handler. An error that is no [*webapi.Error] is our own failure, whose text is for the
// log only.
func Handle[Who, Request, Result any](f func(ctx context.Context, c *Call[Who], r *Request) (Result, error)) Handler[Who] {
	return Handler[Who]{reflect.TypeFor[Request](), reflect.TypeFor[Result](), func(ctx context.Context, c *Call[Who], r any) (any, error) {
		return f(ctx, c, r.(*Request))
	}}
}

// Config is what a Server needs. It must not change once in use.
type Config[Who any] struct {
	API      API
	Handlers map[string]Handler[Who] // of all functions of API, by name
	// Session finds out who calls. A [*webapi.Error] says that it is nobody who may.
	Session func(r *http.Request, access Access) (Who, error)
	Log     *slog.Logger
	NextID  func() int64  // ids of calls for the log
	Panic   func()        // is told of panics; nil: nobody is
	Finish  time.Duration // that a call may take, once its request was read; 0: a minute
}

// Server serves an API: an [http.Handler] for paths below where it is mounted, which must be stripped: the
// names of functions after a slash.
type Server[Who any] struct {
	c       Config[Who]
	access  map[string]Access
	cross   *http.CrossOriginProtection
	openapi func() []byte
}

// NewServer returns a Server. It is an error if API and Handlers are not about the same functions.
func NewServer[Who any](c Config[Who]) (*Server[Who], error) {
	s := &Server[Who]{c: c, access: map[string]Access{}, cross: http.NewCrossOriginProtection(), openapi: sync.OnceValue(c.API.OpenAPI)}
	if s.c.Finish == 0 {
		s.c.Finish = defaultFinish
	}
	for _, f := range c.API.Functions {
		h, ok := c.Handlers[f.Name]
		if !ok || h.request != reflect.TypeOf(f.Request) || h.result != reflect.TypeOf(f.Result) {
			return nil, fmt.Errorf("function %s is not served as it is described", f.Name)
		}
		s.access[f.Name] = f.Access
	}
	if len(s.access) != len(c.Handlers) {
		return nil, fmt.Errorf("%d functions are described, %d are served", len(s.access), len(c.Handlers))
	}
	return s, nil
}

// ServeHTTP answers a request.
func (s *Server[Who]) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	name := strings.TrimPrefix(r.URL.Path, "/")
	access, known := s.access[name]
	switch {
	case name == "openapi.json" && (r.Method == http.MethodGet || r.Method == http.MethodHead):
		w.Header().Set("Content-Type", "application/json")
		w.Write(s.openapi())
	case !known && name != "openapi.json":
		s.Fail(w, r, 0, name, http.StatusNotFound, &webapi.Error{Code: CodeUser, Message: "there is no such function; openapi.json has them"})
	case !known || r.Method != http.MethodPost:
		allow := http.MethodPost
		if !known {
			allow = "GET, HEAD"
		}
		w.Header().Set("Allow", allow)
		s.Fail(w, r, 0, name, http.StatusMethodNotAllowed, &webapi.Error{Code: CodeUser, Message: "only with method " + allow})
	default:
		s.serveCall(w, r, name, access)
	}
}

// serveCall calls a function, and answers.
func (s *Server[Who]) serveCall(w http.ResponseWriter, r *http.Request, name string, access Access) {
	c := &Call[Who]{W: w, R: r, CID: s.c.NextID()}
	defer func() {
		if v := recover(); v != nil {
			s.c.Log.Error("panic", "panic", v, "stack", string(debug.Stack()), "cid", c.CID, "function", name)
			if s.c.Panic != nil {
				s.c.Panic()
			}
			s.Fail(w, r, c.CID, name, 0, fmt.Errorf("panic: %v", v))
		}
	}()
	var ok bool
	if c.Who, ok = s.Enter(w, r, access, c.CID, name); !ok {
		return
	}
	// Not every writer of tests has deadlines; that of a server has.
	deadlines := http.NewResponseController(w)
	deadlines.SetReadDeadline(time.Now().Add(requestTime))
	h := s.c.Handlers[name]
	request := reflect.New(h.request).Interface()
	if status, err := read(w, r, request); err != nil {
		s.Fail(w, r, c.CID, name, status, err)
		return
	}
	deadlines.SetReadDeadline(time.Time{})
	ctx, cancel := context.WithTimeout(r.Context(), s.c.Finish)
	defer cancel()
	result, err := h.call(ctx, c, request)
	if err != nil {
		s.Fail(w, r, c.CID, name, 0, err)
		return
	}
	s.Answer(w, http.StatusOK, Filled(result))
}

// Enter finds out who sends a request, for a function or for what is served beside functions; otherwise ok is false, and the
// request was answered. name is for the log.
func (s *Server[Who]) Enter(w http.ResponseWriter, r *http.Request, access Access, cid int64, name string) (who Who, ok bool) {
	if err := s.cross.Check(r); err != nil {
		s.Fail(w, r, cid, name, 0, &webapi.Error{Code: CodeBadCSRF, Message: "calls of other sites are refused"})
		return who, false
	}
	who, err := s.c.Session(r, access)
	if err != nil {
		s.Fail(w, r, cid, name, 0, err)
		return who, false
	}
	return who, true
}

// read reads a request. With an error is the status to answer with; 0: as that of the error.
func read(w http.ResponseWriter, r *http.Request, into any) (status int, err error) {
	if mt, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || mt != "application/json" {
		return http.StatusUnsupportedMediaType, UserError("requests have Content-Type application/json")
	}
	if r.Header.Get("Content-Encoding") != "" {
		return http.StatusUnsupportedMediaType, UserError("requests are not compressed")
	}
	b, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequest))
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return http.StatusRequestEntityTooLarge, UserError("request of more than %d octets", large.Limit)
	case err != nil:
		return 0, UserError("reading request: %v", err)
	}
	if err := Decode(b, into); err != nil {
		return 0, UserError("%v", err)
	}
	return 0, nil
}

// Fail answers an error, of a function or of what is served beside functions. Status 0 is that of its code.
func (s *Server[Who]) Fail(w http.ResponseWriter, r *http.Request, cid int64, name string, status int, err error) {
	var e *webapi.Error
	if !errors.As(err, &e) {
		level := slog.LevelError
		if r.Context().Err() != nil {
			level = slog.LevelInfo // the client has gone
		}
		s.c.Log.Log(r.Context(), level, "call failed", "err", err, "cid", cid, "function", name)
		e = &webapi.Error{Code: CodeServer, Message: fmt.Sprintf("internal error, see log lines with cid %x", cid)}
	} else {
		s.c.Log.Debug("call refused", "err", err, "cid", cid, "function", name)
	}
	if status == 0 {
		status = statusOf(e.Code)
	}
	s.Answer(w, status, e)
}

// Answer writes JSON.
func (s *Server[Who]) Answer(w http.ResponseWriter, status int, v any) {
	var b bytes.Buffer
	if err := json.NewEncoder(&b).Encode(v); err != nil {
		s.c.Log.Error("encoding result", "err", err)
		http.Error(w, "500 - internal error", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	w.Write(b.Bytes())
}
