package serve

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"mox/config"
)

// TestWebRoots: a confined server reads the files of its web sites, also of those that take
// the place of others; what is elsewhere it cannot read, and says so.
func TestWebRoots(t *testing.T) {
	needRoot(t)
	const port = 20080
	in := install(t, "127.0.77.1", nil)
	other, err := os.MkdirTemp("", "moxother")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(other) })
	if err := os.Chmod(other, 0o755); err != nil {
		t.Fatal(err)
	}
	for path, content := range map[string]string{
		filepath.Join(in.dir, "sites/one/a"): "one", filepath.Join(in.dir, "sites/two/a"): "two", filepath.Join(other, "later/a"): "later",
	} {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	static, dynamic := in.conf()
	l := static.Listeners["local"]
	l.WebserverHTTP = config.WebserverService{Enabled: true, Port: port}
	static.Listeners["local"] = l
	handler := func(path, root string) config.WebHandler {
		return config.WebHandler{Domain: "localhost", PathRegexp: "^" + path, DontRedirectPlainHTTP: true, WebStatic: &config.WebStatic{StripPrefix: path, Root: root}}
	}
	site := filepath.Join(in.dir, "sites/one")
	dynamic.WebHandlers = []config.WebHandler{handler("/site/", site)}
	in.write(static, dynamic)
	r := in.serving()
	want := func(path string, code int, body string) {
		t.Helper()
		req, _ := http.NewRequest("GET", fmt.Sprintf("http://%s:%d%s", in.ip, port, path), nil)
		req.Host = "localhost"
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, _ := io.ReadAll(resp.Body)
		if resp.StatusCode != code || body != "" && string(b) != body {
			t.Errorf("%s: %d %q, want %d %q", path, resp.StatusCode, b, code, body)
		}
	}
	want("/site/a", 200, "one")
	if err := os.Rename(site, site+".old"); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(in.dir, "sites/two"), site); err != nil {
		t.Fatal(err)
	}
	want("/site/a", 200, "two")
	dynamic.WebHandlers = append(dynamic.WebHandlers, handler("/later/", filepath.Join(other, "later")))
	in.write(static, dynamic)
	code := 0
	for start := time.Now(); code != 500 && time.Since(start) < time.Minute; time.Sleep(50 * time.Millisecond) {
		req, _ := http.NewRequest("GET", fmt.Sprintf("http://%s:%d/later/a", in.ip, port), nil)
		req.Host = "localhost"
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		code = resp.StatusCode
		if code == 200 {
			t.Skip("no Landlock in this kernel")
		}
	}
	if code != 500 {
		t.Errorf("a root that was added: %d", code)
	}
	r.waitLog("readable after a restart only")
	r.waitLog("opening root of web handler")
	if _, err := r.control("stop"); err != nil {
		t.Error(err)
	}
	r.wantExit(0, "mox has stopped")
	in.serving()
	want("/later/a", 200, "later")
}
