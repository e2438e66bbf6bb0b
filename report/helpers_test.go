package report

import (
	"context"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mox/config"
	"mox/dns"
	"mox/reportdb"
	"mox/smtp"
)

const staticConf = `DataDir: data
LogLevel: info
Hostname: host.mx.example
Listeners:
	local:
		IPs:
			- 127.0.0.1
Postmaster:
	Account: mjl
	Mailbox: Postmaster
HostTLSRPT:
	Account: mjl
	Mailbox: TLSRPT
	Localpart: tlsreports
`

const dynamicConf = `Domains:
	mx.example:
		DKIM:
			Selectors:
				s:
					PrivateKeyFile: key.pem
			Sign:
				- s
		DMARC:
			Localpart: dmarcreports
			Account: mjl
			Mailbox: DMARC
		TLSRPT:
			Localpart: reports
			Account: mjl
			Mailbox: TLSRPT
	elsewhere.example:
		DMARC:
			Localpart: reports
			Domain: mx.example
			Account: mjl
			Mailbox: TLSRPT
Accounts:
	mjl:
		Domain: mx.example
		Destinations:
			mjl@mx.example: nil
`

var key = ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))

// snapshot loads the configuration with lines added to mox.conf.
func snapshot(t testing.TB, add string) *config.Snapshot {
	t.Helper()
	dir := t.TempDir()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"mox.conf": staticConf + add, "domains.conf": dynamicConf,
		"key.pem": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	snap, err := config.Load(filepath.Join(dir, "mox.conf"))
	if err != nil {
		t.Fatal(err)
	}
	return snap
}

func openDB(t testing.TB, now func() time.Time) *reportdb.DB {
	t.Helper()
	d, err := reportdb.Open(filepath.Join(t.TempDir(), reportdb.FileName), reportdb.Options{Now: now})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func domain(s string) dns.Domain { return dns.Domain{ASCII: s} }

func address(t testing.TB, s string) smtp.Address {
	t.Helper()
	a, err := smtp.ParseAddressLax(s)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// outbox is a Sender that keeps mails.
type outbox struct {
	mails []Mail
	times []time.Time
	fail  int // that many times
}

func (o *outbox) Send(_ context.Context, m Mail) error {
	if o.fail > 0 {
		o.fail--
		return errors.New("cannot send")
	}
	o.mails = append(o.mails, m)
	o.times = append(o.times, time.Now().UTC())
	return nil
}

// list tells when what was sent to whom.
func (o *outbox) list() string {
	var b strings.Builder
	for i, m := range o.mails {
		var to []string
		for _, a := range m.To {
			to = append(to, a.String())
		}
		fmt.Fprintf(&b, "%s %s %s\n", o.times[i].Format("02 15:04:05"), m.Kind, strings.Join(to, ","))
	}
	return b.String()
}
