package jmapserver

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"time"

	"mox/directory"
	"mox/jmap"
	"mox/mlog"
	"mox/search"
	"mox/store"
	"mox/submit"
)

// Config is what a Server needs. It must not change once in use.
type Config struct {
	Store  *store.Store
	Search *search.Manager // nil: searches look through all messages
	Log    *slog.Logger
	Now    func() time.Time // nil: time.Now
	NextID func() int64     // ids of requests for the log; nil: none
	// Hostname is the right side of message ids that are made here.
	Hostname string
	// Directory knows which addresses an account may send from.
	Directory *directory.Directory
	Send      Sender
	Queue     Queue
	// Pushes have the push subscriptions; nil: there are none.
	Pushes *Pushes
	// Sending tells whether one of some messages of the queue is being sent right now; nil: none is.
	Sending func(ids ...int64) bool
	// FutureRelease is how far ahead the delivery of a message may be set; 0: that of submit.
	FutureRelease time.Duration
	// Recipients is the most recipients of a message; 0: 1000.
	Recipients int
	Limits     Limits
	Panic      func() // is told of panics; nil: nobody is
	// Observe is told of each call: of its method, and "ok" or the type of its error; nil: nobody is.
	Observe func(method, result string, d time.Duration)
}

// Limits bound what requests may take. Zero fields have the defaults.
type Limits struct {
	Request    int64         // octets of a request; 0: 10 MiB
	Upload     int64         // octets of a blob; 0: 100 MiB
	Concurrent int           // requests of an account at a time; 0: 8
	Uploads    int           // uploads of an account at a time; 0: 4
	Calls      int           // in a request; 0: 64
	Get        int           // objects in a /get call, and ids of a query's results; 0: 1000
	Set        int           // objects in a /set call; 0: 1000
	Response   int64         // octets of the responses to a request, and of texts, headers, parts and referenced results for them; 0: 64 MiB
	Message    int64         // octets of a message that is made or sent; 0: 100 MiB
	Body       time.Duration // that the body of a request may take; 0: 10 min
	Run        time.Duration // that running it may take after that; 0: 5 min
}

func (l *Limits) setDefaults() {
	for p, v := range map[*int64]int64{&l.Request: 10 << 20, &l.Upload: 100 << 20, &l.Message: 100 << 20, &l.Response: 64 << 20} {
		if *p == 0 {
			*p = v
		}
	}
	for p, v := range map[*int]int{&l.Concurrent: 8, &l.Uploads: 4, &l.Calls: 64, &l.Get: 1000, &l.Set: 1000} {
		if *p == 0 {
			*p = v
		}
	}
	for p, v := range map[*time.Duration]time.Duration{&l.Body: 10 * time.Minute, &l.Run: 5 * time.Minute} {
		if *p == 0 {
			*p = v
		}
	}
}

// Server is the JMAP server. [Server.Handler] makes doors of it.
type Server struct {
	c       Config
	methods map[string]method
	mails   *mailsCache

	mu        sync.Mutex
	running   map[slot]int
	dsnLooked map[string]time.Time // when notifications of other servers were looked for, by account
	uses      map[*use]struct{}    // all requests under way
}

// slot is what is limited for each account.
type slot struct {
	account string
	kind    slotKind
}

type slotKind uint8

const (
	slotRequest slotKind = iota
	slotUpload
	slotStream
	slotDownload
)

// New returns a Server.
func New(c Config) *Server {
	c.Limits.setDefaults()
	if c.FutureRelease == 0 {
		c.FutureRelease = submit.DefaultFutureRelease
	}
	if c.Recipients == 0 {
		c.Recipients = 1000
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.NextID == nil {
		c.NextID = func() int64 { return 0 }
	}
	c.Log = mlog.New("jmapserver", c.Log)
	return &Server{c: c, methods: methods(), mails: &mailsCache{accounts: map[string]*mailsEntry{}}, running: map[slot]int{}, dsnLooked: map[string]time.Time{}, uses: map[*use]struct{}{}}
}

// User is who calls.
type User struct {
	Account string // name
	Login   string // address that was logged in with
	Token   int    // id of the API token that was logged in with; 0: none
	Page    bool   // a page with a session, not a program with credentials
}

// Login finds out who calls. When it returns an error it has answered.
type Login func(w http.ResponseWriter, r *http.Request, cid int64) (User, error)

// Handler serves JMAP to those whom login lets in. web: URLs of the session resource are paths, for pages of the same
// site; otherwise they have the scheme and host of the request.
func (s *Server) Handler(login Login, web bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := &request{s: s, w: w, r: r, cid: s.c.NextID(), web: web, login: login}
		defer q.recover()
		w.Header().Set("Cache-Control", "no-cache, no-store, must-revalidate") // RFC 8620 2
		w.Header().Set("X-Content-Type-Options", "nosniff")
		place, rest, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
		door, ok := doors[place]
		if !ok || rest != "" && !door.more {
			http.Error(w, "404 - nothing is here; the JMAP session resource is at session", http.StatusNotFound)
			return
		}
		if r.Method != door.method {
			w.Header().Set("Allow", door.method)
			http.Error(w, "405 - method not allowed, "+door.method+" is", http.StatusMethodNotAllowed)
			return
		}
		var err error
		if q.user, err = login(w, r, q.cid); err != nil {
			return
		}
		defer q.enter()()
		door.serve(q, rest)
	})
}

// door is one of the paths.
type door struct {
	method string
	more   bool // the path goes on
	serve  func(q *request, rest string)
}

var doors = map[string]door{
	"session": {http.MethodGet, false, (*request).serveSession},
	"api":     {http.MethodPost, false, (*request).serveAPI},
	"upload":  {http.MethodPost, true, (*request).serveUpload},

	"download":    {http.MethodGet, true, (*request).serveDownload},
	"eventsource": {http.MethodGet, false, (*request).serveEvents},
}

// request is an HTTP request of somebody who is logged in.
type request struct {
	s    *Server
	w    http.ResponseWriter
	r    *http.Request
	cid  int64
	web  bool
	user User
	use  *use

	login Login
}

// recover answers after a panic.
func (q *request) recover() {
	v := recover()
	if v == nil || v == http.ErrAbortHandler {
		return
	}
	q.s.c.Log.Error("panic", "panic", v, "stack", string(debug.Stack()), "cid", q.cid)
	if q.s.c.Panic != nil {
		q.s.c.Panic()
	}
	http.Error(q.w, "500 - internal error", http.StatusInternalServerError)
}

// take reserves one of the places of the account; ok is false if all are in use.
func (q *request) take(upload bool) (free func(), ok bool) {
	k, limit := slot{q.user.Account, slotRequest}, q.s.c.Limits.Concurrent
	if upload {
		k.kind, limit = slotUpload, q.s.c.Limits.Uploads
	}
	return q.s.takeSlot(k, limit)
}

// takeSlot reserves one of so many places.
func (s *Server) takeSlot(k slot, limit int) (free func(), ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running[k] >= limit {
		return nil, false
	}
	s.running[k]++
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.running[k]--; s.running[k] == 0 {
			delete(s.running, k)
		}
	}, true
}

// openAccount opens the account for a request that is no call, of which so many may be under way; what names them. ok is false if there
// was an answer already.
func (q *request) openAccount(k slotKind, limit int, what string) (acc *store.Account, leave func(), ok bool) {
	free, ok := q.s.takeSlot(slot{q.user.Account, k}, limit)
	if !ok {
		q.problem(&jmap.Problem{Type: "about:blank", Status: http.StatusTooManyRequests, Detail: "too many " + what + " of the account at a time"})
		return nil, nil, false
	}
	acc, err := q.s.c.Store.Account(q.r.Context(), q.user.Account)
	if err != nil {
		free()
		q.problem(err)
		return nil, nil, false
	}
	return acc, func() {
		acc.Release()
		free()
	}, true
}

// serveAPI runs a request, RFC 8620 3.
func (q *request) serveAPI(string) {
	free, ok := q.take(false)
	if !ok {
		q.problem(&jmap.Problem{Type: jmap.ProblemLimit, Limit: "maxConcurrentRequests", Status: http.StatusTooManyRequests, Detail: "too many requests of the account at a time"})
		return
	}
	defer free()
	b, err := q.read(q.s.c.Limits.Request)
	if err != nil {
		q.problem(err)
		return
	}
	req, err := jmap.DecodeRequest(b)
	if err != nil {
		q.problem(err)
		return
	}
	ctx, cancel := context.WithTimeout(q.r.Context(), q.s.c.Limits.Run)
	defer cancel()
	res, err := q.dispatch(ctx, req)
	if err != nil {
		q.problem(err)
		return
	}
	q.answer(http.StatusOK, "application/json", res)
}

// read reads the body of a request.
func (q *request) read(limit int64) ([]byte, error) {
	// Servers without deadlines, as in tests, refuse this.
	_ = http.NewResponseController(q.w).SetReadDeadline(time.Now().Add(q.s.c.Limits.Body))
	if err := q.r.Context().Err(); err != nil { // Disconnect may have come before the deadline
		return nil, err
	}
	b, err := io.ReadAll(http.MaxBytesReader(q.w, q.r.Body, limit))
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return nil, &jmap.Problem{Type: jmap.ProblemLimit, Limit: "maxSizeRequest", Status: http.StatusRequestEntityTooLarge, Detail: "the request is too large"}
	case err != nil:
		return nil, &jmap.Problem{Type: jmap.ProblemNotRequest, Status: http.StatusBadRequest, Detail: "the request could not be read"}
	}
	return b, nil
}

// tooManyPause is what clients that ask too much at a time are told to wait.
const tooManyPause = 5 * time.Second

// problem refuses the request as a whole.
func (q *request) problem(err error) {
	var p *jmap.Problem
	if !errors.As(err, &p) {
		q.s.c.Log.Error("serving request", "err", err, "cid", q.cid, "account", q.user.Account)
		p = &jmap.Problem{Type: "about:blank", Status: http.StatusInternalServerError, Detail: fmt.Sprintf("internal error, see log lines with cid %x", q.cid)}
	}
	if p.Status == http.StatusTooManyRequests {
		q.w.Header().Set("Retry-After", strconv.Itoa(int(tooManyPause/time.Second)))
	}
	q.answer(p.Status, "application/problem+json", p)
}

func (q *request) answer(status int, contentType string, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		q.s.c.Log.Error("encoding response", "err", err, "cid", q.cid)
		http.Error(q.w, "500 - internal error", http.StatusInternalServerError)
		return
	}
	q.w.Header().Set("Content-Type", contentType)
	q.w.WriteHeader(status)
	if _, err := q.w.Write(b); err != nil {
		q.s.c.Log.Debug("writing response", "err", err, "cid", q.cid)
	}
}
