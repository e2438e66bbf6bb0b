package moxtest_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"mox/config"
	"mox/moxtest"
)

// TestDiscovery: mail programs get settings by HTTPS at autoconfig.<domain>, profiles are signed by
// the certificate of the host, and nothing of it is at other names.
func TestDiscovery(t *testing.T) {
	certs := certificates{t.TempDir(), x509.NewCertPool()}
	s := moxtest.New(t, moxtest.WithConfig(func(static *config.Static, dynamic *config.Dynamic) {
		l := static.Listeners["test"]
		l.AutoconfigHTTPS = config.DiscoveryService{Enabled: true}
		l.TLS.KeyCerts = []config.KeyCert{certs.make(t, moxtest.Hostname), certs.make(t, "autoconfig."+moxtest.Domain), certs.make(t, "autoconfig.other.example")}
		static.Listeners["test"] = l
	}))
	client := http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, s.Addr("webhttps"))
		},
		TLSClientConfig: &tls.Config{RootCAs: certs.pool},
	}}
	get := func(url string) (int, []byte) {
		t.Helper()
		resp, err := client.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, b
	}
	_, port, err := net.SplitHostPort(s.Addr("imaps"))
	if err != nil {
		t.Fatal(err)
	}
	code, body := get("https://autoconfig." + moxtest.Domain + "/mail/config-v1.1.xml?emailaddress=nobody%40" + moxtest.Domain)
	if want := "<username>nobody@" + moxtest.Domain + "</username>"; code != 200 || !strings.Contains(string(body), want) {
		t.Errorf("%d, port %s: %s", code, port, body)
	}
	if code, body := get("https://autoconfig.other.example/mail/config-v1.1.xml"); code != 404 {
		t.Errorf("other domain: %d %s", code, body)
	}
	code, body = get("https://" + moxtest.Hostname + "/profile.mobileconfig?addresses=nobody@" + moxtest.Domain)
	// SignedData, RFC 5652 5.1.
	if code != 200 || body[0] != 0x30 || !bytes.Contains(body, []byte("\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02")) || !bytes.Contains(body, []byte("com.apple.mail.managed")) {
		t.Errorf("profile: %d %.200q", code, body)
	}
	resp, err := client.Post("https://"+moxtest.Hostname+"/autodiscover/autodiscover.xml", "text/xml", strings.NewReader(fmt.Sprintf("<Autodiscover><Request><EMailAddress>a@%s</EMailAddress></Request></Autodiscover>", moxtest.Domain)))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if b, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode != 200 || !strings.Contains(string(b), "<Type>SMTP</Type>") {
		t.Errorf("autodiscover: %d %s %v", resp.StatusCode, b, err)
	}
	for metric, keys := range map[string][]string{
		"mox_httpserver_response_duration_seconds": {
			"code=200,handler=autoconf,method=get,proto=https", "code=404,handler=(nohandler),method=get,proto=https",
			"code=200,handler=mobileconfig,method=get,proto=https", "code=200,handler=autodiscover,method=post,proto=https",
		},
		"mox_autodiscover_request_total": {"domain=" + moxtest.Domain},
	} {
		seen, err := s.Registry.Gather(metric)
		if err != nil {
			t.Fatal(err)
		}
		for _, key := range keys {
			if seen[key] != 1 {
				t.Errorf("metrics: no %s in %v", key, seen)
			}
		}
	}
	if seen, err := s.Registry.Gather("mox_autoconf_request_total"); err != nil || seen["domain="+moxtest.Domain] != 2 {
		t.Errorf("metrics: %v, %v", seen, err)
	}
}
