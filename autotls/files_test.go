package autotls

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"mox/acme/acmetest"
)

// TestFiles: certificates follow their files, and what is not good changes nothing.
func TestFiles(t *testing.T) {
	run(t, func(t *testing.T) {
		dir := t.TempDir()
		pair := FilePair{filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")}
		ca := acmetest.New()
		ca.Life = 90 * dayLong
		write := func(path string, data []byte) {
			t.Helper()
			if err := os.WriteFile(path, data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		renew := func() (*x509.Certificate, []byte) {
			t.Helper()
			key := mustKey(t)
			chain, err := ca.Issue(key.Public(), "mail.d.example")
			if err != nil {
				t.Fatal(err)
			}
			data, err := encodeKey(key)
			if err != nil {
				t.Fatal(err)
			}
			write(pair.Cert, []byte(chain))
			return ca.Issued[len(ca.Issued)-1], data
		}
		var mu sync.Mutex // guards alarms and ends
		var alarms []CertStatus
		ends := map[string]time.Time{}
		o := FilesOptions{
			Every: time.Hour, AlarmedPath: filepath.Join(dir, "alarms"),
			ReadFile: os.ReadFile,
			Alarm: func(_ context.Context, s CertStatus) error {
				mu.Lock()
				defer mu.Unlock()
				alarms = append(alarms, s)
				return nil
			},
			Metrics: Metrics{Expiry: func(source, name, kind string, at time.Time) {
				mu.Lock()
				defer mu.Unlock()
				ends[source+" "+name+" "+kind] = at
			}},
		}
		f := NewFiles(o)
		leaf, key := renew()
		write(pair.Key, key)
		first, err := tls.LoadX509KeyPair(pair.Cert, pair.Key)
		if err != nil {
			t.Fatal(err)
		}
		f.Add(pair, &first)
		f.Start()
		defer func() { f.Close() }()
		alarmed := func(n int) {
			t.Helper()
			mu.Lock()
			defer mu.Unlock()
			if len(alarms) != n || n > 0 && alarms[0].File != pair.Cert {
				t.Errorf("alarms %+v", alarms)
			}
		}
		uses := func(want *x509.Certificate) {
			t.Helper()
			pause(61 * time.Minute)
			mu.Lock()
			defer mu.Unlock()
			if got := f.Get(pair).Leaf; !got.Equal(want) || ends["file mail.d.example ecdsa"] != want.NotAfter {
				t.Errorf("certificate %v, want %v", got.SerialNumber, want.SerialNumber)
			}
		}
		uses(leaf)
		if f.Get(pair) == nil || f.Get(FilePair{"x", "y"}) != nil {
			t.Error("pairs")
		}
		// The certificate is there before its key.
		second, key := renew()
		uses(leaf)
		if s := f.Status()[0]; !strings.Contains(s.LastError, "private key does not match") || s.Names[0] != "mail.d.example" || s.Kind != "ecdsa" {
			t.Errorf("%+v", s)
		}
		write(pair.Key, key)
		uses(second)
		if s := f.Status()[0]; s.LastError != "" {
			t.Errorf("%+v", s)
		}
		for _, bad := range [][]byte{nil, []byte("x"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("x")})} {
			write(pair.Cert, bad)
			uses(second)
		}
		if err := os.Remove(pair.Cert); err != nil {
			t.Fatal(err)
		}
		uses(second)
		// One that has ended already.
		ca.Life = time.Hour + time.Minute
		_, key = renew()
		write(pair.Key, key)
		uses(second)
		if s := f.Status()[0]; !strings.Contains(s.LastError, "ended at") {
			t.Errorf("%+v", s)
		}
		// Nobody renews it: one alarm, from 14 days before the end.
		pause(75 * dayLong)
		alarmed(0)
		pause(3 * dayLong)
		alarmed(1)
		// Not again after a restart.
		kept := *f.Get(pair)
		f.Close()
		f = NewFiles(o)
		f.Add(pair, &kept)
		f.Start()
		pause(dayLong)
		alarmed(1)
		ca.Life = 90 * dayLong
		third, key := renew()
		write(pair.Key, key)
		uses(third)
		alarmed(1)
	})
}
