package webserver

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"mox/metrics"
	"mox/mlog"
)

func testOverview() Overview {
	return Overview{
		Version: "v0 <script>", Host: "localhost", Login: "mox@localhost", Password: "moxmoxmox", CertFile: "/x/localhost.crt", Metrics: "http://localhost:1081/metrics",
		Services: []OverviewService{{"SMTP", 1025, "none", "deliver"}, {"IMAP", 1143, "none", "read"}},
	}
}

func TestOverview(t *testing.T) {
	for _, tc := range []struct {
		method, path string
		code         int
	}{{"GET", "/", 200}, {"HEAD", "/", 200}, {"POST", "/", 405}, {"GET", "/favicon.ico", 404}, {"GET", "/../etc/passwd", 404}} {
		w := httptest.NewRecorder()
		testOverview().ServeHTTP(w, httptest.NewRequest(tc.method, tc.path, nil))
		if w.Code != tc.code {
			t.Errorf("%s %s: status %d, want %d", tc.method, tc.path, w.Code, tc.code)
		}
		if w.Code == 200 && (!strings.Contains(w.Body.String(), "smtp://localhost:1025") || strings.Contains(w.Body.String(), "<script>")) {
			t.Errorf("%s %s: body lacks the command or has unescaped text:\n%s", tc.method, tc.path, w.Body)
		}
	}
}

func TestServer(t *testing.T) {
	s := New(mlog.Discard())
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	reg := metrics.New()
	reg.Panic("ctl")
	s.Start(l, nil, Metrics(reg, func() []string { return nil }))
	resp, err := http.Get("http://" + l.Addr().String() + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	if resp.StatusCode != 200 || !strings.Contains(string(body), `mox_panic_total{pkg="ctl"} 1`) {
		t.Errorf("status %d, body %.300s", resp.StatusCode, body)
	}
	if resp.Header.Get("X-Content-Type-Options") != "nosniff" || resp.Header.Get("Content-Security-Policy") == "" {
		t.Errorf("headers: %v", resp.Header)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := s.Shutdown(ctx); err != nil {
		t.Error(err)
	}
}
