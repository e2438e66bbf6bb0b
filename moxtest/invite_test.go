package moxtest_test

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"mox/config"
	"mox/imapclient"
	"mox/moxtest"
)

// TestInvite: a person gets a link, chooses a password, and logs in with it.
func TestInvite(t *testing.T) {
	t.Parallel()
	mox := moxtest.New(t, moxtest.WithConfig(func(s *config.Static, _ *config.Dynamic) {
		l := s.Listeners["test"]
		l.AutoconfigHTTPS = config.DiscoveryService{Enabled: true, Port: 8081, NonTLS: true}
		s.Listeners["test"] = l
	}))
	inv, err := mox.Admin.UserInvite(t.Context(), "test", "", "Jo@mox.example", time.Hour)
	if err != nil || !inv.Created || inv.Account != "jo" {
		t.Fatal(inv, err)
	}
	link, err := url.Parse(inv.URL)
	if err != nil || link.Host != moxtest.Hostname+":8081" {
		t.Fatal(inv.URL, err)
	}
	request := func(method, path string, form url.Values) (int, string) {
		t.Helper()
		req, _ := http.NewRequestWithContext(t.Context(), method, "http://"+mox.Addr("web")+path, strings.NewReader(form.Encode()))
		req.Host = moxtest.Hostname
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, _ := io.ReadAll(resp.Body)
		return resp.StatusCode, string(b)
	}
	login := func(password string) error {
		c, err := imapclient.New(context.Background(), mox.Dial(t, "imap"), imapclient.Options{})
		if err != nil {
			t.Fatal(err)
		}
		return c.Login(t.Context(), "jo@mox.example", password)
	}
	if code, body := request("GET", link.Path, nil); code != 200 || !strings.Contains(body, "jo@mox.example") && !strings.Contains(body, "Jo@mox.example") {
		t.Fatal(code, body)
	}
	const password = "a new password"
	if login(password) == nil {
		t.Fatal("logged in before there is a password")
	}
	form := url.Values{"password": {password}, "again": {password}}
	if code, body := request("POST", link.Path, url.Values{"password": {"pass\tword"}, "again": {"pass\tword"}}); code != 422 || !strings.Contains(body, "cannot be used") {
		t.Error(code, body)
	}
	if code, body := request("POST", link.Path, form); code != 200 || !strings.Contains(body, "Your account is ready") || !strings.Contains(body, "profile.mobileconfig") {
		t.Fatal(code, body)
	}
	if err := login(password); err != nil {
		t.Error(err)
	}
	if code, _ := request("POST", link.Path, form); code != 404 {
		t.Errorf("second use: %d", code)
	}

	// For one who forgot it, a link that a disabled account makes useless.
	again, err := mox.Admin.UserInvite(t.Context(), "test", "", "jo@mox.example", 0)
	if err != nil || again.Created {
		t.Fatal(again, err)
	}
	link, _ = url.Parse(again.URL)
	if err := mox.Admin.AccountDisable(t.Context(), "test", "jo", "gone"); err != nil {
		t.Fatal(err)
	}
	if code, _ := request("GET", link.Path, nil); code != 404 {
		t.Errorf("disabled: %d", code)
	}
}
