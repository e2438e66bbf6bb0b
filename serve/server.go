package serve

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"mox/accountapi"
	"mox/admin"
	"mox/auth"
	"mox/autotls"
	"mox/ban"
	"mox/config"
	"mox/ctl"
	"mox/directory"
	"mox/discovery"
	"mox/dns"
	"mox/dnsbl"
	"mox/doctext"
	"mox/hook"
	"mox/imapserver"
	"mox/inbound"
	"mox/jmapserver"
	"mox/junk"
	"mox/loginlog"
	"mox/metrics"
	"mox/mlog"
	"mox/mtastsdb"
	"mox/otlp"
	"mox/outbound"
	"mox/queue"
	"mox/queuebox"
	"mox/ratelimit"
	"mox/replica"
	"mox/report"
	"mox/reportdb"
	"mox/search"
	"mox/smtpserver"
	"mox/store"
	"mox/submit"
	"mox/tracelog"
	"mox/updates"
	"mox/upkeep"
	"mox/webapiserver"
	"mox/webhandler"
	"mox/webserver"
	"mox/websession"
	"mox/welcome"
)

// Options are what a Server is composed from. Config, Log and Levels are needed.
type Options struct {
	Config *config.Manager
	Log    *slog.Logger
	Levels *mlog.Levels

	Registry  *metrics.Registry // nil: a new one
	Inherited *Inherited        // nil: nothing
	Resolver  dns.Resolver      // nil: the system's
	Now       func() time.Time  // nil: time.Now
	Version   string
	Feed      updates.Feed // of newer versions, unless mox.conf has one; zero: none

	// Dial makes connections to other mail servers, and to URLs that others name, from source unless that is invalid. Nil:
	// over the network.
	Dial func(ctx context.Context, source netip.Addr, network, address string) (net.Conn, error)
	// Loopback allows mail for other servers to be sent to loopback addresses: for tests.
	Loopback bool
	// Listen opens the socket of a service, in place of an inherited or new one.
	Listen func(service, addr string) (net.Listener, error)

	Pedantic         bool // refuse deviations that are tolerated otherwise
	CheckConsistency bool // check all accounts when the server stops
	// Drain is how long open connections may go on after Stop; 0: the constant.
	Drain time.Duration

	// Local makes the server that of localserve: any recipient is accepted, outcomes
	// can be asked for by localpart, addresses are not limited.
	Local bool
	// NoSlow serves suspicious clients as quickly as others: for tests.
	NoSlow bool
	// Overview is the page that localserve shows on its web port.
	Overview *webserver.Overview
	// parent is the process that started this one to serve; nil: none.
	parent *link
	// Confine restricts the process to its directories once everything is open.
	Confine bool
	// DocumentReader is the program, with arguments, that does [DocumentReader]; nil: this
	// program, with the argument "doctext".
	DocumentReader []string
}

// Server is a composed mail server. Make one with New, then Start it; Stop ends it.
type Server struct {
	Options
	Registry *metrics.Registry
	Store    *store.Store
	Auth     *auth.Service
	Admin    *admin.Admin
	Search   *search.Manager
	Junk     *junk.Manager
	Traces   *tracelog.Log
	Queue    *queue.Queue
	Policies *mtastsdb.DB // MTA-STS policies of other domains
	Reports  *reportdb.DB
	Bans     *ban.Bans // networks that are refused
	Logins   *loginlog.Log
	// AccountSessions are those of the account pages.
	AccountSessions *websession.Sessions
	// MailSessions are those of the webmail.
	MailSessions *websession.Sessions
	// Certificates are those gotten by ACME; nil: no listener has such.
	Certificates *autotls.Manager

	spans        *otlp.Exporter      // nil: nobody wants to know what took how long
	replica      *replica.Replicator // nil: there is none
	endReplica   func()              // ends and waits for it; nil: it does not run
	opening      sync.Mutex          // held while a repository of backups is opened or made
	certFiles    *autotls.Files      // certificates from files
	acmeCommands []*autotls.Commands // that change DNS records
	documents    *doctext.Extractor  // nil: documents are not searched
	foreground   upkeep.Foreground
	dns          *dns.Client // nil: Resolver was given
	blocklists   *dnsbl.Checker
	dir          *directory.Directory
	receivedID   *ReceivedID
	srsKey       []byte
	cids         *mlog.CidGenerator
	inbound      *inbound.Inbound
	submit       *submit.Submit
	outbound     *outbound.Outbound
	hooks        atomic.Pointer[hook.Hooks]
	queueboxes   atomic.Pointer[queuebox.Boxes]
	receiver     *report.Receiver
	reporter     *report.Reporter
	smtp         []*smtpserver.Server // one for each listener
	smtpLimiter  *connectionLimiter
	mailLimiter  *mailLimiter // nil: no limits
	smtpMetrics  smtpserver.Metrics
	imap         *imapserver.Server
	web          *webserver.Server
	webapi       *webapiserver.Server
	jmap         *jmapserver.Server
	pushes       atomic.Pointer[jmapserver.Pushes]
	jmapDoor     http.Handler // for programs, with passwords and tokens
	webmail      http.Handler
	discovery    *discovery.Discovery
	welcome      *welcome.Server
	sites        *webhandler.Sites // nil: no listener has web sites
	accountPages http.Handler
	accountAPI   *accountapi.Server
	adminPages   http.Handler
	webLimiter   *ratelimit.Limiter // of HTTP requests; nil: no limit
	// webConnections are those of HTTP; nil: no limit.
	webConnections *ratelimit.Open
	ctl            *ctl.Server

	ctx       context.Context // ends when connections have to
	cancel    context.CancelFunc
	stopped   chan struct{} // closed when someone asked to stop
	ask       func()        // closes stopped, once
	opened    []openSocket
	bound     []openSocket                  // all of them, while serving
	drain     atomic.Pointer[linkMessage]   // set when another program takes over
	upgrade   atomic.Pointer[UpgradeStatus] // of the last one
	started   time.Time
	watch     watch                           // what "mox status" tells of
	begun     atomic.Bool                     // set when all sockets are served
	newer     atomic.Pointer[updates.Version] // that there is, as was last heard; zero or nil: none
	readiness readiness
	serving   sync.WaitGroup // goroutines that go on until the server ends
	accepting sync.WaitGroup // those that accept connections of mail
	following sync.WaitGroup // the one that answers the parent
}

// openSocket is a socket between opening and serving.
type openSocket struct {
	endpoint
	net.Listener
}

// Drain is how long open connections may go on after Stop before their contexts end.
const Drain = 3 * time.Second

// New opens storage and sockets and builds all parts. Nothing is served before Start.
func New(o Options) (_ *Server, rerr error) {
	s := &Server{Options: o, stopped: make(chan struct{})}
	s.setDefaults()
	defer func() {
		if rerr != nil {
			s.abandon()
		}
	}()
	snap := o.Config.Snapshot()
	if err := os.MkdirAll(snap.DataPath("."), 0o770); err != nil {
		return nil, fmt.Errorf("data directory: %w", err)
	}
	var err error
	if s.receivedID, err = loadReceivedID(snap.DataPath(receivedIDFile)); err != nil {
		return nil, err
	}
	if s.srsKey, err = loadSRSKey(snap.DataPath(srsKeyFile)); err != nil {
		return nil, err
	}
	s.openTracing(snap)
	s.newReplicator(snap)
	if s.Store, err = store.Open(snap.DataPath("."), s.storeOptions()); err != nil {
		return nil, fmt.Errorf("opening data directory: %w", err)
	}
	if err := s.createMissing(snap); err != nil {
		return nil, err
	}
	if err := s.openSearch(snap); err != nil {
		return nil, err
	}
	if err := s.openReception(snap); err != nil {
		return nil, err
	}
	if err := s.openSending(snap); err != nil {
		return nil, err
	}
	if err := s.openBans(snap); err != nil {
		return nil, err
	}
	if s.Logins, err = loginlog.Open(snap.DataPath(loginlog.FileName), loginlog.Options{Log: s.Log, Now: s.Now}); err != nil {
		return nil, err
	}
	if err := s.openCertificates(snap); err != nil {
		return nil, err
	}
	if err := s.openSockets(snap); err != nil {
		return nil, err
	}
	s.makeBackupDir(snap)
	if err := s.build(); err != nil {
		return nil, err
	}
	o.Config.Subscribe(s.prepareReload)
	return s, nil
}

// storeOptions are those of the account databases.
func (s *Server) storeOptions() store.Options {
	return store.Options{
		Log:      mlog.New("store", s.Log),
		Now:      s.Now,
		LimitsOf: func(account string) store.Limits { return LimitsOf(s.Config.Snapshot().Accounts[account]) },
		Added: func(account string) {
			s.Search.Touch(account)
			if h := s.hooks.Load(); h != nil {
				h.Touch(account)
			}
		},
		Classified: func(account string) { s.Junk.Touch(account) },
		Changed: func(account string) {
			if p := s.pushes.Load(); p != nil {
				p.Changed(account)
			}
		},
		AutoFlags: s.autoFlags,
		Retention: s.Config.Snapshot().Static.KeepExpunged,
		Watch:     s.watcher(),
		Reserved: func(account, mailbox string) bool {
			return queuebox.Reserved(s.Config.Snapshot(), account, mailbox)
		},
	}
}

// LimitsOf are the quotas of an account; nil has none.
func LimitsOf(info *config.AccountInfo) store.Limits {
	if info == nil {
		return store.Limits{}
	}
	return store.Limits{Bytes: info.Quota, Messages: info.QuotaMessages, Mailboxes: info.QuotaMailboxes}
}

// prepareReload readies the server for a changed domains.conf: new accounts need their
// data before mail can come for them. Quotas of open accounts follow.
func (s *Server) prepareReload(old, snap *config.Snapshot) (config.Prepared, error) {
	if err := s.createMissing(snap); err != nil {
		return config.Prepared{}, err
	}
	switchSites := func() {}
	if s.sites != nil {
		switchSites = s.sites.Prepare(snap)
	}
	return config.Prepared{Commit: func() {
		switchSites()
		if s.Certificates != nil {
			s.Certificates.SetNames(autotls.NamesOf(snap))
		}
		s.syncHooks(old, snap)
		s.syncSessions(old, snap)
		s.queueboxes.Load().Touch("") // their names may be others
		s.imap.Recheck()
		s.checkCapabilities(snap)
		for name, info := range snap.Accounts {
			before := old.Accounts[name]
			if before == nil || LimitsOf(before) == LimitsOf(info) {
				continue
			}
			acc, err := s.Store.Account(s.ctx, name)
			if err != nil {
				s.Log.Error("changing quota", "err", err, "account", name)
				continue
			}
			acc.SetLimits(LimitsOf(info))
			acc.Release()
		}
	}}, nil
}

func (s *Server) setDefaults() {
	if s.Options.Registry == nil {
		s.Options.Registry = metrics.New()
	}
	s.Registry = s.Options.Registry
	if s.Inherited == nil {
		s.Inherited = &Inherited{}
	}
	if s.Now == nil {
		s.Now = time.Now
	}
	s.cids = mlog.NewCidGenerator(s.Now())
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.readiness.check, s.readiness.now = func() Health { return s.Health(s.ctx) }, s.Now
	s.ask = sync.OnceFunc(func() { close(s.stopped) })
	resolve := directory.New
	if s.Local {
		resolve = directory.NewAny
	}
	s.dir = resolve(s.Config.Snapshot)
}

// createMissing makes the data of accounts that are configured and have none yet, as
// after an edit of domains.conf by hand.
func (s *Server) createMissing(snap *config.Snapshot) error {
	for name := range snap.Dynamic.Accounts {
		if err := s.Store.Create(s.ctx, name, admin.InitialMailboxes(snap)); err != nil && !errors.Is(err, store.ErrExists) {
			return fmt.Errorf("creating account %q: %w", name, err)
		}
	}
	return nil
}

func (s *Server) openSockets(snap *config.Snapshot) error {
	listen := s.Listen
	if listen == nil {
		listen = func(_, addr string) (net.Listener, error) { return s.Inherited.listen(addr) }
	}
	for addr := range s.Inherited.unknown(endpoints(snap)) {
		s.Log.Warn("inherited socket is not used by any listener", "addr", addr)
	}
	for _, e := range endpoints(snap) {
		l, err := listen(string(e.service), e.addr)
		if errors.Is(err, errCovered) {
			continue
		} else if err != nil {
			return e.error(err)
		}
		s.opened = append(s.opened, openSocket{e, l})
	}
	s.Inherited.close()
	return nil
}

// Start serves on all sockets and the control socket.
func (s *Server) Start() error {
	snap := s.Config.Snapshot()
	control, err := s.listenControl(snap)
	if err != nil {
		return err
	}
	if s.Confine {
		if err := confine(append(backupDirs(snap), snap.DataPath("."), filepath.Dir(snap.Path)), slices.Concat(readablePaths(snap), webRoots(snap), certificateDirs(snap))); err != nil {
			control.Close()
			return err
		}
	}
	// Before anything is accepted: afterwards there is no way back to copies of databases.
	if s.parent != nil {
		if err := s.parent.send(linkMessage{Kind: linkReady, Version: s.Version}); err != nil {
			control.Close()
			return fmt.Errorf("telling the parent process: %w", err)
		}
	}
	s.ctl.Start(control)
	for _, o := range s.opened {
		s.Log.Debug("listening", "listener", o.listener, "service", o.service, "addr", o.Addr())
		starters[o.service](s, s.wrap(o))
	}
	s.bound, s.opened, s.started = s.opened, nil, s.Now()
	s.startSending()
	s.certFiles.Start()
	if s.Certificates != nil {
		s.Certificates.Start()
	}
	s.startBackups()
	s.startUpdates()
	s.begun.Store(true)
	notify("READY=1\nSTATUS=serving mail")
	if s.parent != nil {
		s.following.Go(s.followParent)
	}
	s.serving.Go(s.watchdog)
	s.serving.Go(s.watchCounters)
	if !s.Local {
		s.serving.Go(func() { s.newOwnListings().run(s.ctx) })
	}
	mlog.Print(s.ctx, s.Log, "mox is serving", "version", s.Version)
	return nil
}

// watchdog tells systemd that we live, as often as it wants to hear it.
func (s *Server) watchdog() {
	every := watchdogInterval()
	if every == 0 {
		return
	}
	t := time.NewTicker(every)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			h := s.Health(s.ctx)
			if !h.OK() {
				s.Log.Error("not healthy: the service manager is not told that we live", "problem", h.String())
				continue
			}
			notify("WATCHDOG=1")
		case <-s.ctx.Done():
			return
		}
	}
}

// Stopping is closed when someone asked the server to stop, through the control socket
// or AskStop; whoever started it then calls Stop.
func (s *Server) Stopping() <-chan struct{} { return s.stopped }

// AskStop makes Stopping ready and returns at once.
func (s *Server) AskStop() { s.ask() }

// Stop ends the server: no new connections, a bounded time for open ones, then all
// parts in the reverse order of their making.
func (s *Server) Stop() error {
	s.ask()
	if s.draining() {
		s.closeSockets() // those who connect now wait for the next program
		s.accepting.Wait()
	} else {
		notify("STOPPING=1")
	}
	drain := cmp.Or(s.Drain, Drain)
	s.Log.Info("stopping", "drain", drain)
	ctx, cancel := context.WithTimeout(context.Background(), drain)
	defer cancel()
	// Soon, so that who listens to them hears of it. The same import once more goes on from there.
	s.accountAPI.Close()
	ends := []func(context.Context) error{s.imap.Shutdown, s.web.Shutdown}
	for _, smtp := range s.smtp {
		ends = append(ends, smtp.Shutdown)
	}
	errs := make(chan error, len(ends))
	for _, end := range ends {
		go func() { errs <- end(ctx) }()
	}
	var all []error
	for range ends {
		if err := <-errs; err != nil && !errors.Is(err, context.DeadlineExceeded) {
			all = append(all, err)
		}
	}
	s.cancel()
	s.serving.Wait()
	s.Config.Close()
	if s.CheckConsistency {
		all = append(all, s.checkAccounts(context.Background()), s.checkQueue(context.Background()))
	}
	all = append(all, s.closeState(), s.drained())
	s.closeTracing() // a collector may keep us waiting, and nobody else
	// Last: whoever waits for "mox stop" hears by the end of its connection.
	all = append(all, s.ctl.Close())
	if s.parent != nil {
		s.parent.close()
		s.following.Wait()
	}
	mlog.Print(context.Background(), s.Log, "mox has stopped")
	return errors.Join(all...)
}

// checkAccounts logs what is inconsistent in the data of accounts; the error says in how
// many.
func (s *Server) checkAccounts(ctx context.Context) error {
	names, err := s.Store.Names()
	if err != nil {
		return err
	}
	bad := 0
	for _, name := range names {
		problems, err := s.checkAccount(ctx, name)
		if err != nil {
			s.Log.Error("checking account", "err", err, "account", name)
		}
		for _, p := range problems {
			s.Log.Error("account is inconsistent", "problem", p.String(), "account", name)
		}
		if err != nil || len(problems) > 0 {
			bad++
		}
	}
	s.Log.Info("accounts checked", "accounts", len(names), "bad", bad)
	if bad > 0 {
		return fmt.Errorf("%d of %d accounts are inconsistent, see the log", bad, len(names))
	}
	return nil
}

func (s *Server) checkAccount(ctx context.Context, name string) ([]store.Problem, error) {
	acc, err := s.Store.Account(ctx, name)
	if err != nil {
		return nil, err
	}
	defer acc.Release()
	return acc.Check(ctx)
}

// abandon gives up what a New that failed has opened.
func (s *Server) abandon() { _ = s.Close() }

// Close ends a Server that was not started.
func (s *Server) Close() error {
	s.cancel()
	for _, o := range s.opened {
		o.Close()
	}
	defer s.closeTracing()
	return s.closeState()
}

// closeState closes what New opened, in the reverse order.
func (s *Server) closeState() error {
	var errs []error
	if s.accountAPI != nil {
		s.accountAPI.Close()
	}
	if s.Search != nil {
		ctx, cancel := context.WithTimeout(context.Background(), Drain)
		defer cancel()
		errs = append(errs, s.Search.Close(ctx))
	}
	if s.documents != nil {
		errs = append(errs, s.documents.Close())
	}
	if s.sites != nil {
		s.sites.Close()
	}
	errs = append(errs, s.closeCertificates(), s.closeSending(), s.closeReception())
	if s.Logins != nil {
		errs = append(errs, s.Logins.Close())
	}
	if s.Bans != nil {
		errs = append(errs, s.Bans.Close())
	}
	if s.Store != nil {
		errs = append(errs, s.Store.Close())
	}
	if s.endReplica != nil {
		s.endReplica()
	}
	return errors.Join(errs...)
}
