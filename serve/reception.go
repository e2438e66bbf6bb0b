package serve

import (
	"context"
	"fmt"
	"time"

	"mox/config"
	"mox/deliver"
	"mox/dkim"
	"mox/dns"
	"mox/dnsbl"
	"mox/inbound"
	"mox/junk"
	"mox/metrics"
	"mox/mlog"
	"mox/msgauth"
	"mox/publicsuffix"
	"mox/store"
	"mox/submit"
	"mox/trace"
	"mox/tracelog"
)

// openReception opens what judging mail needs: DNS, what accounts were taught, and the
// log of decisions.
func (s *Server) openReception(snap *config.Snapshot) error {
	if err := s.openResolver(snap); err != nil {
		return err
	}
	trained, rebuilt, judged := s.Registry.Counter(metrics.JunkTrained), s.Registry.Counter(metrics.JunkRebuilt), s.Registry.Histogram(metrics.JunkJudged)
	var err error
	s.Junk, err = junk.New(junk.Config{
		Store: s.Store, Log: mlog.New("junk", s.Log), Now: s.Now, OrgDomain: organization,
		Params: func(account string) *config.JunkFilter {
			if info := s.Config.Snapshot().Accounts[account]; info != nil {
				return info.Config.JunkFilter
			}
			return nil
		},
		Metrics: junk.Metrics{
			Trained: func(change string, n int) { trained.Add(float64(n), change) },
			Judged:  func(what string, d time.Duration) { judged.Observe(d, what) },
			Rebuilt: func(reason string) { rebuilt.Inc(reason) },
		},
	})
	if err != nil {
		return fmt.Errorf("junk filter: %w", err)
	}
	s.Traces, err = tracelog.Open(snap.DataPath(tracelog.FileName), tracelog.Options{Log: mlog.New("tracelog", s.Log), Now: s.Now})
	if err != nil {
		return fmt.Errorf("log of decisions: %w", err)
	}
	s.Registry.GaugeFunc(metrics.TraceDropped, func() float64 { return float64(s.Traces.Dropped()) })
	return nil
}

// closeReception closes what openReception opened.
func (s *Server) closeReception() error {
	var err error
	if s.Junk != nil {
		ctx, cancel := context.WithTimeout(context.Background(), Drain)
		defer cancel()
		err = s.Junk.Close(ctx)
	}
	if s.Traces != nil {
		s.Traces.Close()
	}
	if s.dns != nil {
		s.dns.Close()
	}
	return err
}

// openResolver makes the resolver, unless one was given. That of localserve knows its own
// names and no others: it needs no network.
func (s *Server) openResolver(snap *config.Snapshot) error {
	if s.Resolver != nil {
		return nil
	}
	if s.Local {
		s.Resolver = localZone(snap)
		return nil
	}
	lookups := s.Registry.Histogram(metrics.DNSLookup)
	client, err := dns.NewClient(dns.Options{
		Servers: snap.Static.DNSResolvers, TrustServers: true, Log: mlog.New("dns", s.Log), Now: s.Now,
		Observe: func(typ, result string, d time.Duration) { lookups.Observe(d, "dns", typ, result) },
	})
	if err != nil {
		return fmt.Errorf("resolver: %w", err)
	}
	s.dns, s.Resolver = client, client
	return nil
}

// localZone has the records that the domains of localserve would have in DNS.
func localZone(snap *config.Snapshot) dns.Resolver {
	z := dns.MockResolver{A: map[string][]string{}, AAAA: map[string][]string{}, TXT: map[string][]string{}, MX: map[string][]dns.MX{}, PTR: map[string][]string{}}
	host := snap.Hostname.ASCII
	z.A[host], z.AAAA[host] = []string{"127.0.0.1"}, []string{"::1"}
	z.PTR["127.0.0.1"], z.PTR["::1"] = []string{host}, []string{host}
	for _, d := range snap.Domains {
		name := d.Domain.ASCII
		z.TXT[name] = append(z.TXT[name], "v=spf1 ip4:127.0.0.0/8 ip6:::1 -all")
		z.TXT["_dmarc."+name] = []string{"v=DMARC1; p=reject"}
		z.MX[name] = []dns.MX{{Preference: 10, Host: host}}
		for _, sel := range d.Selectors {
			if sel.Key == nil {
				continue
			}
			if r, err := dkim.NewRecord(sel.Key.Public()); err == nil {
				z.TXT[sel.Domain.ASCII+"._domainkey."+name] = []string{r.String()}
			}
		}
	}
	return z
}

// organization returns the organizational domain of a domain that is not a sender's, as
// of one that mail was sent to.
func organization(domain string) string {
	d, err := dns.ParseDomain(domain)
	if err != nil {
		return domain
	}
	return publicsuffix.OrganizationalDomain(d).ASCII
}

// autoFlags are the flags for messages on their way into a mailbox.
func (s *Server) autoFlags(account, from, mailbox string, use store.SpecialUse) (set, clear store.Flags) {
	return junk.AutoFlags(s.Config.Snapshot().Accounts[account], from, mailbox, use)
}

// buildInbound makes the flow for mail of other servers.
func (s *Server) buildInbound(deliverer *deliver.Deliverer, forwarder *submit.Forwarder) {
	hostname := s.Config.Snapshot().Hostname
	s.blocklists = s.newBlocklists()
	checker := msgauth.New(msgauth.Config{
		Resolver: s.Resolver, Hostname: hostname, Log: s.Log, Now: s.Now, Metrics: s.checkMetrics(),
		DNSBL: s.blocklists,
	})
	deliveries, given, checked := s.Registry.Counter(metrics.SMTPServerDelivery), s.Registry.Counter(metrics.SubjectPassGenerate), s.Registry.Counter(metrics.SubjectPassVerify)
	s.inbound = inbound.New(inbound.Config{
		Hostname: hostname, Directory: s.dir, Deliverer: deliverer, Store: s.Store, Resolver: s.Resolver, Checker: checker, Junk: s.Junk, Reports: s.receiver, Trace: s.judged,
		Notifier: s.submit, Returner: forwarder,
		ID: s.receivedID.Encode, Local: s.Local, Log: s.Log, Now: s.Now, Spans: s.spans,
		Metrics: inbound.Metrics{
			Delivery: func(result, reason string) { deliveries.Inc(result, reason) },
			Error:    func(kind string) { s.Registry.Counter(metrics.SMTPServerErrors).Inc(kind) },
			Token:    func() { given.Inc() },
			SubjectPass: func(valid bool) {
				result := "fail"
				if valid {
					result = "ok"
				}
				checked.Inc(result)
			},
		},
	})
}

// judged keeps what was decided about a message from outside, and notes who sends mail that is
// verified and wanted.
func (s *Server) judged(t *trace.Trace) {
	s.Traces.Add(t)
	if t.Facts.Trusted == "" && t.Verdict.Action == trace.Accept && t.Facts.Verified() {
		s.Bans.MailVerified(t.Facts.Remote)
	}
}

// newBlocklists makes what asks DNS blocklists.
func (s *Server) newBlocklists() *dnsbl.Checker {
	lookups := s.Registry.Histogram(metrics.DNSBLLookup)
	return &dnsbl.Checker{
		Resolver: s.Resolver, Now: s.Now, Log: mlog.New("dnsbl", s.Log),
		Observe: func(zone dns.Domain, status dnsbl.Status, d time.Duration) {
			lookups.Observe(d, zone.ASCII, string(status))
		},
	}
}

func (s *Server) checkMetrics() msgauth.Metrics {
	iprevs, spfs := s.Registry.Histogram(metrics.IPRevLookup), s.Registry.Histogram(metrics.SPFVerify)
	dkims, dmarcs := s.Registry.Histogram(metrics.DKIMVerify), s.Registry.Histogram(metrics.DMARCVerify)
	return msgauth.Metrics{
		IPRev: func(status string, d time.Duration) { iprevs.Observe(d, status) },
		SPF:   func(status string, d time.Duration) { spfs.Observe(d, status) },
		DKIM:  func(algorithm, status string, d time.Duration) { dkims.Observe(d, algorithm, status) },
		DMARC: func(status string, reject bool, d time.Duration) {
			yes := "no"
			if reject {
				yes = "yes"
			}
			dmarcs.Observe(d, status, yes, yes)
		},
		Panic: func(check string) { s.Registry.Panic(check) },
	}
}

// door is what a listener has set for mail of other servers.
func door(l *config.ListenerInfo) inbound.Door {
	return inbound.Door{DNSBLs: l.DNSBLs, Delay: *l.SMTP.FirstTimeSenderDelay}
}

// publicDoor is that of the listener called public, or else of any that takes mail.
func (s *Server) publicDoor() inbound.Door {
	snap := s.Config.Snapshot()
	if l := snap.Listeners["public"]; l != nil && l.SMTP.Enabled {
		return door(l)
	}
	for _, l := range snap.Listeners {
		if l.SMTP.Enabled {
			return door(l)
		}
	}
	return inbound.Door{}
}
