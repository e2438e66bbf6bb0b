package moxtest_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"net"
	"net/http"
	"net/http/cookiejar"
	"testing"

	"mox/accountapi"
	"mox/adminapi"
	"mox/auth"
	"mox/config"
	"mox/jsoncall"
	"mox/moxtest"
	"mox/websession"
)

// TestPages: users and administrators log in to pages on ports of their own, with TLS, and what a user changes there
// counts for mail.
func TestPages(t *testing.T) {
	s := moxtest.New(t, moxtest.WithConfig(func(static *config.Static, _ *config.Dynamic) {
		l := static.Listeners["test"]
		l.WebAPIHTTP = config.WebService{}
		l.AccountHTTPS = config.WebService{Enabled: true}
		l.AdminHTTP = config.WebService{Enabled: true}
		static.Listeners["test"] = l
		static.AdminPasswordFile = "adminpasswd"
	}))
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Jar: jar, Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, addr string) (net.Conn, error) {
			service := map[string]string{moxtest.Hostname + ":443": "webhttps", moxtest.Hostname + ":80": "web"}[addr]
			return new(net.Dialer).DialContext(ctx, "tcp", s.Addr(service))
		},
		TLSClientConfig: &tls.Config{RootCAs: s.RootCAs}, ForceAttemptHTTP2: true,
	}}
	csrf := ""
	call := func(function string, request, result any) int {
		t.Helper()
		b, err := json.Marshal(request)
		if err != nil {
			t.Fatal(err)
		}
		req, err := http.NewRequest("POST", function, bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set(jsoncall.HeaderCSRF, csrf)
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if err := json.NewDecoder(resp.Body).Decode(result); err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode
	}
	const account, admin = "https://" + moxtest.Hostname + "/api/", "http://" + moxtest.Hostname + "/admin/api/"
	var prep websession.LoginPrepResult
	var login websession.LoginResult
	call(account+"LoginPrep", websession.LoginPrepRequest{}, &prep)
	if status := call(account+"Login", websession.LoginRequest{Token: prep.Token, Username: "mox@" + moxtest.Domain, Password: moxtest.Password}, &login); status != 200 || login.Account != "mox" {
		t.Fatalf("login: %d %+v", status, login)
	}
	csrf = login.CSRFToken
	const password = "another password"
	if status := call(account+"SetPassword", accountapi.SetPasswordRequest{CurrentPassword: moxtest.Password, Password: password}, &struct{}{}); status != 200 {
		t.Fatalf("SetPassword: %d", status)
	}
	attempt, err := s.Auth.Begin(t.Context(), auth.Info{Protocol: "imap"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := attempt.Login(t.Context(), "mox@"+moxtest.Domain, password); err != nil {
		t.Errorf("new password: %v", err)
	}
	var attempts accountapi.LoginAttemptsResult
	if status := call(account+"LoginAttempts", accountapi.LoginAttemptsRequest{}, &attempts); status != 200 || len(attempts.LoginAttempts) != 2 {
		t.Errorf("attempts: %d %+v", status, attempts)
	}
	for _, a := range attempts.LoginAttempts {
		if a.Result != "ok" || a.Protocol == "webaccount" && a.TLS == "" {
			t.Errorf("attempt %+v", a)
		}
	}

	var aprep websession.LoginPrepResult
	call(admin+"LoginPrep", websession.LoginPrepRequest{}, &aprep)
	var failed struct{ Code, Message string }
	if status := call(admin+"Login", adminapi.LoginRequest{Token: aprep.Token, Password: password}, &failed); status != 400 || failed.Code != string(jsoncall.CodeLoginFailed) {
		t.Errorf("without password: %d %+v", status, failed)
	}
}
