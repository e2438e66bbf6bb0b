package autotls

import (
	"crypto"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"testing"
	"time"

	"mox/dns"
)

func tlsaFor(t *testing.T, key crypto.Signer) dns.TLSA {
	t.Helper()
	spki, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(spki)
	return dns.TLSA{Usage: dns.DANEEE, Selector: dns.SelectorSPKI, MatchType: dns.MatchSHA256, Data: sum[:]}
}

// TestRollover: RFC 7671 8.1: a key is used only when its TLSA record has been in DNS long enough,
// and then at once.
func TestRollover(t *testing.T) {
	run(t, func(t *testing.T) {
		old, next := mustKey(t), mustKey(t)
		w := newWorld(t, "mail.d.example")
		const name = "_25._tcp.mail.d.example"
		w.zone.AllAuthentic = true
		w.zone.TLSA = map[string][]dns.TLSA{name: {tlsaFor(t, old)}}
		w.hosts[0].Keys = HostKeys{ECDSA: old}
		used := func(key crypto.Signer) bool {
			cs, err := w.dial("mail.d.example", &tls.Config{})
			return err == nil && samePublic(cs.PeerCertificates[0].PublicKey, key.Public())
		}
		w.start()
		pause(time.Minute)
		if !used(old) || w.m.Status()[0].HostKey != "current" {
			t.Fatal("not the key of the host")
		}
		w.stop()
		w.hosts[0].Keys.NextECDSA = next
		w.start()
		pause(75 * dayLong)
		// Renewed meanwhile, with the old key.
		s := w.m.Status()[0]
		if !used(old) || w.orders() != 2 || s.NextKey != keyHash(next.Public()) || !s.NextKeySince.IsZero() {
			t.Errorf("%d orders, %+v", w.orders(), s)
		}
		w.change(func() { w.zone.TLSA[name] = append(w.zone.TLSA[name], tlsaFor(t, next)) })
		pause(60 * time.Hour)
		if s := w.m.Status()[0]; !used(old) || s.NextKeySince.IsZero() {
			t.Errorf("%+v", s)
		}
		// Gone again: it begins anew.
		w.change(func() { w.zone.TLSA[name] = w.zone.TLSA[name][:1] })
		pause(12 * time.Hour)
		w.change(func() { w.zone.TLSA[name] = append(w.zone.TLSA[name], tlsaFor(t, next)) })
		pause(60 * time.Hour)
		if !used(old) {
			t.Error("too early")
		}
		w.stop()
		w.start()
		pause(20 * time.Hour)
		if s := w.m.Status()[0]; !used(next) || w.orders() != 3 || s.HostKey != "next" || s.NextKey != "" {
			t.Errorf("%d orders, %+v", w.orders(), s)
		}
		// Moved to its place, and the old record removed.
		w.stop()
		w.hosts[0].Keys = HostKeys{ECDSA: next}
		w.zone.TLSA[name] = w.zone.TLSA[name][1:]
		w.start()
		pause(70 * dayLong)
		if s := w.m.Status()[0]; !used(next) || w.orders() != 4 || s.HostKey != "current" {
			t.Errorf("%d orders, %+v", w.orders(), s)
		}
		// Another key without a record for it: DNS has one for that in use, which stays.
		w.stop()
		w.hosts[0].Keys = HostKeys{ECDSA: old}
		w.start()
		defer w.stop()
		pause(70 * dayLong)
		if s := w.m.Status()[0]; !used(next) || s.HostKey != "other" {
			t.Errorf("%+v", s)
		}
	})
}

// TestKeyWithoutDANE: where no TLSA record counts, a key is changed at once.
func TestKeyWithoutDANE(t *testing.T) {
	for _, tc := range []struct {
		what      string
		authentic bool
		records   int
		fail      error
		changed   bool
	}{
		{"no records", true, 0, nil, true},
		{"records without DNSSEC", false, 1, nil, true},
		{"records of the old key", true, 1, nil, false},
		{"records of none of them", true, 2, nil, false},
		{"no answer", true, 1, &dns.Error{Timeout: true}, false},
	} {
		run(t, func(t *testing.T) {
			old, next := mustKey(t), mustKey(t)
			w := newWorld(t, "mail.d.example")
			const name = "_25._tcp.mail.d.example"
			w.zone.AllAuthentic = tc.authentic
			switch tc.records {
			case 1:
				w.zone.TLSA = map[string][]dns.TLSA{name: {tlsaFor(t, old)}}
			case 2:
				w.zone.TLSA = map[string][]dns.TLSA{name: {tlsaFor(t, mustKey(t))}}
			}
			w.hosts[0].Keys = HostKeys{ECDSA: old}
			w.start()
			pause(time.Minute)
			w.stop()
			if tc.fail != nil {
				w.zone.Fail = map[string]error{"tlsa " + name: tc.fail}
			}
			w.hosts[0].Keys = HostKeys{ECDSA: next}
			w.start()
			defer w.stop()
			pause(time.Hour)
			cs, err := w.dial("mail.d.example", &tls.Config{})
			if err != nil || samePublic(cs.PeerCertificates[0].PublicKey, next.Public()) != tc.changed {
				t.Errorf("%s: changed is %v, %v", tc.what, !tc.changed, err)
			}
		})
	}
}

func TestMatchesKey(t *testing.T) {
	key := mustKey(t)
	spki, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	r := tlsaFor(t, key)
	if !matchesKey(r, key.Public()) || matchesKey(r, mustKey(t).Public()) || hex.EncodeToString(r.Data) != keyHash(key.Public()) {
		t.Error("hash")
	}
	if !matchesKey(dns.TLSA{Usage: dns.DANEEE, Selector: dns.SelectorSPKI, Data: spki}, key.Public()) {
		t.Error("whole key")
	}
	r.Usage = dns.PKIXEE
	if matchesKey(r, key.Public()) {
		t.Error("usage")
	}
}

func mustKey(t *testing.T) crypto.Signer {
	t.Helper()
	key, err := newKey(ECDSA)
	if err != nil {
		t.Fatal(err)
	}
	return key
}
