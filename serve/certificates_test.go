package serve

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"mox/acme"
	"mox/autotls"
	"mox/config"
)

// TestPublicAddresses: what names must have in DNS; nothing where that is not known.
func TestPublicAddresses(t *testing.T) {
	ips := func(l ...string) (ips []netip.Addr) {
		for _, s := range l {
			ips = append(ips, netip.MustParseAddr(s))
		}
		return ips
	}
	for _, tc := range []struct {
		l    *config.ListenerInfo
		want []netip.Addr
	}{
		{nil, nil},
		{&config.ListenerInfo{IPs: ips("192.0.2.1", "2001:db8::1")}, ips("192.0.2.1", "2001:db8::1")},
		{&config.ListenerInfo{IPs: ips("192.0.2.1", "::")}, nil},
		{&config.ListenerInfo{IPs: ips("10.0.0.1")}, nil},
		{&config.ListenerInfo{IPs: ips("10.0.0.1"), NATIPs: ips("192.0.2.1")}, ips("192.0.2.1")},
		{&config.ListenerInfo{IPs: ips("192.0.2.1"), Listener: config.Listener{IPsNATed: true}}, nil},
	} {
		snap := &config.Snapshot{StaticInfo: &config.StaticInfo{Listeners: map[string]*config.ListenerInfo{}}}
		if tc.l != nil {
			snap.Listeners["public"] = tc.l
		}
		if got := publicAddresses(snap); !slices.Equal(got, tc.want) {
			t.Errorf("%+v: %v", tc.l, got)
		}
	}
}

// TestACMEEndpoint: http reference, section 1.1: the port for the authority is open where nothing
// else is on it, and http-01 is tried only where plain HTTP is served.
func TestACMEEndpoint(t *testing.T) {
	l := &config.ListenerInfo{Name: "public", IPs: []netip.Addr{netip.MustParseAddr("192.0.2.1")}, ACMEPort: 443}
	snap := &config.Snapshot{StaticInfo: &config.StaticInfo{Listeners: map[string]*config.ListenerInfo{"public": l}}}
	a := &config.ACMEInfo{Challenges: []string{acme.TLSALPN01, acme.HTTP01}}
	addrs := func() (all []string) {
		for _, e := range endpoints(snap) {
			all = append(all, string(e.service)+" "+e.addr)
		}
		return all
	}
	if got := addrs(); !slices.Equal(got, []string{"webhttps 192.0.2.1:443"}) {
		t.Errorf("%q", got)
	}
	if got := servedChallenges(snap, a); !slices.Equal(got, []string{acme.TLSALPN01}) {
		t.Errorf("%q", got)
	}
	l.MTASTSHTTPS = config.DiscoveryService{Enabled: true, Port: 443}
	l.WebserverHTTP = config.WebserverService{Enabled: true, Port: 80}
	if got := addrs(); !slices.Equal(got, []string{"web 192.0.2.1:80", "webhttps 192.0.2.1:443"}) {
		t.Errorf("%q", got)
	}
	if got := servedChallenges(snap, a); !slices.Equal(got, a.Challenges) {
		t.Errorf("%q", got)
	}
	l.ACMEPort = 8443
	if got := addrs(); len(got) != 3 || got[2] != "webhttps 192.0.2.1:8443" {
		t.Errorf("%q", got)
	}
}

func TestAlarmText(t *testing.T) {
	end := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	for _, tc := range []struct {
		c    autotls.CertStatus
		want []string
	}{
		{autotls.CertStatus{Source: "acme", Provider: "ca", Names: []string{"mail.d.example"}, Kind: "ecdsa", NotAfter: end, LastError: "refused", LastErrorTime: end},
			[]string{"(ecdsa) for mail.d.example ends at Sun, 22 Nov 2026 12:00:00 UTC", "provider ca", "failed: refused", `"mox certificates renew mail.d.example"`}},
		{autotls.CertStatus{Source: "file", File: "/x/cert.pem", Names: []string{"a.example", "b.example"}, Kind: "rsa", NotAfter: end, LastError: "no PEM"},
			[]string{"for a.example, b.example ends", "/x/cert.pem", "cannot be used: no PEM"}},
	} {
		text := alarmText(tc.c)
		for _, want := range tc.want {
			if !strings.Contains(text, want) {
				t.Errorf("%q is not in:\n%s", want, text)
			}
		}
	}
}
