package webserver

import (
	"bytes"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"mox/mlog"
)

// TestSecret: what follows the path of a service with secrets is not logged.
func TestSecret(t *testing.T) {
	var lines bytes.Buffer
	got := ""
	h := NewRouter(Router{
		Log:     slog.New(mlog.NewHandler(&lines, mlog.Options{})),
		Systems: []Service{{Name: "invite", Path: "/invite/", Secret: true, Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = r.URL.Path })}},
	})
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/invite/token", nil))
	if got != "/token" || strings.Contains(lines.String(), "token") || !strings.Contains(lines.String(), "path=/invite/...") {
		t.Errorf("path %q, log %s", got, lines.String())
	}
}
