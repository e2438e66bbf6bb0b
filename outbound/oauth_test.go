package outbound

import (
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mox/config"
)

// endpoint is a token endpoint.
type endpoint struct {
	forms   []url.Values
	answers []string // the last one is repeated
	status  int
}

func (e *endpoint) RoundTrip(r *http.Request) (*http.Response, error) {
	b, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	form, err := url.ParseQuery(string(b))
	if err != nil {
		return nil, err
	}
	e.forms = append(e.forms, form)
	answer := e.answers[0]
	if len(e.answers) > 1 {
		e.answers = e.answers[1:]
	}
	status := e.status
	if status == 0 {
		status = 200
	}
	return &http.Response{StatusCode: status, Status: http.StatusText(status), Body: io.NopCloser(strings.NewReader(answer)), Header: http.Header{}, Request: r}, nil
}

// oauthRelay is a server that takes tokens. It refuses a token with JSON.
func oauthRelay(t *testing.T, b *bench, o config.SMTPOAuth, token *string, mechs ...string) *server {
	s := relay(t, b)
	s.ext = []string{"AUTH " + strings.Join(mechs, " ")}
	s.handle = func(verb, line string, _ int) string {
		switch {
		case line == "AQ==" || verb == "":
			return "535 5.7.8 no"
		case verb != "AUTH":
			return ""
		}
		words := strings.Fields(line)
		given, _ := base64.StdEncoding.DecodeString(words[2])
		want := "n,a=user,\x01host=relay.test\x01port=587\x01auth=Bearer " + *token + "\x01\x01"
		if words[1] == "XOAUTH2" {
			want = "user=user\x01auth=Bearer " + *token + "\x01\x01"
		}
		if string(given) == want {
			return "235 2.7.0 hello"
		}
		return "334 " + base64.StdEncoding.EncodeToString([]byte(`{"status":"invalid_token","scope":"smtp"}`))
	}
	static := *b.snapshot.Static
	static.Transports = map[string]config.Transport{"relay": {Submission: &config.TransportSMTP{Host: "relay.test", Auth: &config.SMTPAuth{Username: "user", OAuth: &o}}}}
	b.snapshot.Static = &static
	for i := range b.snapshot.Routes {
		relay := static.Transports["relay"]
		b.snapshot.Routes[i].Transport = &relay
	}
	return s
}

func secretFile(t *testing.T, b *bench, name, text string) string {
	path := filepath.Join(filepath.Dir(b.snapshot.Path), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

const toRelay = "Routes:\n\t-\n\t\tTransport: relay\n"

// TestTokenFile: it is read for each login; mail waits while it is not there or not good.
func TestTokenFile(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var file string
		b := setup(t, toRelay, func(b *bench) {
			token := "t1"
			oauthRelay(t, b, config.SMTPOAuth{TokenFile: "token"}, &token, "PLAIN", "XOAUTH2")
			file = filepath.Join(filepath.Dir(b.snapshot.Path), "token")
		})
		id := b.send("a@dest.test")[0]
		synctest.Wait()
		b.want(id, "delayed 4.7.8")
		if err := os.WriteFile(file, []byte("old\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		b.want(id, "delayed 4.7.8")
		if text := b.records()[1].Result.Error; !strings.Contains(text, `"invalid_token", it wants scope "smtp"`) {
			t.Errorf("%q", text)
		}
		if err := os.WriteFile(file, []byte("t1\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		time.Sleep(20 * time.Minute)
		synctest.Wait()
		b.want(id, "delivered")
	})
}

// TestTokenRenewed: a token is asked for once, again before it expires and when it is refused; a
// new refresh token is kept.
func TestTokenRenewed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		e := &endpoint{answers: []string{
			`{"access_token":"t1","token_type":"Bearer","expires_in":600,"refresh_token":"r2"}`,
			`{"access_token":"t2","token_type":"bearer","expires_in":3600}`,
			`{"access_token":"t3","expires_in":3600}`,
		}}
		token := "t1"
		var s *server
		var file string
		b := setup(t, toRelay, func(b *bench) {
			b.c.HTTP = &http.Client{Transport: e}
			file = secretFile(t, b, "refresh", "r1\n")
			o := config.SMTPOAuth{TokenURL: "https://token.test/", ClientID: "c", ClientSecretFile: secretFile(t, b, "secret", "hush"), RefreshTokenFile: file, Scope: "mail"}
			s = oauthRelay(t, b, o, &token, "OAUTHBEARER", "XOAUTH2")
		})
		send := func(want int) {
			t.Helper()
			id := b.send("a@dest.test")[0]
			synctest.Wait()
			b.want(id, "delivered")
			if len(e.forms) != want {
				t.Fatalf("%d tokens were asked for, want %d", len(e.forms), want)
			}
			time.Sleep(time.Minute) // the connection is closed
		}
		send(1)
		send(1)
		if want := (url.Values{"grant_type": {"refresh_token"}, "refresh_token": {"r1"}, "client_id": {"c"}, "client_secret": {"hush"}, "scope": {"mail"}}); e.forms[0].Encode() != want.Encode() {
			t.Errorf("form %v", e.forms[0])
		}
		if kept, err := os.ReadFile(file); err != nil || string(kept) != "r2\n" {
			t.Errorf("refresh token %q, %v", kept, err)
		}
		time.Sleep(7 * time.Minute) // less than two minutes are left
		token = "t2"
		send(2)
		if e.forms[1].Get("refresh_token") != "r2" {
			t.Errorf("form %v", e.forms[1])
		}
		token = "t3" // the one before was taken back
		send(3)
		if !slices.ContainsFunc(s.said(), func(l string) bool { return l == "AQ==" }) {
			t.Errorf("no dummy response: %q", s.said())
		}
	})
}

// TestNoToken: what goes wrong at the endpoint is told, and mail waits.
func TestNoToken(t *testing.T) {
	for _, tc := range []struct {
		answer, want string
		status       int
	}{
		{`{"error":"invalid_grant","error_description":"token has been revoked"}`, `"invalid_grant" "token has been revoked"`, 400},
		{`<html>`, "HTTP status Bad Gateway", 502},
		{`<html>`, "not JSON", 200},
		{`{}`, "no token in the answer", 200},
		{`{"access_token":"x","token_type":"mac"}`, `token of type "mac"`, 200},
		{`{"access_token":"x y"}`, "not printable", 200},
	} {
		bubble(t, func(t *testing.T) {
			e := &endpoint{answers: []string{tc.answer}, status: tc.status}
			token := "t1"
			b := setup(t, toRelay, func(b *bench) {
				b.c.HTTP = &http.Client{Transport: e}
				oauthRelay(t, b, config.SMTPOAuth{TokenURL: "https://token.test/", ClientID: "c", RefreshTokenFile: secretFile(t, b, "refresh", "r1")}, &token, "OAUTHBEARER")
			})
			id := b.send("a@dest.test")[0]
			synctest.Wait()
			b.want(id, "delayed 4.7.8")
			if text := b.records()[0].Result.Error; !strings.Contains(text, tc.want) || strings.Contains(text, "r1") {
				t.Errorf("%s: %q", tc.answer, text)
			}
		})
	}
}

// TestClientCertificate: with EXTERNAL where it is offered, otherwise TLS alone.
func TestClientCertificate(t *testing.T) {
	for _, mechs := range []string{"EXTERNAL PLAIN", "PLAIN"} {
		bubble(t, func(t *testing.T) {
			var s *server
			b := setup(t, toRelay, func(b *bench) {
				s = relay(t, b)
				s.ext, s.clients = []string{"AUTH " + mechs}, true
				s.handle = func(_, line string, _ int) string {
					if line == "AUTH EXTERNAL =" {
						return "235 2.7.0 hello"
					}
					return ""
				}
				cert := *newAuthority(t).issue(t, "client.test")
				b.snapshot.ClientCertificates = map[string]tls.Certificate{"relay": cert}
				tr := config.Transport{Submission: &config.TransportSMTP{Host: "relay.test", Auth: &config.SMTPAuth{ClientCertificate: &config.ClientCertificate{}}}}
				b.snapshot.Routes[0].Transport = &tr
			})
			id := b.send("a@dest.test")[0]
			synctest.Wait()
			b.want(id, "delivered")
			if asked := slices.Contains(s.said(), "AUTH EXTERNAL ="); asked != strings.HasPrefix(mechs, "EXTERNAL") {
				t.Errorf("%s: %q", mechs, s.said())
			}
		})
	}
}

// FuzzTokenAnswer: whatever an endpoint says, a token that is used is printable.
func FuzzTokenAnswer(f *testing.F) {
	f.Add(`{"access_token":"t","token_type":"Bearer","expires_in":3600}`)
	f.Add(`{"error":"x"}`)
	f.Fuzz(func(t *testing.T, s string) {
		var a tokenAnswer
		if json.Unmarshal([]byte(s), &a) == nil && lifetime(a.ExpiresIn) <= 0 {
			t.Errorf("lifetime %s", lifetime(a.ExpiresIn))
		}
	})
}
