package serve

import (
	"context"
	"crypto/tls"
	"maps"
	"slices"
	"time"

	"mox/clientconf"
	"mox/config"
	"mox/discovery"
	"mox/dns"
	"mox/invite"
	"mox/metrics"
	"mox/mlog"
	"mox/ratelimit"
	"mox/webserver"
	"mox/welcome"
)

// buildDiscovery makes what tells mail programs their settings.
func (s *Server) buildDiscovery() {
	autoconf, autodiscover := s.Registry.Counter(metrics.AutoconfRequest), s.Registry.Counter(metrics.AutodiscoverRequest)
	s.discovery = discovery.New(discovery.Config{
		Snapshot: s.Config.Snapshot, Certificate: s.hostCertificate, Now: s.Now, Log: mlog.New("discovery", s.Log),
		Autoconf:     func(domain string) { autoconf.Inc(domain) },
		Autodiscover: func(domain string) { autodiscover.Inc(domain) },
	})
}

// badInvites limits links of invitations that are of no use, by the network that brings them.
var badInvites = ratelimit.Window{Span: 10 * time.Minute, Limits: [3]int64{10, 30, 90}}

// buildWelcome makes the page of invitations.
func (s *Server) buildWelcome() error {
	snap := s.Config.Snapshot()
	var err error
	if s.Admin.Invites, err = invite.Open(snap.DataPath(invite.FileName), s.Now); err != nil {
		return err
	}
	s.welcome = welcome.New(welcome.Config{
		Look: s.Admin.InviteLook,
		Accept: func(ctx context.Context, token, password string) (invite.Invite, error) {
			return s.Admin.InviteAccept(ctx, "invitation", token, password)
		},
		Settings: func(address string) (*clientconf.Settings, error) {
			return clientconf.For(s.Config.Snapshot(), address)
		},
		QR: discovery.QR, Bad: ratelimit.NewLimiter(0, badInvites), Now: s.Now, Log: mlog.New("welcome", s.Log),
	})
	return nil
}

// addDiscovery adds it, and the page of invitations, to a port of a listener.
func (s *Server) addDiscovery(p *webserver.Router, l *config.ListenerInfo, port int) {
	if a := l.AutoconfigHTTPS; a.Enabled && a.Port == port {
		for _, e := range s.discovery.Endpoints() {
			p.System(e.Name, e.Path, e.Host, e.Handler)
		}
		host := func(h string) bool { return s.isServiceHost(l, h, false) }
		p.Systems = append(p.Systems, webserver.Service{Name: "invite", Path: welcome.Path, Host: host, Handler: s.welcome})
		p.Forwarded = p.Forwarded || a.Forwarded
	}
}

// hostCertificate returns the certificate that a listener has for a host, as a new client would
// get it. It does not wait for one.
func (s *Server) hostCertificate(host dns.Domain) (*tls.Certificate, error) {
	snap := s.Config.Snapshot()
	for _, name := range slices.Sorted(maps.Keys(snap.Listeners)) {
		c := s.tlsConfig(snap.Listeners[name], tlsHTTPS)
		if c == nil {
			continue
		}
		cert, err := c.GetCertificate(&tls.ClientHelloInfo{
			ServerName: host.ASCII, SupportedVersions: []uint16{tls.VersionTLS13}, CipherSuites: []uint16{tls.TLS_AES_128_GCM_SHA256},
			SignatureSchemes: []tls.SignatureScheme{tls.ECDSAWithP256AndSHA256, tls.PSSWithSHA256}, SupportedCurves: []tls.CurveID{tls.X25519, tls.CurveP256},
		})
		if err == nil && cert.Leaf != nil && cert.Leaf.VerifyHostname(host.ASCII) == nil {
			return cert, nil
		}
	}
	return nil, errNoCertificate
}
