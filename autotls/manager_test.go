package autotls

import (
	"crypto/tls"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mox/acme"
)

// TestIssue: what is for the start is gotten then, and is on disk for the next.
func TestIssue(t *testing.T) {
	run(t, func(t *testing.T) {
		w := newWorld(t, "mail.d.example", "autoconfig.d.example")
		w.hosts = append(w.hosts, Host{Name: "mta-sts.d.example", Provider: "ca"})
		w.zone.A["mta-sts.d.example"] = []string{"192.0.2.1"}
		w.ca.BadNonces, w.ca.Delay = 3, 3*time.Second
		w.start()
		pause(500 * time.Millisecond)
		if n := w.orders(); n != 0 {
			t.Errorf("%d orders before the first delay", n)
		}
		pause(time.Minute)
		if n := w.orders(); n != 2 {
			t.Errorf("%d orders", n)
		}
		serial := w.serial("mail.d.example", &tls.Config{})
		w.serial("MAIL.D.example.", &tls.Config{})
		// Others come with the first client, which waits.
		start := time.Now()
		w.serial("mta-sts.d.example", &tls.Config{})
		if d := time.Since(start); d < 6*time.Second || d > 20*time.Second {
			t.Errorf("waited for %s", d)
		}
		rsa := w.serial("mail.d.example", onlyRSA())
		if n := w.orders(); n != 4 || rsa == serial {
			t.Errorf("%d orders", n)
		}
		for _, path := range []string{"ca.key", "ca.json", "keycerts/ca/mail.d.example", "keycerts/ca/mail.d.example+rsa", "keycerts/ca/mta-sts.d.example"} {
			info, err := os.Stat(filepath.Join(w.dir, path))
			if err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("%s: %v, %v", path, info, err)
			}
		}
		if uri := w.m.AccountURI(); !strings.HasPrefix(uri, w.ca.URL+"/acct/") {
			t.Errorf("account %q", uri)
		}
		uri, err := StoredAccountURI(w.dir, "ca", w.ca.DirectoryURL())
		if err != nil || uri != w.m.AccountURI() {
			t.Errorf("stored account %q, %v", uri, err)
		}
		w.stop()
		w.start()
		defer w.stop()
		pause(time.Hour)
		if w.serial("mail.d.example", &tls.Config{}) != serial || w.serial("mail.d.example", onlyRSA()) != rsa || w.orders() != 4 || w.ca.Accounts != 1 {
			t.Errorf("asked for anew: %d orders, %d accounts", w.orders(), w.ca.Accounts)
		}
	})
}

// TestChallenges: each challenge works, and after a failure another one is tried.
func TestChallenges(t *testing.T) {
	for _, typ := range []string{acme.HTTP01, acme.TLSALPN01, acme.DNS01} {
		run(t, func(t *testing.T) {
			w := newWorld(t, "mail.d.example")
			w.o.Providers[0].Challenges = []string{typ}
			w.o.Providers[0].Wait = time.Minute
			used := ""
			w.ca.Validate = func(typ, name, token, auth string) error {
				used = typ
				return w.validate(typ, name, token, auth)
			}
			w.start()
			defer w.stop()
			pause(3 * time.Minute)
			w.serial("mail.d.example", &tls.Config{})
			if used != typ {
				t.Errorf("used %s, want %s", used, typ)
			}
			if len(w.txt.have)+len(w.m.tokens)+len(w.m.alpn) != 0 {
				t.Error("answers are left")
			}
		})
	}
	run(t, func(t *testing.T) {
		w := newWorld(t, "mail.d.example")
		var used []string
		w.ca.Validate = func(typ, name, token, auth string) error {
			if used = append(used, typ); typ == acme.TLSALPN01 {
				return errors.New("connection refused")
			}
			return w.validate(typ, name, token, auth)
		}
		w.start()
		defer w.stop()
		pause(5 * time.Minute)
		s := w.m.Status()[0]
		if s.Failures != 1 || !strings.Contains(s.LastError, "validation of mail.d.example by tls-alpn-01 failed: unauthorized: connection refused") || w.count("error") != 1 {
			t.Errorf("%+v", s)
		}
		pause(20 * time.Minute)
		w.serial("mail.d.example", &tls.Config{})
		if s := w.m.Status()[0]; strings.Join(used, " ") != "tls-alpn-01 http-01" || s.Failures != 0 || s.LastError != "" {
			t.Errorf("%q, %+v", used, s)
		}
	})
}

// TestPolicies: http reference, section 1.2.
func TestPolicies(t *testing.T) {
	run(t, func(t *testing.T) {
		w := newWorld(t, "mail.d.example", "autoconfig.d.example")
		https, mail := testPolicy, testPolicy
		mail.Missing = true
		smtp := mail
		smtp.Unknown, smtp.SelfSigned = true, true
		w.start()
		defer w.stop()
		// Before there is one.
		cs, err := w.dial("", &tls.Config{}, smtp)
		if err != nil || cs.PeerCertificates[0].Issuer.CommonName != "mail.d.example" {
			t.Errorf("smtp before: %v", err)
		}
		pause(time.Minute)
		for _, tc := range []struct {
			what, ask string
			policy    NamePolicy
			want      string
			err       error
		}{
			{"https", "mail.d.example", https, "mail.d.example", nil},
			{"https", "autoconfig.d.example", https, "autoconfig.d.example", nil},
			{"https", "", https, "", ErrMissingName},
			{"https", "x.d.example", https, "", ErrUnknownName},
			{"mail", "", mail, "mail.d.example", nil},
			{"mail", "autoconfig.d.example", mail, "autoconfig.d.example", nil},
			{"mail", "x.d.example", mail, "", ErrUnknownName},
			{"smtp", "", smtp, "mail.d.example", nil},
			{"smtp", "x.d.example", smtp, "mail.d.example", nil},
			{"smtp", "autoconfig.d.example", smtp, "autoconfig.d.example", nil},
		} {
			cs, err := w.dial(tc.ask, &tls.Config{}, tc.policy)
			if !errors.Is(err, tc.err) || tc.err == nil && (err != nil || cs.PeerCertificates[0].DNSNames[0] != tc.want || cs.PeerCertificates[0].Issuer.CommonName != "Test CA") {
				t.Errorf("%s, %q: %v", tc.what, tc.ask, err)
			}
		}
		if w.count("missing") != 1 || w.count("unknown") != 2 {
			t.Errorf("%v", w.counts)
		}
		if w.orders() != 2 {
			t.Errorf("%d orders", w.orders())
		}
	})
}

// TestNames: after a reload names that are new are gotten, and those that are gone are refused.
func TestNames(t *testing.T) {
	run(t, func(t *testing.T) {
		w := newWorld(t, "mail.d.example", "autoconfig.d.example")
		w.start()
		defer w.stop()
		pause(time.Minute)
		w.change(func() { w.zone.A["autoconfig.e.example"] = []string{"192.0.2.1"} })
		w.m.SetNames([]Host{w.hosts[0], {Name: "autoconfig.e.example", Provider: "ca", AtStart: true}, {Name: "x.example", Provider: "other", AtStart: true}})
		pause(time.Minute)
		w.serial("autoconfig.e.example", &tls.Config{})
		if _, err := w.dial("autoconfig.d.example", &tls.Config{}); !errors.Is(err, ErrUnknownName) {
			t.Error(err)
		}
		if len(w.m.Status()) != 2 || w.orders() != 3 {
			t.Errorf("%d orders, %+v", w.orders(), w.m.Status())
		}
		// It comes back, and is there still.
		w.m.SetNames(w.hosts)
		w.serial("autoconfig.d.example", &tls.Config{})
		if w.orders() != 3 {
			t.Errorf("%d orders", w.orders())
		}
	})
}
