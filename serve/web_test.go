package serve

import (
	"net/netip"
	"strings"
	"testing"

	"mox/config"
)

// TestSharedPorts: services of HTTP on one port are one socket, with TLS if one of them has it.
func TestSharedPorts(t *testing.T) {
	l := &config.ListenerInfo{Name: "l", IPs: []netip.Addr{netip.MustParseAddr("127.0.0.1")}}
	l.WebserverHTTP = config.WebserverService{Enabled: true, Port: 80}
	l.WebAPIHTTP = config.WebService{Enabled: true, Port: 80, Path: "/webapi/"}
	l.MetricsHTTP = config.PlainService{Enabled: true, Port: 81}
	l.WebAPIHTTPS = config.WebService{Enabled: true, Port: 81, Path: "/webapi/"}
	l.SMTP = config.SMTP{Enabled: true, Port: 25}
	got := map[string]service{}
	all := endpoints(&config.Snapshot{StaticInfo: &config.StaticInfo{Listeners: map[string]*config.ListenerInfo{"l": l}}})
	for _, e := range all {
		got[e.addr] = e.service
	}
	want := map[string]service{"127.0.0.1:25": serviceSMTP, "127.0.0.1:80": serviceWeb, "127.0.0.1:81": serviceWebTLS}
	for addr, s := range want {
		if got[addr] != s {
			t.Errorf("%s: %s, want %s", addr, got[addr], s)
		}
	}
	if len(all) != len(want) {
		t.Errorf("endpoints %v", all)
	}
}

// TestPortsOfHTTPS: policies have a port, with TLS or for a proxy. Mail is on the ports of
// HTTPS that are there for something else, and opens none.
func TestPortsOfHTTPS(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(l *config.Listener)
		want   string
	}{
		"policies": {func(l *config.Listener) { l.MTASTSHTTPS = config.DiscoveryService{Enabled: true, Port: 443} }, "443 webhttps"},
		"behind a proxy": {func(l *config.Listener) {
			l.MTASTSHTTPS = config.DiscoveryService{Enabled: true, Port: 81, NonTLS: true}
		}, "81 web"},
		"settings": {func(l *config.Listener) { l.AutoconfigHTTPS.Enabled = true }, "8443 webhttps"},
		"settings behind a proxy": {func(l *config.Listener) {
			l.AutoconfigHTTPS = config.DiscoveryService{Enabled: true, Port: 81, NonTLS: true}
		}, "81 web"},
		"mail": {func(l *config.Listener) { l.IMAPS.Enabled, l.IMAPS.EnabledOnHTTPS = true, true }, "993 imaps"},
		"mail and sites": {func(l *config.Listener) {
			l.IMAPS.Enabled, l.IMAPS.EnabledOnHTTPS, l.WebserverHTTPS.Enabled = true, true, true
		}, "993 imaps, 443 webhttps"},
		"mail not enabled": {func(l *config.Listener) { l.IMAPS.EnabledOnHTTPS = true }, ""},
		"webmail":          {func(l *config.Listener) { l.WebmailHTTPS.Enabled = true }, "443 webhttps"},
		"jmap": {func(l *config.Listener) {
			l.JMAPHTTPS.Enabled, l.JMAPHTTP.Enabled = true, true
		}, "80 web, 8444 webhttps"},
		"sites": {func(l *config.Listener) { l.WebserverHTTPS.Enabled = true }, "443 webhttps"},
		"submission": {func(l *config.Listener) {
			l.Submissions.Enabled, l.Submissions.EnabledOnHTTPS, l.WebmailHTTPS.Enabled, l.AutoconfigHTTPS.Enabled = true, true, true, true
		}, "465 submissions, 443 webhttps, 8443 webhttps"},
	} {
		l := &config.ListenerInfo{Name: "l", IPs: []netip.Addr{netip.MustParseAddr("127.0.0.1")}}
		l.Submissions.Port, l.IMAPS.Port, l.WebserverHTTPS.Port, l.WebmailHTTPS.Port, l.AutoconfigHTTPS.Port = 465, 993, 443, 443, 8443
		l.JMAPHTTP.Port, l.JMAPHTTPS.Port = 80, 8444
		tc.change(&l.Listener)
		var got []string
		for _, e := range endpoints(&config.Snapshot{StaticInfo: &config.StaticInfo{Listeners: map[string]*config.ListenerInfo{"l": l}}}) {
			got = append(got, strings.TrimPrefix(e.addr, "127.0.0.1:")+" "+string(e.service))
		}
		if s := strings.Join(got, ", "); s != tc.want {
			t.Errorf("%s: %q, want %q", name, s, tc.want)
		}
	}
}
