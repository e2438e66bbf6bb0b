// Package metrics holds the Prometheus metrics of one server: a [Registry] that is
// handed to each part, and a table of all metrics with their names, labels and
// buckets (defs.go). There is no default registry and no package variable that
// changes.
//
// Only this package and what composes a server import the Prometheus library. Packages
// that others may want to use alone (words and mechanisms) take functions instead, by
// convention in an exported struct named Metrics of which a nil field is not called:
//
//	// in smtpclient
//	type Metrics struct {
//		Command func(cmd string, code int, secode string, d time.Duration)
//	}
//
//	// in serve.go
//	h := reg.Histogram(metrics.SMTPClientCommand)
//	m := smtpclient.Metrics{Command: func(cmd string, code int, secode string, d time.Duration) {
//		h.Observe(d, cmd, strconv.Itoa(code), secode)
//	}}
//
// Metrics of one definition are registered once: asking again returns the same one.
//
// Everything is safe for concurrent use. No files, no goroutines.
package metrics
