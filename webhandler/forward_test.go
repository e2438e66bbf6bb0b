package webhandler

import (
	"bufio"
	"context"

	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"mox/config"
)

func forwardHandler(url string, change func(h *config.WebHandler)) config.WebHandler {
	h := config.WebHandler{Domain: "127.0.0.1.example", PathRegexp: "^/", DontRedirectPlainHTTP: true, WebForward: &config.WebForward{URL: url}}
	h.Domain = "w.example"
	if change != nil {
		change(&h)
	}
	return h
}

// backend is a server behind sites.
func backend(t testing.TB, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	return srv
}

// send makes a request to a server, for host w.example.
func send(t testing.TB, srv *httptest.Server, method, path, body string, fields ...string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, srv.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Host = "w.example"
	for _, f := range fields {
		name, value, _ := strings.Cut(f, ": ")
		r.Header[name] = append(r.Header[name], value)
	}
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	return resp, readAll(t, resp.Body)
}

// Cookies of mox's own pages, which browsers send along, are not for servers behind.
func TestHideCookies(t *testing.T) {
	for in, want := range map[string]string{
		"a=1": "a=1",
		"webaccountsession=\"x y\"; a=1;b=2 ; webadminlogin=z": "a=1; b=2",
		"webmailsession=1":                         "",
		" webadminsession =1; c":                   "c",
		"webaccountsessions=1; xwebadminsession=2": "webaccountsessions=1; xwebadminsession=2",
		";; =": "=",
	} {
		h := http.Header{"Cookie": {in}}
		hideCookies(h)
		if got := h.Get("Cookie"); got != want || want == "" && len(h) > 0 {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
	h := http.Header{"Cookie": {"a=1", "webadminsession=2", "b=3"}}
	if hideCookies(h); len(h["Cookie"]) != 1 || h.Get("Cookie") != "a=1; b=3" {
		t.Error(h)
	}
}

func TestForward(t *testing.T) {
	var got *http.Request
	b := backend(t, func(w http.ResponseWriter, r *http.Request) {
		got = r.Clone(context.Background())
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("Connection", "X-Private")
		w.Header().Set("X-Private", "1")
		w.Header().Set("X-Answer", "backend")
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(302)
		fmt.Fprintf(w, "%s %s %d", r.Method, r.RequestURI, len(body))
	})
	s := newSites(t, Config{},
		forwardHandler(b.URL+"/base/", func(h *config.WebHandler) {
			h.PathRegexp, h.WebForward.StripPath = "^/ä strip/", true
			h.WebForward.ResponseHeaders = map[string]string{"X-Answer": "mox"}
		}),
		forwardHandler(b.URL, nil),
	)
	srv := serve(t, s)
	for _, tc := range []struct{ method, path, body, want string }{
		{"GET", "/", "", "GET / 0"},
		{"GET", "/a/b?c=d&e;f=%zz", "", "GET /a/b?c=d&e;f=%zz 0"},
		{"POST", "/x%2Fy/%e4%20//z", "hello", "POST /x%2Fy/%e4%20//z 5"},
		{"PROPFIND", "/dav/", "", "PROPFIND /dav/ 0"},
		{"GET", "/%C3%A4%20strip/x%2Fy?z", "", "GET /base/x%2Fy?z 0"},
		{"GET", "/%c3%a4%20strip/", "", "GET /base/ 0"},
	} {
		resp, body := send(t, srv, tc.method, tc.path, tc.body,
			"X-Forwarded-For: 10.0.0.1", "X-Forwarded-Host: evil.example", "X-Forwarded-Port: 1", "Forwarded: for=1", "X-Real-Ip: 10.0.0.1", "X_Forwarded_For: 10.0.0.1",
			"Connection: X-Hop, X-Forwarded-Proto", "X-Hop: 1", "X-Forwarded-Proto: https", "Upgrade: h2c", "Te: trailers", "Proxy-Authorization: secret", "Keep-Alive: 5", "Cookie: a=b", "Authorization: Basic x")
		if resp.StatusCode != 302 || body != tc.want || resp.Header.Get("Location") != "/elsewhere" {
			t.Errorf("%s %s: %d %q", tc.method, tc.path, resp.StatusCode, body)
		}
		if resp.Header.Get("X-Private") != "" || resp.Header.Get("X-Answer") != map[bool]string{true: "mox", false: "backend"}[strings.Contains(tc.path, "strip")] {
			t.Errorf("%s: header %v", tc.path, resp.Header)
		}
		h := got.Header
		for name, want := range map[string]string{
			"X-Forwarded-For": "127.0.0.1", "X-Forwarded-Host": "w.example", "X-Forwarded-Proto": "http", "X-Forwarded-Port": "", "Forwarded": "", "X-Real-Ip": "",
			"X_forwarded_for": "", "X_Forwarded_For": "", "X-Hop": "", "Upgrade": "", "Proxy-Authorization": "", "Keep-Alive": "", "Cookie": "a=b", "Authorization": "Basic x",
		} {
			if got := strings.Join(h[name], ","); got != want {
				t.Errorf("%s: field %s is %q, want %q", tc.path, name, got, want)
			}
		}
		if got.Host != strings.TrimPrefix(b.URL, "http://") {
			t.Errorf("host %q", got.Host)
		}
	}
	if resp, _ := send(t, srv, "GET", "/a/%2e%2e/secret", ""); resp.StatusCode != 400 {
		t.Errorf("dot segments: %d", resp.StatusCode)
	}
}

// TestForwardTLS: servers with TLS are verified, HTTP/2 is used.
func TestForwardTLS(t *testing.T) {
	b := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, r.Proto, r.Header.Get("X-Forwarded-Proto"))
	}))
	b.EnableHTTP2 = true
	b.StartTLS()
	t.Cleanup(b.Close)
	trusting := serve(t, newSites(t, Config{RootCAs: poolOf(b)}, forwardHandler(b.URL, nil)))
	if resp, body := send(t, trusting, "GET", "/", ""); resp.StatusCode != 200 || body != "HTTP/2.0http" {
		t.Errorf("%d %q", resp.StatusCode, body)
	}
	if resp, body := send(t, serve(t, newSites(t, Config{}, forwardHandler(b.URL, nil))), "GET", "/", ""); resp.StatusCode != 502 {
		t.Errorf("unknown authority: %d %q", resp.StatusCode, body)
	}
}

// TestForwardFailures: 502, 504, answers that are cut off, and header sections that are too large.
func TestForwardFailures(t *testing.T) {
	release := make(chan struct{})
	b := backend(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/slow":
			select {
			case <-release:
			case <-r.Context().Done():
			}
		case "/large":
			w.Header().Set("X-Large", strings.Repeat("x", 10000))
		case "/cut":
			w.Header().Set("Content-Length", "100")
			fmt.Fprint(w, "half")
		case "/stuck":
			fmt.Fprint(w, "half")
			http.NewResponseController(w).Flush()
			<-r.Context().Done()
		}
	})
	defer close(release)
	closed := httptest.NewServer(nil)
	closed.Close()
	sites := func(wait time.Duration) *httptest.Server {
		return serve(t, newSites(t, Config{Limits: Limits{ResponseHeader: wait, HeaderBytes: 5000, Idle: wait}},
			forwardHandler(closed.URL, func(h *config.WebHandler) { h.PathRegexp = "^/closed" }), forwardHandler(b.URL, nil)))
	}
	patient, srv := sites(time.Hour), sites(400*time.Millisecond)
	for path, want := range map[string]int{"/closed": 502, "/slow": 504, "/large": 502} {
		srv := srv
		if want == 502 {
			srv = patient
		}
		if resp, body := send(t, srv, "GET", path, ""); resp.StatusCode != want || !strings.HasPrefix(body, fmt.Sprint(want)) {
			t.Errorf("%s: %d %q", path, resp.StatusCode, body)
		}
	}
	for _, path := range []string{"/cut", "/stuck"} {
		r, _ := http.NewRequest("GET", srv.URL+path, nil)
		r.Host = "w.example"
		resp, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			continue // before anything was passed on
		}
		if body, err := io.ReadAll(resp.Body); err == nil {
			t.Errorf("%s looks complete: %q", path, body)
		}
		resp.Body.Close()
	}
}

// TestForwardStreams: what comes is passed on at once, in both directions, and a client that
// goes away ends it.
func TestForwardStreams(t *testing.T) {
	gone := make(chan struct{})
	b := backend(t, func(w http.ResponseWriter, r *http.Request) {
		c := http.NewResponseController(w)
		if err := c.EnableFullDuplex(); err != nil {
			t.Error(err)
		}
		w.Header().Set("Content-Type", r.URL.RawQuery)
		lines := bufio.NewScanner(r.Body)
		for lines.Scan() {
			fmt.Fprintf(w, "got %s\n", lines.Text())
			c.Flush()
		}
		<-r.Context().Done()
		close(gone)
	})
	s := newSites(t, Config{}, forwardHandler(b.URL, func(h *config.WebHandler) { h.Compress = true }))
	srv := serve(t, s)
	for _, contentType := range []string{"text/event-stream", "application/octet-stream"} {
		gone = make(chan struct{})
		out, in := io.Pipe()
		ctx, cancel := context.WithCancel(t.Context())
		r, _ := http.NewRequestWithContext(ctx, "POST", srv.URL+"/?"+contentType, out)
		r.Host = "w.example"
		go fmt.Fprintln(in, "one")
		resp, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(resp.Body)
		if !lines.Scan() || lines.Text() != "got one" {
			t.Errorf("%q", lines.Text())
		}
		fmt.Fprintln(in, "two")
		if !lines.Scan() || lines.Text() != "got two" {
			t.Errorf("%q", lines.Text())
		}
		in.Close()
		cancel()
		select {
		case <-gone:
		case <-time.After(time.Minute):
			t.Error("the server behind does not hear that the client has gone")
		}
		resp.Body.Close()
	}
}

// TestForwardCompress: what is fit is compressed, and validators say so.
func TestForwardCompress(t *testing.T) {
	text := strings.Repeat("compress me ", 200)
	b := backend(t, func(w http.ResponseWriter, r *http.Request) {
		q, _ := url.ParseQuery(r.URL.RawQuery)
		for name, v := range q {
			w.Header()[http.CanonicalHeaderKey(name)] = v
		}
		if r.URL.Path == "/short" {
			fmt.Fprint(w, "short")
			return
		}
		if r.URL.Path == "/404" {
			w.WriteHeader(404)
		}
		fmt.Fprint(w, text)
	})
	srv := serve(t, newSites(t, Config{}, forwardHandler(b.URL, func(h *config.WebHandler) { h.Compress = true })))
	for _, tc := range []struct{ path, accept, coding, vary, tag string }{
		{"/?Content-Type=text/html&Etag=%22x%22", "gzip", "gzip", "Accept-Encoding", `W/"x"`},
		{"/?Content-Type=text/html&Etag=%22x%22", "br", "", "Accept-Encoding", `"x"`},
		{"/?Content-Type=application/problem%2Bjson", "*", "gzip", "Accept-Encoding", ""},
		{"/?Content-Type=image/png", "gzip", "", "", ""},
		{"/?Content-Type=text/html&Cache-Control=public,No-Transform", "gzip", "", "", ""},
		{"/?Content-Type=text/html&Content-Encoding=br", "gzip", "br", "", ""},
		{"/short", "gzip", "", "", ""},
		{"/404?Content-Type=text/html", "gzip", "", "", ""},
	} {
		for _, method := range []string{"GET", "HEAD"} {
			resp, body := send(t, srv, method, tc.path, "", "Accept-Encoding: "+tc.accept)
			h := resp.Header
			if h.Get("Content-Encoding") != tc.coding || h.Get("Vary") != tc.vary || h.Get("Etag") != tc.tag {
				t.Errorf("%s %s: %v", method, tc.path, h)
			}
			if method == "GET" && tc.coding == "gzip" && gunzip(t, body) != text {
				t.Errorf("%s: other content", tc.path)
			}
		}
	}
}

// TestSmuggling: requests that two servers could read in two ways reach the server behind in
// one, or not at all (RFC 9112 6.3, 11.2).
func TestSmuggling(t *testing.T) {
	seen := make(chan string, 10)
	b := backend(t, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		seen <- fmt.Sprintf("%s %s %q %v", r.Method, r.URL.Path, body, err)
	})
	srv := serve(t, newSites(t, Config{}, forwardHandler(b.URL, nil)))
	for i, tc := range []struct{ name, request, code, want string }{
		{"two lengths", "POST /a HTTP/1.1\r\nHost: w.example\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n123456", "400", ""},
		{"length list", "POST /a HTTP/1.1\r\nHost: w.example\r\nContent-Length: 5, 5\r\n\r\n12345", "400", ""},
		{"length sign", "POST /a HTTP/1.1\r\nHost: w.example\r\nContent-Length: +5\r\n\r\n12345", "400", ""},
		{"space before colon", "POST /a HTTP/1.1\r\nHost: w.example\r\nContent-Length : 5\r\n\r\n12345", "400", ""},
		{"odd coding", "POST /a HTTP/1.1\r\nHost: w.example\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", "501", ""},
		{"coding list", "POST /a HTTP/1.1\r\nHost: w.example\r\nTransfer-Encoding: identity, chunked\r\n\r\n0\r\n\r\n", "501", ""},
		{"coding in 1.0", "POST /a HTTP/1.0\r\nHost: w.example\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", "200", `POST /a "" <nil>`}, // and no more requests by that connection
		{"folded", "POST /a HTTP/1.1\r\nHost: w.example\r\nX: a\r\n Content-Length: 5\r\n\r\n", "200", `POST /a "" <nil>`},
		{"bare CR", "GET /a HTTP/1.1\r\nHost: w.example\r\nX: a\rGET /b HTTP/1.1\r\n\r\n", "400", ""},
		{"NUL", "GET /a HTTP/1.1\r\nHost: w.example\r\nX: a\x00b\r\n\r\n", "400", ""},
		{"two hosts", "GET /a HTTP/1.1\r\nHost: w.example\r\nHost: other.example\r\n\r\n", "400", ""},
		{"no host", "GET /a HTTP/1.1\r\n\r\n", "400", ""},
		{"bad chunk size", "POST /a HTTP/1.1\r\nHost: w.example\r\nTransfer-Encoding: chunked\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n", "", ""},
		// The coding counts, the length is not passed on; the rest of the connection is not looked at as requests of the server behind.
		{"coding and length", "POST /a HTTP/1.1\r\nHost: w.example\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: w.example\r\n\r\n", "200", `POST /a "hello" <nil>`},
		{"h2c", "GET /a HTTP/1.1\r\nHost: w.example\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n\r\n", "200", `GET /a "" <nil>`},
	} {
		conn, err := net.Dial("tcp", srv.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		conn.SetDeadline(time.Now().Add(time.Minute))
		path := fmt.Sprintf("/a%d", i)
		io.WriteString(conn, strings.Replace(tc.request, "/a", path, 1))
		line, _ := bufio.NewReader(conn).ReadString('\n')
		if tc.code != "" && !strings.HasPrefix(line, "HTTP/1.1 "+tc.code) && !strings.HasPrefix(line, "HTTP/1.0 "+tc.code) {
			t.Errorf("%s: %q", tc.name, line)
		}
		if tc.code == "" && strings.HasPrefix(line, "HTTP/1.1 200") {
			t.Errorf("%s: %q", tc.name, line)
		}
		conn.Close()
		wait := 50 * time.Millisecond
		if tc.want != "" {
			wait = time.Minute
		}
		for done := false; !done; {
			select {
			case got := <-seen:
				// As a request of its own, by its own path, it is looked at like all others.
				if strings.HasPrefix(got, "GET /smuggled") {
					continue
				}
				// One from before that comes late, of those that need not come.
				if !strings.Contains(got, path+" ") && strings.Contains(got, "unexpected EOF") {
					continue
				}
				got = strings.Replace(got, path, "/a", 1)
				if tc.want == "" && !strings.Contains(got, "unexpected EOF") || tc.want != "" && got != tc.want {
					t.Errorf("%s: the server behind got %s", tc.name, got)
				}
				done = true
			case <-time.After(wait):
				if tc.want != "" {
					t.Errorf("%s: nothing came", tc.name)
				}
				done = true
			}
		}
	}
}

// FuzzTarget: for any path, what is forwarded is below the path of the configured URL, and is
// the path of the request.
func FuzzTarget(f *testing.F) {
	snap := load(f, []config.WebHandler{forwardHandler("https://b.example/base", func(h *config.WebHandler) {
		h.PathRegexp, h.WebForward.StripPath = "^/[^/]*", true
	})}, nil)
	h := &forward{info: snap.WebHandlers[0]}
	for _, p := range []string{"/", "/a/b", "/%2f/x", "/ä/ö?q", "/a%20b/%25", "//x", "/a;b/c", "*", "/%zz"} {
		f.Add(p)
	}
	f.Fuzz(func(t *testing.T, target string) {
		u, err := url.ParseRequestURI(target)
		if err != nil || !strings.HasPrefix(u.Path, "/") || hasDotSegment(u.Path) || u.Host != "" {
			return
		}
		in := &http.Request{Method: "GET", URL: u, Host: "w.example", RemoteAddr: "192.0.2.1:1", Header: http.Header{}}
		out := in.Clone(context.Background())
		h.rewrite(out, in)
		if out.URL.Scheme != "https" || out.URL.Host != "b.example" || !strings.HasPrefix(out.URL.EscapedPath(), "/base/") || hasDotSegment(out.URL.Path) {
			t.Errorf("%q becomes %q", target, out.URL)
		}
		rest := u.Path[h.info.Path.FindStringIndex(u.Path)[1]:]
		// An escaped slash at the start of the rest is none that joins.
		if want := "/base/" + strings.TrimPrefix(rest, "/"); out.URL.Path != want && out.URL.Path != "/base/"+rest {
			t.Errorf("%q: path %q, want %q", target, out.URL.Path, want)
		}
	})
}

// FuzzAccepted: no list of codings panics, weights are within bounds.
func FuzzAccepted(f *testing.F) {
	for _, s := range []string{"gzip", "gzip;q=0.5, *;q=0", "br;q=1.1", ";;,,", "gzip; q=0.001", "*"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, c := range []string{"gzip", "br"} {
			if q := accepted([]string{s}, c); q < 0 || q > 1 {
				t.Errorf("%q: %v", s, q)
			}
		}
	})
}

// TestAccepted: RFC 9110 12.4.2, 12.5.3.
func TestAccepted(t *testing.T) {
	for field, want := range map[string]float64{
		"": 0, "gzip": 1, "GZIP": 1, "x-gzip": 1, "deflate, gzip;q=0.5": 0.5, "gzip;q=0": 0, "gzip;q=0.000, *": 0, "*;q=0.3": 0.3, "*;q=0": 0, "identity": 0,
		"gzip ; q=0.8": 0.8, "gzip;q=2": 0, "gzip;q=-1": 0, "gzip;q=x": 0, "gzip;level=9": 0, "gzip;q=0.12345": 0, "gzipped": 0,
	} {
		if got := accepted([]string{field}, "gzip"); got != want {
			t.Errorf("%q: %v, want %v", field, got, want)
		}
	}
}

// redirects are tables of where requests are sent.
func TestRedirect(t *testing.T) {
	redirect := func(path string, c config.WebRedirect) config.WebHandler {
		return config.WebHandler{Domain: "w.example", PathRegexp: path, DontRedirectPlainHTTP: true, WebRedirect: &c}
	}
	s, err := New(Config{Internal: map[string]http.Handler{"webapi": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "api ", r.URL.Path) })}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	s.Prepare(load(t, []config.WebHandler{
		{Domain: "w.example", PathRegexp: "^/secure", WebInternal: &config.WebInternal{BasePath: "/secure/", Service: "webapi"}},
		{Domain: "w.example", PathRegexp: "^/missing/", WebInternal: &config.WebInternal{BasePath: "/missing/", Service: "admin"}},
		redirect("^/host", config.WebRedirect{BaseURL: "https://other.example?a=b#frag"}),
		redirect("^/keep", config.WebRedirect{BaseURL: "//other.example", StatusCode: 302}),
		redirect("^/path/", config.WebRedirect{OrigPathRegexp: "^/path/(.*)$", ReplacePath: "/new/$1"}),
		redirect("^/evil", config.WebRedirect{OrigPathRegexp: "^/evil(.*)$", ReplacePath: "$1"}),
		redirect("^/self", config.WebRedirect{BaseURL: "https://w.example"}),
		redirect("^/self", config.WebRedirect{BaseURL: "https://second.example"}),
	}, map[string]string{"old.example": "new.example"}))()
	for _, tc := range []struct {
		url   string
		code  int
		where string
	}{
		{"http://old.example/a%2Fb?c=d", 308, "https://new.example/a%2Fb?c=d"},
		{"https://old.example:8443/", 308, "https://new.example/"},
		{"http://w.example/secure/x?y", 308, "https://w.example/secure/x?y"},
		{"https://w.example/secure/x", 200, ""},
		{"https://w.example/secure", 303, "/secure/"},
		{"https://w.example/securex", 404, ""},
		{"https://w.example/missing/", 404, ""},
		{"http://w.example/host?c=d", 308, "https://other.example/host?a=b&c=d#frag"},
		{"http://w.example/host", 308, "https://other.example/host?a=b#frag"},
		{"http://w.example/keep", 302, "http://other.example/keep"},
		{"https://w.example/keep/a%2Fb", 302, "https://other.example/keep/a%2Fb"},
		{"https://w.example/path/x?y", 308, "https://w.example/new/x?y"},
		{"https://w.example:444/path/x", 308, "https://w.example:444/new/x"},
		{"https://w.example/path", 404, ""},
		{"https://w.example/evil//evil.example/", 308, "https://w.example//evil.example/"},
		{"https://w.example/evilx", 308, "https://w.example/x"},
		{"http://w.example/self", 308, "https://w.example/self"},
		{"https://w.example/self", 308, "https://second.example/self"},
		{"https://w.example:443/self", 308, "https://second.example/self"},
		{"https://w.example/%0d%0aX:/../y", 404, ""},
	} {
		got := ask(s, "GET", tc.url)
		if got.code != tc.code || got.header.Get("Location") != tc.where {
			t.Errorf("%s: %d to %q, want %d %q", tc.url, got.code, got.header.Get("Location"), tc.code, tc.where)
		}
	}
}

// TestReload: a change is served with the next request.
func TestReload(t *testing.T) {
	root := t.TempDir()
	write(t, root, map[string]string{"a": "file"})
	s := newSites(t, Config{}, staticHandler(root, nil))
	if got := ask(s, "GET", "https://w.example/a"); got.body != "file" {
		t.Errorf("%q", got.body)
	}
	commit := s.Prepare(load(t, []config.WebHandler{{Domain: "w.example", PathRegexp: "^/", WebRedirect: &config.WebRedirect{BaseURL: "https://x.example"}}}, nil))
	if got := ask(s, "GET", "https://w.example/a"); got.body != "file" {
		t.Errorf("before commit: %q", got.body)
	}
	commit()
	if got := ask(s, "GET", "https://w.example/a"); got.code != 308 {
		t.Errorf("after commit: %d", got.code)
	}
}
