//go:build unix

package upgrade

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"mox/updates"
)

// testFeed is a feed in a directory, with a release for each name; release may change what is
// signed.
type testFeed struct {
	t       *testing.T
	dir     string
	key     ed25519.PrivateKey
	log     updates.Changelog
	handler func(http.Handler) http.Handler // nil: none around it
}

func newTestFeed(t *testing.T) *testFeed {
	t.Helper()
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &testFeed{t: t, dir: t.TempDir(), key: key}
}

// add adds a release whose program says that its version is says, and leaves a file in the
// directory of the feed when it is executed.
func (f *testFeed) add(version, says string, change func(*updates.File)) {
	f.t.Helper()
	path := filepath.Join(f.dir, version)
	script(f.t, path, says, "")
	b, err := os.ReadFile(path)
	if err != nil {
		f.t.Fatal(err)
	}
	b = []byte(strings.Replace(string(b), "\n", "\ntouch "+f.dir+"/executed\n", 1))
	if err := os.WriteFile(path, b, 0o755); err != nil {
		f.t.Fatal(err)
	}
	sum := sha256.Sum256(b)
	file := updates.File{OS: runtime.GOOS, Arch: runtime.GOARCH, Size: int64(len(b)), SHA256: hex.EncodeToString(sum[:]), Path: version}
	if change != nil {
		change(&file)
	}
	e, err := updates.Sign(updates.Release{Version: version, Date: "2026-11-22", Files: []updates.File{file}}, f.key)
	if err != nil {
		f.t.Fatal(err)
	}
	f.log.Entries = append(f.log.Entries, e)
}

// source serves the feed.
func (f *testFeed) source() Feed {
	f.t.Helper()
	data, err := json.Marshal(f.log)
	if err != nil {
		f.t.Fatal(err)
	}
	path := filepath.Join(f.dir, updates.ChangelogName)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		f.t.Fatal(err)
	}
	served, err := updates.NewHandler(path, slog.New(slog.DiscardHandler))
	if err != nil {
		f.t.Fatal(err)
	}
	var h http.Handler = served
	if f.handler != nil {
		h = f.handler(h)
	}
	web := httptest.NewTLSServer(h)
	f.t.Cleanup(func() { web.Close(); served.Close() })
	feed, err := updates.NewFeed("releases.example", web.URL+"/"+updates.ChangelogName, []string{updates.FormatPublicKey(f.key.Public().(ed25519.PublicKey))})
	if err != nil {
		f.t.Fatal(err)
	}
	return Feed{Client: &updates.Client{Feed: feed, Transport: web.Client().Transport}}
}

func (f *testFeed) executed() bool {
	_, err := os.Stat(filepath.Join(f.dir, "executed"))
	return err == nil
}

// replace has the server answer for programs in another way.
func replace(answer http.HandlerFunc) func(http.Handler) http.Handler {
	return func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, ".json") {
				h.ServeHTTP(w, r)
				return
			}
			answer(w, r)
		})
	}
}

// TestFeed upgrades from v1.0.0, or refuses to. What is refused before it is verified is never
// executed.
func TestFeed(t *testing.T) {
	tamper := func(b []byte) []byte { return []byte(strings.Replace(string(b), "touch", "rm -f", 1)) }
	program := func(f *testFeed) []byte {
		b, err := os.ReadFile(filepath.Join(f.dir, "v1.1.0"))
		if err != nil {
			t.Error(err)
		}
		return b
	}
	for name, tc := range map[string]struct {
		from      string
		say       string // what the program says; "": v1.1.0 and a Go release
		version   string
		downgrade bool
		change    func(*updates.File)
		handler   func(f *testFeed) http.HandlerFunc
		otherKey  bool
		want      string // version in place
		err       error
		text      string
		executed  bool
	}{
		"newest":            {want: "v1.1.0", executed: true},
		"named":             {version: "v1.1.0", want: "v1.1.0", executed: true},
		"pre-release":       {version: "v1.2.0-rc.1", want: "v1.2.0-rc.1", executed: true},
		"same":              {version: "v1.0.0", text: "add -downgrade"},
		"older":             {version: "v0.9.0", text: "add -downgrade"},
		"same, asked for":   {version: "v1.0.0", downgrade: true, want: "v1.0.0", executed: true},
		"older, asked for":  {version: "v0.9.0", downgrade: true, want: "v0.9.0", executed: true},
		"unknown":           {version: "v7.0.0", text: "no version v7.0.0; the newest is v1.2.0-rc.1"},
		"nothing newer":     {from: "v1.1.0", err: ErrNewest},
		"no release":        {from: "(devel)", text: "-version"},
		"no release, named": {from: "(devel)", version: "v0.9.0", want: "v0.9.0", executed: true},
		"another key":       {otherKey: true, err: updates.ErrUnsigned},
		"another platform":  {change: func(f *updates.File) { f.OS = "plan9" }, text: "only for: plan9/"},
		"other hash":        {change: func(f *updates.File) { f.SHA256 = strings.Repeat("0", 64) }, err: updates.ErrFile},
		"other content": {handler: func(f *testFeed) http.HandlerFunc {
			return func(w http.ResponseWriter, _ *http.Request) { w.Write(tamper(program(f))) }
		}, err: updates.ErrFile},
		"truncated": {handler: func(f *testFeed) http.HandlerFunc {
			return func(w http.ResponseWriter, _ *http.Request) { w.Write(program(f)[:60]) }
		}, err: updates.ErrFile},
		"cut off": {handler: func(f *testFeed) http.HandlerFunc {
			return func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Length", fmt.Sprint(len(program(f))))
				w.Write(program(f)[:60])
			}
		}, err: updates.ErrFile},
		"longer": {handler: func(f *testFeed) http.HandlerFunc {
			return func(w http.ResponseWriter, _ *http.Request) {
				w.(http.Flusher).Flush()
				w.Write(append(program(f), ' '))
			}
		}, err: updates.ErrFile},
		"to http": {handler: func(f *testFeed) http.HandlerFunc {
			return func(w http.ResponseWriter, r *http.Request) {
				http.Redirect(w, r, "http://"+r.Host+r.URL.Path, http.StatusFound)
			}
		}, text: "not https"},
		// It was signed, so it may be executed.
		"says another version": {say: "v1.0.5", err: ErrProgram, text: "was released as v1.1.0", executed: true},
	} {
		t.Run(name, func(t *testing.T) {
			o := installed(t)
			from := tc.from
			if from == "" {
				from = "v1.0.0 go1.26"
			}
			b, err := os.ReadFile(o.Program)
			if err != nil {
				t.Fatal(err)
			}
			before := strings.Replace(string(b), "echo 'v1'", "echo '"+from+"'", 1)
			if err := os.WriteFile(o.Program, []byte(before), 0o755); err != nil {
				t.Fatal(err)
			}
			f := newTestFeed(t)
			say := tc.say
			if say == "" {
				say = "v1.1.0 go1.26"
			}
			f.add("v1.1.0", say, tc.change)
			for _, v := range []string{"v1.0.0", "v0.9.0", "v1.2.0-rc.1"} {
				f.add(v, v, nil)
			}
			if tc.handler != nil {
				f.handler = replace(tc.handler(f))
			}
			source := f.source()
			if tc.version != "" {
				if source.Version, err = updates.ParseVersion(tc.version); err != nil {
					t.Fatal(err)
				}
			}
			source.Downgrade = tc.downgrade
			if tc.otherKey {
				source.Client.Feed.Keys = newTestFeed(t).source().Client.Feed.Keys
			}
			o.Source = source
			result, err := Run(t.Context(), o)
			if fails := tc.err != nil || tc.text != ""; (err != nil) != fails || tc.err != nil && !errors.Is(err, tc.err) || fails && !strings.Contains(err.Error(), tc.text) {
				t.Errorf("error %v, want %v with %q", err, tc.err, tc.text)
			}
			now, _ := os.ReadFile(o.Program)
			if tc.want == "" && string(now) != before || tc.want != "" && (!strings.Contains(string(now), "echo '"+tc.want) || result.To == "" || !result.Installed) {
				t.Errorf("%+v, program in place is\n%s", result, now)
			}
			if _, err := os.Lstat(o.Program + ".new"); err == nil {
				t.Error("the staged program is still there")
			}
			if f.executed() != tc.executed {
				t.Errorf("executed: %v", f.executed())
			}
		})
	}
}
