package arf

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"mox/message"
)

var (
	// ErrNone: the message is not a feedback report.
	ErrNone = errors.New("not a feedback report")
	// ErrReport: it is one, but not one that can be understood.
	ErrReport = errors.New("invalid feedback report")
)

// Bounds of reports.
const (
	maxFeedback = 256 << 10 // octets of the part for programs
	maxHeader   = 256 << 10 // octets of the header of the original
	maxValues   = 100       // of a field that may be repeated
	maxOther    = 100       // fields that are not known
)

// Feedback types of RFC 5965 7.3 and RFC 6591 3.3; there may be others.
const (
	TypeAbuse       = "abuse"
	TypeFraud       = "fraud"
	TypeVirus       = "virus"
	TypeOther       = "other"
	TypeNotSpam     = "not-spam" // RFC 6430
	TypeAuthFailure = "auth-failure"
)

// Report is a feedback report. Addresses and domains are as given, without angle brackets;
// what was not given is zero.
type Report struct {
	FeedbackType string // in lower case
	UserAgent    string
	Version      string

	OriginalEnvelopeID string
	OriginalMailFrom   string
	OriginalRcptTo     []string
	ArrivalDate        time.Time // UTC
	ReportingMTA       string    // name, without type
	SourceIP           netip.Addr
	SourcePort         uint16
	Incidents          int64 // 1 unless given
	AuthResults        []string
	ReportedDomain     []string
	ReportedURI        []string

	// Of reports about authentication, RFC 6591 3.
	AuthFailure       []string // what failed: "adsp", "bodyhash", "revoked", "signature", "spf", "dmarc"
	DeliveryResult    string   // "delivered", "spam", "policy", "reject", "other"
	IdentityAlignment []string // RFC 9991: identifiers that were aligned, such as "dkim"
	DKIMDomain        string
	DKIMIdentity      string
	DKIMSelector      string
	// DKIMHeader and DKIMBody are what was signed, in base64.
	DKIMHeader, DKIMBody string
	SPFDNS               []string

	Other []Field // that are not known

	Text *message.Part // for people; nil if there is none
	// Original is the part with the message (Full) or its header; nil if there is none.
	Original  *message.Part
	Full      bool
	MessageID string // of the original, without angle brackets
}

// Field is a field that is not known.
type Field struct{ Name, Value string }

// fields has what to do with the fields, by name in lower case.
var fields = map[string]func(r *Report, v string){
	"feedback-type":          func(r *Report, v string) { first(&r.FeedbackType, strings.ToLower(v)) },
	"user-agent":             func(r *Report, v string) { first(&r.UserAgent, v) },
	"version":                func(r *Report, v string) { first(&r.Version, v) },
	"original-envelope-id":   func(r *Report, v string) { first(&r.OriginalEnvelopeID, v) },
	"original-mail-from":     func(r *Report, v string) { first(&r.OriginalMailFrom, bare(v)) },
	"original-rcpt-to":       func(r *Report, v string) { add(&r.OriginalRcptTo, bare(v)) },
	"arrival-date":           func(r *Report, v string) { r.date(v) },
	"received-date":          func(r *Report, v string) { r.date(v) }, // RFC 5965 3.2: as drafts of it had it
	"reporting-mta":          func(r *Report, v string) { first(&r.ReportingMTA, mta(v)) },
	"source-ip":              func(r *Report, v string) { r.sourceIP(v) },
	"source-port":            func(r *Report, v string) { r.sourcePort(v) },
	"incidents":              func(r *Report, v string) { r.incidents(v) },
	"authentication-results": func(r *Report, v string) { add(&r.AuthResults, v) },
	"reported-domain":        func(r *Report, v string) { add(&r.ReportedDomain, v) },
	"reported-uri":           func(r *Report, v string) { add(&r.ReportedURI, v) },

	"auth-failure":              func(r *Report, v string) { words(&r.AuthFailure, v) },
	"delivery-result":           func(r *Report, v string) { first(&r.DeliveryResult, strings.ToLower(v)) },
	"identity-alignment":        func(r *Report, v string) { words(&r.IdentityAlignment, v) },
	"dkim-domain":               func(r *Report, v string) { first(&r.DKIMDomain, v) },
	"dkim-identity":             func(r *Report, v string) { first(&r.DKIMIdentity, v) },
	"dkim-selector":             func(r *Report, v string) { first(&r.DKIMSelector, v) },
	"dkim-canonicalized-header": func(r *Report, v string) { first(&r.DKIMHeader, compact(v)) },
	"dkim-canonicalized-body":   func(r *Report, v string) { first(&r.DKIMBody, compact(v)) },
	"spf-dns":                   func(r *Report, v string) { add(&r.SPFDNS, v) },
}

func first(to *string, v string) {
	if *to == "" {
		*to = v
	}
}

func add(to *[]string, v string) {
	if v != "" && len(*to) < maxValues {
		*to = append(*to, v)
	}
}

// words adds those of a list.
func words(to *[]string, v string) {
	for w := range strings.FieldsFuncSeq(strings.ToLower(v), func(r rune) bool { return r == ',' || r == ' ' || r == '\t' }) {
		add(to, w)
	}
}

func compact(v string) string { return strings.Join(strings.Fields(v), "") }

// bare is an address without what may be around it.
func bare(v string) string {
	if i := strings.IndexByte(v, '<'); i >= 0 {
		if j := strings.IndexByte(v[i:], '>'); j >= 0 {
			v = v[i+1 : i+j]
		}
	}
	return strings.TrimSpace(v)
}

// mta is the name of "dns; name".
func mta(v string) string {
	if _, name, ok := strings.Cut(v, ";"); ok {
		v = name
	}
	return strings.TrimSpace(v)
}

func (r *Report) date(v string) {
	if t, err := message.ParseDate(v); err == nil && r.ArrivalDate.IsZero() {
		r.ArrivalDate = t.UTC()
	}
}

func (r *Report) sourceIP(v string) {
	v = strings.TrimSuffix(strings.TrimPrefix(v, "["), "]")
	if len(v) > 5 && strings.EqualFold(v[:5], "ipv6:") {
		v = v[5:]
	}
	if ip, err := netip.ParseAddr(v); err == nil && !r.SourceIP.IsValid() {
		r.SourceIP = ip.Unmap().WithZone("")
	}
}

func (r *Report) sourcePort(v string) {
	if n, err := strconv.ParseUint(v, 10, 16); err == nil && r.SourcePort == 0 {
		r.SourcePort = uint16(n)
	}
}

func (r *Report) incidents(v string) {
	if n, err := strconv.ParseUint(v, 10, 32); err == nil && n > 0 && r.Incidents == 0 {
		r.Incidents = int64(n)
	}
}

// Parse finds the report in a message that was parsed, and reads it. The error is [ErrNone],
// [ErrReport], or that of r.
func Parse(r io.ReaderAt, root *message.Part) (*Report, error) {
	parts := find(root, 0)
	if parts == nil {
		return nil, ErrNone
	}
	var rep *Report
	var text, original *message.Part
	for i, p := range parts.Parts {
		switch typ := p.MediaType(); {
		case typ == "message/feedback-report":
			if rep != nil {
				continue
			}
			b, err := content(r, p, maxFeedback)
			if err != nil {
				return nil, err
			}
			if rep, err = ParseFeedback(b); err != nil {
				return nil, err
			}
		case p.IsMessage() || typ == "text/rfc822-headers" || typ == "message/global-headers":
			if original == nil {
				original = p
			}
		case i == 0:
			text = p
		}
	}
	rep.Text, rep.Original = text, original
	if original != nil {
		rep.Full = original.IsMessage()
		rep.MessageID = originalID(r, original)
	}
	return rep, nil
}

// find returns the multipart that has a report as its part.
func find(p *message.Part, depth int) *message.Part {
	if depth > 3 || !p.IsMultipart() {
		return nil
	}
	for _, part := range p.Parts {
		if part.MediaType() == "message/feedback-report" {
			return p
		}
	}
	// A list may have put it in another multipart.
	for _, part := range p.Parts {
		if found := find(part, depth+1); found != nil {
			return found
		}
	}
	return nil
}

func content(r io.ReaderAt, p *message.Part, max int64) ([]byte, error) {
	d, err := p.Decoded(r)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrReport, err)
	}
	b, err := io.ReadAll(io.LimitReader(d, max+1))
	if err != nil {
		return nil, fmt.Errorf("reading feedback report: %w", err)
	}
	if int64(len(b)) > max {
		return nil, fmt.Errorf("%w: more than %d octets", ErrReport, max)
	}
	return b, nil
}

func originalID(r io.ReaderAt, p *message.Part) string {
	d, err := p.Decoded(r)
	if err != nil {
		return ""
	}
	// A header that is cut off has its first fields.
	b, _ := io.ReadAll(io.LimitReader(d, maxHeader))
	ids := message.ParseMessageIDs(message.ParseHeader(b).Get("Message-ID"), 1)
	if len(ids) == 0 {
		return ""
	}
	return ids[0]
}

// ParseFeedback reads the content of message/feedback-report. The error is [ErrReport] when
// it does not say what kind of report it is.
func ParseFeedback(b []byte) (*Report, error) {
	r := &Report{}
	for _, f := range message.ParseHeader(b).Fields() {
		v := strings.Join(strings.Fields(strings.ToValidUTF8(f.Value(), "\ufffd")), " ")
		if v == "" {
			continue
		}
		if set := fields[strings.ToLower(f.Name())]; set != nil {
			set(r, v)
		} else if len(r.Other) < maxOther {
			r.Other = append(r.Other, Field{f.Name(), v})
		}
	}
	if r.Incidents == 0 {
		r.Incidents = 1
	}
	if r.FeedbackType == "" {
		return nil, fmt.Errorf("%w: no Feedback-Type", ErrReport)
	}
	return r, nil
}
