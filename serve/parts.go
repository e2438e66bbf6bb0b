package serve

import (
	"context"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"time"

	"mox/admin"
	"mox/auth"
	"mox/ban"
	"mox/config"
	"mox/ctl"
	"mox/imapserver"
	"mox/metrics"
	"mox/mlog"
	"mox/webserver"
)

// build makes all parts that need no socket, from the lower layers to the doors.
func (s *Server) build() error {
	s.buildAuth()
	s.Admin = &admin.Admin{
		Config: s.Config, Store: s.Store, Auth: s.Auth, Levels: s.Levels,
		Log: mlog.New("admin", s.Log), Now: s.Now, Stop: s.AskStop, Process: s, Traces: s.Traces, Junk: s.Junk, Index: s.Search, Queue: s.Queue, Reports: s.Reports, Bans: s.Bans, Logins: s.Logins, Certificates: s, Retry: func() { s.outbound.Retry() },
		HoldLocal: func(ctx context.Context) (func(), error) { return s.outbound.HoldLocal(ctx) },
		Disconnect: func(account string) {
			s.imap.Disconnect(account)
			s.jmap.Disconnect(account)
			s.Search.Detach(account)
			s.Junk.Detach(account)
			s.queueboxes.Load().Detach(account)
			// What disturbs mail programs, such as new UIDVALIDITYs, does not disturb these.
			if s.Config.Snapshot().Accounts[account] == nil {
				s.accountAPI.Detach(account)
			}
		},
	}
	s.buildBackups(s.Config.Snapshot())
	s.ctl = &ctl.Server{Admin: s.Admin, Log: mlog.New("ctl", s.Log), Panic: func() { s.Registry.Panic("ctl") }}
	s.buildReports()
	s.buildSMTP()
	s.buildOutbound()
	s.Admin.Put, s.Admin.Submit = s.submit.Put, s.submit
	s.Admin.Inbound, s.Admin.Door = s.inbound, s.publicDoor()
	s.buildIMAP()
	s.Admin.IMAP = func(ctx context.Context, conn net.Conn, account, login string) {
		s.imap.ServeConn(ctx, conn, imapserver.Listener{Service: "ctl", LoggedIn: &imapserver.Principal{Account: account, Login: login}})
	}
	return s.buildWeb()
}

func (s *Server) buildAuth() {
	attempts, throttled := s.Registry.Counter(metrics.Authentication), s.Registry.Counter(metrics.AuthenticationRateLimited)
	var limiter auth.Limiter
	if !s.Local {
		limiter = failureLimiter{newFailures(), s.Bans}
	}
	s.Auth = auth.New(auth.Config{
		Log:       mlog.New("auth", s.Log),
		Directory: logins{s.dir},
		Secrets:   s.secrets(),
		Tokens:    s.secrets(),
		TLSKeys:   tlsKeys{s},

		TLSKeyIndex: s.Config.Snapshot().DataPath("tlspubkeys.json"),
		Limiter:     limiter,
		Recorder:    s.Logins,
		Now:         s.Now,
		Observer: auth.Observer{
			Attempt:   func(kind, variant, result string) { attempts.Inc(kind, variant, result) },
			Throttled: func(kind string) { throttled.Inc(kind) },
		},
	})
}

func (s *Server) buildIMAP() {
	s.checkCapabilities(s.Config.Snapshot())
	connections, commands := s.Registry.Counter(metrics.IMAPConnection), s.Registry.Histogram(metrics.IMAPCommand)
	s.imap = imapserver.New(imapserver.Config{
		Accounts:    s.Store,
		Auth:        imapAuth{s.Auth},
		Sharing:     s.dir,
		Index:       s.Search,
		Limiter:     newConnectionLimiter(s.Local, s.Now),
		Banned:      s.bannedIMAP,
		Log:         mlog.New("imapserver", s.Log),
		Foreground:  &s.foreground,
		Hostname:    s.Config.Snapshot().Hostname.ASCII,
		Version:     s.Version,
		AdminURI:    "mailto:postmaster@" + s.Config.Snapshot().Hostname.ASCII,
		Now:         s.Now,
		NextID:      s.cids.Next,
		UserAccount: s.userAccount,
		OwnHost:     s.ownHost,
		Limits:      imapserver.Limits{Messages: s.Config.Snapshot().Static.IMAPMessageLimit, Saves: s.Config.Snapshot().Static.IMAPSaveLimit},
		Disabled: func(account string) []string {
			if info := s.Config.Snapshot().Accounts[account]; info != nil {
				return info.Config.IMAPCapabilitiesDisabled
			}
			return nil
		},
		Hooks: imapserver.Hooks{
			Connection: func(service string) { connections.Inc(service) },
			Command:    func(cmd, result string, d time.Duration) { commands.Observe(d, cmd, result) },
			Panic:      func() { s.Registry.Panic("imapserver") },
			Slow:       s.traceIMAP(),
			SlowAfter:  s.imapAfter(),
			Nonsense:   func(addr netip.Addr) { s.Bans.Offence(addr, ban.Logins, ban.Protocol) },
		},
	})
}

// starters begin to serve a socket, by service.
var starters = map[service]func(s *Server, o openSocket){
	serviceSMTP:        (*Server).startSMTP,
	serviceLMTP:        (*Server).startLMTP,
	serviceSubmission:  (*Server).startSubmission,
	serviceSubmissions: (*Server).startSubmission,
	serviceIMAP:        (*Server).startIMAP,
	serviceIMAPS:       (*Server).startIMAP,
	serviceMetrics:     func(s *Server, o openSocket) { s.web.Start(o, nil, webserver.Metrics(s.Registry, s.ready)) },
	servicePprof:       func(s *Server, o openSocket) { s.web.Start(o, nil, webserver.Profiles()) },
	serviceWeb:         (*Server).startWeb,
	serviceWebTLS:      (*Server).startWeb,
}

func (s *Server) startIMAP(o openSocket) {
	l := imapserver.Listener{Service: string(o.service), TLS: s.loginTLSConfig(o.conf), Implicit: o.service == serviceIMAPS, JMAP: jmapURL(o.conf)}
	l.PlaintextAuth = o.service == serviceIMAP && o.conf.IMAP.NoRequireSTARTTLS
	s.accept(func() { s.ended("imap", o, s.imap.Serve(s.ctx, o, l)) })
}

// jmapURL is where mail programs that came to a listener have JMAP: RFC 9698. Empty: they have not, or not with TLS.
func jmapURL(l *config.ListenerInfo) string {
	j := l.JMAPHTTPS
	if !j.Enabled {
		return ""
	}
	host := l.Hostname.ASCII
	if j.Port != 443 {
		host = net.JoinHostPort(host, strconv.Itoa(j.Port))
	}
	return (&url.URL{Scheme: "https", Host: host, Path: j.Path + "session"}).String()
}

// ended logs why a listener is no longer served, unless that is because of Stop.
func (s *Server) ended(protocol string, o openSocket, err error) {
	select {
	case <-s.stopped:
	default:
		s.Log.Error("listener ended", "err", err, "protocol", protocol, "addr", o.addr)
	}
}

// checkCapabilities tells of names in IMAPCapabilitiesDisabled that switch off nothing, such
// as misspelled ones. A configuration is not refused for them: another release may know them.
func (s *Server) checkCapabilities(snap *config.Snapshot) {
	for account, info := range snap.Accounts {
		for _, name := range info.Config.IMAPCapabilitiesDisabled {
			if !imapserver.IsCapability(name) {
				s.Log.Warn("unknown capability in IMAPCapabilitiesDisabled: nothing is switched off by it", "account", account, "capability", name)
			}
		}
	}
}
