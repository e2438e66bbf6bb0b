package trace

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"time"
)

// Version is that of the traces this package writes.
const Version = 1

// MaxSize is the most octets of an encoded trace.
const MaxSize = 32 << 10

// ErrCorrupt: bytes are no trace. Errors of Decode wrap it.
var ErrCorrupt = errors.New("not a decision trace")

// Trace is what was known of a message for one recipient, and what was decided.
type Trace struct {
	Version int       `json:"v"`
	Time    time.Time `json:"time"` // of the decision
	// ID finds the log lines, as in replies and Received fields.
	ID      string  `json:"id,omitempty"`
	Account string  `json:"account,omitempty"`
	Facts   Facts   `json:"facts"`
	Verdict Verdict `json:"verdict"`
}

// Facts are what was found about a message. A pointer that is nil stands for what was
// not looked for.
type Facts struct {
	// Trusted says why the sender was not checked: "submission" of an account, "lmtp" of a
	// program on our network, "dsn" of this server itself, "local" server for testing,
	// "administrator" who put it here. Empty: it was.
	Trusted string `json:"trusted,omitempty"`

	// The client.
	Remote netip.Addr `json:"remote,omitzero"`
	Hello  string     `json:"hello,omitempty"`
	TLS    string     `json:"tls,omitempty"` // version; empty: none
	IPRev  *IPRev     `json:"iprev,omitempty"`

	// The envelope; addresses as in the commands, empty for the null reverse-path.
	MailFrom   string `json:"mailfrom"`
	RcptTo     string `json:"rcptto,omitempty"`
	RequireTLS bool   `json:"requiretls,omitempty"`

	// The message. From is the one address in From, in canonical form; when there is not
	// exactly one it is empty, and FromProblem says why.
	From        string `json:"from,omitempty"`
	FromProblem string `json:"fromproblem,omitempty"`
	MessageID   string `json:"messageid,omitempty"`
	Subject     string `json:"subject,omitempty"` // decoded, at most 200 octets
	Size        int64  `json:"size,omitempty"`

	SPF   []SPF    `json:"spf,omitempty"` // mailfrom first
	DKIM  []DKIM   `json:"dkim,omitempty"`
	DMARC *DMARC   `json:"dmarc,omitempty"`
	ARC   *ARC     `json:"arc,omitempty"`
	DNSBL *[]DNSBL `json:"dnsbl,omitempty"`

	// OrgDomain is the organizational domain of From.
	OrgDomain string `json:"orgdomain,omitempty"`
	// Validation of From.
	Validation Validation `json:"validation,omitempty"`

	// The recipient.
	Mailbox string   `json:"mailbox,omitempty"` // for which it is meant
	Ruleset *Ruleset `json:"ruleset,omitempty"` // that matched
	NotToMe bool     `json:"nottome,omitempty"` // not addressed in To or Cc
	Report  bool     `json:"report,omitempty"`  // has a valid report, for an address for reports
	// ReportProblem is why a message to an address for reports has no valid one.
	ReportProblem string      `json:"reportproblem,omitempty"`
	HighRate      string      `json:"highrate,omitempty"`
	Reputation    *Reputation `json:"reputation,omitempty"`
	Words         *Words      `json:"words,omitempty"`
	// SubjectPass: "valid" or "invalid" for a token in the subject, empty for none.
	SubjectPass string `json:"subjectpass,omitempty"`
}

// Validation says how far the domain of From was verified.
type Validation string

const (
	ValidationNone   Validation = ""       // not, or it has no From
	ValidationStrict Validation = "strict" // by DKIM or SPF of that very domain
	ValidationDMARC  Validation = "dmarc"  // DMARC passed, with a domain of the same organization
	ValidationARC    Validation = "arc"    // by a trusted forwarder, who says that DMARC passed there
)

// IPRev is the check of the name that the client's address has (RFC 8601 3).
type IPRev struct {
	Status    string `json:"status"`
	Name      string `json:"name,omitempty"` // confirmed when Status is "pass"
	Authentic bool   `json:"authentic,omitempty"`
	Problem   string `json:"problem,omitempty"`
}

// SPF is an SPF check (RFC 7208).
type SPF struct {
	Identity  string `json:"identity"` // "mailfrom" or "helo"
	Domain    string `json:"domain,omitempty"`
	Status    string `json:"status"`
	Mechanism string `json:"mechanism,omitempty"`
	Authentic bool   `json:"authentic,omitempty"`
	Problem   string `json:"problem,omitempty"`
}

// DKIM is the check of a signature (RFC 6376).
type DKIM struct {
	Domain    string `json:"domain,omitempty"`
	Selector  string `json:"selector,omitempty"`
	Status    string `json:"status"`
	Authentic bool   `json:"authentic,omitempty"`
	Problem   string `json:"problem,omitempty"`
}

// DMARC is the evaluation of the policy of From's domain (RFC 9989).
type DMARC struct {
	Status string `json:"status"`
	Domain string `json:"domain,omitempty"` // where the record is
	Policy string `json:"policy,omitempty"` // none, quarantine or reject
	// Reject: the domain asks to refuse the message.
	Reject    bool   `json:"reject,omitempty"`
	Testing   bool   `json:"testing,omitempty"` // the policy is on trial, or sampled out
	Authentic bool   `json:"authentic,omitempty"`
	Problem   string `json:"problem,omitempty"`
}

// ARC is the validation of a chain of forwarders (RFC 8617).
type ARC struct {
	Status string `json:"status"`
	Sealer string `json:"sealer,omitempty"` // domain of the last seal
	// Trusted: the administrator or user trusts the sealer, who says that DMARC passed.
	Trusted bool   `json:"trusted,omitempty"`
	Problem string `json:"problem,omitempty"`
}

// DNSBL is a block list that was asked.
type DNSBL struct {
	Zone    string `json:"zone"`
	Status  string `json:"status"` // "pass": not listed, "fail": listed, "temperror"
	Problem string `json:"problem,omitempty"`
}

// Ruleset is a rule of the user's that matched.
type Ruleset struct {
	Index           int    `json:"index"` // in the destination, from 0
	Comment         string `json:"comment,omitempty"`
	Forward         bool   `json:"forward,omitempty"`
	VerifiedDomain  string `json:"verifieddomain,omitempty"`
	ListAllow       string `json:"listallow,omitempty"` // the list's domain, when verified
	RejectsMailbox  string `json:"rejectsmailbox,omitempty"`
	ListAllowDomain string `json:"listallowdomain,omitempty"`
}

// Reputation is what the user's classification of earlier mail says about the sender.
type Reputation struct {
	// Method is which history decided, such as "msgfromfull"; "none" without any.
	Method string `json:"method"`
	// Key is of whom, such as an address or network.
	Key string `json:"key,omitempty"`
	// Judgment is "ham", "junk", or empty for mixed history and none.
	Judgment   string `json:"judgment,omitempty"`
	Conclusive bool   `json:"conclusive,omitempty"`
	Ham        int    `json:"ham,omitempty"` // messages looked at
	Junk       int    `json:"junk,omitempty"`
	// KnownAddress: there is history with this very From address.
	KnownAddress bool `json:"knownaddress,omitempty"`
}

// Words are what the user's junk filter says about the words.
type Words struct {
	Probability float64 `json:"probability"` // of junk
	// Significant: the filter has learned from enough mail.
	Significant bool   `json:"significant,omitempty"`
	Top         []Word `json:"top,omitempty"` // that told most, strongest first
	Problem     string `json:"problem,omitempty"`
}

// Word is a word that told something.
type Word struct {
	Text        string  `json:"text"`
	Probability float64 `json:"probability"` // of junk, of this word alone
	Ham         uint32  `json:"ham"`         // messages it was in
	Junk        uint32  `json:"junk"`
}

// Action is what becomes of a message.
type Action string

const (
	Accept Action = "accept"
	// AcceptJunk accepts what would be refused, into a mailbox of its own.
	AcceptJunk Action = "junk"
	Reject     Action = "reject"
)

// Verdict is what was decided.
type Verdict struct {
	Action Action `json:"action"`
	// Reason is the check that decided, as in metrics and logs: "dmarc-policy".
	Reason string `json:"reason"`
	// Steps are the checks that mattered, in their order; the last one decided.
	Steps []Step `json:"steps,omitempty"`
	// Mailbox is where it goes, or would have gone.
	Mailbox string `json:"mailbox,omitempty"`

	// The reply to a message that is refused.
	Code     int    `json:"code,omitempty"`
	Enhanced string `json:"enhanced,omitempty"`
	Text     string `json:"text,omitempty"`
	// Unkept: it does not go to the mailbox for rejects either.
	Unkept bool `json:"unkept,omitempty"`

	Delay time.Duration `json:"delay,omitempty"` // before accepting
	// First: nothing was known of the sender.
	First bool `json:"first,omitempty"`
}

// Step is a check and what it gave.
type Step struct {
	Check string `json:"check"`
	// Effect is "+" in favour of the message, "-" against it, empty for neither.
	Effect string `json:"effect,omitempty"`
	Text   string `json:"text"`
}

// Encode returns the trace as it is stored, at most MaxSize octets: of a trace that
// would be larger, words and texts are left out.
func (t *Trace) Encode() ([]byte, error) {
	c := *t
	c.Version = Version
	for try := range 3 {
		b, err := json.Marshal(&c)
		if err != nil {
			return nil, fmt.Errorf("encoding trace: %w", err)
		}
		if len(b) <= MaxSize {
			return b, nil
		}
		if try == 0 && c.Facts.Words != nil {
			w := *c.Facts.Words
			w.Top = nil
			c.Facts.Words = &w
		}
		c.Facts.DKIM = nil
		if try == 1 {
			c.Verdict.Steps, c.Facts.Subject, c.Facts.MessageID = nil, "", ""
		}
	}
	return nil, fmt.Errorf("encoding trace: more than %d octets", MaxSize)
}

// Decode is the inverse of Encode. Fields that it does not know are ignored.
func Decode(b []byte) (*Trace, error) {
	if len(b) > MaxSize {
		return nil, fmt.Errorf("%w: too large", ErrCorrupt)
	}
	var t Trace
	if err := json.Unmarshal(b, &t); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	if t.Version < 1 {
		return nil, fmt.Errorf("%w: no version", ErrCorrupt)
	}
	return &t, nil
}
