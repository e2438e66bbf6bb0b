package serve

import (
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"

	"mox/config"
	"mox/metrics"
	"mox/proxyproto"
)

// service is a kind of listening socket.
type service string

const (
	serviceSMTP        service = "smtp"
	serviceLMTP        service = "lmtp"
	serviceSubmission  service = "submission"
	serviceSubmissions service = "submissions"
	serviceIMAP        service = "imap"
	serviceIMAPS       service = "imaps"
	serviceMetrics     service = "metrics"
	servicePprof       service = "pprof"
	serviceWeb         service = "web"      // applications and sites; localserve's overview
	serviceWebTLS      service = "webhttps" // likewise
)

// endpoint is one socket to listen on.
type endpoint struct {
	listener string // name in mox.conf
	service  service
	conf     *config.ListenerInfo
	addr     string // "ip:port"
}

// offering is a kind of service that a listener may have.
type offering struct {
	service service
	get     func(l *config.ListenerInfo) (enabled bool, port int)
}

// services tells, for each kind that this version serves, whether a listener has it and
// on which port. Fields for services that do not exist yet are accepted in mox.conf.
var services = []offering{
	{serviceSMTP, func(l *config.ListenerInfo) (bool, int) { return l.SMTP.Enabled, l.SMTP.Port }},
	{serviceLMTP, func(l *config.ListenerInfo) (bool, int) { return l.LMTP.Enabled, l.LMTP.Port }},
	{serviceSubmission, func(l *config.ListenerInfo) (bool, int) { return l.Submission.Enabled, l.Submission.Port }},
	{serviceSubmissions, func(l *config.ListenerInfo) (bool, int) { return l.Submissions.Enabled, l.Submissions.Port }},
	{serviceIMAP, func(l *config.ListenerInfo) (bool, int) { return l.IMAP.Enabled, l.IMAP.Port }},
	{serviceIMAPS, func(l *config.ListenerInfo) (bool, int) { return l.IMAPS.Enabled, l.IMAPS.Port }},
	{serviceMetrics, func(l *config.ListenerInfo) (bool, int) { return l.MetricsHTTP.Enabled, l.MetricsHTTP.Port }},
	{servicePprof, func(l *config.ListenerInfo) (bool, int) { return l.PprofHTTP.Enabled, l.PprofHTTP.Port }},
	{serviceWeb, func(l *config.ListenerInfo) (bool, int) { return l.WebserverHTTP.Enabled, l.WebserverHTTP.Port }},
	{serviceWebTLS, func(l *config.ListenerInfo) (bool, int) { return l.WebserverHTTPS.Enabled, l.WebserverHTTPS.Port }},
	{serviceWeb, func(l *config.ListenerInfo) (bool, int) { return l.AccountHTTP.Enabled, l.AccountHTTP.Port }},
	{serviceWebTLS, func(l *config.ListenerInfo) (bool, int) { return l.AccountHTTPS.Enabled, l.AccountHTTPS.Port }},
	{serviceWeb, func(l *config.ListenerInfo) (bool, int) { return l.AdminHTTP.Enabled, l.AdminHTTP.Port }},
	{serviceWebTLS, func(l *config.ListenerInfo) (bool, int) { return l.AdminHTTPS.Enabled, l.AdminHTTPS.Port }},
	{serviceWeb, func(l *config.ListenerInfo) (bool, int) { return l.WebAPIHTTP.Enabled, l.WebAPIHTTP.Port }},
	{serviceWebTLS, func(l *config.ListenerInfo) (bool, int) { return l.WebAPIHTTPS.Enabled, l.WebAPIHTTPS.Port }},
	{serviceWeb, func(l *config.ListenerInfo) (bool, int) { return l.WebmailHTTP.Enabled, l.WebmailHTTP.Port }},
	{serviceWebTLS, func(l *config.ListenerInfo) (bool, int) { return l.WebmailHTTPS.Enabled, l.WebmailHTTPS.Port }},
	{serviceWeb, func(l *config.ListenerInfo) (bool, int) { return l.JMAPHTTP.Enabled, l.JMAPHTTP.Port }},
	{serviceWebTLS, func(l *config.ListenerInfo) (bool, int) { return l.JMAPHTTPS.Enabled, l.JMAPHTTPS.Port }},
	{serviceWeb, func(l *config.ListenerInfo) (bool, int) {
		return l.MTASTSHTTPS.Enabled && l.MTASTSHTTPS.NonTLS, l.MTASTSHTTPS.Port
	}},
	{serviceWebTLS, func(l *config.ListenerInfo) (bool, int) {
		return l.MTASTSHTTPS.Enabled && !l.MTASTSHTTPS.NonTLS, l.MTASTSHTTPS.Port
	}},
	{serviceWeb, func(l *config.ListenerInfo) (bool, int) {
		return l.AutoconfigHTTPS.Enabled && l.AutoconfigHTTPS.NonTLS, l.AutoconfigHTTPS.Port
	}},
	{serviceWebTLS, func(l *config.ListenerInfo) (bool, int) {
		return l.AutoconfigHTTPS.Enabled && !l.AutoconfigHTTPS.NonTLS, l.AutoconfigHTTPS.Port
	}},
	// Authorities connect to it (tls-alpn-01), if there is nothing else.
	{serviceWebTLS, func(l *config.ListenerInfo) (bool, int) { return l.ACMEPort != 0, l.ACMEPort }},
}

// submissionsOnHTTPS tells whether a listener has submission on its ports of HTTPS.
func submissionsOnHTTPS(l *config.ListenerInfo) bool {
	return l.Submissions.Enabled && l.Submissions.EnabledOnHTTPS
}

// imapsOnHTTPS is likewise for IMAP.
func imapsOnHTTPS(l *config.ListenerInfo) bool { return l.IMAPS.Enabled && l.IMAPS.EnabledOnHTTPS }

// endpoints lists the sockets of a configuration, in a stable order.
func endpoints(snap *config.Snapshot) []endpoint {
	var all []endpoint
	for _, name := range slices.Sorted(maps.Keys(snap.Listeners)) {
		l := snap.Listeners[name]
		var own []endpoint
		for _, s := range services {
			enabled, port := s.get(l)
			if !enabled {
				continue
			}
			for _, ip := range l.IPs {
				e := endpoint{name, s.service, l, net.JoinHostPort(ip.String(), strconv.Itoa(port))}
				// Services of HTTP share a port: http reference, section 1.1.
				if i := slices.IndexFunc(own, func(o endpoint) bool { return o.addr == e.addr }); i >= 0 {
					own[i].service = sharedService(own[i].service, e.service)
					continue
				}
				own = append(own, e)
			}
		}
		all = append(all, own...)
	}
	return all
}

// sharedService is that of a port that two services share: with TLS if one has it.
func sharedService(a, b service) service {
	if a == serviceWebTLS || b == serviceWebTLS {
		return serviceWebTLS
	}
	return serviceWeb
}

// mail tells whether the service is a protocol of mail.
func (s service) mail() bool {
	return slices.Contains([]service{serviceSMTP, serviceLMTP, serviceSubmission, serviceSubmissions, serviceIMAP, serviceIMAPS}, s)
}

// proxied tells whether connections to the service come through the proxies of its
// listener, if that has any. Those of operators do not.
func (s service) proxied() bool { return s != serviceMetrics && s != servicePprof }

// wrap puts on a socket what its configuration wants of its connections: that they come
// through a proxy; and those of mail are counted.
func (s *Server) wrap(o openSocket) openSocket {
	if len(o.conf.Proxies) > 0 && o.service.proxied() {
		refused := s.Registry.Counter(metrics.ProxyRefused)
		o.Listener = proxyproto.NewListener(o.Listener, proxyproto.Config{
			Trusted: o.conf.Proxies, Log: s.Log,
			Refused: func(reason string) { refused.Inc(o.listener, reason) },
		})
	}
	if o.service.mail() {
		o.Listener = &countedListener{o.Listener, s.countOpen(o.service, o.listener)}
	}
	return o
}

// countOpen returns what counts the open connections of a protocol of mail.
func (s *Server) countOpen(protocol service, listener string) func(n float64) {
	open := s.Registry.Gauge(metrics.Connections)
	return func(n float64) { open.Add(n, string(protocol), listener) }
}

// error names the endpoint in an error about its socket.
func (e endpoint) error(err error) error {
	return fmt.Errorf("listener %s, service %s: %w", e.listener, e.service, err)
}

// keyFiles are the TLS certificate and key files of all listeners.
func keyFiles(snap *config.Snapshot) []string {
	var paths []string
	for _, name := range slices.Sorted(maps.Keys(snap.Static.Listeners)) {
		l := snap.Static.Listeners[name]
		if l.TLS == nil {
			continue
		}
		for _, kc := range l.TLS.KeyCerts {
			for _, path := range []string{snap.ConfigPath(kc.CertFile), snap.ConfigPath(kc.KeyFile)} {
				if !slices.Contains(paths, path) {
					paths = append(paths, path)
				}
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(snap.Static.Transports)) {
		t := snap.Static.Transports[name]
		for _, smart := range []*config.TransportSMTP{t.Submissions, t.Submission, t.SMTP} {
			if smart == nil || smart.Auth == nil || smart.Auth.ClientCertificate == nil {
				continue
			}
			c := smart.Auth.ClientCertificate
			for _, path := range []string{snap.ConfigPath(c.CertFile), snap.ConfigPath(c.KeyFile)} {
				if !slices.Contains(paths, path) {
					paths = append(paths, path)
				}
			}
		}
	}
	return paths
}

// Sockets lists the TCP addresses that a configuration listens on, "ip:port".
func Sockets(snap *config.Snapshot) []string {
	var addrs []string
	for _, e := range endpoints(snap) {
		if !slices.Contains(addrs, e.addr) {
			addrs = append(addrs, e.addr)
		}
	}
	return addrs
}

// accept runs what accepts connections of mail, until its socket is closed.
func (s *Server) accept(serve func()) {
	s.accepting.Add(1)
	s.serving.Go(func() {
		defer s.accepting.Done()
		serve()
	})
}

// closeSockets stops accepting connections, without refusing any: those that come wait at the
// sockets, which the parent has too. Those that were accepted have a session when accepting is over. Those of HTTP are closed first thing when they are shut down.
func (s *Server) closeSockets() {
	for _, o := range s.bound {
		if o.service.mail() {
			o.Listener.Close()
		}
	}
}
