package report

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"time"

	"mox/config"
	"mox/dns"
	"mox/message"
	"mox/mlog"
	"mox/reportdb"
	"mox/smtp"
	"mox/upkeep"
)

// Mail is a mail with a report, to be signed and sent.
type Mail struct {
	Kind reportdb.Kind
	From smtp.Address   // of MAIL FROM and From
	To   []smtp.Address // of RCPT and To
	// Content has lines that end with CRLF, and ASCII only.
	Content []byte
	// SignFields are fields that the DKIM signature, which all mails need, should cover
	// besides the usual.
	SignFields []string
	// IgnoreTLS: failures of TLS, MTA-STS and DANE do not stop it (RFC 8460 3).
	IgnoreTLS bool
	// MaxAttempts is how often to try to deliver it.
	MaxAttempts int
}

// maxAttempts is that of all reports: the next one comes soon.
const maxAttempts = 5

// Sender sends mails. It returns once the mail is safe.
type Sender interface {
	Send(ctx context.Context, m Mail) error
}

// Config is what a Reporter needs. It must not change once in use.
type Config struct {
	DB       *reportdb.DB
	Snapshot func() *config.Snapshot
	Resolver dns.Resolver
	Sender   Sender
	// HTTP sends TLS reports to https URIs; it should not reach addresses of our own
	// network. Nil: such URIs get none.
	HTTP    *http.Client
	Log     *slog.Logger     // nil: none
	Now     func() time.Time // nil: time.Now
	Metrics Metrics

	// Jitter returns a random duration from 0 on and below d; nil: by math/rand.
	Jitter func(d time.Duration) time.Duration
	// Suppress is how long an address gets no reports after one could not be delivered to
	// it; 0: 7 days.
	Suppress time.Duration
}

// Metrics are called when set, for each report.
type Metrics struct {
	Queued func(k reportdb.Kind)
	Error  func(k reportdb.Kind)
	// TLSLookup is called for each lookup of a TLSRPT record: "ok", "notfound", "malformed" or
	// "temperror".
	TLSLookup func(result string, took time.Duration)
}

// Reporter sends reports. It is safe for concurrent use.
type Reporter struct{ c Config }

// New returns a Reporter.
func New(c Config) *Reporter {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Jitter == nil {
		c.Jitter = func(d time.Duration) time.Duration { return rand.N(max(d, 1)) }
	}
	c.Suppress = cmp.Or(c.Suppress, 7*24*time.Hour)
	c.Log = mlog.New("report", c.Log)
	return &Reporter{c}
}

// Times of sending.
const (
	dmarcAfter, dmarcJitter = 30 * time.Second, time.Minute      // after each hour
	tlsAfter, tlsJitter     = 240 * time.Second, 2 * time.Minute // after each day
	dmarcSpread             = 45 * time.Minute
	tlsSpread               = 4 * time.Hour
	maxApart                = 5 * time.Minute
	sendTimeout             = 2 * time.Minute // for lookups and handing over of one report
)

// Run sends reports until ctx ends.
func (r *Reporter) Run(ctx context.Context) {
	var wg sync.WaitGroup
	wg.Go(func() { r.runDMARC(ctx) })
	wg.Go(func() { r.runTLS(ctx) })
	wg.Wait()
}

func (r *Reporter) runDMARC(ctx context.Context) {
	for {
		now := r.c.Now()
		hour := now.UTC().Truncate(time.Hour).Add(time.Hour)
		if !upkeep.Sleep(ctx, hour.Sub(now)+dmarcAfter+r.c.Jitter(dmarcJitter)) {
			return
		}
		// What takes longer than the hour goes on with what is then due.
		r.SendDMARC(ctx, r.c.Now().UTC().Truncate(time.Hour))
	}
}

func (r *Reporter) runTLS(ctx context.Context) {
	for {
		r.SendTLS(ctx, r.c.Now())
		now := r.c.Now()
		day := now.UTC().Truncate(24 * time.Hour).Add(24 * time.Hour)
		if !upkeep.Sleep(ctx, day.Sub(now)+tlsAfter+r.c.Jitter(tlsJitter)) {
			return
		}
	}
}

// spread calls f for n reports, with pauses that take as long as total together, and at most
// maxApart each.
func (r *Reporter) spread(ctx context.Context, n int, total time.Duration, f func(ctx context.Context, i int)) {
	for i := range n {
		if i > 0 && !upkeep.Sleep(ctx, min(maxApart, total/time.Duration(n))) || ctx.Err() != nil {
			return
		}
		one, cancel := context.WithTimeout(ctx, sendTimeout)
		f(one, i)
		cancel()
	}
}

// done counts and logs what became of a report.
func (r *Reporter) done(ctx context.Context, k reportdb.Kind, domain string, sent int, err error) {
	switch {
	case err != nil:
		r.c.Log.ErrorContext(ctx, "report could not be sent", "kind", string(k), "domain", domain, "err", err)
		if r.c.Metrics.Error != nil {
			r.c.Metrics.Error(k)
		}
	case sent > 0:
		r.c.Log.InfoContext(ctx, "report sent", "kind", string(k), "domain", domain, "recipients", sent)
		if r.c.Metrics.Queued != nil {
			r.c.Metrics.Queued(k)
		}
	default:
		r.c.Log.DebugContext(ctx, "nobody wants the report", "kind", string(k), "domain", domain)
	}
}

// Failed is to be called when a report could not be delivered to an address at all: that
// gets no more for a while.
func (r *Reporter) Failed(ctx context.Context, k reportdb.Kind, to smtp.Address, why string) error {
	_, err := r.c.DB.Suppress(ctx, reportdb.Suppression{Kind: k, Address: to.Path().XString(false), Until: r.c.Now().Add(r.c.Suppress), Comment: fieldText(why)})
	return err
}

// unsuppressed returns the addresses that may get reports, each once.
func (r *Reporter) unsuppressed(ctx context.Context, k reportdb.Kind, l []smtp.Address) ([]smtp.Address, error) {
	var keep []smtp.Address
	seen := map[smtp.Address]bool{}
	for _, a := range l {
		// Reports are ASCII: an address that needs SMTPUTF8 cannot be in one.
		if seen[a] || strings.ContainsFunc(string(a.Localpart), func(r rune) bool { return r >= 0x80 }) {
			continue
		}
		seen[a] = true
		suppressed, err := r.c.DB.Suppressed(ctx, k, a)
		if err != nil {
			return nil, err
		}
		if !suppressed {
			keep = append(keep, a)
		}
	}
	return keep, nil
}

func mailbox(a smtp.Address) message.Address {
	return message.Address{Mailbox: string(a.Localpart), Host: a.Domain.ASCII}
}

func mailboxes(l []smtp.Address) []message.Address {
	var all []message.Address
	for _, a := range l {
		all = append(all, mailbox(a))
	}
	return all
}

func newMessageID(host dns.Domain) (string, error) {
	id, err := message.NewMessageID(host.ASCII, nil)
	if err != nil {
		return "", fmt.Errorf("making Message-ID: %w", err)
	}
	return id, nil
}
