package webapiserver

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"mox/auth"
	"mox/message"
	"mox/webapi"
)

const domains = `Domains:
	mx.example: nil
Accounts:
	mjl:
		Domain: mx.example
		Destinations:
			mjl@mx.example: nil
			møx@mx.example: nil
	other:
		Domain: mx.example
		Destinations:
			other@mx.example: nil
	off:
		Domain: mx.example
		LoginDisabled: gone fishing
		Destinations:
			off@mx.example: nil
`

const password = "correct horse"

const received = "From: Remote <remote@example.com>\r\nTo: mjl@mx.example\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\nMessage-ID: <1@example.com>\r\nReferences: <0@example.com>\r\nDate: Mon, 02 Mar 2026 09:30:00 +0000\r\n" +
	"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\nContent-Type: multipart/alternative; boundary=y\r\n\r\n--y\r\n\r\nplain\r\n--y\r\nContent-Type: text/html; charset=iso-8859-1\r\n\r\n<b>\xe9</b>\r\n--y--\r\n" +
	"--x\r\nContent-Type: application/pdf; name=a.pdf\r\nContent-Disposition: attachment\r\nContent-Transfer-Encoding: base64\r\n\r\nJVBERg==\r\n--x--\r\n"

func TestEncodings(t *testing.T) {
	f := newFixture(t)
	const form, js = "application/x-www-form-urlencoded", "application/json"
	send := `{"To":[{"Address":"x@y.example"}],"Text":"hi"}`
	mp := func(method string, fields ...string) response {
		ct, body := multipartForm(fields...)
		return do(t, f.request(t, method, ct, body))
	}
	plain := func(ct, body string) response { return do(t, f.request(t, "Send", ct, strings.NewReader(body))) }
	compressed := f.request(t, "Send", js, strings.NewReader(send))
	compressed.Header.Set("Content-Encoding", "gzip")
	for _, tc := range []struct {
		what   string
		resp   response
		status int
		text   string
	}{
		{"json", plain(js, send), 200, `"Submissions":[{"Address":"x@y.example"`},
		{"json with charset", plain(js+"; charset=utf-8", send), 200, ""},
		{"form", plain(form, "request="+url.QueryEscape(send)), 200, ""},
		{"multipart", mp("Send", "request", send), 200, ""},
		{"multipart with file", mp("Send", "request", send, "attachedfile", "hello"), 200, ""},
		{"unknown field", plain(js, `{"TO":[],"Bogus":1}`), 400, `"Code":"protocol","Message":"request is not valid: unknown field \"Bogus\""`},
		{"wrong type", plain(js, `{"To":"x@y.example"}`), 400, `"Code":"protocol","Message":"request is not valid: To: string in place of: list of NameAddress"`},
		// Before it: To., or To.0. from Go 1.27 on.
		{"wrong type within", plain(js, `{"To":[{"Address":5}]}`), 400, `Address: number in place of: string`},
		{"not an object", plain(js, ` []`), 400, `must be a JSON object`},
		{"compressed", do(t, compressed), 400, "not compressed"},
		{"null", plain(js, `null`), 400, `must be a JSON object`},
		{"cut", plain(js, `{"To":[`), 400, `ends too early`},
		{"not UTF-8", plain(js, strings.Replace(send, "hi", "h\xe9", 1)), 400, `not in UTF-8`},
		{"header without value", plain(js, strings.Replace(send, "{", `{"Headers":[["X-A"]],`, 1)), 400, "two strings"},
		{"header with two values", plain(js, strings.Replace(send, "{", `{"Headers":[["X-A","1","2"]],`, 1)), 400, "two strings"},
		{"header of a number", plain(js, strings.Replace(send, "{", `{"Headers":[["X-A",1]],`, 1)), 400, "two strings"},
		{"year 1", plain(js, strings.Replace(send, "{", `{"Date":"0001-01-01T00:00:00Z",`, 1)), 400, `"Code":"user","Message":"Date of the year 1"`},
		{"two objects", plain(js, send+send), 400, "more after"},
		{"no json", plain(js, ``), 400, "protocol"},
		{"no type", plain("", send), 400, "Content-Type"},
		{"other type", plain("text/plain", send), 400, "not understood"},
		{"form without field", plain(form, "x=y"), 400, "request"},
		{"form with two", plain(form, "request={}&request={}"), 400, "no other"},
		{"bad form", plain(form, "request=%zz"), 400, "form cannot be read"},
		{"multipart without", mp("Send", "attachedfile", "x"), 400, "no field"},
		{"multipart with other", mp("Send", "request", send, "other", "x"), 400, "unknown here"},
		{"file for another method", mp("SuppressionList", "request", "{}", "attachedfile", "x"), 400, "unknown here"},
		{"multipart without boundary", plain("multipart/form-data", "x"), 400, "boundary"},
		{"cut multipart", plain("multipart/form-data; boundary=x", "--x\r\nContent-Disposition: form-data; name=request\r\n\r\n{"), 400, "reading"},
	} {
		if tc.resp.status != tc.status || !strings.Contains(tc.resp.body, tc.text) {
			t.Errorf("%s: %d %s, want %d with %q", tc.what, tc.resp.status, tc.resp.body, tc.status, tc.text)
		}
	}
	if _, raw := f.last(t); !strings.Contains(raw, "filename=f.txt") {
		t.Errorf("the file is missing:\n%s", raw)
	}
	// A body of unknown length that is too long.
	req := f.request(t, "Send", js, io.MultiReader(strings.NewReader(`{"Text":"`), strings.NewReader(strings.Repeat("x", 3<<20))))
	req.ContentLength = -1
	if resp := do(t, req); resp.status != 413 || !strings.Contains(resp.body, "messageTooLarge") {
		t.Errorf("long body: %+v", resp)
	}
}

func TestAuth(t *testing.T) {
	f := newFixture(t)
	token := func(scopes ...auth.Scope) string {
		tok, _, err := f.auth.AddToken(t.Context(), auth.Token{Login: "mjl@mx.example", Scopes: scopes})
		if err != nil {
			t.Fatal(err)
		}
		return "Bearer " + tok
	}
	basic := func(user, pw string) string {
		r, _ := http.NewRequest("GET", "/", nil)
		r.SetBasicAuth(user, pw)
		return r.Header.Get("Authorization")
	}
	sender := token(auth.ScopeSend)
	for _, tc := range []struct {
		what, method, authorization string
		header                      [2]string
		status                      int
		text                        string
	}{
		{"none", "SuppressionList", "", [2]string{}, 401, "credentials"},
		{"basic", "SuppressionList", basic("mjl@mx.example", password), [2]string{}, 200, ""},
		{"wrong", "SuppressionList", basic("mjl@mx.example", "wrong"), [2]string{}, 401, "bad credentials"},
		{"unknown", "SuppressionList", basic("nobody@mx.example", "wrong"), [2]string{}, 401, "bad credentials"},
		{"disabled", "SuppressionList", basic("off@mx.example", password), [2]string{}, 403, "gone fishing"},
		{"token", "SuppressionList", token(auth.ScopeSuppress), [2]string{}, 200, ""},
		{"other scope", "SuppressionList", sender, [2]string{}, 403, "forbidden"},
		{"write without scope", "MessageDelete", token(auth.ScopeRead), [2]string{}, 403, "forbidden"},
		{"no token", "SuppressionList", "Bearer mox_aaaa_bbbb", [2]string{}, 401, ""},
		{"scheme", "SuppressionList", "Digest x", [2]string{}, 401, ""},
		{"same site", "SuppressionList", basic("mjl@mx.example", password), [2]string{"Sec-Fetch-Site", "same-origin"}, 200, ""},
		// The browser adds the password that it knows.
		{"other site", "SuppressionList", basic("mjl@mx.example", password), [2]string{"Sec-Fetch-Site", "cross-site"}, 403, "other sites"},
		{"other origin", "SuppressionList", basic("mjl@mx.example", password), [2]string{"Origin", "https://evil.example"}, 403, "other sites"},
	} {
		req := f.request(t, tc.method, "application/json", strings.NewReader("{}"))
		req.Header.Del("Authorization")
		if tc.authorization != "" {
			req.Header.Set("Authorization", tc.authorization)
		}
		if tc.header[0] != "" {
			req.Header.Set(tc.header[0], tc.header[1])
		}
		resp := do(t, req)
		if resp.status != tc.status || !strings.Contains(resp.body, tc.text) {
			t.Errorf("%s: %d %s, want %d with %q", tc.what, resp.status, resp.body, tc.status, tc.text)
		}
		if challenge := resp.header.Get("WWW-Authenticate"); (challenge == `Basic realm="webapi"`) != (tc.status == 401) {
			t.Errorf("%s: challenge %q", tc.what, challenge)
		}
	}
	f.client.Token = strings.TrimPrefix(sender, "Bearer ")
	if _, err := f.client.Send(t.Context(), simple()); err != nil {
		t.Errorf("client with token: %v", err)
	}
	bad := &webapi.Client{BaseURL: f.url, Username: "mjl@mx.example", Password: "wrong"}
	var status *webapi.StatusError
	for i := range 11 {
		_, err := bad.SuppressionList(t.Context())
		if want := map[bool]int{true: 401, false: 429}[i < 10]; !errors.As(err, &status) || status.StatusCode != want {
			t.Errorf("failure %d: %v", i, err)
		}
	}
}

// TestBusy has no room for a request in memory.
func TestBusy(t *testing.T) {
	f := newFixture(t)
	f.server.c.Limits.Wait = time.Millisecond
	if err := f.server.memory.Acquire(t.Context(), f.server.c.Limits.InFlight); err != nil {
		t.Fatal(err)
	}
	resp := do(t, f.request(t, "SuppressionList", "application/json", strings.NewReader("{}")))
	if resp.status != 503 || resp.header.Get("Retry-After") == "" {
		t.Errorf("%+v", resp)
	}
	f.server.memory.Release(f.server.c.Limits.InFlight)
	if _, err := f.client.SuppressionList(t.Context()); err != nil {
		t.Error(err)
	}
	if last := f.results[len(f.results)-1]; last != "SuppressionList ok" {
		t.Errorf("results %v", f.results)
	}
}

// FuzzRequest feeds bodies to the decoder and composes what it takes: never a panic, and
// never a header that was not meant.
func FuzzRequest(f *testing.F) {
	f.Add("application/json", []byte(`{"To":[{"Address":"x@y.example"}],"Text":"hi","Headers":[["X-A","b"]]}`))
	f.Add("application/x-www-form-urlencoded", []byte(`request={}`))
	f.Add("multipart/form-data; boundary=x", []byte("--x\r\nContent-Disposition: form-data; name=request\r\n\r\n{\"Text\":\"x\"}\r\n--x\r\nContent-Disposition: form-data; name=attachedfile; filename=a\r\n\r\nx\r\n--x--\r\n"))
	s := New(Config{Limits: Limits{Body: 1 << 20}})
	m := s.methods["Send"]
	f.Fuzz(func(t *testing.T, contentType string, body []byte) {
		r := httptest.NewRequest("POST", "/v0/Send", bytes.NewReader(body))
		r.Header.Set("Content-Type", contentType)
		c := &call{s: s, w: httptest.NewRecorder(), r: r, who: &auth.Principal{Account: "mjl", Login: "mjl@mx.example"}}
		v, err := c.decode(m)
		if err != nil {
			return
		}
		req := v.(*webapi.SendRequest)
		req.AttachedFiles = append(req.AttachedFiles, c.files.attached...)
		d, err := c.draft(req)
		if err != nil {
			return
		}
		var b bytes.Buffer
		if err := d.write(&b); err != nil {
			return
		}
		h := message.ParseHeader(b.Bytes())
		if n := len(h.Values("Bcc")); n > 1 || n == 1 && len(req.BCC) == 0 {
			t.Errorf("a field Bcc was smuggled in:\n%s", b.Bytes())
		}
		for _, name := range []string{"From", "To", "Subject", "Message-ID", "Date", "Content-Type", "MIME-Version"} {
			if len(h.Values(name)) > 1 {
				t.Errorf("two fields %s:\n%s", name, b.Bytes())
			}
		}
	})
}
