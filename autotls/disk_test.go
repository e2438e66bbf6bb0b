package autotls

import (
	"crypto/tls"
	"encoding/pem"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"mox/acme/acmetest"
)

// TestDamage: whatever is wrong with files, what they held is gotten anew, and they are put aside.
func TestDamage(t *testing.T) {
	for _, file := range []string{"ca.key", "ca.json", "keycerts/ca/mail.d.example"} {
		for _, content := range []string{"", "nonsense", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"} {
			run(t, func(t *testing.T) {
				w := newWorld(t, "mail.d.example")
				w.start()
				pause(time.Minute)
				w.stop()
				path := filepath.Join(w.dir, file)
				if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
					t.Fatal(err)
				}
				w.start()
				defer w.stop()
				pause(time.Minute)
				if file == "ca.key" {
					// It is needed only now.
					if err := w.m.Renew("mail.d.example", false); err != nil {
						t.Fatal(err)
					}
					pause(time.Minute)
				}
				w.serial("mail.d.example", &tls.Config{})
				aside, err := filepath.Glob(path + ".corrupt-*")
				if err != nil || len(aside) != 1 || !exists(path) && file != "ca.json" {
					t.Errorf("%s: aside %q, %v", file, aside, err)
				}
				want := map[string]int{"ca.key": 2, "ca.json": 1, "keycerts/ca/mail.d.example": 2}[file]
				if w.orders() != want {
					t.Errorf("%s: %d orders", file, w.orders())
				}
			})
		}
	}
}

// TestFullDisk: without a record of attempts there are none, and what was gotten works although it
// cannot be stored.
func TestFullDisk(t *testing.T) {
	if os.Getuid() == 0 {
		t.Log("as root: permissions are no obstacle, a directory is")
	}
	run(t, func(t *testing.T) {
		w := newWorld(t, "mail.d.example")
		// Where the file is to be is a directory.
		if err := os.MkdirAll(filepath.Join(w.dir, "keycerts", "ca", "mail.d.example", "x"), 0o700); err != nil {
			t.Fatal(err)
		}
		w.start()
		pause(time.Minute)
		w.serial("mail.d.example", &tls.Config{})
		if w.orders() != 1 || w.count("stored") != 0 {
			t.Errorf("%d orders", w.orders())
		}
		pause(dayLong)
		if w.orders() != 1 {
			t.Errorf("%d orders", w.orders())
		}
		w.stop()
	})
	run(t, func(t *testing.T) {
		w := newWorld(t, "mail.d.example")
		w.start()
		if err := os.MkdirAll(filepath.Join(w.dir, "ca.json", "x"), 0o700); err != nil {
			t.Fatal(err)
		}
		pause(dayLong)
		if w.orders() != 0 {
			t.Errorf("%d orders", w.orders())
		}
		w.stop()
	})
}

// TestAddresses: names that are not here are not asked for, which is told, and is looked at again.
func TestAddresses(t *testing.T) {
	run(t, func(t *testing.T) {
		w := newWorld(t, "mail.d.example", "none.d.example", "fails.d.example", "v6.d.example")
		w.zone.A["mail.d.example"] = []string{"192.0.2.1", "192.0.2.7"}
		delete(w.zone.A, "none.d.example")
		w.zone.Fail = map[string]error{"a fails.d.example": nil, "aaaa fails.d.example": nil}
		w.zone.AAAA = map[string][]string{"v6.d.example": {"2001:db8::1"}}
		w.start()
		defer w.stop()
		pause(dayLong)
		for i, want := range []string{"server failure", "has address 192.0.2.7, which is not one of the public listener", "none.d.example has no address", "v6.d.example has address 2001:db8::1"} {
			if s := w.m.Status()[i]; !strings.Contains(s.LastError, want) || s.Failures == 0 {
				t.Errorf("%+v", s)
			}
		}
		if w.ca.Requests != 0 || w.count("error") != 0 {
			t.Errorf("%d requests", w.ca.Requests)
		}
		w.change(func() { w.zone.A["mail.d.example"] = []string{"192.0.2.1"} })
		pause(2 * time.Hour)
		w.serial("mail.d.example", &tls.Config{})
		// With DNS it does not matter.
		w.stop()
		w.o.Providers[0].Challenges = []string{"dns-01"}
		w.start()
		pause(2 * time.Hour)
		w.serial("none.d.example", &tls.Config{})
	})
}

func TestState(t *testing.T) {
	at := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	s := &state{
		Directory: "https://ca.example/dir", Key: "00", Account: "https://ca.example/acct/1", Failures: 2, NotBefore: at, LastError: "x", LastErrorTime: at,
		Certificates: map[string]*certState{"mail.d.example ecdsa": {
			Failures: 1, NotBefore: at, RetryAfter: at, LastError: "y", Issued: []time.Time{at}, Published: map[string]time.Time{"00": at},
			Renewal: &renewalState{ID: "a.b", Start: at, End: at, At: at, Next: at, URL: "https://ca.example/why"}, Alarmed: "z",
		}},
	}
	p := &provider{m: &Manager{}, state: s}
	p.m.defaults()
	data, err := p.encodeState()
	if err != nil {
		t.Fatal(err)
	}
	got, err := parseState(data)
	if err != nil || !reflect.DeepEqual(got, s) {
		t.Errorf("%v: %s", err, data)
	}
	if _, err := parseState([]byte(`{"Certificates":{"x":null}}`)); err == nil {
		t.Error("no error")
	}
}

func FuzzState(f *testing.F) {
	f.Add([]byte(`{"Directory":"x","Certificates":{"mail.d.example ecdsa":{"Failures":-1,"Renewal":{"ID":"x","At":"2026-11-22T12:00:00Z"}}}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := parseState(data)
		if err != nil {
			return
		}
		now := time.Unix(1e9, 0)
		p := &provider{m: &Manager{}, state: s, configured: map[string]*host{}, tokens: 1}
		p.m.defaults()
		p.m.o.Now = func() time.Time { return now }
		h := &host{Host: Host{Name: "mail.d.example"}}
		h.certs[ECDSA].wanted = true
		p.configured["mail.d.example ecdsa"] = h
		p.due(now)
		if _, err := p.encodeState(); err != nil && !strings.Contains(err.Error(), "year outside of range") && !strings.Contains(err.Error(), "Time.MarshalJSON") {
			t.Error(err)
		}
	})
}

func FuzzStored(f *testing.F) {
	ca := acmetest.New()
	for _, kind := range []Kind{ECDSA} {
		key, err := newKey(kind)
		if err != nil {
			f.Fatal(err)
		}
		chain, err := ca.Issue(key.Public(), "mail.d.example")
		if err != nil {
			f.Fatal(err)
		}
		data, err := encodeKey(key)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(append(data, chain...))
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		k := certKey{certHost{"ca", "mail.d.example"}, ECDSA}
		cert, err := parseStored(data, k)
		if err != nil {
			return
		}
		again, err := encodeKey(cert.PrivateKey)
		if err != nil {
			t.Fatal(err)
		}
		for _, der := range cert.Certificate {
			again = append(again, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
		}
		if _, err := parseStored(again, k); err != nil {
			t.Error(err)
		}
	})
}
