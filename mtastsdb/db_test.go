package mtastsdb

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"mox/dns"
	"mox/mtasts"
)

// source has domains that publish policies.
type source struct {
	mu      sync.Mutex // guards the below
	ids     map[string]string
	texts   map[string]string // a policy, or "" for a server that fails
	lookup  error             // of all lookups
	delay   time.Duration     // of fetches
	fetched []string
}

func (s *source) Lookup(_ context.Context, domain dns.Domain) (mtasts.Record, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lookup != nil {
		return mtasts.Record{}, s.lookup
	}
	id, ok := s.ids[domain.ASCII]
	if !ok {
		return mtasts.Record{}, mtasts.ErrNoRecord
	}
	return mtasts.Record{ID: id}, nil
}

func (s *source) Fetch(ctx context.Context, domain dns.Domain) (mtasts.Fetched, error) {
	s.mu.Lock()
	s.fetched = append(s.fetched, domain.ASCII)
	text, delay := s.texts[domain.ASCII], s.delay
	s.mu.Unlock()
	select {
	case <-time.After(delay):
	case <-ctx.Done():
		return mtasts.Fetched{}, &mtasts.Error{Reason: mtasts.ReasonPolicyFetch, Err: ctx.Err()}
	}
	if text == "panic" {
		panic(text)
	} else if text == "" {
		return mtasts.Fetched{}, &mtasts.Error{Reason: mtasts.ReasonWebPKI, Err: errors.New("bad certificate")}
	}
	p, err := mtasts.ParsePolicy(text)
	return mtasts.Fetched{Policy: p, Text: text}, err
}

func (s *source) set(domain, id, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ids[domain], s.texts[domain] = id, text
	if id == "" {
		delete(s.ids, domain)
	}
}

func (s *source) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lookup = err
}

// fetches returns how many there were since it was asked last.
func (s *source) fetches() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.fetched)
	s.fetched = nil
	return n
}

func policy(mx string, age time.Duration) string {
	return fmt.Sprintf("version: STSv1\nmode: enforce\nmx: %s\nmax_age: %d\n", mx, age/time.Second)
}

const day = 24 * time.Hour

// test runs fn with time that passes by itself.
func test(t *testing.T, change func(*Options), fn func(t *testing.T, d *DB, s *source)) {
	t.Helper()
	path := filepath.Join(t.TempDir(), FileName)
	synctest.Test(t, func(t *testing.T) {
		s := &source{ids: map[string]string{}, texts: map[string]string{}}
		o := Options{Source: s}
		if change != nil {
			change(&o)
		}
		d, err := Open(path, o)
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := d.Close(); err != nil {
				t.Error(err)
			}
		}()
		fn(t, d, s)
	})
}

// get asks for a.example and returns its mx, "none" without policy and "error".
func get(t *testing.T, d *DB) (string, Info) {
	t.Helper()
	p, info, err := d.Get(context.Background(), dns.Domain{ASCII: "a.example"})
	switch {
	case err != nil && (p != nil || info.Fetched != (time.Time{})):
		t.Errorf("policy beside error %v", err)
	case err != nil:
		return "error", info
	case p == nil:
		return "none", info
	}
	return p.MX[0].String(), info
}

func want(t *testing.T, d *DB, s *source, mx string, fetches int, failed bool) Info {
	t.Helper()
	got, info := get(t, d)
	if n := s.fetches(); got != mx || n != fetches || (info.FetchError != nil) != failed {
		t.Errorf("got %q after %d fetches, error %v; want %q, %d, %v", got, n, info.FetchError, mx, fetches, failed)
	}
	return info
}

// RFC 8461 5.1: what is known stays in force until it expires, whatever fails.
func TestGet(t *testing.T) {
	var results []string
	test(t, func(o *Options) { o.Observe = func(r string) { results = append(results, r) } }, func(t *testing.T, d *DB, s *source) {
		want(t, d, s, "none", 0, true)
		s.set("a.example", "1", policy("one.example", 2*day))
		info := want(t, d, s, "one.example", 1, false)
		if info.RecordID != "1" || !info.Fetched.Equal(time.Now()) || info.Expires.Sub(info.Fetched) != 2*day || info.Text != s.texts["a.example"] {
			t.Error(info)
		}
		want(t, d, s, "one.example", 0, false)
		time.Sleep(day)
		// The record or the lookup goes away.
		s.set("a.example", "", policy("one.example", 2*day))
		want(t, d, s, "one.example", 0, true)
		s.fail(errors.New("timeout"))
		want(t, d, s, "one.example", 0, true)
		s.fail(mtasts.ErrMultipleRecords)
		want(t, d, s, "one.example", 0, true)
		s.fail(nil)
		// A new policy that cannot be fetched, tried again after five minutes.
		s.set("a.example", "2", "")
		info = want(t, d, s, "one.example", 1, true)
		var e *FetchError
		if !errors.As(info.FetchError, &e) || e.Reason != mtasts.ReasonWebPKI || info.RecordID != "1" {
			t.Error(info)
		}
		want(t, d, s, "one.example", 0, true)
		time.Sleep(5*time.Minute - time.Second)
		want(t, d, s, "one.example", 0, true)
		time.Sleep(time.Second)
		want(t, d, s, "one.example", 1, true)
		// Another id is tried at once.
		s.set("a.example", "3", policy("two.example", day))
		want(t, d, s, "two.example", 1, false)
		want(t, d, s, "two.example", 0, false)
		// It expires, and with it all protection.
		time.Sleep(day - time.Second)
		want(t, d, s, "two.example", 0, false)
		s.fail(errors.New("timeout"))
		want(t, d, s, "two.example", 0, true)
		time.Sleep(time.Second)
		want(t, d, s, "error", 0, false)
		s.fail(nil)
		s.set("a.example", "3", "")
		want(t, d, s, "none", 1, true)
		want(t, d, s, "none", 0, true)
		time.Sleep(5 * time.Minute)
		want(t, d, s, "none", 1, true)
		// With the same id it is fetched again when it has expired.
		time.Sleep(5 * time.Minute)
		s.set("a.example", "3", policy("three.example", 0))
		want(t, d, s, "three.example", 1, false)
		want(t, d, s, "three.example", 1, false)
		s.set("a.example", "", "")
		want(t, d, s, "none", 0, true)
	})
	if got := fmt.Sprint(results); got != "[none fetched hit kept kept kept kept kept kept kept fetched hit hit kept error fetcherror fetcherror fetcherror fetched fetched none]" {
		t.Error(got)
	}
}

// A failed fetch is remembered over a restart, as is a policy.
func TestRestart(t *testing.T) {
	path := filepath.Join(t.TempDir(), FileName)
	s := &source{ids: map[string]string{"a.example": "1"}, texts: map[string]string{"a.example": ""}}
	open := func() *DB {
		d, err := Open(path, Options{Source: s})
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	d := open()
	want(t, d, s, "none", 1, true)
	d.Close()
	d = open()
	want(t, d, s, "none", 0, true)
	s.set("a.example", "2", policy("one.example", day))
	want(t, d, s, "one.example", 1, false)
	d.Close()
	if _, _, err := d.Get(t.Context(), dns.Domain{ASCII: "a.example"}); err == nil {
		t.Error("get after close")
	}
	d = open()
	s.fail(errors.New("timeout"))
	want(t, d, s, "one.example", 0, true)
	d.Close()
	// A damaged file does not keep mail from being sent.
	if err := os.WriteFile(path, []byte("no database, but as long as the header of one has to be, and a bit more than that: one hundred octets"), 0o600); err != nil {
		t.Fatal(err)
	}
	d = open()
	defer d.Close()
	s.fail(nil)
	want(t, d, s, "one.example", 1, false)
	if _, err := os.Stat(path + ".aside"); err != nil {
		t.Error(err)
	}
}

// Who asks for the same at one time waits for one fetch, which goes on without them.
func TestConcurrent(t *testing.T) {
	test(t, nil, func(t *testing.T, d *DB, s *source) {
		s.set("a.example", "1", policy("one.example", day))
		s.delay = 10 * time.Second
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				if got, _ := get(t, d); got != "one.example" {
					t.Error(got)
				}
			})
		}
		wg.Wait()
		if n := s.fetches(); n != 1 {
			t.Error(n, "fetches")
		}
		s.set("a.example", "2", policy("two.example", day))
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		p, info, err := d.Get(ctx, dns.Domain{ASCII: "a.example"})
		if err != nil || p.MX[0].String() != "one.example" || !errors.Is(info.FetchError, context.DeadlineExceeded) {
			t.Error(p, info, err)
		}
		time.Sleep(10 * time.Second)
		want(t, d, s, "two.example", 1, false)
	})
}

// Close ends fetches, which leave nothing.
func TestCloseDuringFetch(t *testing.T) {
	test(t, nil, func(t *testing.T, d *DB, s *source) {
		s.set("a.example", "1", policy("one.example", day))
		s.delay = time.Hour
		done := make(chan error)
		go func() {
			_, _, err := d.Get(context.Background(), dns.Domain{ASCII: "a.example"})
			done <- err
		}()
		time.Sleep(time.Second)
		if err := d.Close(); err != nil {
			t.Error(err)
		}
		if err := <-done; !errors.Is(err, ErrClosed) {
			t.Error(err)
		}
	})
}

func TestPanic(t *testing.T) {
	n := 0
	test(t, func(o *Options) { o.Panic = func() { n++ } }, func(t *testing.T, d *DB, s *source) {
		s.set("a.example", "1", "panic")
		want(t, d, s, "error", 1, false)
		s.set("a.example", "1", policy("one.example", day))
		want(t, d, s, "one.example", 1, false)
	})
	if n != 1 {
		t.Error(n)
	}
}

// Policies are refreshed each day, over hours, and forgotten when nobody asks for them.
func TestRun(t *testing.T) {
	test(t, func(o *Options) { o.Unused = 30 * day }, func(t *testing.T, d *DB, s *source) {
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan bool)
		go func() {
			d.Run(ctx)
			close(done)
		}()
		defer func() { cancel(); <-done }()
		const n = 12
		ask := func(name string) {
			t.Helper()
			if p, _, err := d.Get(ctx, dns.Domain{ASCII: name}); err != nil || p == nil {
				t.Fatal(name, p, err)
			}
		}
		for i := range n {
			name := fmt.Sprintf("d%d.example", i)
			s.set(name, "1", policy("mx.example", 7*day))
			ask(name)
		}
		s.fetches()
		// The first round finds nothing old enough.
		time.Sleep(23 * time.Hour)
		if got := s.fetches(); got != 0 {
			t.Error(got, "fetches on the first day")
		}
		// The second one refreshes over three hours; what fails stays, and what has no
		// record any more is let expire.
		s.set("d0.example", "1", "")
		s.set("d1.example", "", policy("mx.example", 7*day))
		time.Sleep(70*time.Minute + 90*time.Minute)
		if got := s.fetches(); got < n/3 || got > 2*n/3 {
			t.Error(got, "fetches after half the time")
		}
		time.Sleep(2 * time.Hour)
		s.fetches()
		l, err := d.List(ctx)
		if err != nil || len(l) != n {
			t.Fatal(len(l), err)
		}
		for _, e := range l {
			age := time.Since(e.Fetched)
			if e.Policy == nil || (e.Domain.ASCII == "d0.example") != (e.FetchError != nil) || (age > day) != (e.Domain.ASCII == "d0.example" || e.Domain.ASCII == "d1.example") {
				t.Errorf("%+v", e)
			}
		}
		// When the record cannot be looked up, the policy is fetched nevertheless.
		s.fail(errors.New("timeout"))
		time.Sleep(day)
		if got := s.fetches(); got != n {
			t.Error(got, "fetches while lookups fail")
		}
		s.fail(nil)
		// One is used, the others go after a month; those that expired sooner.
		for range 5 {
			time.Sleep(8 * day)
			ask("d2.example")
			if l, err = d.List(ctx); err != nil {
				t.Fatal(err)
			}
			if len(l) == n {
				t.Error("what has expired is still there")
			}
		}
		if len(l) != 1 || l[0].Domain.ASCII != "d2.example" || time.Since(l[0].Fetched) > 2*day {
			t.Error(l)
		}
	})
}
