package metrics

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Kind is the type of a metric.
type Kind string

// Kinds.
const (
	KindCounter   Kind = "counter"
	KindGauge     Kind = "gauge"
	KindHistogram Kind = "histogram"
)

// Def is the definition of a metric: its name, what it means, its labels and for
// histograms the upper bounds of the buckets in seconds. Definitions of one type (see
// [CounterDef]) do not change.
type Def struct {
	Name    string
	Help    string
	Labels  []string
	Buckets []float64
}

// Definitions by kind, so that a counter cannot be registered as a gauge.
type (
	CounterDef   Def
	GaugeDef     Def
	HistogramDef Def
)

// Registry is the set of metrics of one server. Make one with [New].
type Registry struct {
	reg     *prometheus.Registry
	misuse  prometheus.Counter
	panics  Counter
	logged  map[string]Counter
	handler http.Handler
}

// New returns a registry with the collectors of Go runtime and process, the panic
// counter for each of panicPackages at zero, and the counters of log lines.
func New() *Registry {
	reg := prometheus.NewRegistry()
	r := &Registry{
		reg: reg,
		misuse: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "mox_metrics_misuse_total",
			Help: "Observations dropped for a wrong number of labels or an invalid label value: a bug.",
		}),
		logged: map[string]Counter{},
	}
	reg.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		collectors.NewBuildInfoCollector(),
		r.misuse,
	)
	r.panics = r.Counter(Panic)
	for _, pkg := range panicPackages {
		r.panics.Add(0, pkg)
	}
	r.logged["info"] = r.Counter(LoggingInfo)
	r.logged["warn"] = r.Counter(LoggingWarn)
	r.logged["error"] = r.Counter(LoggingError)
	r.handler = promhttp.HandlerFor(reg, promhttp.HandlerOpts{
		MaxRequestsInFlight: 10,
		Timeout:             30 * time.Second,
	})
	return r
}

// ServeHTTP writes all metrics in a format of Prometheus. To be mounted at /metrics.
func (r *Registry) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	r.handler.ServeHTTP(w, req)
}

// Gather returns the values of all metrics with this name or, for histograms, the
// number of observations, by label values joined with ",". For tests and for the
// admin pages.
func (r *Registry) Gather(name string) (map[string]float64, error) {
	families, err := r.reg.Gather()
	if err != nil {
		return nil, fmt.Errorf("gathering metrics: %w", err)
	}
	values := map[string]float64{}
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			var labels []string
			for _, l := range m.GetLabel() {
				labels = append(labels, l.GetName()+"="+l.GetValue())
			}
			v := m.GetCounter().GetValue() + m.GetGauge().GetValue()
			if h := m.GetHistogram(); h != nil {
				v = float64(h.GetSampleCount())
			}
			values[strings.Join(labels, ",")] = v
		}
	}
	return values, nil
}

// Panic counts a panic that was caught in a package.
func (r *Registry) Panic(pkg string) {
	r.panics.Inc(pkg)
}

// Log counts a log line. It fits the field Count of mlog.Options.
func (r *Registry) Log(level slog.Level) {
	switch {
	case level >= slog.LevelError+4:
		// Fatal and print.
	case level >= slog.LevelError:
		r.logged["error"].Inc()
	case level >= slog.LevelWarn:
		r.logged["warn"].Inc()
	case level >= slog.LevelInfo:
		r.logged["info"].Inc()
	}
}

// register returns c, or what was registered under the same definition before. A
// definition that clashes with another is a bug in the table, found by its test; then
// c works but is not shown.
func register[C prometheus.Collector](r *Registry, c C) C {
	err := r.reg.Register(c)
	if already, ok := errors.AsType[prometheus.AlreadyRegisteredError](err); ok {
		if old, ok := already.ExistingCollector.(C); ok {
			return old
		}
	}
	if err != nil {
		r.misuse.Inc()
	}
	return c
}

// Counter is a number that only grows, or one for each combination of label values.
// The zero value does nothing.
type Counter struct {
	r   *Registry
	vec *prometheus.CounterVec
}

// Counter registers a counter. Without labels it is shown at zero from the start.
func (r *Registry) Counter(d CounterDef) Counter {
	vec := register(r, prometheus.NewCounterVec(prometheus.CounterOpts{Name: d.Name, Help: d.Help}, d.Labels))
	c := Counter{r, vec}
	if len(d.Labels) == 0 {
		c.Add(0)
	}
	return c
}

// Inc adds one. Label values are in the order of the definition; they must be from a
// small set, never text a peer chose.
func (c Counter) Inc(labels ...string) {
	c.Add(1, labels...)
}

// Add adds n, which must not be negative.
func (c Counter) Add(n float64, labels ...string) {
	if c.vec == nil {
		return
	}
	m, err := c.vec.GetMetricWithLabelValues(labels...)
	if err != nil || !(n >= 0) {
		c.r.misuse.Inc()
		return
	}
	m.Add(n)
}

// Gauge is a number that goes up and down, or one for each combination of label
// values. The zero value does nothing.
type Gauge struct {
	r   *Registry
	vec *prometheus.GaugeVec
}

// Gauge registers a gauge.
func (r *Registry) Gauge(d GaugeDef) Gauge {
	vec := register(r, prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: d.Name, Help: d.Help}, d.Labels))
	g := Gauge{r, vec}
	if len(d.Labels) == 0 {
		g.Add(0)
	}
	return g
}

// GaugeFunc registers a gauge without labels whose value is computed when shown. Of
// two functions for one definition the first stays.
func (r *Registry) GaugeFunc(d GaugeDef, fn func() float64) {
	register(r, prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: d.Name, Help: d.Help}, fn))
}

func (g Gauge) metric(labels []string) prometheus.Gauge {
	if g.vec == nil {
		return nil
	}
	m, err := g.vec.GetMetricWithLabelValues(labels...)
	if err != nil {
		g.r.misuse.Inc()
		return nil
	}
	return m
}

// Set sets the value.
func (g Gauge) Set(v float64, labels ...string) {
	if m := g.metric(labels); m != nil {
		m.Set(v)
	}
}

// Add adds n, which may be negative.
func (g Gauge) Add(n float64, labels ...string) {
	if m := g.metric(labels); m != nil {
		m.Add(n)
	}
}

// Delete ends the showing of a value, until it is set again.
func (g Gauge) Delete(labels ...string) {
	if g.vec != nil {
		g.vec.DeleteLabelValues(labels...)
	}
}

// Histogram counts durations in buckets, for each combination of label values. The
// zero value does nothing.
type Histogram struct {
	r   *Registry
	vec *prometheus.HistogramVec
}

// Histogram registers a histogram.
func (r *Registry) Histogram(d HistogramDef) Histogram {
	return Histogram{r, register(r, prometheus.NewHistogramVec(
		prometheus.HistogramOpts{Name: d.Name, Help: d.Help, Buckets: d.Buckets}, d.Labels))}
}

// Observe counts a duration.
func (h Histogram) Observe(d time.Duration, labels ...string) {
	if h.vec == nil {
		return
	}
	m, err := h.vec.GetMetricWithLabelValues(labels...)
	if err != nil {
		h.r.misuse.Inc()
		return
	}
	m.Observe(d.Seconds())
}
