package serve

import (
	"net/netip"
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
