package moxtest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mox/config"
	"mox/jmap"
	"mox/moxtest"
)

// jmapCall makes a call of JMAP with a password.
func jmapCall(t *testing.T, s *moxtest.Server, login, name, args string) string {
	t.Helper()
	body := fmt.Sprintf(`{"using": [%q], "methodCalls": [[%q, %s, "c"]]}`, jmap.CapabilityCore, name, args)
	r, err := http.NewRequest("POST", "http://"+s.Addr("web")+"/jmap/api", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.SetBasicAuth(login, moxtest.Password)
	r.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%s: %d %s, %v", name, res.StatusCode, b, err)
	}
	return string(b)
}

// TestPush: a program is told of mail through a push service, by HTTPS, and no more once its password is another one. Services in
// our own network are not called, whatever their name is.
func TestPush(t *testing.T) {
	requests := make(chan string, 10)
	service := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		if err != nil || r.Method != "POST" || r.ProtoMajor != 2 {
			t.Error(r.Method, r.Proto, err)
		}
		requests <- r.URL.Path + " " + string(b)
		w.WriteHeader(http.StatusCreated)
	}))
	service.EnableHTTP2 = true // RFC 8030
	service.StartTLS()
	defer service.Close()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: service.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	dialed := make(chan string, 10)
	s := moxtest.New(t, moxtest.WithAccount("mox", "mox@mox.example"), moxtest.WithConfig(func(static *config.Static, _ *config.Dynamic) {
		l := static.Listeners["test"]
		l.JMAPHTTP = config.WebService{Enabled: true}
		static.Listeners["test"] = l
		static.TLS.CA = &config.CA{AdditionalToSystem: true, CertFiles: []string{ca}}
	}), moxtest.WithDial(func(ctx context.Context, network, address string) (net.Conn, error) {
		dialed <- address
		return (&net.Dialer{}).DialContext(ctx, network, service.Listener.Addr().String())
	}))
	s.DNS.A["example.com"] = []string{"203.0.113.9"} // the name in its certificate
	s.DNS.A["inside.example"] = []string{"127.0.0.1", "10.0.0.1", "169.254.169.254"}
	wait := func() string {
		t.Helper()
		select {
		case r := <-requests:
			return r
		case <-time.After(time.Minute):
			t.Fatal("nothing was pushed")
		}
		return ""
	}
	const login = "mox@mox.example"
	if got := jmapCall(t, s, login, "PushSubscription/set", `{"create": {"k": {"deviceClientId": "e", "url": "https://inside.example/"}, "l": {"deviceClientId": "e", "url": "https://127.0.0.1/"}}}`); !strings.Contains(got, `"created":{"k":{`) || !strings.Contains(got, "not a public address") {
		t.Error(got)
	}
	jmapCall(t, s, login, "PushSubscription/set", `{"create": {"k": {"deviceClientId": "d", "url": "https://example.com/device/1"}}}`)
	path, body, _ := strings.Cut(wait(), " ")
	var v struct {
		Type string `json:"@type"`
		ID   string `json:"pushSubscriptionId"`
		Code string `json:"verificationCode"`
	}
	if err := json.NewDecoder(bytes.NewReader([]byte(body))).Decode(&v); err != nil || path != "/device/1" || v.Type != "PushVerification" {
		t.Fatal(path, body, err)
	}
	got := jmapCall(t, s, login, "PushSubscription/set", fmt.Sprintf(`{"update": {%q: {"verificationCode": %q}}}`, v.ID, v.Code))
	if !strings.Contains(got, `"updated":{"`+v.ID+`":null}`) {
		t.Fatal(got)
	}
	s.Send(t, "a@remote.example", login, "Subject: hi\r\n\r\nhi\r\n")
	if r := wait(); !strings.Contains(r, `"@type":"StateChange"`) || !strings.Contains(r, `"EmailDelivery":"`) {
		t.Error(r)
	}
	if err := s.Auth.SetPassword(t.Context(), "mox", moxtest.Password); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		acc, err := s.Store.Account(t.Context(), "mox")
		if err != nil {
			t.Fatal(err)
		}
		all, err := acc.Settings(t.Context(), "jmap/push/")
		acc.Release()
		if err != nil {
			t.Fatal(err)
		}
		if len(all) == 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the subscriptions are there with another password")
		}
	}
	if got := jmapCall(t, s, login, "PushSubscription/get", `{"ids": null}`); !strings.Contains(got, `"list":[]`) {
		t.Error(got)
	}
	close(dialed)
	for a := range dialed {
		if a != "203.0.113.9:443" {
			t.Errorf("%s was called", a)
		}
	}
}
