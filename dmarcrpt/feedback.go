package dmarcrpt

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"
)

// Namespace is that of reports of RFC 9990. Those of RFC 7489 have none, or another.
const Namespace = "urn:ietf:params:xml:ns:dmarc-2.0"

// Feedback is an aggregate report. Enumerated values are in lower case, and may be others
// than those named here in reports that were read. Domains are as in the report.
type Feedback struct {
	Version  string          `xml:"version,omitempty"`
	Metadata ReportMetadata  `xml:"report_metadata"`
	Policy   PolicyPublished `xml:"policy_published"`
	Records  []Record        `xml:"record"`
}

// ReportMetadata says who reports, and about when.
type ReportMetadata struct {
	OrgName          string    `xml:"org_name"`
	Email            string    `xml:"email"`
	ExtraContactInfo string    `xml:"extra_contact_info,omitempty"`
	ReportID         string    `xml:"report_id"`
	DateRange        DateRange `xml:"date_range"`
	Errors           []string  `xml:"error,omitempty"`
	Generator        string    `xml:"generator,omitempty"` // RFC 9990
}

// DateRange is in seconds since 1970; End is the last second.
type DateRange struct {
	Begin Number `xml:"begin"`
	End   Number `xml:"end"`
}

// Start and Stop are the range as times.
func (d DateRange) Start() time.Time { return time.Unix(int64(d.Begin), 0).UTC() }

// Stop is the last second of the range.
func (d DateRange) Stop() time.Time { return time.Unix(int64(d.End), 0).UTC() }

// PolicyPublished is the policy that mail was judged by. Empty fields were not given.
type PolicyPublished struct {
	Domain          string `xml:"domain"`
	DiscoveryMethod string `xml:"discovery_method,omitempty"` // "psl", "treewalk"; RFC 9990
	P               string `xml:"p,omitempty"`
	SP              string `xml:"sp,omitempty"`
	NP              string `xml:"np,omitempty"` // RFC 9990
	ADKIM           string `xml:"adkim,omitempty"`
	ASPF            string `xml:"aspf,omitempty"`
	FO              string `xml:"fo,omitempty"`
	Testing         string `xml:"testing,omitempty"` // "y", "n"; RFC 9990
	Pct             string `xml:"pct,omitempty"`     // RFC 7489
}

// Record is about messages that are alike.
type Record struct {
	Row         Row         `xml:"row"`
	Identifiers Identifiers `xml:"identifiers"`
	AuthResults AuthResults `xml:"auth_results"`
}

// Row says how many, and what became of them.
type Row struct {
	SourceIP        string          `xml:"source_ip"`
	Count           Number          `xml:"count"`
	PolicyEvaluated PolicyEvaluated `xml:"policy_evaluated"`
}

// Dispositions. RFC 9990 has pass for messages that DMARC passed; RFC 7489 has none.
const (
	DispositionNone       = "none"
	DispositionPass       = "pass"
	DispositionQuarantine = "quarantine"
	DispositionReject     = "reject"
)

// PolicyEvaluated is what DMARC gave, and what was done.
type PolicyEvaluated struct {
	Disposition string   `xml:"disposition"`
	DKIM        string   `xml:"dkim"` // "pass" of an aligned domain, or "fail"
	SPF         string   `xml:"spf"`
	Reasons     []Reason `xml:"reason,omitempty"`
}

// Types of reasons.
const (
	ReasonLocalPolicy      = "local_policy"
	ReasonMailingList      = "mailing_list"
	ReasonOther            = "other"
	ReasonPolicyTestMode   = "policy_test_mode" // RFC 9990
	ReasonTrustedForwarder = "trusted_forwarder"
	ReasonForwarded        = "forwarded"   // RFC 7489
	ReasonSampledOut       = "sampled_out" // RFC 7489
)

// Reason is why something else was done than the policy says.
type Reason struct {
	Type    string `xml:"type"`
	Comment string `xml:"comment,omitempty"`
}

// Identifiers are the domains of a message.
type Identifiers struct {
	EnvelopeTo   string `xml:"envelope_to,omitempty"`
	EnvelopeFrom string `xml:"envelope_from,omitempty"`
	HeaderFrom   string `xml:"header_from"`
}

// AuthResults are the results of DKIM and SPF, whatever is aligned.
type AuthResults struct {
	DKIM []DKIMResult `xml:"dkim,omitempty"`
	SPF  []SPFResult  `xml:"spf,omitempty"`
}

// DKIMResult is that of a signature, in words of RFC 8601.
type DKIMResult struct {
	Domain      string `xml:"domain"`
	Selector    string `xml:"selector"`
	Result      string `xml:"result"`
	HumanResult string `xml:"human_result,omitempty"`
}

// SPFResult is that of a domain.
type SPFResult struct {
	Domain      string `xml:"domain"`
	Scope       string `xml:"scope,omitempty"` // "mfrom", "helo"
	Result      string `xml:"result"`
	HumanResult string `xml:"human_result,omitempty"`
}

// Number is an integer from 0 on. It is read from anything that can be meant as one.
type Number int64

// maxNumber is so that sums cannot overflow.
const maxNumber = 1 << 40

// UnmarshalText implements [encoding.TextUnmarshaler].
func (n *Number) UnmarshalText(b []byte) error {
	s := strings.TrimSpace(string(b))
	if s == "" {
		*n = 0
		return nil
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return err
	}
	if !(f > 0) {
		f = 0
	}
	*n = Number(min(f, maxNumber))
	return nil
}

// Summary adds up the messages of a report.
type Summary struct {
	Messages   int64
	Pass       int64 // by DKIM or SPF
	Quarantine int64
	Reject     int64
	// Override counts messages with a reason for something else than the policy says.
	Override          int64
	DKIMFail, SPFFail int64
}

// Summary adds up the messages of the report.
func (f *Feedback) Summary() Summary {
	var s Summary
	for _, r := range f.Records {
		n, p := int64(r.Row.Count), r.Row.PolicyEvaluated
		s.Messages += n
		add := func(to *int64, when bool) {
			if when {
				*to += n
			}
		}
		add(&s.Pass, p.DKIM == "pass" || p.SPF == "pass")
		add(&s.DKIMFail, p.DKIM != "pass")
		add(&s.SPFFail, p.SPF != "pass")
		add(&s.Quarantine, p.Disposition == DispositionQuarantine)
		add(&s.Reject, p.Disposition == DispositionReject)
		add(&s.Override, len(p.Reasons) > 0)
	}
	return s
}

// Plus returns the sum of two summaries.
func (s Summary) Plus(o Summary) Summary {
	s.Messages += o.Messages
	s.Pass += o.Pass
	s.Quarantine += o.Quarantine
	s.Reject += o.Reject
	s.Override += o.Override
	s.DKIMFail += o.DKIMFail
	s.SPFFail += o.SPFFail
	return s
}

// UnmarshalJSON implements [json.Unmarshaler], as in JSON a Number is a number.
func (n *Number) UnmarshalJSON(b []byte) error { return json.Unmarshal(b, (*int64)(n)) }
