package serve

import (
	"crypto/tls"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"mox/config"
	"mox/hook"
	"mox/imapserver"
	"mox/metrics"
	"mox/mlog"
	"mox/mtasts"
	"mox/ratelimit"
	"mox/smtpserver"
	"mox/webapiserver"
	"mox/webserver"
)

// buildWeb makes the servers of HTTP.
func (s *Server) buildWeb() {
	s.web = webserver.New(mlog.New("webserver", s.Log))
	if !s.Local {
		s.webLimiter = ratelimit.NewLimiter(0, requestsPerMinute, requestsPerHour)
	}
	results, durations := s.Registry.Counter(metrics.WebAPIResults), s.Registry.Histogram(metrics.WebAPIRequest)
	submissions, failures := s.Registry.Counter(metrics.WebAPISubmission), s.Registry.Counter(metrics.WebAPIErrors)
	snap := s.Config.Snapshot()
	var size int64
	for _, l := range snap.Listeners {
		size = max(size, l.SMTPMaxMessageSize)
	}
	s.webapi = webapiserver.New(webapiserver.Config{
		Auth: s.Auth, Store: s.Store, Send: s.submit, Suppressions: s.Queue, Hostname: snap.Hostname.ASCII,
		Log: s.Log, Now: s.Now, NextID: s.cids.Next,
		Limits: webapiserver.Limits{Message: size},
		Metrics: webapiserver.Metrics{
			Result: func(method, result string, d time.Duration) {
				results.Inc(method, result)
				durations.Observe(d, method)
			},
			Submission: func(result string) { submissions.Inc(result) },
			Error:      func(kind string) { failures.Inc(kind) },
			Panic:      func() { s.Registry.Panic("webapi") },
		},
	})
}

// startWeb serves what there is on a port of HTTP.
func (s *Server) startWeb(o openSocket) {
	p := s.webPort(o)
	var protocols []webserver.Protocol
	if o.service == serviceWebTLS {
		protocols = s.mailProtocols(o)
	}
	if len(p.Services) == 0 && p.Fallback == nil && len(protocols) == 0 {
		s.Log.Warn("web sites are not served by this version", "listener", o.listener, "addr", o.addr)
		o.Close()
		return
	}
	var tlsConf *tls.Config
	if o.service == serviceWebTLS {
		tlsConf = tlsConfig(o.conf)
	}
	s.web.Start(o, tlsConf, webserver.NewPort(p), protocols...)
}

// mailProtocols are those of mail that a port of HTTPS has for clients that ask for them.
// They count as connections to the ports that mail has for itself.
func (s *Server) mailProtocols(o openSocket) []webserver.Protocol {
	var all []webserver.Protocol
	add := func(name string, protocol service, serve func(conn *tls.Conn)) {
		count := s.countOpen(protocol, o.listener)
		all = append(all, webserver.Protocol{Name: name, Serve: func(conn *tls.Conn) {
			count(1)
			defer count(-1)
			serve(conn)
		}})
	}
	if submissionsOnHTTPS(o.conf) {
		server := smtpserver.New(s.submissionConfig(o, true))
		s.smtp = append(s.smtp, server)
		add("smtp", serviceSubmissions, func(conn *tls.Conn) { server.ServeConn(s.ctx, conn) })
	}
	if imapsOnHTTPS(o.conf) {
		l := imapserver.Listener{Service: string(serviceIMAPS), TLS: tlsConfig(o.conf), Implicit: true}
		add("imap", serviceIMAPS, func(conn *tls.Conn) { s.imap.ServeConn(s.ctx, conn, l) })
	}
	return all
}

// webPort is what is served on a port.
func (s *Server) webPort(o openSocket) webserver.Port {
	l := o.conf
	_, text, _ := net.SplitHostPort(o.addr)
	port, _ := strconv.Atoi(text) // endpoints has made it
	requests, responses := s.Registry.Histogram(metrics.HTTPServerRequest), s.Registry.Histogram(metrics.HTTPServerResponse)
	p := webserver.Port{
		Limiter: s.webLimiter, Now: s.Now,
		Observe: func(o webserver.Observation) {
			code := strconv.Itoa(o.Code)
			requests.Observe(o.Header, o.Handler, o.Proto, o.Method, code)
			responses.Observe(o.Done, o.Handler, o.Proto, o.Method, code)
		},
	}
	for _, w := range []struct {
		name    string
		conf    config.WebService
		handler http.Handler
	}{{"webapi", l.WebAPIHTTP, s.webapi}, {"webapi", l.WebAPIHTTPS, s.webapi}} {
		if w.conf.Enabled && w.conf.Port == port {
			p.Services = append(p.Services, webserver.Service{Name: w.name, Path: w.conf.Path, Handler: w.handler, Host: func(h string) bool { return s.isServiceHost(l, h) }})
			p.Forwarded = p.Forwarded || w.conf.Forwarded
		}
	}
	if m := l.MTASTSHTTPS; m.Enabled && m.Port == port {
		p.Services = append(p.Services, webserver.MTASTS(func(host string) *mtasts.Policy { return s.Config.Snapshot().MTASTSPolicy(host) }))
		p.Forwarded = p.Forwarded || m.Forwarded
	}
	if l.MetricsHTTP.Enabled && l.MetricsHTTP.Port == port {
		p.Services = append(p.Services, webserver.Service{Name: "metrics", Path: "/metrics/", Handler: s.Registry})
	}
	if l.WebserverHTTP.Enabled && l.WebserverHTTP.Port == port {
		if l.WebserverHTTP.RateLimitDisabled {
			p.Limiter = nil
		}
		if s.Overview != nil {
			p.Fallback = s.Overview
		}
	}
	return p
}

// isServiceHost tells whether a request for a host is for the applications of a listener:
// http reference, section 1.2.
func (s *Server) isServiceHost(l *config.ListenerInfo, host string) bool {
	if _, err := netip.ParseAddr(host); err == nil || host == "localhost" {
		return true
	}
	if strings.EqualFold(host, l.Hostname.ASCII) {
		return true
	}
	for _, d := range s.Config.Snapshot().Domains {
		if strings.EqualFold(host, d.ClientSettingsDomain.ASCII) {
			return true
		}
	}
	return false
}

// newHooks makes what calls webhooks.
func (s *Server) newHooks(snap *config.Snapshot) *hook.Hooks {
	durations, results := s.Registry.Histogram(metrics.WebhookRequest), s.Registry.Counter(metrics.WebhookResults)
	bounces := s.Registry.Counter(metrics.QueueBounces)
	return hook.New(hook.Config{
		Queue: s.Queue, Store: s.Store, Config: s.Config.Snapshot, Version: s.Version, Log: s.Log, Now: s.Now,
		TLS: &tls.Config{RootCAs: snap.RootCAs},
		Metrics: hook.Metrics{
			Request: func(d time.Duration) { durations.Observe(d) },
			Result:  func(status int) { results.Inc(statusLabel(status)) },
			Bounce:  func(event, by string) { bounces.Inc(event, by) },
			Panic:   func() { s.Registry.Panic("hook") },
		},
	})
}

// statusLabel is a status of HTTP in metrics: it, its class when it is unknown, "error" for
// none.
func statusLabel(status int) string {
	switch {
	case status == 0:
		return "error"
	case http.StatusText(status) == "":
		return strconv.Itoa(status/100) + "xx"
	}
	return strconv.Itoa(status)
}

// syncHooks follows a change of the configuration.
func (s *Server) syncHooks(old, snap *config.Snapshot) {
	h := s.hooks.Load()
	for name, before := range old.Accounts {
		if after := snap.Accounts[name]; after != nil && hook.Watched(before) && !hook.Watched(after) {
			h.Forget(name)
		}
	}
	// It asks for the configuration when it gets to it, which is the new one then.
	for name, after := range snap.Accounts {
		if hook.Watched(after) && !hook.Watched(old.Accounts[name]) {
			h.Forget(name)
		}
	}
}
