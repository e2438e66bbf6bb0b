package sampledata

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"net/netip"
	"path/filepath"
	"strings"
	"time"

	"mox/auth"
	"mox/ban"
	"mox/dmarcrpt"
	"mox/dns"
	"mox/junk"
	"mox/loginlog"
	"mox/mtasts"
	"mox/mtastsdb"
	"mox/queue"
	"mox/reportdb"
	"mox/smtp"
	"mox/store"
	"mox/tlsrpt"
	"mox/trace"
)

// logins sets passwords, and adds a token and a TLS key.
func (w *writer) logins() error {
	for _, name := range []string{Account, Other} {
		if err := w.s.Auth.SetPassword(w.ctx, name, Password); err != nil {
			return err
		}
	}
	if _, _, err := w.s.Auth.AddToken(w.ctx, auth.Token{Name: "sample", Login: address(Account), Scopes: []auth.Scope{"send"}}); err != nil {
		return err
	}
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: w.now, NotAfter: w.now.Add(retiredPeriod)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, public, private)
	if err != nil {
		return err
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return err
	}
	if _, err = w.s.Auth.AddTLSKey(w.ctx, auth.TLSKey{Login: address(Account), Name: "sample"}, cert); err != nil {
		return err
	}
	mark, err := w.s.AccountSessions.Keep.Mark(w.ctx, Account, address(Account))
	if err != nil {
		return err
	}
	_, err = w.s.AccountSessions.Make(w.ctx, Account, address(Account), mark, "198.51.100.7", "sample")
	return err
}

// junk teaches the junk filter, and notes to whom mail was sent.
func (w *writer) junk() error {
	err := w.withAccount(Account, func(a *store.Account) error {
		f, err := w.s.Junk.Account(w.ctx, a)
		if err != nil {
			return err
		}
		defer f.Release()
		if err := f.Sent(w.ctx, []string{"bob@example.org"}, w.now); err != nil {
			return err
		}
		return f.MaySend(w.ctx, []string{"bob@example.org"}, junk.Limits{}, w.now)
	})
	if err != nil {
		return err
	}
	return w.s.Junk.Retrain(w.ctx, Account)
}

// queue adds messages for others, with all that can become of them, and calls of webhooks.
func (w *writer) queue() error {
	q := w.s.Queue
	msgs, err := w.outgoing("x@there.example", `"o dd"@müller.example`, "held@there.example", "gone@there.example", "known@there.example", "refuses@there.example")
	if err != nil {
		return err
	}
	yes := true
	msgs[0].Priority, msgs[0].RequireTLS, msgs[0].Extra = 3, &yes, map[string]string{"k": "v"}
	msgs[1].Notify, msgs[1].ORcpt, msgs[1].Ret, msgs[1].EnvID, msgs[1].SMTPUTF8 = smtp.NotifyDelay, smtp.ORcpt{Type: "rfc822", Address: "o@x"}, smtp.RetFull, "env", true
	msgs[2].Hold = true
	text := mail(40) + strings.Repeat("more text\r\n", 30_000)
	once := queue.Once{Account: Account, Key: "key", Keep: retiredPeriod, Result: func(queue.Added) []byte { return []byte("result") }}
	added, err := q.AddOnce(w.ctx, once, queue.Content{Body: strings.NewReader(text), Size: int64(len(text))}, msgs)
	if err != nil {
		return err
	}
	fail := func(id int64, code int, enhanced string) error {
		return q.Record(w.ctx, []queue.Outcome{{ID: id, Action: queue.Failed, Result: queue.Result{Start: w.now, Code: code, Enhanced: enhanced, Error: "failed"}}}, nil)
	}
	outgoing := added.Messages
	steps := []error{
		q.Record(w.ctx, []queue.Outcome{{ID: outgoing[0].ID, Action: queue.Delayed, Next: msgs[0].NextAttempt, Result: queue.Result{Start: w.now, Code: 451, Enhanced: "4.0.0", Error: "later"}}}, nil),
		fail(outgoing[3].ID, 550, "5.1.1"), // suppressed
		fail(outgoing[5].ID, 554, "5.6.0"), // after two more
		q.Record(w.ctx, []queue.Outcome{{ID: outgoing[4].ID, Action: queue.Delivered, Result: queue.Result{Start: w.now, Code: 250, Success: true}}}, nil),
	}
	_, err = q.SuppressionAdd(w.ctx, Other, msgs[0].Recipient, true, "asked")
	steps = append(steps, err)
	_, _, err = q.HoldRuleAdd(w.ctx, queue.HoldRule{RecipientDomain: "held.example"})
	return errors.Join(append(steps, err, w.hooks())...)
}

// outgoing are messages that are not due for a hundred years.
func (w *writer) outgoing(to ...string) ([]queue.Message, error) {
	sender, err := queue.ParseAddress(address(Account))
	if err != nil {
		return nil, err
	}
	var l []queue.Message
	for i, s := range to {
		recipient, err := queue.ParseAddress(s)
		if err != nil {
			return nil, err
		}
		l = append(l, queue.Message{Account: Account, Sender: sender, Recipient: recipient, Subject: "Message 40", MessageID: "m40@example.org", FromID: fmt.Sprintf("fid%d", i), NextAttempt: w.now.Add(retiredPeriod)})
	}
	return l, nil
}

func (w *writer) hooks() error {
	hook := queue.Hook{Account: Account, URL: "https://hook.example/", Authorization: "Basic x", Event: queue.EventIncoming, Payload: []byte("{}"), NextAttempt: w.now.Add(retiredPeriod)}
	hooks, err := w.s.Queue.HookAdd(w.ctx, hook, hook)
	if err != nil {
		return err
	}
	return w.s.Queue.HookRecord(w.ctx, queue.HookOutcome{ID: hooks[0].ID, Result: queue.HookResult{Start: w.now, Code: 200, Success: true}})
}

// reports adds reports of others, and what is to be reported.
func (w *writer) reports() error {
	db := w.s.Reports
	day := w.now.UTC().Truncate(24 * time.Hour).Add(-24 * time.Hour)
	policy := func(typ tlsrpt.PolicyType, domain string) []tlsrpt.Result {
		return []tlsrpt.Result{{Policy: tlsrpt.Policy{Type: typ, Domain: domain}, Summary: tlsrpt.Summary{Success: 20, Failure: 2}, FailureDetails: []tlsrpt.FailureDetails{{ResultType: tlsrpt.ResultCertificateExpired, FailedSessionCount: 2}}}}
	}
	record := dmarcrpt.Record{Row: dmarcrpt.Row{SourceIP: "192.0.2.1", Count: 3, PolicyEvaluated: dmarcrpt.PolicyEvaluated{Disposition: "none", DKIM: "pass", SPF: "fail"}}, Identifiers: dmarcrpt.Identifiers{HeaderFrom: Domain}}
	steps := []error{
		db.AddTLSResult(w.ctx, []reportdb.TLSResult{
			{RecipientDomain: dns.Domain{ASCII: "there.example"}, SendReport: true, Results: policy(tlsrpt.PolicySTS, "there.example")},
			{RecipientDomain: dns.Domain{ASCII: "there.example"}, Host: true, Results: policy(tlsrpt.PolicyTLSA, "mx.there.example")},
		}),
		db.AddEvaluation(w.ctx, reportdb.Evaluation{Domain: "there.example", Interval: time.Hour, Policy: dmarcrpt.PolicyPublished{Domain: "there.example", P: "reject"}, Record: record}),
		db.Flush(w.ctx),
	}
	_, err := db.AddTLSReport(w.ctx, reportdb.TLSReport{Received: w.now, Reporter: "reporter.example", Report: tlsrpt.Report{OrganizationName: "Reporter", ReportID: "tls-1", DateRange: tlsrpt.Day(day), Policies: policy(tlsrpt.PolicySTS, Domain)}})
	steps = append(steps, err)
	_, err = db.AddDMARCReport(w.ctx, reportdb.DMARCReport{Received: w.now, Reporter: "reporter.example", Report: dmarcrpt.Feedback{
		Metadata: dmarcrpt.ReportMetadata{OrgName: "Reporter", ReportID: "dmarc-1", DateRange: dmarcrpt.DateRange{Begin: dmarcrpt.Number(day.Unix()), End: dmarcrpt.Number(day.Unix() + 86399)}},
		Policy:   dmarcrpt.PolicyPublished{Domain: Domain, P: "reject"}, Records: []dmarcrpt.Record{record},
	}})
	steps = append(steps, err)
	_, err = db.Suppress(w.ctx, reportdb.Suppression{Kind: reportdb.KindDMARC, Address: "reports@there.example", Until: w.now.Add(retiredPeriod), Comment: "bounced"})
	return errors.Join(append(steps, err)...)
}

// attempts records a login that succeeded and one that did not.
func (w *writer) attempts() error {
	now := w.s.Now()
	for _, login := range [][2]string{{"ok", Account}, {"badcreds", "-"}} {
		w.s.Logins.Record(loginlog.Attempt{Last: now, Account: login[1], LoginAddress: address(Account), RemoteIP: "198.51.100.7", Protocol: "webaccount", AuthMech: "weblogin", Result: login[0]})
	}
	return nil
}

// bans has a network banned, one that somebody logs in from, and one that verified mail comes from.
func (w *writer) bans() error {
	w.s.Bans.LoginSucceeded(netip.AddrFrom4([4]byte{198, 51, 100, 7}))
	w.s.Bans.MailVerified(netip.AddrFrom4([4]byte{198, 51, 100, 8}))
	_, err := w.s.Bans.Add(w.ctx, netip.MustParsePrefix("192.0.2.0/24"), []ban.Door{ban.Mail, ban.Logins}, retiredPeriod, "sample")
	return err
}

// traces logs decisions about messages.
func (w *writer) traces() error {
	for i := range 5 {
		w.s.Traces.Add(&trace.Trace{
			Version: trace.Version, Time: w.now.Add(time.Duration(i-60) * time.Minute), ID: fmt.Sprintf("sample%d", i), Account: Account,
			Facts:   trace.Facts{Remote: netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}), MailFrom: "eve@sender.example", RcptTo: address(Account), From: "eve@sender.example", MessageID: fmt.Sprintf("<trace%d@sender.example>", i), Mailbox: "Inbox"},
			Verdict: trace.Verdict{Action: trace.Accept, Reason: "no-bad-signals", Mailbox: "Inbox"},
		})
	}
	return nil
}

// indexTime is how long the index may take.
const indexTime = time.Minute

// index waits until all messages are in the search index.
func (w *writer) index() error {
	end := time.Now().Add(indexTime)
	if err := w.s.Search.Rebuild(w.ctx, Account); err != nil {
		return err
	}
	for {
		p, err := w.s.Search.Progress(w.ctx, Account)
		if err != nil || p.Waiting == 0 && p.Documents > 0 {
			return err
		}
		if time.Now().After(end) {
			return fmt.Errorf("%d messages are not in the index after %s", p.Waiting, indexTime)
		}
		select {
		case <-w.ctx.Done():
			return w.ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// policies are those of MTA-STS that domains have; the one of broken.example cannot be had.
type policies map[string]string

func (p policies) Lookup(_ context.Context, domain dns.Domain) (mtasts.Record, error) {
	if _, ok := p[domain.ASCII]; !ok {
		return mtasts.Record{}, mtasts.ErrNoRecord
	}
	return mtasts.Record{ID: "1"}, nil
}

func (p policies) Fetch(_ context.Context, domain dns.Domain) (mtasts.Fetched, error) {
	text := p[domain.ASCII]
	if text == "" {
		return mtasts.Fetched{}, &mtasts.Error{Reason: mtasts.ReasonWebPKI, Err: errors.New("bad certificate")}
	}
	policy, err := mtasts.ParsePolicy(text)
	return mtasts.Fetched{Policy: policy, Text: text}, err
}

// writePolicies fills the cache of MTA-STS policies, which a server gets from the network.
func writePolicies(ctx context.Context, dataDir string, log *slog.Logger) (rerr error) {
	known := policies{"there.example": "version: STSv1\nmode: enforce\nmx: *.there.example\nmax_age: 31557600\n", "broken.example": ""}
	db, err := mtastsdb.Open(filepath.Join(dataDir, mtastsdb.FileName), mtastsdb.Options{Source: known, Log: log})
	if err != nil {
		return err
	}
	defer func() { rerr = errors.Join(rerr, db.Close()) }()
	for name := range known {
		if _, _, err := db.Get(ctx, dns.Domain{ASCII: name}); err != nil {
			return fmt.Errorf("MTA-STS policy of %s: %w", name, err)
		}
	}
	return nil
}
