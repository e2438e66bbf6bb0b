package dns

import (
	"crypto"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	mdns "github.com/miekg/dns"
)

// signedZone signs records with a new key, for a zone of its own, and returns the zone
// file and the key as trust anchor. The records of bogus are changed after signing.
func signedZone(t *testing.T, origin string, records []string, bogus string) (zone, anchor string) {
	t.Helper()
	key := &mdns.DNSKEY{Hdr: mdns.RR_Header{Name: origin, Rrtype: mdns.TypeDNSKEY, Class: 1, Ttl: 300}, Flags: 257, Protocol: 3, Algorithm: mdns.ED25519}
	priv, err := key.Generate(256)
	if err != nil {
		t.Fatal(err)
	}
	rrs := []mdns.RR{key}
	types := map[string][]uint16{origin: {mdns.TypeDNSKEY}}
	names := []string{origin}
	for _, s := range append([]string{origin + " 300 IN SOA ns." + origin + " h." + origin + " 1 3600 600 86400 60", origin + " 300 IN NS ns." + origin}, records...) {
		rr, err := mdns.NewRR(s)
		if err != nil {
			t.Fatal(err)
		}
		name := rr.Header().Name
		if types[name] == nil {
			names = append(names, name)
		}
		types[name] = append(types[name], rr.Header().Rrtype)
		rrs = append(rrs, rr)
	}
	// RFC 4034 4: a ring of NSEC records proves what does not exist. names are sorted.
	for i, name := range names {
		bits := append(types[name], mdns.TypeRRSIG, mdns.TypeNSEC)
		for j := range bits {
			for k := range j {
				if bits[j] < bits[k] {
					bits[j], bits[k] = bits[k], bits[j]
				}
			}
		}
		rrs = append(rrs, &mdns.NSEC{Hdr: mdns.RR_Header{Name: name, Rrtype: mdns.TypeNSEC, Class: 1, Ttl: 60}, NextDomain: names[(i+1)%len(names)], TypeBitMap: bits})
	}
	var b strings.Builder
	for _, rr := range rrs {
		sig := &mdns.RRSIG{Hdr: mdns.RR_Header{Ttl: rr.Header().Ttl}, Algorithm: key.Algorithm, KeyTag: key.KeyTag(), SignerName: origin,
			Inception: uint32(time.Now().Add(-time.Hour).Unix()), Expiration: uint32(time.Now().Add(time.Hour).Unix())}
		if err := sig.Sign(priv.(crypto.Signer), []mdns.RR{rr}); err != nil {
			t.Fatal(err)
		}
		text := rr.String()
		if rr.Header().Name == bogus && rr.Header().Rrtype == mdns.TypeTXT {
			text = strings.Replace(text, "right", "wrong", 1)
		}
		fmt.Fprintf(&b, "%s\n%s\n", text, sig)
	}
	return b.String(), strings.ReplaceAll(key.String(), "\t", " ")
}

// TestUnbound asks a real validating resolver about a signed zone.
func TestUnbound(t *testing.T) {
	program, err := exec.LookPath("unbound")
	if err != nil {
		t.Skip("no unbound here")
	}
	dir := t.TempDir()
	zone, anchor := signedZone(t, "signed.test.", []string{
		"alias.signed.test. 300 IN CNAME host.signed.test.",
		"bogus.signed.test. 300 IN TXT right",
		"host.signed.test. 300 IN A 192.0.2.1",
		"_25._tcp.host.signed.test. 300 IN TLSA 3 1 1 0011",
		`long.signed.test. 300 IN TXT "` + strings.Repeat(strings.Repeat("x", 250)+`" "`, 12) + `"`,
	}, "bogus.signed.test.")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	l.Close()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	plain := write("plain", "plain.test. 300 IN SOA ns.plain.test. h.plain.test. 1 2 3 4 60\nplain.test. 300 IN NS ns.plain.test.\nplain.test. 300 IN MX 10 mx.plain.test.\n")
	conf := write("conf", fmt.Sprintf(`server:
	interface: 127.0.0.1
	port: %d
	username: ""
	chroot: ""
	directory: %q
	pidfile: ""
	use-syslog: no
	module-config: "validator iterator"
	trust-anchor: %q
	ede: yes
	val-log-level: 2
	local-zone: "test." nodefault
	domain-insecure: "plain.test."
	harden-below-nxdomain: no
remote-control:
	control-enable: no
auth-zone:
	name: "signed.test."
	zonefile: %q
	for-downstream: no
auth-zone:
	name: "plain.test."
	zonefile: %q
	for-downstream: no
`, port, dir, anchor, write("zone", zone), plain))
	cmd := exec.Command(program, "-d", "-c", conf)
	var log strings.Builder
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		if t.Failed() {
			t.Log(log.String())
		}
	})
	c, err := NewClient(Options{Servers: []string{fmt.Sprint("127.0.0.1:", port)}, FailureTTL: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ctx := t.Context()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		if _, _, err = c.LookupMX(ctx, "plain.test"); err == nil || time.Now().After(deadline) {
			break
		}
	}
	if _, res, err := c.LookupMX(ctx, "plain.test"); err != nil || res.Authentic {
		t.Error("plain:", res, err)
	}
	if l, res, err := c.LookupIP(ctx, "ip4", "alias.signed.test"); err != nil || len(l) != 1 || !res.Authentic {
		t.Error("alias:", l, res, err)
	}
	if s, res, err := c.LookupCNAME(ctx, "alias.signed.test"); err != nil || s != "host.signed.test" || !res.Authentic {
		t.Error("cname:", s, res, err)
	}
	if l, res, err := c.LookupTLSA(ctx, "_25._tcp.host.signed.test"); err != nil || len(l) != 1 || !res.Authentic {
		t.Error("tlsa:", l, res, err)
	}
	if l, res, err := c.LookupTXT(ctx, "long.signed.test"); err != nil || len(l) != 1 || len(l[0]) != 3000 || !res.Authentic {
		t.Error("over tcp:", len(l), res, err)
	}
	var e *Error
	if _, res, err := c.LookupTXT(ctx, "host.signed.test"); !errors.As(err, &e) || !e.NotFound || e.NXDomain || !res.Authentic {
		t.Error("no such record:", res, err)
	}
	if _, res, err := c.LookupTXT(ctx, "none.signed.test"); !errors.As(err, &e) || !e.NXDomain || !res.Authentic {
		t.Error("no such name:", res, err)
	}
	if _, _, err := c.LookupTXT(ctx, "bogus.signed.test"); !errors.As(err, &e) || e.RCode != "SERVFAIL" || e.Extended == "" {
		t.Error("bogus:", err)
	} else {
		t.Log(err)
	}
}
