package serve

import (
	"crypto/tls"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"mox/config"
	"mox/hook"
	"mox/imapserver"
	"mox/jmapserver"
	"mox/metrics"
	"mox/mlog"
	"mox/mtasts"
	"mox/ratelimit"
	"mox/smtpserver"
	"mox/webapiserver"
	"mox/webhandler"
	"mox/webserver"
	"mox/welcome"
)

// buildWeb makes the servers of HTTP.
func (s *Server) buildWeb() error {
	s.web = webserver.New(mlog.New("webserver", s.Log))
	if !s.Local {
		s.webLimiter = ratelimit.NewLimiter(0, requestsPerMinute, requestsPerHour)
		s.webConnections = ratelimit.NewOpen(webConnectionsOpen)
	}
	s.buildWebAPI()
	s.buildJMAP()
	if err := s.buildPages(); err != nil {
		return err
	}
	s.buildDiscovery()
	if err := s.buildWelcome(); err != nil {
		return err
	}
	return s.buildSites()
}

// buildSites makes the web sites of domains.conf, if a listener has them.
func (s *Server) buildSites() error {
	snap := s.Config.Snapshot()
	served := false
	for _, l := range snap.Listeners {
		served = served || l.WebserverHTTP.Enabled || l.WebserverHTTPS.Enabled
	}
	if !served {
		return nil
	}
	var err error
	s.sites, err = webhandler.New(webhandler.Config{
		Log:      mlog.New("webhandler", s.Log),
		Internal: map[string]http.Handler{"webapi": webserver.Secure(s.webapi), "account": webserver.Secure(s.accountPages), "admin": webserver.Secure(s.adminPages), "webmail": webserver.Secure(s.webmail)},
		CacheDir: snap.DataPath("tmp/httpstaticcompresscache"),
		RootCAs:  snap.RootCAs,
	})
	if err != nil {
		return err
	}
	s.sites.Prepare(snap)()
	return nil
}

// webRoots are the directories of files of web sites, which the process reads: those that
// are there. The directory that a root is in belongs to it, so that a site can be published by
// putting another directory or symbolic link in its place, unless it is one at the top, such as /srv.
func webRoots(snap *config.Snapshot) []string {
	var roots []string
	add := func(dir string) {
		if info, err := os.Stat(dir); err == nil && info.IsDir() && !slices.Contains(roots, dir) {
			roots = append(roots, dir)
		}
	}
	for _, h := range snap.WebHandlers {
		static := h.Config.WebStatic
		if static == nil {
			continue
		}
		add(static.Root)
		root, err := filepath.Abs(static.Root)
		if err != nil {
			continue
		}
		if dir := filepath.Dir(root); filepath.Dir(filepath.Dir(dir)) != filepath.Dir(dir) {
			add(dir)
		}
	}
	return roots
}

// buildWebAPI makes the HTTP API.
func (s *Server) buildWebAPI() {
	results, durations := s.Registry.Counter(metrics.WebAPIResults), s.Registry.Histogram(metrics.WebAPIRequest)
	submissions, failures := s.Registry.Counter(metrics.WebAPISubmission), s.Registry.Counter(metrics.WebAPIErrors)
	snap := s.Config.Snapshot()
	s.webapi = webapiserver.New(webapiserver.Config{
		Auth: s.Auth, Store: s.Store, Send: s.submit, Suppressions: s.Queue, Hostname: snap.Hostname.ASCII,
		Log: s.Log, Now: s.Now, NextID: s.cids.Next,
		Limits: webapiserver.Limits{Message: largestMessage(snap)},
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

// largestMessage is the most octets of a message that any listener takes.
func largestMessage(snap *config.Snapshot) int64 {
	var size int64
	for _, l := range snap.Listeners {
		size = max(size, l.SMTPMaxMessageSize)
	}
	return size
}

// buildJMAP makes the JMAP server, and its door for programs.
func (s *Server) buildJMAP() {
	snap := s.Config.Snapshot()
	calls := s.Registry.Histogram(metrics.JMAPCall)
	s.pushes.Store(s.newPushes(snap))
	s.jmap = jmapserver.New(jmapserver.Config{
		Store: s.Store, Search: s.Search, Log: s.Log, Now: s.Now, NextID: s.cids.Next,
		Panic:    func() { s.Registry.Panic("jmapserver") },
		Observe:  func(method, result string, d time.Duration) { calls.Observe(d, method, result) },
		Hostname: snap.Hostname.ASCII, Directory: s.dir, Send: s.submit, Queue: s.Queue, Pushes: s.pushes.Load(),
		Sending: func(ids ...int64) bool { return s.outbound.Sending(ids...) },
		Limits:  jmapserver.Limits{Message: largestMessage(snap)},
	})
	s.jmapDoor = s.jmap.Handler(s.jmap.CredentialsLogin(s.Auth), false)
}

// newPushes makes what tells push services of changes. Their URLs are from users, so they must not lead to what is only for us; a
// server for trying may call services of its own machine.
func (s *Server) newPushes(snap *config.Snapshot) *jmapserver.Pushes {
	results := s.Registry.Counter(metrics.JMAPPush)
	transport := s.publicTransport()
	// A few services get all requests.
	transport.DisableKeepAlives, transport.MaxIdleConns, transport.IdleConnTimeout, transport.ForceAttemptHTTP2 = false, 20, time.Minute, true
	c := jmapserver.PushConfig{
		Store: s.Store, Credentials: s.Auth, Index: snap.DataPath("jmappush.json"), Transport: transport,
		Public: s.isForeign, Version: s.Version, Log: s.Log, Now: s.Now,
		Result: func(kind, result string) { results.Inc(kind, result) },
		Panic:  func() { s.Registry.Panic("jmapserver") },
	}
	if s.Local {
		c.Public, c.Transport = nil, &http.Transport{TLSClientConfig: &tls.Config{RootCAs: snap.RootCAs}, ForceAttemptHTTP2: true}
	}
	return jmapserver.NewPushes(c)
}

// startWeb serves what there is on a port of HTTP.
func (s *Server) startWeb(o openSocket) {
	p := s.webRouter(o)
	var protocols []webserver.Protocol
	var tlsConf *tls.Config
	if o.service == serviceWebTLS {
		protocols = s.mailProtocols(o)
		tlsConf = s.tlsConfig(o.conf, tlsHTTPS)
		if s.Certificates != nil {
			protocols = append(protocols, acmeProtocol())
		}
	}
	var l net.Listener = o
	// All connections of a proxy come from its address.
	if !p.Forwarded {
		limited := !s.Local && p.Limiter != nil
		l = webserver.Limit(l, func(addr netip.Addr) (release func(), ok bool) {
			// Before TLS, which costs more than all else.
			if s.bannedWeb(addr) {
				return nil, false
			}
			if !limited {
				return func() {}, true
			}
			return func() { s.webConnections.Release(addr) }, s.webConnections.Acquire(addr)
		})
	}
	s.web.Start(l, tlsConf, webserver.NewRouter(p), protocols...)
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
		l := imapserver.Listener{Service: string(serviceIMAPS), TLS: s.tlsConfig(o.conf, tlsMail), Implicit: true, JMAP: jmapURL(o.conf)}
		add("imap", serviceIMAPS, func(conn *tls.Conn) { s.imap.ServeConn(s.ctx, conn, l) })
	}
	return all
}

// webRouter is what is served on a port.
func (s *Server) webRouter(o openSocket) webserver.Router {
	l := o.conf
	_, text, _ := net.SplitHostPort(o.addr)
	port, _ := strconv.Atoi(text) // endpoints has made it
	requests, responses := s.Registry.Histogram(metrics.HTTPServerRequest), s.Registry.Histogram(metrics.HTTPServerResponse)
	p := webserver.Router{
		Limiter: s.webLimiter, Banned: s.bannedWeb, Now: s.Now, Log: mlog.New("webserver", s.Log), NextID: s.cids.Next,
		Panic: func() { s.Registry.Panic("webserver") }, Secrets: []string{welcome.Path},
		Observe: func(o webserver.Observation) {
			s.probed(o)
			code := strconv.Itoa(o.Code)
			requests.Observe(o.Header, o.Handler, o.Proto, o.Method, code)
			responses.Observe(o.Done, o.Handler, o.Proto, o.Method, code)
			s.traceRequest(o)
		},
	}
	s.addApplications(&p, l, port)
	s.addSystems(&p, l, port)
	s.addACME(&p)
	s.addDiscovery(&p, l, port)
	s.addSites(&p, l, port)
	return p
}

// addApplications adds the applications of a listener that are on a port.
func (s *Server) addApplications(p *webserver.Router, l *config.ListenerInfo, port int) {
	host := func(h string) bool { return s.isServiceHost(l, h, false) }
	for _, a := range s.applications(l, port) {
		host := func(h string) bool { return s.isServiceHost(l, h, a.admin) }
		p.Services = append(p.Services, webserver.Service{Name: a.name, Path: a.conf.Path, Handler: a.handler, Host: host, Body: -1})
		p.Forwarded = p.Forwarded || a.conf.Forwarded
		switch a.name {
		case "account":
			p.Services = append(p.Services, webserver.WellKnown("changepassword", "/.well-known/change-password", a.conf.Path+"#/password", host))
		case "jmap":
			// RFC 8620 2.2.
			p.Services = append(p.Services, webserver.WellKnown("jmap", "/.well-known/jmap", a.conf.Path+"session", host))
		}
	}
	if len(p.Services) > 0 {
		postmaster := "postmaster@" + s.Config.Snapshot().Hostname.ASCII
		p.Services = append(p.Services, webserver.Favicon(host), webserver.SecurityTxt(postmaster, host, s.Now))
	}
}

// addSystems adds what other programs ask for.
func (s *Server) addSystems(p *webserver.Router, l *config.ListenerInfo, port int) {
	if m := l.MTASTSHTTPS; m.Enabled && m.Port == port {
		p.Systems = append(p.Systems, webserver.MTASTS(func(host string) *mtasts.Policy { return s.Config.Snapshot().MTASTSPolicy(host) }))
		p.Forwarded = p.Forwarded || m.Forwarded
	}
	if l.MetricsHTTP.Enabled && l.MetricsHTTP.Port == port {
		p.System("metrics", "/metrics", nil, s.Registry)
		p.System("health", webserver.LivePath, nil, webserver.Live())
		p.System("health", webserver.ReadyPath, nil, webserver.Ready(s.ready))
	}
}

// addSites adds web sites, if a listener has them on a port.
func (s *Server) addSites(p *webserver.Router, l *config.ListenerInfo, port int) {
	for _, w := range []config.WebserverService{l.WebserverHTTP, l.WebserverHTTPS} {
		if !w.Enabled || w.Port != port {
			continue
		}
		p.Sites = s.sites
		p.Forwarded = p.Forwarded || w.Forwarded
		if w.RateLimitDisabled {
			p.Limiter = nil
		}
		if s.Overview != nil {
			p.Fallback = s.Overview
		}
	}
	if l.WebserverHTTPS.Enabled {
		p.HTTPSPort = l.WebserverHTTPS.Port
	}
}

// isServiceHost tells whether a request for a host is for the applications of a listener:
// http reference, section 1.2. Names that users set up in mail programs do not lead to the
// admin pages.
func (s *Server) isServiceHost(l *config.ListenerInfo, host string, admin bool) bool {
	if _, err := netip.ParseAddr(host); err == nil || host == "localhost" {
		return true
	}
	if strings.EqualFold(host, l.Hostname.ASCII) {
		return true
	}
	if admin {
		return false
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
		TLS: &tls.Config{RootCAs: snap.RootCAs}, Spans: s.spans,
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
