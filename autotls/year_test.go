package autotls

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"testing"
	"time"

	"mox/acme"
	"mox/acme/acmetest"
)

const dayLong = 24 * time.Hour

// TestYear lives through a year with restarts, a certificate authority that is away, refuses and
// limits, and names that fail for a time. No client ever sees a certificate that has ended, and
// there are few more orders than certificates.
func TestYear(t *testing.T) {
	for _, renewalInfo := range []bool{false, true} {
		t.Run(fmt.Sprintf("renewalinfo=%v", renewalInfo), func(t *testing.T) { run(t, func(t *testing.T) { year(t, renewalInfo) }) })
	}
}

func year(t *testing.T, renewalInfo bool) {
	w := newWorld(t, "mail.d.example", "autoconfig.d.example", "mail.e.example")
	keys := rsaKeys()
	host, err := newKey(ECDSA)
	if err != nil {
		t.Fatal(err)
	}
	w.hosts[0].Keys = HostKeys{ECDSA: host, RSA: keys[0]}
	w.ca.Delay = 2 * time.Second
	if renewalInfo {
		w.ca.AskAgain = 24 * time.Hour
		// A window of two days, a third of the life before the end.
		w.ca.Window = func(leaf *x509.Certificate) (start, end time.Time) {
			start = leaf.NotAfter.Add(-30 * dayLong)
			return start, start.Add(2 * dayLong)
		}
	}
	began := time.Now()
	day := func() int { return int(time.Since(began) / dayLong) }
	// What goes wrong when.
	validate := w.ca.Validate
	w.ca.Validate = func(typ, name, token, auth string) error {
		switch d := day(); {
		case name == "mail.e.example" && d < 2, name == "autoconfig.d.example" && d >= 58 && d < 66:
			return errors.New("connection refused")
		}
		return validate(typ, name, token, auth)
	}
	w.ca.Refuse = func(what, name string) *acmetest.Problem {
		switch d := day(); {
		case what == "newOrder" && name == "mail.d.example" && d >= 119 && d < 126:
			return &acmetest.Problem{Status: 429, Type: "rateLimited", Detail: "too many", RetryAfter: 36 * time.Hour}
		case what == "finalize" && d >= 180 && d < 184:
			return &acmetest.Problem{Status: 500, Type: "serverInternal"}
		}
		return nil
	}
	w.start()
	pause(time.Hour)
	for d := 0; d < 365; d++ {
		// A fortnight without the authority, and other bad days.
		down := d >= 55 && d < 57 || d >= 235 && d < 249
		w.ca.Lock()
		w.ca.Down = nil
		if down {
			w.ca.Down = errors.New("no route to host")
		}
		w.ca.Unlock()
		for range 4 {
			pause(6 * time.Hour)
			w.valid("mail.d.example", ECDSA)
			w.valid("mail.d.example", RSA)
			w.valid("autoconfig.d.example", ECDSA)
			if d >= 4 {
				w.valid("mail.e.example", ECDSA)
			}
		}
		if d%20 == 7 || d == 56 || d == 240 || d >= 60 && d < 64 {
			// Many times at once.
			for range 5 {
				w.stop()
				w.start()
				pause(time.Minute)
			}
		}
	}
	w.stop()
	// Each of four certificates is renewed each 60 days; failures at d0-2, 58-66, 119-126 and
	// 180-184 cost at most a few orders a day.
	issued, orders := len(w.ca.Issued), w.orders()
	t.Logf("%d certificates, %d orders, %d requests, %v, %d renewal questions", issued, orders, w.ca.Requests, w.counts, w.ca.Renewals)
	if issued < 4*6 || issued > 4*8 {
		t.Errorf("%d certificates", issued)
	}
	if extra := orders - issued; extra > 60 {
		t.Errorf("%d orders for %d certificates", orders, issued)
	}
	if w.ca.Accounts != 1 {
		t.Errorf("%d accounts", w.ca.Accounts)
	}
	if len(w.alarms) != 0 {
		t.Errorf("alarms: %+v", w.alarms)
	}
	for _, leaf := range w.ca.Issued {
		if leaf.DNSNames[0] != "mail.d.example" {
			continue
		}
		if !samePublic(leaf.PublicKey, host.Public()) && !samePublic(leaf.PublicKey, keys[0].Public()) {
			t.Error("another key than that of the host")
		}
	}
	if renewalInfo && (len(w.ca.Replaced) != issued-4 || w.ca.Renewals > 365*4*4*2) {
		t.Errorf("%d replaced of %d, %d questions", len(w.ca.Replaced), issued, w.ca.Renewals)
	}
}

// TestGone: an authority that is gone for longer than there is time for: the certificate goes on
// being served, there is one alarm, and requests are few; once it is back, all is well within
// hours.
func TestGone(t *testing.T) {
	run(t, func(t *testing.T) {
		w := newWorld(t, "mail.d.example")
		w.start()
		pause(50 * dayLong)
		requests := 0
		client := *w.o.HTTP
		w.stop()
		w.o.HTTP = &client
		client.Transport = failing{&requests}
		w.start()
		defer func() { w.stop() }()
		pause(45 * dayLong)
		cs, err := w.dial("mail.d.example", &tls.Config{})
		if err != nil || time.Now().Before(cs.PeerCertificates[0].NotAfter) {
			t.Errorf("%v", err)
		}
		if len(w.alarms) != 1 || !w.alarms[0].Soon || w.alarms[0].Names[0] != "mail.d.example" || w.alarms[0].LastError == "" {
			t.Errorf("alarms %+v", w.alarms)
		}
		// For 35 days, each two hours.
		if requests > 600 {
			t.Errorf("%d requests", requests)
		}
		w.stop()
		w.o.HTTP = w.ca.Client()
		w.start()
		pause(3 * time.Hour)
		w.serial("mail.d.example", &tls.Config{})
		if len(w.alarms) != 1 {
			t.Errorf("%d alarms", len(w.alarms))
		}
	})
}

// TestCrashes: attempts count before they are made, so a server that ends again and again in the
// middle of one does not ask again and again.
func TestCrashes(t *testing.T) {
	run(t, func(t *testing.T) {
		w := newWorld(t, "mail.d.example")
		w.ca.Validate = func(typ, name, token, auth string) error { return errors.New("no") }
		for range 200 {
			w.start()
			pause(10 * time.Second)
			// Not an orderly stop: what is on disk is from before the attempt or after it.
			w.stop()
			pause(time.Second)
		}
		// In 37 minutes: at once, and after some 15 minutes.
		if n := w.orders(); n > 3 {
			t.Errorf("%d orders", n)
		}
	})
}

// TestRateLimited: RFC 8555 6.6: what the authority says counts, for the name, and for renewals
// that someone asks for.
func TestRateLimited(t *testing.T) {
	run(t, func(t *testing.T) {
		w := newWorld(t, "mail.d.example", "autoconfig.d.example")
		limited := true
		w.ca.Refuse = func(what, name string) *acmetest.Problem {
			if limited && what == "newOrder" && name == "mail.d.example" {
				return &acmetest.Problem{Status: 429, Type: "rateLimited", Detail: "too many", RetryAfter: 5 * dayLong}
			}
			return nil
		}
		w.start()
		defer w.stop()
		pause(time.Hour)
		w.serial("autoconfig.d.example", &tls.Config{})
		if err := w.m.Renew("mail.d.example", true); err == nil {
			t.Error("renewal against the authority's word")
		}
		if _, err := w.dial("mail.d.example", &tls.Config{}); !errors.Is(err, ErrNoCertificate) {
			t.Error(err)
		}
		pause(4 * dayLong)
		if n := w.ca.OrdersOf["mail.d.example"]; n != 1 {
			t.Errorf("%d orders", n)
		}
		w.ca.Lock()
		limited = false
		w.ca.Unlock()
		pause(2 * dayLong)
		w.serial("mail.d.example", &tls.Config{})
	})
}

// TestRenew: by hand, three times a week.
func TestRenew(t *testing.T) {
	run(t, func(t *testing.T) {
		w := newWorld(t, "mail.d.example")
		w.start()
		defer w.stop()
		pause(time.Minute)
		serials := map[string]bool{}
		for i := range 4 {
			serials[w.serial("mail.d.example", &tls.Config{})] = true
			err := w.m.Renew("Mail.d.example.", i == 3)
			if (err != nil) != (i == 2) {
				t.Errorf("renewal %d: %v", i, err)
			}
			pause(time.Minute)
		}
		if len(serials) != 3 {
			t.Errorf("%d certificates", len(serials))
		}
		if err := w.m.Renew("x.example", false); !errors.Is(err, ErrNoName) {
			t.Error(err)
		}
	})
}

// TestPace: after a start ten orders at once, then one each 40 seconds.
func TestPace(t *testing.T) {
	run(t, func(t *testing.T) {
		var names []string
		for i := range 40 {
			names = append(names, fmt.Sprintf("autoconfig.d%d.example", i))
		}
		w := newWorld(t, names...)
		w.start()
		defer w.stop()
		pause(20 * time.Second)
		if n := w.orders(); n != 10 {
			t.Errorf("%d orders at once", n)
		}
		pause(20 * time.Minute)
		if n := w.orders(); n != 40 {
			t.Errorf("%d orders", n)
		}
	})
}

// TestShortLives: certificates of six days, and those that live for less than a day.
func TestShortLives(t *testing.T) {
	for _, life := range []time.Duration{6 * dayLong, 12 * time.Hour} {
		run(t, func(t *testing.T) {
			w := newWorld(t, "mail.d.example")
			w.ca.Life = life
			w.start()
			defer w.stop()
			pause(time.Minute)
			n := 0
			for ; n < 60; n++ {
				pause(life / 6)
				w.serial("mail.d.example", &tls.Config{})
			}
			if got := len(w.ca.Issued); got < 14 || got > 18 || len(w.alarms) > 0 {
				t.Errorf("%d certificates in ten lives, %d alarms", got, len(w.alarms))
			}
		})
	}
}

// TestAuthorityWantsRenewal: RFC 9773 4.2: a window in the past is at once, and it is told why.
func TestAuthorityWantsRenewal(t *testing.T) {
	run(t, func(t *testing.T) {
		w := newWorld(t, "mail.d.example")
		revoked := map[string]bool{}
		w.ca.Window = func(leaf *x509.Certificate) (start, end time.Time) {
			if revoked[leaf.SerialNumber.String()] {
				return time.Now().Add(-2 * time.Hour), time.Now().Add(-time.Hour)
			}
			return leaf.NotAfter.Add(-10 * dayLong), leaf.NotAfter.Add(-9 * dayLong)
		}
		w.start()
		defer w.stop()
		pause(40 * dayLong)
		serial := w.serial("mail.d.example", &tls.Config{})
		// Later than 30 days before the end, as the authority wants; but not too late.
		s := w.m.Status()[0]
		if left := s.NotAfter.Sub(s.NextRenewal); left < 11*dayLong || left > 12*dayLong || s.RenewalURL != "https://ca.example/why" {
			t.Errorf("renewal %s before the end, %+v", left, s)
		}
		w.ca.Lock()
		revoked[serial] = true
		w.ca.Unlock()
		pause(7 * time.Hour)
		if w.serial("mail.d.example", &tls.Config{}) == serial || len(w.ca.Replaced) != 1 {
			t.Error("not renewed")
		}
		if n := w.orders(); n != 2 {
			t.Errorf("%d orders", n)
		}
	})
}

// TestExternalAccount: RFC 8555 7.3.4.
func TestExternalAccount(t *testing.T) {
	run(t, func(t *testing.T) {
		w := newWorld(t, "mail.d.example")
		w.ca.EAB = map[string][]byte{"kid": []byte("secret")}
		w.start()
		pause(10 * time.Minute)
		s := w.m.Status()[0]
		if s.LastError == "" || w.orders() != 0 || s.NextAttempt.Before(time.Now()) {
			t.Errorf("%+v", s)
		}
		w.stop()
		w.o.Providers[0].ExternalAccount = &acme.ExternalAccount{KeyID: "kid", Key: []byte("secret")}
		w.start()
		defer w.stop()
		pause(20 * time.Minute)
		w.serial("mail.d.example", &tls.Config{})
	})
}

// TestProviderChanges: another directory, such as the real one after tests, is another account and
// other certificates; and an authority that has forgotten us is told again.
func TestProviderChanges(t *testing.T) {
	run(t, func(t *testing.T) {
		w := newWorld(t, "mail.d.example")
		w.start()
		pause(time.Minute)
		w.serial("mail.d.example", &tls.Config{})
		w.stop()
		other := acmetest.New()
		other.URL, other.Validate = "https://other.example", w.validate
		w.ca, w.o.HTTP = other, other.Client()
		w.o.Providers[0].DirectoryURL = other.DirectoryURL()
		w.o.Providers[0].Contact = "y@d.example"
		w.start()
		pause(time.Minute)
		w.serial("mail.d.example", &tls.Config{}) // verified with the other's root
		other.ForgetAccounts()
		if err := w.m.Renew("mail.d.example", false); err != nil {
			t.Fatal(err)
		}
		pause(time.Minute)
		if len(other.Issued) != 2 || other.Accounts != 2 {
			t.Errorf("%d certificates, %d accounts, %+v", len(other.Issued), other.Accounts, w.m.Status())
		}
		w.stop()
		w.o.Providers[0].Contact = "z@d.example"
		w.start()
		defer w.stop()
		if err := w.m.Renew("mail.d.example", false); err != nil {
			t.Fatal(err)
		}
		pause(time.Minute)
		if len(other.Contacts) != 1 || other.Contacts[0] != "mailto:z@d.example" {
			t.Errorf("contact %q", other.Contacts)
		}
	})
}
