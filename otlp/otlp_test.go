package otlp

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// collector takes requests as a collector does.
type collector struct {
	t *testing.T

	mu       sync.Mutex
	requests []request
	answer   func(n int) (status int, header http.Header, body string) // of the request with this number, from 1
}

func (c *collector) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Header.Get("Content-Type") != "application/json" || r.Header.Get("Content-Encoding") != "gzip" || r.Header.Get("X-Test") != "yes" || r.URL.String() != "http://collector/v1/traces" {
		c.t.Errorf("request %v %v", r.URL, r.Header)
	}
	z, err := gzip.NewReader(r.Body)
	if err != nil {
		c.t.Error(err)
		return nil, err
	}
	var req request
	d := json.NewDecoder(z)
	d.DisallowUnknownFields()
	if err := d.Decode(&req); err != nil {
		c.t.Error(err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.requests = append(c.requests, req)
	status, header, body := 200, http.Header{}, "{}"
	if c.answer != nil {
		status, header, body = c.answer(len(c.requests))
	}
	if status == 0 {
		return nil, io.ErrUnexpectedEOF
	}
	return &http.Response{StatusCode: status, Status: http.StatusText(status), Header: header, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
}

func (c *collector) spans() (l []span) {
	for _, r := range c.requests {
		l = append(l, r.ResourceSpans[0].ScopeSpans[0].Spans...)
	}
	return l
}

// start returns an exporter to c, and what it has counted, to be looked at after Close.
func start(c *collector, l Limits) (*Exporter, map[string]int) {
	counts := map[string]int{}
	var mu sync.Mutex
	return New(Config{
		Endpoint: "http://collector/v1/traces", Header: http.Header{"X-Test": {"yes"}}, Transport: c, Host: "mx.example.org", Version: "v1", Limits: l,
		Count: func(result string, n int) {
			mu.Lock()
			defer mu.Unlock()
			counts[result] += n
		},
	}), counts
}

func TestExport(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &collector{t: t}
		e, counts := start(c, Limits{})
		root := e.Begin("receive", Server, 0x1f2)
		ctx := root.In(t.Context())
		part := Start(ctx, "spf")
		time.Sleep(3 * time.Second)
		part.End("", slog.Bool("ok", true), slog.Duration("took", 1500*time.Millisecond), slog.Float64("f", .5))
		root.Event("decision", slog.String("verdict", "accept"))
		root.Set(slog.Int("n", 7), slog.String("bad", "a\xffb"))
		root.End(MessageTrace("<a@b>"), "refused")
		root.End(TraceID{}, "") // nothing
		Start(ctx, "late").End("")
		e.Done(Span{Name: "HTTP", Start: time.Now(), End: time.Now(), Kind: Server}, 0x1f2)
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if len(c.requests) != 1 {
			t.Fatal(len(c.requests))
		}
		b, _ := json.Marshal(c.requests[0].ResourceSpans[0].Resource)
		if want := `{"attributes":[{"key":"service.name","value":{"stringValue":"mox"}},{"key":"service.version","value":{"stringValue":"v1"}},{"key":"host.name","value":{"stringValue":"mx.example.org"}}]}`; string(b) != want {
			t.Errorf("%s", b)
		}
		l := c.spans()
		if len(l) != 3 || l[1].ParentSpanID != l[0].SpanID || l[1].TraceID != l[0].TraceID || len(l[0].TraceID) != 32 || len(l[0].SpanID) != 16 {
			t.Fatalf("%+v", l)
		}
		if id := MessageTrace("a@b"); l[0].TraceID != strings.ToLower(hexOf(id[:])) {
			t.Error("angle brackets count", l[0].TraceID)
		}
		if !strings.HasSuffix(l[2].TraceID, "00000000000001f2") {
			t.Error(l[2].TraceID)
		}
		b, _ = json.Marshal(l[0].Attributes)
		if want := `[{"key":"n","value":{"intValue":"7"}},{"key":"bad","value":{"stringValue":"a�b"}},{"key":"mox.cid","value":{"stringValue":"1f2"}}]`; string(b) != want {
			t.Errorf("%s", b)
		}
		b, _ = json.Marshal(l[1].Attributes)
		if want := `[{"key":"ok","value":{"boolValue":true}},{"key":"took","value":{"doubleValue":1.5}},{"key":"f","value":{"doubleValue":0.5}}]`; string(b) != want {
			t.Errorf("%s", b)
		}
		if l[0].Status == nil || l[0].Status.Code != 2 || l[0].Status.Message != "refused" || l[0].Events[0].Name != "decision" || l[2].Status != nil {
			t.Errorf("%+v", l[0])
		}
		e.Close(t.Context())
		if counts["sent"] != 3 || len(counts) != 1 {
			t.Error(counts)
		}
	})
}

func hexOf(b []byte) string {
	const digits = "0123456789abcdef"
	var s strings.Builder
	for _, c := range b {
		s.WriteByte(digits[c>>4])
		s.WriteByte(digits[c&15])
	}
	return s.String()
}

// TestDown: a collector that cannot be reached costs what waited, never anybody's time.
func TestDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		down := true
		c := &collector{t: t}
		c.answer = func(int) (int, http.Header, string) {
			if down {
				return 0, nil, ""
			}
			return 200, http.Header{}, `{"partialSuccess":{"rejectedSpans":"1","errorMessage":"x"}}`
		}
		e, counts := start(c, Limits{Waiting: 10, Batch: 4})
		begin := time.Now()
		for n := range 100 {
			e.Done(Span{Name: "x"}, 1)
			if n == 3 {
				synctest.Wait() // a batch is under way; ten of the others wait
			}
		}
		if time.Since(begin) != 0 {
			t.Error("adding has waited")
		}
		time.Sleep(3 * time.Second)
		c.mu.Lock()
		down = false
		c.mu.Unlock()
		time.Sleep(time.Minute)
		e.Close(t.Context())
		e.Done(Span{Name: "late"}, 1)
		// One of each batch is refused: of 4, 4, 4 and 2.
		if counts["refused"] != 4 || counts["dropped"] != 87 || counts["sent"] != 10 || len(counts) != 3 {
			t.Error(counts)
		}
	})
}

// TestRetry: a batch is given up after a while, at once when the collector says that it will never take it, and
// Retry-After counts.
func TestRetry(t *testing.T) {
	for status, want := range map[int]struct {
		requests int
		result   string
	}{400: {1, "refused"}, 401: {1, "refused"}, 302: {1, "refused"}, 503: {6, "dropped"}, 429: {2, "dropped"}} {
		synctest.Test(t, func(t *testing.T) {
			c := &collector{t: t, answer: func(int) (int, http.Header, string) {
				h := http.Header{}
				if status == 429 {
					h.Set("Retry-After", "50")
				}
				return status, h, "no"
			}}
			e, counts := start(c, Limits{})
			e.Done(Span{Name: "x"}, 1)
			time.Sleep(3 * time.Minute)
			e.Close(t.Context())
			if len(c.requests) != want.requests || counts[want.result] != 1 || len(counts) != 1 {
				t.Error(status, len(c.requests), counts)
			}
		})
	}
}

// TestClose: the end does not wait for a collector that is not there.
func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &collector{t: t, answer: func(int) (int, http.Header, string) { return 503, http.Header{}, "" }}
		e, counts := start(c, Limits{})
		e.Done(Span{Name: "x"}, 1)
		time.Sleep(6 * time.Second)
		begin := time.Now()
		e.Close(t.Context())
		if time.Since(begin) > time.Second || counts["dropped"] != 1 {
			t.Error(time.Since(begin), counts)
		}
		e.Close(t.Context())
	})
}

// TestOff: what is switched off costs nothing.
func TestOff(t *testing.T) {
	var e *Exporter
	ctx := context.Background()
	n := testing.AllocsPerRun(100, func() {
		root := e.Begin("receive", Server, 1)
		Start(root.In(ctx), "part").End("")
		root.End(TraceID{}, "")
		e.Done(Span{}, 1)
	})
	if n != 0 {
		t.Error(n)
	}
	e.Close(ctx)
}

func TestBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &collector{t: t}
		e, _ := start(c, Limits{})
		root := e.Begin("receive", Server, 1)
		for range 100 {
			Start(root.In(t.Context()), "part").End("")
			root.Event("event")
			root.Set(slog.String("key", strings.Repeat("x", 3000)))
		}
		root.End(TraceID{}, "")
		e.Close(t.Context())
		l := c.spans()
		if len(l) != 1+maxParts || len(l[0].Events) != maxParts || len(l[0].Attributes) != maxParts+1 || len(*l[0].Attributes[0].Value.String) != 1024 {
			t.Error(len(l), len(l[0].Events), len(l[0].Attributes))
		}
	})
}
