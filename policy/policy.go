package policy

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"mox/trace"
)

// Settings are what administrator and user want. The zero value refuses what DMARC asks
// to refuse and bad reputation, and looks at nothing else.
type Settings struct {
	// Threshold is the probability of junk from which a message is refused; 0: words are
	// not looked at.
	Threshold float64
	// DNSBLs: block lists are to be asked about senders without reputation.
	DNSBLs bool
	// SubjectPass: strangers that are refused in doubt get a token.
	SubjectPass bool
	// AuthRequired, when not empty, refuses mail with From not verified with this text.
	AuthRequired string
	// Introbox is where mail of first-time senders goes instead of Inbox; empty: Inbox.
	Introbox string
	// Delay is how long the acceptance of mail of first-time senders is delayed.
	Delay time.Duration
	// Unchecked accepts everything, with the verdict as it would be: for testing.
	Unchecked bool
}

// Inbox is the name of the mailbox that Settings.Introbox stands in for.
const Inbox = "Inbox"

// Thresholds of probabilities.
const (
	// strictThreshold is the highest for messages with a doubtful sign.
	strictThreshold = 0.25
	// subjectPassMargin is how far below the threshold the words must stay for a token to be
	// given.
	subjectPassMargin = 0.2
)

// Fact is one that Decide may need.
type Fact int

const (
	Nothing Fact = iota
	NeedReputation
	NeedWords
	NeedDNSBL
)

// Decision is what Decide says.
type Decision struct {
	trace.Verdict
	// Need, unless Nothing, is the fact to add before the rest means anything.
	Need Fact
	// Token: the reply shall have a token for the subject.
	Token bool
}

// Decide returns what to do with a message.
func Decide(f *trace.Facts, s Settings) Decision {
	d := &decider{f: f, s: s}
	d.Mailbox = f.Mailbox
	for _, check := range checks {
		if check(d) {
			break
		}
	}
	if d.Need == Nothing {
		d.finish()
	}
	return d.Decision
}

// decider is a decision in the making.
type decider struct {
	f *trace.Facts
	s Settings
	Decision
	// doubtful: what is against it is no more than a block list, or words within limits.
	doubtful bool
}

// checks end with one that always decides.
var checks = []func(*decider) bool{
	(*decider).trusted,
	(*decider).highRate,
	(*decider).from,
	(*decider).listAllow,
	(*decider).dmarc,
	(*decider).authRequired,
	(*decider).reputation,
	(*decider).report,
	(*decider).spf,
	(*decider).iprev,
	(*decider).subjectPass,
	(*decider).words,
	(*decider).dnsbl,
	(*decider).accept,
}

// note adds a step that did not decide.
func (d *decider) note(check, effect, format string, args ...any) {
	d.Steps = append(d.Steps, trace.Step{Check: check, Effect: effect, Text: fmt.Sprintf(format, args...)})
}

// allow decides for the message.
func (d *decider) allow(reason, format string, args ...any) bool {
	d.note(reason, "+", format, args...)
	d.Action, d.Reason = trace.Accept, reason
	return true
}

// refuse decides against it. What the peer is told is set with answer.
func (d *decider) refuse(reason, format string, args ...any) bool {
	d.note(reason, "-", format, args...)
	d.Action, d.Reason = trace.Reject, reason
	return true
}

func (d *decider) answer(code int, enhanced, format string, args ...any) {
	d.Code, d.Enhanced, d.Text = code, enhanced, fmt.Sprintf(format, args...)
}

// finish does what follows from the decision, whichever check made it.
func (d *decider) finish() {
	if d.Action != trace.Reject {
		return
	}
	if r := d.f.Ruleset; r != nil && r.RejectsMailbox != "" && !d.Unkept {
		d.Action, d.Mailbox = trace.AcceptJunk, r.RejectsMailbox
		d.note("ruleset", "+", "the ruleset accepts what would be refused into mailbox %s", r.RejectsMailbox)
		return
	}
	if d.s.Unchecked {
		d.Action = trace.Accept
		d.note("local", "+", "this server is for testing and refuses nothing")
	}
}

func (d *decider) trusted() bool {
	switch d.f.Trusted {
	case "":
		return false
	case "submission":
		return d.allow("submission", "submitted by an account of this server")
	case "lmtp":
		return d.allow("lmtp", "handed over by a program on our own network")
	case "dsn":
		return d.allow("dsn", "this server tells what became of a message of the user's")
	case "administrator":
		return d.allow("administrator", "the administrator put it here")
	}
	return d.allow(d.f.Trusted, "senders are not checked")
}

func (d *decider) highRate() bool {
	if d.f.HighRate == "" {
		return false
	}
	d.Unkept = true
	d.answer(452, "4.7.0", "too much mail from your network for this recipient (%s), try again later", d.f.HighRate)
	return d.refuse("high-rate", "too much mail from network: %s", d.f.HighRate)
}

// from refuses messages with several authors of several domains: whose policy holds
// could be chosen by who forges (RFC 9989 10.5, 11.5).
func (d *decider) from() bool {
	if d.f.FromProblem == "" {
		return false
	}
	d.note("from", "-", "%s", d.f.FromProblem)
	if !strings.HasPrefix(d.f.FromProblem, "multiple") {
		return false
	}
	d.answer(550, "5.7.26", "%s: no single domain to verify (RFC 9989)", d.f.FromProblem)
	return d.refuse("from", "a message must have one author")
}

func (d *decider) listAllow() bool {
	r := d.f.Ruleset
	if r == nil {
		return false
	}
	d.note("ruleset", "", "ruleset %d matches%s", r.Index+1, comment(r.Comment))
	if r.ListAllow == "" {
		return false
	}
	return d.allow("list-allow", "verified domain %s is of a mailing list that is let in", r.ListAllow)
}

func comment(s string) string {
	if s == "" {
		return ""
	}
	return fmt.Sprintf(" (%s)", s)
}

func (d *decider) forward() bool { return d.f.Ruleset != nil && d.f.Ruleset.Forward }

func (d *decider) dmarc() bool {
	m := d.f.DMARC
	if m == nil {
		return false
	}
	switch {
	case m.Status == "pass":
		d.note("dmarc", "+", "%s is verified (DMARC)", d.f.From)
	case !m.Reject && m.Status == "fail":
		d.note("dmarc", "", "%s is not verified; its domain asks for nothing (DMARC policy %s)", d.f.From, m.Policy)
	case !m.Reject:
	case d.forward():
		d.note("dmarc", "", "DMARC fails, but a ruleset says that the message was forwarded")
	case d.f.ARC != nil && d.f.ARC.Trusted:
		d.note("dmarc", "", "DMARC fails, but trusted forwarder %s vouches that it passed before (ARC)", d.f.ARC.Sealer)
	default:
		d.answer(550, "5.7.26", "domain %s asks (DMARC policy %s) to refuse mail from it that neither aligned SPF nor DKIM verifies: %s", m.Domain, m.Policy, d.evidence())
		return d.refuse("dmarc-policy", "not verified, and %s asks (policy %s) to refuse that", m.Domain, m.Policy)
	}
	return false
}

// evidence tells the sender's administrator what was found.
func (d *decider) evidence() string {
	var l []string
	for _, p := range d.f.SPF {
		if p.Identity == "mailfrom" || d.f.MailFrom == "" {
			l = append(l, fmt.Sprintf("SPF of %s %s", p.Domain, p.Status))
		}
	}
	for i, k := range d.f.DKIM {
		if i == 3 {
			break
		}
		l = append(l, fmt.Sprintf("DKIM of %s %s", k.Domain, k.Status))
	}
	if len(d.f.DKIM) == 0 {
		l = append(l, "no DKIM signature")
	}
	return strings.Join(l, ", ")
}

func (d *decider) authRequired() bool {
	if d.s.AuthRequired == "" || d.f.Validation != trace.ValidationNone {
		return false
	}
	if d.temporary() {
		d.answer(451, "4.7.26", "From address could not be verified for now, try again later")
	} else {
		d.answer(550, "5.7.26", "%s", d.s.AuthRequired)
	}
	return d.refuse("msg-auth-required", "this address takes mail with a verified From only")
}

// temporary tells whether verification failed for reasons that may pass.
func (d *decider) temporary() bool {
	if d.f.DMARC != nil && d.f.DMARC.Status == "temperror" {
		return true
	}
	for _, p := range d.f.SPF {
		if p.Status == "temperror" {
			return true
		}
	}
	return slices.ContainsFunc(d.f.DKIM, func(k trace.DKIM) bool { return k.Status == "temperror" })
}

func (d *decider) reputation() bool {
	r := d.f.Reputation
	if r == nil {
		d.Need = NeedReputation
		return true
	}
	method := cmp.Or(r.Method, "reputation") // traces of others may lack it
	d.First = r.Method == "none"
	if d.s.Introbox != "" && d.Mailbox == Inbox && !r.KnownAddress && !d.forward() && !d.f.Report {
		d.Mailbox = d.s.Introbox
		d.note("introbox", "", "no mail from this address before: goes to %s", d.s.Introbox)
	}
	switch {
	case r.Method == "none":
		d.note("reputation", "", "nothing is known of this sender")
	case !r.Conclusive:
		d.note("reputation", effect(r.Judgment), "%s, not enough to decide", history(r))
	case r.Judgment == "ham":
		return d.allow(method, "%s", history(r))
	case r.Judgment == "junk":
		d.answer(451, "4.7.1", "earlier mail of this sender or network was unwanted by this recipient, try again later or reach the recipient in another way")
		return d.refuse(method, "%s", history(r))
	}
	return false
}

// report accepts what other servers send to an address that asks them to.
func (d *decider) report() bool {
	return d.f.Report && d.allow("reporting", "a valid report about a domain of this server, of a verified sender")
}

func effect(judgment string) string { return map[string]string{"ham": "+", "junk": "-"}[judgment] }

// history tells a reputation in words.
func history(r *trace.Reputation) string {
	if strings.HasPrefix(r.Method, "msgto") {
		return fmt.Sprintf("mail was sent to %s before", r.Key)
	}
	return fmt.Sprintf("of mail of %s before, %d not junk and %d junk", r.Key, r.Ham, r.Junk)
}

// weak tells whether nothing but hosts and networks is known of the sender.
func (d *decider) weak() bool {
	m := d.f.Reputation.Method
	return m == "none" || m == "dkimspf" || strings.HasPrefix(m, "ip")
}

// spf refuses mail of strangers from where it should not come from. Who has verified
// From otherwise is not a stranger.
func (d *decider) spf() bool {
	if !d.weak() || d.forward() || d.f.Validation != trace.ValidationNone || d.f.ARC != nil && d.f.ARC.Trusted {
		return false
	}
	for _, p := range d.f.SPF {
		if p.Identity == "helo" && d.f.MailFrom != "" || p.Status != "fail" && p.Status != "softfail" {
			continue
		}
		d.answer(451, "4.7.23", "SPF of %s is %s for your address %s, and nothing else verifies the sender; fix the record or the sending address", p.Domain, p.Status, d.f.Remote)
		return d.refuse("spf-policy", "unknown sender, and SPF of %s is %s", p.Domain, p.Status)
	}
	return false
}

// doubtfulNetwork tells whether the address has no confirmed name, or none yet.
func (d *decider) doubtfulNetwork() bool { return d.f.IPRev != nil && d.f.IPRev.Status != "pass" }

func (d *decider) iprev() bool {
	if !d.doubtfulNetwork() || d.forward() {
		return false
	}
	d.note("iprev", "-", "the client's address has no confirmed name (%s)", d.f.IPRev.Status)
	if !d.weak() || d.f.Reputation.Judgment != "junk" {
		return false
	}
	d.answer(451, "4.7.25", "your address %s has no reverse name that leads back to it, and its network has sent junk; fix its DNS", d.f.Remote)
	return d.refuse("iprev", "network has sent junk, and has no confirmed name")
}

func (d *decider) subjectPass() bool {
	switch {
	case !d.s.SubjectPass || d.f.SubjectPass == "":
		return false
	case d.f.SubjectPass == "valid":
		return d.allow("subjectpass", "the subject has a token that we gave to this sender")
	}
	d.note("subjectpass", "", "the token in the subject is not valid")
	return false
}

func (d *decider) words() bool {
	if d.s.Threshold == 0 {
		return false
	}
	w := d.f.Words
	switch {
	case w == nil:
		d.Need = NeedWords
		return true
	case w.Problem != "":
		d.note("junk-classify-error", "", "the words could not be judged: %s", w.Problem)
		return false
	case !w.Significant:
		d.note("junk-content", "", "the junk filter has not learned enough yet")
		return false
	}
	threshold, why := d.threshold()
	if w.Probability <= threshold {
		d.note("junk-content", "+", "the words are %.1f%% junk, threshold %.0f%%%s", 100*w.Probability, 100*threshold, why)
		return false
	}
	reason := "junk-content"
	if why != "" {
		reason = "junk-content-strict"
	}
	d.doubtful = w.Probability < d.s.Threshold-subjectPassMargin
	d.refuse(reason, "the words are %.1f%% junk, threshold %.0f%%%s", 100*w.Probability, 100*threshold, why)
	d.refuseStranger("the message looks like junk to this recipient's filter; if it is not, try again later, with a shorter or plainer text and a verified sender")
	return true
}

// threshold returns the probability from which the words are refused, and why it is
// stricter than set.
func (d *decider) threshold() (float64, string) {
	why := ""
	switch {
	case d.s.Threshold <= strictThreshold:
	case d.forward():
	case d.doubtfulNetwork():
		why = " since the client's address has no confirmed name"
	case d.f.TLS == "":
		why = " since it came without TLS"
	case d.f.NotToMe:
		why = " since it is not addressed to the recipient"
	}
	if why == "" {
		return d.s.Threshold, ""
	}
	return strictThreshold, why
}

func (d *decider) dnsbl() bool {
	if !d.s.DNSBLs {
		return false
	}
	if d.f.DNSBL == nil {
		d.Need = NeedDNSBL
		return true
	}
	for _, l := range *d.f.DNSBL {
		if l.Status != "fail" {
			continue
		}
		d.doubtful = true
		d.refuse("dns-blocklisted", "%s lists %s", l.Zone, d.f.Remote)
		d.refuseStranger(fmt.Sprintf("your address %s is listed by %s: ask there, or try again when it is no longer", d.f.Remote, l.Zone))
		return true
	}
	d.note("dnsbl", "+", "no block list has the address")
	return false
}

// refuseStranger answers a message that is refused in doubt.
func (d *decider) refuseStranger(text string) {
	verified := d.f.DMARC != nil && d.f.DMARC.Status == "pass"
	if d.s.SubjectPass && verified && d.f.Reputation.Method == "none" && d.doubtful {
		d.Token = true
		d.answer(550, "5.7.1", "this first message of yours looks unwanted; to have it accepted, send it again with this in the subject: ")
		d.note("give-subjectpass", "", "the verified sender is told a token for the subject")
		return
	}
	d.answer(451, "4.7.1", "%s", text)
}

func (d *decider) accept() bool {
	if !d.forward() && d.s.Delay > 0 {
		d.Delay = d.s.Delay
		d.note("first-time", "", "accepted after %s, as the sender has no good name yet", d.s.Delay)
	}
	return d.allow("no-bad-signals", "nothing is against it")
}
