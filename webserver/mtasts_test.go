package webserver

import (
	"net/http/httptest"
	"testing"
	"time"

	"mox/dns"
	"mox/mtasts"
)

// TestMTASTS: RFC 8461 3.2, 3.3.
func TestMTASTS(t *testing.T) {
	policy := &mtasts.Policy{
		Mode: mtasts.ModeTesting, MaxAge: time.Hour,
		MX: []mtasts.MX{{Domain: dns.Domain{ASCII: "mx.example"}}, {Wildcard: true, Domain: dns.Domain{ASCII: "xn--bcher-kva.example", Unicode: "bücher.example"}}},
	}
	const text = "version: STSv1\r\nmode: testing\r\nmx: mx.example\r\nmx: *.xn--bcher-kva.example\r\nmax_age: 3600\r\n"
	var handler string
	port := NewRouter(Router{
		Services: []Service{MTASTS(func(host string) *mtasts.Policy {
			if host == "mta-sts.d.example" {
				return policy
			}
			return nil
		})},
		Observe: func(o Observation) { handler = o.Handler },
	})
	for _, tc := range []struct {
		method, host, path string
		code               int
		body, handler      string
	}{
		{"GET", "mta-sts.d.example", MTASTSPath, 200, text, "mtasts"},
		{"GET", "MTA-STS.d.example.:443", MTASTSPath, 200, text, "mtasts"},
		{"GET", "mta-sts.d.example", MTASTSPath + "?x=y", 200, text, "mtasts"},
		{"HEAD", "mta-sts.d.example", MTASTSPath, 200, "", "mtasts"},
		{"POST", "mta-sts.d.example", MTASTSPath, 405, "405 - only GET and HEAD\n", "mtasts"},
		{"GET", "mta-sts.d.example", MTASTSPath + "/", 404, "404 - nothing is here\n", "(nohandler)"},
		{"GET", "mta-sts.d.example", MTASTSPath + "x", 404, "404 - nothing is here\n", "(nohandler)"},
		{"GET", "mta-sts.d.example", "/", 404, "404 - nothing is here\n", "(nohandler)"},
		{"GET", "d.example", MTASTSPath, 404, "404 - nothing is here\n", "(nohandler)"},
		{"GET", "mta-sts.other.example", MTASTSPath, 404, "404 - nothing is here\n", "(nohandler)"},
	} {
		r := httptest.NewRequest(tc.method, tc.path, nil)
		r.Host = tc.host
		w := httptest.NewRecorder()
		port.ServeHTTP(w, r)
		if w.Code != tc.code || w.Body.String() != tc.body || handler != tc.handler {
			t.Errorf("%s %s %s: %d %q by %s", tc.method, tc.host, tc.path, w.Code, w.Body, handler)
		}
		if h := w.Header(); tc.code == 200 && (h.Get("Content-Type") != "text/plain" || h.Get("Cache-Control") != "no-cache" || h.Get("Content-Length") != "91") {
			t.Errorf("header %v", h)
		}
		if tc.code == 405 && w.Header().Get("Allow") != "GET, HEAD" {
			t.Errorf("header %v", w.Header())
		}
	}
	if p, err := mtasts.ParsePolicy(text); err != nil || p.String() != text {
		t.Errorf("%v, %v", p, err)
	}
}
