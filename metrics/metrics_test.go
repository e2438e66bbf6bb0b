package metrics

import (
	"fmt"
	"log/slog"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

func scrape(t *testing.T, r *Registry) string {
	t.Helper()
	w := httptest.NewRecorder()
	r.ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	if w.Code != 200 {
		t.Fatalf("status %d", w.Code)
	}
	return w.Body.String()
}

func TestDefinitions(t *testing.T) {
	counters, gauges, histograms := All()
	r := New()
	seen := map[string]bool{}
	check := func(d Def) {
		if !regexp.MustCompile(`^(mox|sherpa)_[a-z0-9_]+$`).MatchString(d.Name) || seen[d.Name] || !strings.HasSuffix(d.Help, ".") {
			t.Errorf("bad definition %+v", d)
		}
		seen[d.Name] = true
	}
	labels := func(n int) []string { return strings.Split(strings.Repeat("x", n), "")[:n] }
	for _, d := range counters {
		check(Def(d))
		r.Counter(d).Inc(labels(len(d.Labels))...)
	}
	for _, d := range gauges {
		check(Def(d))
		r.Gauge(d).Set(1, labels(len(d.Labels))...)
	}
	for _, d := range histograms {
		check(Def(d))
		if len(d.Buckets) == 0 {
			t.Errorf("%s has no buckets", d.Name)
		}
		r.Histogram(d).Observe(time.Second, labels(len(d.Labels))...)
	}
	text := scrape(t, r)
	for name := range seen {
		if !strings.Contains(text, "# TYPE "+name+" ") {
			t.Errorf("%s is not shown", name)
		}
	}
	if !strings.Contains(text, "mox_metrics_misuse_total 0\n") {
		t.Error("misuse counted")
	}
}

func TestRegistry(t *testing.T) {
	r := New()
	text := scrape(t, r)
	for _, want := range []string{
		"go_goroutines ", "go_build_info", `mox_panic_total{pkg="smtpserver"} 0`,
		"mox_logging_level_info_total 0", "mox_metrics_misuse_total 0",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("missing %s", want)
		}
	}
	r.Panic("smtpserver")
	r.Panic("store")
	for _, l := range []slog.Level{-4, 0, 4, 8, 8, 12, 16} {
		r.Log(l)
	}
	a, b := r.Counter(SMTPServerConnection), r.Counter(SMTPServerConnection)
	a.Inc("deliver")
	b.Inc("deliver")
	a.Add(-1, "deliver")
	a.Inc()
	a.Inc("\xff")
	g := r.Gauge(Connections)
	g.Add(2, "smtp", "public")
	g.Add(-1, "smtp", "public")
	g.Set(1)
	g.Set(3, "imap", "public")
	g.Delete("imap", "public")
	g.Delete("never", "set")
	h := r.Histogram(IMAPCommand)
	h.Observe(2*time.Second, "fetch", "ok")
	h.Observe(0)
	r.GaugeFunc(QueueHold, func() float64 { return 7 })
	r.GaugeFunc(QueueHold, func() float64 { return 8 })
	text = scrape(t, r)
	for _, want := range []string{
		`mox_panic_total{pkg="smtpserver"} 1`, `mox_panic_total{pkg="store"} 1`,
		"mox_logging_level_info_total 1", "mox_logging_level_warn_total 1", "mox_logging_level_error_total 2",
		`mox_smtpserver_connection_total{kind="deliver"} 2`, `mox_connections_count{listener="public",protocol="smtp"} 1`,
		`mox_imap_command_duration_seconds_bucket{cmd="fetch",result="ok",le="5"} 1`, "mox_queue_hold 7",
		"mox_metrics_misuse_total 5",
	} {
		if !strings.Contains(text, want+"\n") {
			t.Errorf("missing %s", want)
		}
	}
	if strings.Contains(text, `protocol="imap"`) {
		t.Error("a deleted gauge is shown")
	}
	v, err := r.Gather("mox_smtpserver_connection_total")
	if err != nil || fmt.Sprint(v) != "map[kind=deliver:2]" {
		t.Error(v, err)
	}

	// Zero values do nothing.
	Counter{}.Inc("x")
	Gauge{}.Set(1)
	Gauge{}.Delete()
	Histogram{}.Observe(1)
}

func TestConcurrent(t *testing.T) {
	r := New()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 100 {
				r.Counter(SMTPServerConnection).Inc("deliver")
			}
		})
	}
	wg.Wait()
	if v, err := r.Gather("mox_smtpserver_connection_total"); err != nil || v["kind=deliver"] != 800 {
		t.Error(v, err)
	}
}

func BenchmarkCounter(b *testing.B) {
	c := New().Counter(SMTPServerConnection)
	b.ReportAllocs()
	for b.Loop() {
		c.Inc("deliver")
	}
}
