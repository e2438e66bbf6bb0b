package report

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"time"

	"mox/config"
	"mox/dkim"
	"mox/dmarc"
	"mox/dmarcrpt"
	"mox/dns"
	"mox/message"
	"mox/mlog"
	"mox/msgauth"
	"mox/reportdb"
	"mox/tlsrpt"
)

// ReceiverConfig is what a Receiver needs. It must not change once in use.
type ReceiverConfig struct {
	DB       *reportdb.DB
	Resolver dns.Resolver     // for DKIM keys that are for reports only
	Log      *slog.Logger     // nil: none
	Now      func() time.Time // nil: time.Now
	Metrics  ReceiverMetrics
}

// ReceiverMetrics are called when set, for reports that are new.
type ReceiverMetrics struct {
	// PolicyEvaluated, DKIMResult and SPFResult get messages of a DMARC report.
	PolicyEvaluated func(domain, disposition, dkim, spf string, n int64)
	DKIMResult      func(result string, n int64)
	SPFResult       func(result string, n int64)
	// TLSSession gets sessions of a TLS report, by result type or "success".
	TLSSession func(typ string, n int64)
}

// Receiver takes reports of others. It is safe for concurrent use.
type Receiver struct {
	c     ReceiverConfig
	slots chan struct{} // one for each message that is looked into
}

// Bounds of looking into messages: a report made to be bad can take some 150 MB and seconds.
const (
	maxParsing = 2
	parseWait  = 20 * time.Second
)

// NewReceiver returns a Receiver.
func NewReceiver(c ReceiverConfig) *Receiver {
	if c.Now == nil {
		c.Now = time.Now
	}
	c.Log = mlog.New("report", c.Log)
	return &Receiver{c, make(chan struct{}, maxParsing)}
}

// Incoming is a message to an address for reports.
type Incoming struct {
	Snapshot    *config.Snapshot
	Destination *config.DestinationInfo
	Part        *message.Part // of Content
	Content     io.ReaderAt
	Results     *msgauth.Results // nil: the sender was not checked
}

// Errors about messages that are not, or not valid, reports. They are for the header of the
// message.
var (
	errUnchecked = errors.New("sender was not checked")
	errDMARC     = errors.New("sender is not verified by DMARC")
	errDKIM      = errors.New("no DKIM signature of the domain in From, over the whole message and with a key for TLS reports, is valid")
	errDomain    = errors.New("report is not about a domain of this server")
	errFuture    = errors.New("report is about the future")
	errBusy      = errors.New("too many reports came at the same time, this one was not read")
	errPeriod    = errors.New("report does not say what time it is about")
)

// IsAddress tells whether a destination, which may be nil, is for reports.
func IsAddress(d *config.DestinationInfo) bool {
	return d != nil && (len(d.DMARCReports) > 0 || tlsAddress(d))
}

func tlsAddress(d *config.DestinationInfo) bool { return len(d.TLSReports) > 0 || d.HostTLSReports }

// Received is what came of looking for a report. The zero value is that there was none to
// look for.
type Received struct {
	dmarc              *reportdb.DMARCReport
	tls                *reportdb.TLSReport
	dmarcErr, tlsError error
}

// Valid tells whether there is a valid report.
func (r Received) Valid() bool { return r.dmarc != nil || r.tls != nil }

// Problem is what is wrong with a message to an address for reports, as printable ASCII; empty
// without a problem.
func (r Received) Problem() string {
	switch {
	case r.Valid():
		return ""
	case r.dmarcErr != nil && r.tlsError != nil:
		return fieldText(r.dmarcErr.Error() + "; " + r.tlsError.Error())
	case r.dmarcErr != nil:
		return fieldText(r.dmarcErr.Error())
	case r.tlsError != nil:
		return fieldText(r.tlsError.Error())
	}
	return ""
}

// Fields returns complete header fields that tell the user what is wrong with a message to
// an address for reports. Without a problem, there are none.
func (r Received) Fields() []byte {
	var b []byte
	add := func(name string, err error) {
		if err != nil && !r.Valid() {
			b = fmt.Appendf(b, "%s: %s\r\n", name, fieldText(err.Error()))
		}
	}
	add("X-Mox-DMARCReport-Error", r.dmarcErr)
	add("X-Mox-TLSReport-Error", r.tlsError)
	return b
}

// fieldText is printable ASCII, of a length that fits a line.
func fieldText(s string) string {
	const most = 500
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, s)
	return s[:min(len(s), most)]
}

// Check looks for a report in a message that is to be delivered, and whether it is valid.
// It stores nothing.
func (r *Receiver) Check(ctx context.Context, in Incoming) Received {
	var rec Received
	if len(in.Destination.DMARCReports) > 0 {
		if rec.dmarc, rec.dmarcErr = r.checkDMARC(ctx, in); rec.dmarc != nil {
			return rec
		}
	}
	if tlsAddress(in.Destination) {
		rec.tls, rec.tlsError = r.checkTLS(ctx, in)
	}
	if rec.dmarcErr != nil && rec.tlsError != nil {
		// An address for both: what is wrong with what it is not tells nothing.
		switch {
		case errors.Is(rec.dmarcErr, dmarcrpt.ErrNone) && !errors.Is(rec.tlsError, tlsrpt.ErrNone):
			rec.dmarcErr = nil
		case errors.Is(rec.tlsError, tlsrpt.ErrNone) && !errors.Is(rec.dmarcErr, dmarcrpt.ErrNone):
			rec.tlsError = nil
		}
	}
	if !rec.Valid() {
		r.c.Log.InfoContext(ctx, "message to address for reports is not a valid report", "address", in.Destination.Address, "dmarcerr", rec.dmarcErr, "tlserr", rec.tlsError)
	}
	return rec
}

// parsing calls parse when not too many others are at it.
func (r *Receiver) parsing(ctx context.Context, parse func() error) error {
	ctx, cancel := context.WithTimeout(ctx, parseWait)
	defer cancel()
	select {
	case r.slots <- struct{}{}:
		defer func() { <-r.slots }()
		return parse()
	case <-ctx.Done():
		return errBusy
	}
}

// skew is how far in the future a report may end.
const skew = time.Minute

func (r *Receiver) period(start, end time.Time) error {
	switch {
	case start.Unix() <= 0 || end.Before(start):
		return errPeriod
	case end.After(r.c.Now().Add(skew)):
		return fmt.Errorf("%w: it ends at %s", errFuture, end.Format(time.RFC3339))
	}
	return nil
}

func (r *Receiver) checkDMARC(ctx context.Context, in Incoming) (*reportdb.DMARCReport, error) {
	if in.Results == nil {
		return nil, errUnchecked
	}
	// What is not verified is not looked into.
	if in.Results.DMARC.Status != dmarc.StatusPass || len(in.Results.From) != 1 {
		return nil, errDMARC
	}
	var f *dmarcrpt.Feedback
	err := r.parsing(ctx, func() (err error) {
		f, err = dmarcrpt.ParseMessage(in.Content, in.Part)
		return err
	})
	if err != nil {
		return nil, err
	}
	domain, err := dns.ParseDomainLax(f.Policy.Domain)
	if err != nil || in.Snapshot.Domain(domain) == nil {
		return nil, fmt.Errorf("%w: %s", errDomain, f.Policy.Domain)
	}
	if err := r.period(f.Metadata.DateRange.Start(), f.Metadata.DateRange.Stop()); err != nil {
		return nil, err
	}
	f.Policy.Domain = domain.ASCII
	return &reportdb.DMARCReport{Received: r.c.Now(), Reporter: in.Results.From[0].Domain.ASCII, Report: *f}, nil
}

func (r *Receiver) checkTLS(ctx context.Context, in Incoming) (*reportdb.TLSReport, error) {
	if in.Results == nil {
		return nil, errUnchecked
	}
	if len(in.Results.From) != 1 || !r.signed(ctx, in) {
		return nil, errDKIM
	}
	var rep *tlsrpt.Report
	err := r.parsing(ctx, func() (err error) {
		rep, err = tlsrpt.ParseMessage(in.Content, in.Part)
		return err
	})
	if err != nil {
		return nil, err
	}
	// What is said about domains of others is none of our business.
	all := len(rep.Policies)
	rep.Policies = slices.DeleteFunc(rep.Policies, func(p tlsrpt.Result) bool { return !ours(in.Snapshot, p.Policy.Domain) })
	if len(rep.Policies) == 0 {
		return nil, fmt.Errorf("%w (%d policies)", errDomain, all)
	}
	if err := r.period(rep.DateRange.Start, rep.DateRange.End); err != nil {
		return nil, err
	}
	return &reportdb.TLSReport{Received: r.c.Now(), Reporter: in.Results.From[0].Domain.ASCII, Host: in.Destination.HostTLSReports, Report: *rep}, nil
}

func ours(s *config.Snapshot, name string) bool {
	d, err := dns.ParseDomainLax(name)
	return err == nil && (s.Domain(d) != nil || s.IsHostname(d))
}

// signed tells whether a TLS report is signed as RFC 8460 3 asks for.
func (r *Receiver) signed(ctx context.Context, in Incoming) bool {
	from, org := in.Results.From[0].Domain, in.Results.OrgDomain
	special := false
	for _, d := range in.Results.DKIM {
		if reportSignature(d, from, org) {
			return true
		}
		special = special || errors.Is(d.Err, dkim.ErrKeyService)
	}
	if !special || r.c.Resolver == nil {
		return false
	}
	// A key that is for reports only is not valid for other mail.
	again, err := dkim.Verify(ctx, r.c.Log, r.c.Resolver, dkim.Options{Service: "tlsrpt", Now: r.c.Now}, in.Content)
	return err == nil && slices.ContainsFunc(again, func(d dkim.Result) bool { return reportSignature(d, from, org) })
}

// reportSignature tells whether a signature is one for a report of an author.
func reportSignature(d dkim.Result, from, org dns.Domain) bool {
	if d.Status != dkim.StatusPass || d.Testing || d.Signature == nil || d.Signature.Length >= 0 {
		return false
	}
	if d.Record != nil && len(d.Record.Services) > 0 && !slices.Contains(d.Record.Services, "*") && !slices.Contains(d.Record.Services, "tlsrpt") {
		return false
	}
	signer := d.Domain()
	return signer == from || !org.IsZero() && within(from, signer) && within(signer, org)
}

// within tells whether a domain is another or below it.
func within(d, parent dns.Domain) bool {
	return d.ASCII == parent.ASCII || strings.HasSuffix(d.ASCII, "."+parent.ASCII)
}

// Store stores a valid report, once the message is delivered. A report that is there
// already is not counted again.
func (r *Receiver) Store(ctx context.Context, rec Received) {
	var added bool
	var err error
	switch {
	case rec.dmarc != nil:
		if added, err = r.c.DB.AddDMARCReport(ctx, *rec.dmarc); added {
			r.countDMARC(&rec.dmarc.Report)
		}
	case rec.tls != nil:
		if added, err = r.c.DB.AddTLSReport(ctx, *rec.tls); added {
			r.countTLS(&rec.tls.Report)
		}
	default:
		return
	}
	r.c.Log.InfoContext(ctx, "report received", "dmarc", rec.dmarc != nil, "new", added, "err", err)
}

// label makes of what others say a label of a metric.
func label(s string, known ...string) string {
	if slices.Contains(known, s) {
		return s
	}
	return "other"
}

func (r *Receiver) countDMARC(f *dmarcrpt.Feedback) {
	m := r.c.Metrics
	for i := range f.Records {
		rec := &f.Records[i]
		n, e := int64(rec.Row.Count), &rec.Row.PolicyEvaluated
		if m.PolicyEvaluated != nil {
			m.PolicyEvaluated(f.Policy.Domain, label(e.Disposition, "none", "pass", "quarantine", "reject"), label(e.DKIM, "pass", "fail"), label(e.SPF, "pass", "fail"), n)
		}
		for _, d := range rec.AuthResults.DKIM {
			if m.DKIMResult != nil {
				m.DKIMResult(label(d.Result, "none", "pass", "fail", "policy", "neutral", "temperror", "permerror"), n)
			}
		}
		for _, s := range rec.AuthResults.SPF {
			if m.SPFResult != nil {
				m.SPFResult(label(s.Result, "none", "neutral", "pass", "fail", "softfail", "temperror", "permerror"), n)
			}
		}
	}
}

func (r *Receiver) countTLS(rep *tlsrpt.Report) {
	count := r.c.Metrics.TLSSession
	if count == nil {
		return
	}
	for _, p := range rep.Policies {
		count("success", p.Summary.Success)
		for _, f := range p.FailureDetails {
			typ := "other"
			if slices.Contains(tlsrpt.ResultTypes(), f.ResultType) {
				typ = string(f.ResultType)
			}
			count(typ, f.FailedSessionCount)
		}
	}
}
