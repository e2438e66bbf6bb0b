package otlp

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"sync"
	"time"

	"mox/mlog"
)

// Config is what an Exporter needs.
type Config struct {
	Endpoint  string            // URL that spans are posted to, such as http://127.0.0.1:4318/v1/traces
	Header    http.Header       // added to each request
	Transport http.RoundTripper // nil: http.DefaultTransport
	Host      string            // name of this machine
	Version   string
	Log       *slog.Logger     // nil: none
	Now       func() time.Time // nil: time.Now
	// Count is told what became of spans: "sent", "refused" by the collector, "dropped" as too many waited or
	// the collector could not be reached. Nil: nobody is.
	Count  func(result string, n int)
	Limits Limits
}

// Limits bound an Exporter. Zero fields have the defaults.
type Limits struct {
	Waiting  int           // spans that wait; 0: 4096
	Batch    int           // spans of a request; 0: 512
	Interval time.Duration // until what waits is sent, if it is no whole batch; 0: 5 s
	Timeout  time.Duration // of a request; 0: 10 s
	Give     time.Duration // after which a batch that cannot be sent is dropped; 0: 1 min
}

// Exporter sends spans. Nil does nothing. It is safe for concurrent use.
type Exporter struct {
	c      Config
	client http.Client
	prefix TraceID // of traces of connections
	wake   chan struct{}
	stop   chan struct{}
	ctx    context.Context // of requests
	cancel context.CancelFunc
	done   chan struct{}
	failed bool // the last request; for the log

	mu      sync.Mutex // guards the below
	waiting []Span
	closed  bool
}

// New returns an Exporter that sends until Close.
func New(c Config) *Exporter {
	l := &c.Limits
	l.Waiting, l.Batch = cmp.Or(l.Waiting, 4096), cmp.Or(l.Batch, 512)
	l.Interval, l.Timeout, l.Give = cmp.Or(l.Interval, 5*time.Second), cmp.Or(l.Timeout, 10*time.Second), cmp.Or(l.Give, time.Minute)
	c.Log = mlog.New("otlp", c.Log)
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Count == nil {
		c.Count = func(string, int) {}
	}
	e := &Exporter{c: c, wake: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{})}
	e.client = http.Client{Transport: c.Transport, Timeout: l.Timeout, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	sum := sha256.Sum256([]byte("host " + c.Host))
	e.prefix = TraceID(sum[:16])
	e.ctx, e.cancel = context.WithCancel(context.Background())
	go e.run()
	return e
}

// Close sends what waits, until ctx is over, and ends. Spans that come later are dropped.
func (e *Exporter) Close(ctx context.Context) {
	if e == nil {
		return
	}
	e.mu.Lock()
	first := !e.closed
	e.closed = true
	e.mu.Unlock()
	if first {
		close(e.stop)
	}
	defer e.cancel()
	select {
	case <-e.done:
	case <-ctx.Done():
		e.cancel()
		<-e.done
	}
}

// add never waits.
func (e *Exporter) add(spans ...Span) {
	e.mu.Lock()
	fits := !e.closed && len(e.waiting)+len(spans) <= e.c.Limits.Waiting
	if fits {
		e.waiting = append(e.waiting, spans...)
	}
	full := len(e.waiting) >= e.c.Limits.Batch
	e.mu.Unlock()
	if !fits {
		e.c.Count("dropped", len(spans))
	}
	if full {
		select {
		case e.wake <- struct{}{}:
		default:
		}
	}
}

// take returns a batch.
func (e *Exporter) take() []Span {
	e.mu.Lock()
	defer e.mu.Unlock()
	n := min(len(e.waiting), e.c.Limits.Batch)
	batch := e.waiting[:n:n]
	if e.waiting = e.waiting[n:]; len(e.waiting) == 0 {
		e.waiting = nil
	}
	return batch
}

func (e *Exporter) run() {
	defer close(e.done)
	timer := time.NewTimer(e.c.Limits.Interval)
	defer timer.Stop()
	for ending := false; ; {
		select {
		case <-e.wake:
		case <-timer.C:
		case <-e.stop:
			ending = true
		}
		for batch := e.take(); len(batch) > 0; batch = e.take() {
			e.send(batch)
		}
		if ending {
			return
		}
		timer.Reset(e.c.Limits.Interval)
	}
}

// send sends a batch, several times if need be, and counts it.
func (e *Exporter) send(batch []Span) {
	body, err := e.encode(batch)
	if err != nil {
		e.c.Log.Error("encoding spans", "err", err)
		e.c.Count("dropped", len(batch))
		return
	}
	begin := e.c.Now()
	for wait := time.Second; ; wait = min(2*wait, 30*time.Second) {
		refused, retry, err := e.post(body)
		if err == nil {
			e.c.Count("sent", len(batch)-refused)
			if refused > 0 {
				e.c.Count("refused", refused)
			}
			if e.failed {
				e.c.Log.Info("collector of spans takes them again", "endpoint", e.c.Endpoint)
			}
			e.failed = false
			return
		}
		if !e.failed {
			e.c.Log.Warn("sending spans; those that are too many are dropped until it works", "err", err, "endpoint", e.c.Endpoint)
		}
		e.failed = true
		if retry == 0 {
			e.c.Count("refused", len(batch))
			return
		}
		if wait = max(wait, min(retry, time.Minute)); e.c.Now().Add(wait).Sub(begin) > e.c.Limits.Give || !e.pause(wait) {
			e.c.Count("dropped", len(batch))
			return
		}
	}
}

// pause returns false when it is time to end.
func (e *Exporter) pause(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-e.stop:
		return false
	}
}

// soon is the least time until another try.
const soon = time.Nanosecond

// post makes one request. Retry is zero for an error that will not go away, OTLP/HTTP "Retryable Response Codes".
func (e *Exporter) post(body []byte) (refused int, retry time.Duration, _ error) {
	req, err := http.NewRequestWithContext(e.ctx, http.MethodPost, e.c.Endpoint, bytes.NewReader(body))
	if err != nil {
		return 0, 0, err
	}
	for name, values := range e.c.Header {
		req.Header[name] = values
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Content-Encoding", "gzip")
	req.Header.Set("User-Agent", "mox/"+e.c.Version)
	resp, err := e.client.Do(req)
	if err != nil {
		return 0, soon, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if err != nil {
		return 0, soon, err
	}
	switch {
	case resp.StatusCode/100 == 2:
		return partial(text), 0, nil
	case resp.StatusCode == 429 || resp.StatusCode == 502 || resp.StatusCode == 503 || resp.StatusCode == 504:
		seconds, _ := strconv.Atoi(resp.Header.Get("Retry-After"))
		retry = max(soon, time.Duration(min(max(seconds, 0), 3600))*time.Second)
	}
	return 0, retry, errors.New("collector: " + resp.Status)
}

// partial is how many spans a successful answer says were refused all the same.
func partial(text []byte) int {
	var answer struct {
		PartialSuccess struct {
			RejectedSpans json.RawMessage `json:"rejectedSpans"` // int64: a string in JSON of Protocol Buffers
		} `json:"partialSuccess"`
	}
	if json.Unmarshal(text, &answer) != nil {
		return 0
	}
	n, _ := strconv.Atoi(string(bytes.Trim(answer.PartialSuccess.RejectedSpans, `"`)))
	return max(n, 0)
}

// encode returns the request's body, compressed.
func (e *Exporter) encode(batch []Span) ([]byte, error) {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if err := json.NewEncoder(z).Encode(e.request(batch)); err != nil {
		return nil, fmt.Errorf("making JSON: %w", err)
	}
	err := z.Close()
	return b.Bytes(), err
}
