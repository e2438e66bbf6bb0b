package dmarc

import (
	"fmt"
	"strings"
)

// Explain says in a sentence how the result came about, for a decision trace or a
// person.
func (r Result) Explain() string {
	switch r.Status {
	case StatusNone:
		if r.From.IsZero() || r.Problem != "" {
			return "none: DMARC does not apply: " + orElse(r.Problem, "no author domain")
		}
		return fmt.Sprintf("none: %s has no DMARC policy", r.From)
	case StatusPass:
		return fmt.Sprintf("pass: %s aligned with %s", r.alignedWords(), r.From)
	case StatusTemperror, StatusPermerror:
		return fmt.Sprintf("%s: %s: %v", r.Status, r.From, r.Err)
	}
	s := fmt.Sprintf("fail: no SPF or DKIM pass of a domain aligned with %s; policy %s (%s of %s)", r.From, r.Policy, r.Tag, r.PolicyDomain)
	switch {
	case r.Override == "policy_test_mode":
		s += fmt.Sprintf(", in test mode: %s", r.Wanted)
	case r.Override != "":
		s += fmt.Sprintf(", not sampled by pct=%d: %s", r.Record.Pct, r.Wanted)
	case r.Wanted == PolicyQuarantine:
		s += ", treated as reject"
	}
	return s
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

func (r Result) alignedWords() string {
	var l []string
	if r.AlignedSPF {
		l = append(l, "SPF")
	}
	if anyTrue(r.AlignedDKIM) {
		l = append(l, "DKIM")
	}
	return strings.Join(l, " and ")
}

// Explain says in sentences what a record asks for, one a line.
func (r *Record) Explain() []string {
	var l []string
	say := func(format string, args ...any) { l = append(l, fmt.Sprintf(format, args...)) }
	if !r.Applies() {
		say("The record has no valid policy and asks for no aggregate reports: DMARC is not applied.")
		return l
	}
	p, _ := r.PolicyFor(false, false)
	say("Mail from the domain that fails: %s.", policyWords[p])
	sp, _ := r.PolicyFor(true, false)
	np, _ := r.PolicyFor(true, true)
	if sp != p || np != sp {
		say("From its subdomains: %s.", policyWords[sp])
	}
	if np != sp {
		say("From subdomains that do not exist: %s.", policyWords[np])
	}
	if r.Testing {
		say("The owner is testing (t=y): a step milder than that is wanted for now.")
	} else if r.Pct < 100 {
		say("By RFC 7489 that is for %d %% of the mail, and a step milder for the rest (pct, which RFC 9989 removed).", r.Pct)
	}
	say("DKIM alignment is %s, SPF alignment is %s.", alignmentWords[r.ADKIM], alignmentWords[r.ASPF])
	if w := psdWords[r.PSD]; w != "" {
		say("%s", w)
	}
	say("Aggregate reports: %s.", destinations(r.RUA))
	if len(r.RUF) > 0 {
		say("Failure reports: %s, options %s.", destinations(r.RUF), strings.Join(r.FO, ":"))
	}
	return l
}

var policyWords = map[Policy]string{
	PolicyNone:       "nothing is asked for (none)",
	PolicyQuarantine: "it is suspicious (quarantine)",
	PolicyReject:     "it is to be rejected (reject)",
}

var alignmentWords = map[Alignment]string{
	Relaxed: "relaxed (same organizational domain)",
	Strict:  "strict (same domain)",
}

var psdWords = map[PSD]string{
	PSDYes: "The domain is a public suffix (psd=y): each domain directly below it is an organization of its own.",
	PSDNo:  "The domain is an organizational domain (psd=n).",
}

func destinations(l []URI) string {
	if len(l) == 0 {
		return "none wanted"
	}
	return "to " + strings.ReplaceAll(joinURIs(l), ",", ", ")
}
