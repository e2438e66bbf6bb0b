package tlsrpt

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

// PolicyType is what kind of policy a result is about.
type PolicyType string

// Policy types of RFC 8460 4.4.
const (
	PolicyTLSA PolicyType = "tlsa" // DANE
	PolicySTS  PolicyType = "sts"  // MTA-STS
	PolicyNone PolicyType = "no-policy-found"
)

// ResultType is how a session failed.
type ResultType string

// Result types of RFC 8460 4.3.
const (
	ResultSTARTTLSNotSupported    ResultType = "starttls-not-supported"
	ResultCertificateHostMismatch ResultType = "certificate-host-mismatch"
	ResultCertificateExpired      ResultType = "certificate-expired"
	ResultCertificateNotTrusted   ResultType = "certificate-not-trusted"
	ResultValidationFailure       ResultType = "validation-failure" // others, see FailureReasonCode
	ResultTLSAInvalid             ResultType = "tlsa-invalid"
	ResultDNSSECInvalid           ResultType = "dnssec-invalid"
	ResultDANERequired            ResultType = "dane-required"
	ResultSTSPolicyFetch          ResultType = "sts-policy-fetch-error"
	ResultSTSPolicyInvalid        ResultType = "sts-policy-invalid"
	ResultSTSWebPKIInvalid        ResultType = "sts-webpki-invalid"
)

// ResultTypes has all of them, for metrics.
func ResultTypes() []ResultType {
	return []ResultType{
		ResultSTARTTLSNotSupported, ResultCertificateHostMismatch, ResultCertificateExpired, ResultCertificateNotTrusted, ResultValidationFailure,
		ResultTLSAInvalid, ResultDNSSECInvalid, ResultDANERequired, ResultSTSPolicyFetch, ResultSTSPolicyInvalid, ResultSTSWebPKIInvalid,
	}
}

// Policy is the policy that sessions were to follow.
type Policy struct {
	Type PolicyType `json:"policy-type"`
	// Lines of an MTA-STS policy, or TLSA records in presentation format.
	String []string `json:"policy-string,omitempty"`
	// Domain is the one that has the policy, in ASCII: the recipient domain, or for TLSA the
	// base domain of an MX host.
	Domain string `json:"policy-domain"`
	// MXHost are the patterns of an MTA-STS policy.
	MXHost []string `json:"mx-host,omitempty"`
}

// Summary counts sessions. One that failed and was then delivered otherwise counts in both.
type Summary struct {
	Success int64 `json:"total-successful-session-count"`
	Failure int64 `json:"total-failure-session-count"`
}

// FailureDetails are sessions that failed alike. Addresses are IP addresses as text; what is
// not known is empty.
type FailureDetails struct {
	ResultType            ResultType `json:"result-type"`
	SendingMTAIP          string     `json:"sending-mta-ip,omitempty"`
	ReceivingMXHostname   string     `json:"receiving-mx-hostname,omitempty"`
	ReceivingMXHelo       string     `json:"receiving-mx-helo,omitempty"`
	ReceivingIP           string     `json:"receiving-ip,omitempty"`
	FailedSessionCount    int64      `json:"failed-session-count"`
	AdditionalInformation string     `json:"additional-information,omitempty"` // a URI
	FailureReasonCode     string     `json:"failure-reason-code,omitempty"`
}

// Result is what became of the sessions under one policy.
type Result struct {
	Policy         Policy           `json:"policy"`
	Summary        Summary          `json:"summary"`
	FailureDetails []FailureDetails `json:"failure-details,omitempty"`
}

// DateRange is what a report covers; a day mostly.
type DateRange struct {
	Start time.Time `json:"start-datetime"`
	End   time.Time `json:"end-datetime"` // the last second
}

// Report is a report about TLS (RFC 8460 4.4).
type Report struct {
	OrganizationName string    `json:"organization-name"`
	DateRange        DateRange `json:"date-range"`
	ContactInfo      string    `json:"contact-info"` // an address
	ReportID         string    `json:"report-id"`
	Policies         []Result  `json:"policies"`
}

// Day returns the range of the UTC day that t is in.
func Day(t time.Time) DateRange {
	start := t.UTC().Truncate(24 * time.Hour)
	return DateRange{start, start.Add(24*time.Hour - time.Second)}
}

// Total adds up the sessions under all policies.
func (r *Report) Total() Summary {
	var s Summary
	for _, p := range r.Policies {
		s.Success += p.Summary.Success
		s.Failure += p.Summary.Failure
	}
	return s
}

// JSON returns the report as it is sent.
func (r *Report) JSON() ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(r); err != nil {
		return nil, fmt.Errorf("encoding TLS report: %w", err)
	}
	return b.Bytes(), nil
}

// Gzip returns the report as it is sent, compressed.
func (r *Report) Gzip() ([]byte, error) {
	text, err := r.JSON()
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write(text); err != nil {
		return nil, fmt.Errorf("compressing TLS report: %w", err)
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("compressing TLS report: %w", err)
	}
	return b.Bytes(), nil
}

// Filename is the name for the compressed report about a domain (RFC 8460 5.1). submitter
// is the domain of ContactInfo.
func (r *Report) Filename(submitter, domain string) string {
	return fmt.Sprintf("%s!%s!%d!%d.json.gz", submitter, domain, r.DateRange.Start.Unix(), r.DateRange.End.Unix())
}

// Bounds of merged results: of what would be more, only sessions are counted.
const (
	MaxMergedPolicies = 100
	MaxMergedDetails  = 1000 // for each policy
)

// Add adds sessions under the same policy.
func (r *Result) Add(o Result) {
	r.Summary.Success += o.Summary.Success
	r.Summary.Failure += o.Summary.Failure
	for _, d := range o.FailureDetails {
		r.addDetails(d)
	}
}

func (r *Result) addDetails(d FailureDetails) {
	for i := range r.FailureDetails {
		have := r.FailureDetails[i]
		have.FailedSessionCount = d.FailedSessionCount
		if have == d {
			r.FailureDetails[i].FailedSessionCount += d.FailedSessionCount
			return
		}
	}
	if len(r.FailureDetails) < MaxMergedDetails {
		r.FailureDetails = append(r.FailureDetails, d)
	}
}

// Merge adds results to others: sessions under the same policy are counted together, and
// failures that are alike too. It returns the changed list; add is not changed or kept.
func Merge(to []Result, add ...Result) []Result {
	for _, o := range add {
		i := slices.IndexFunc(to, func(r Result) bool { return r.Policy.equal(o.Policy) })
		switch {
		case i >= 0:
			to[i].Add(o)
		case len(to) < MaxMergedPolicies:
			n := Result{Policy: o.Policy}
			n.Policy.String, n.Policy.MXHost = slices.Clone(o.Policy.String), slices.Clone(o.Policy.MXHost)
			n.Add(o)
			to = append(to, n)
		}
	}
	return to
}

func (p Policy) equal(o Policy) bool {
	return p.Type == o.Type && p.Domain == o.Domain && slices.Equal(p.String, o.String) && slices.Equal(p.MXHost, o.MXHost)
}

// Sort puts results in an order that does not depend on when what happened.
func Sort(l []Result) {
	slices.SortStableFunc(l, func(a, b Result) int {
		return cmp.Or(cmp.Compare(a.Policy.Domain, b.Policy.Domain), cmp.Compare(a.Policy.Type, b.Policy.Type), slices.Compare(a.Policy.String, b.Policy.String))
	})
}
