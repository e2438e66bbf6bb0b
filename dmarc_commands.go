package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"os"
	"strings"
	"time"
	"unicode"

	"mox/dkim"
	"mox/dmarc"
	"mox/dns"
	"mox/message"
	"mox/smtp"
	"mox/spf"
)

func dmarcCommands() []command {
	return []command{
		{words: "dmarc lookup", args: "domain", short: "find the DMARC policy for mail from a domain and explain it", min: 1, max: 1, setup: diagnostic(runDMARCLookup), help: dmarcLookupHelp},
		{words: "dmarc verify", args: "remoteip mailfrom helo", short: "evaluate DMARC for the message on standard input", min: 3, max: 3, setup: diagnostic(runDMARCVerify), help: dmarcVerifyHelp},
		{words: "dmarc checkreportaddrs", args: "domain", short: "check that the report addresses in a DMARC record have agreed to get reports", min: 1, max: 1, setup: diagnostic(runDMARCCheckReportAddrs), help: dmarcCheckHelp},
	}
}

const dmarcLookupHelp = `
Walks the DNS tree as RFC 9989 says: from the domain up to its organizational domain or
public suffix. Prints each name asked for, the record that applies, what it means and
what is wrong with it. Exits with 1 if there is no record or a lookup fails. With -json, an object: Domain,
OrganizationalDomain, Queries, PolicyDomain, Record, Policy, Tag, DNSSEC, Meaning and Problems.`

const dmarcVerifyHelp = `
Checks SPF for the address of the client, the address of MAIL FROM (empty or "<>" for
none) and the name of HELO or EHLO, checks the DKIM signatures of the message, and
compares both with the domain of its From field. Exits with 1 unless DMARC passes. With -json, an object: From, SPF,
DKIM, PolicyDomain, Record, Status, Problem, Explanation and Reject.`

const dmarcCheckHelp = `
An address at another organization than the domain must have a record in DNS by which it
agrees to get reports. Exits with 1 if an address has none, and if there is no DMARC
record. With -json, an object: PolicyDomain, Record, Destinations and Problems.`

// dmarcTimeout bounds each of the commands.
const dmarcTimeout = time.Minute

// lookupDMARC does policy discovery for a domain given by a person.
func lookupDMARC(ctx context.Context, p *program, arg string) (dmarc.Discovery, error) {
	domain, err := dns.ParseDomain(arg)
	if err != nil {
		return dmarc.Discovery{}, err
	}
	return dmarc.Lookup(ctx, nil, p.resolver(), domain), nil
}

func runDMARCLookup(ctx context.Context, p *program, args []string) error {
	ctx, cancel := context.WithTimeout(ctx, dmarcTimeout)
	defer cancel()
	d, err := lookupDMARC(ctx, p, args[0])
	if err != nil {
		return err
	}
	if p.json {
		return p.found(dmarcAnswerOf(d), dmarcError(d))
	}
	for _, q := range d.Queries {
		fmt.Fprintf(p.stdout, "_dmarc.%s: %s\n", q.Domain.ASCII, dmarcAnswer(q))
	}
	fmt.Fprintln(p.stdout)
	if d.Err == nil {
		fmt.Fprintf(p.stdout, "organizational domain: %s\n", d.OrgDomain)
	}
	if d.Record != nil {
		printDMARCRecord(p.stdout, d)
	}
	return dmarcError(d)
}

// dmarcError is why a lookup failed, or that there is no policy.
func dmarcError(d dmarc.Discovery) error {
	if d.Record == nil && d.Err == nil {
		return fmt.Errorf("%s has no DMARC policy: mail from it is not evaluated", d.Domain)
	}
	return d.Err
}

// dmarcLookupAnswer is what was found of a policy.
type dmarcLookupAnswer struct {
	Domain               string
	OrganizationalDomain string `json:",omitempty"`
	Queries              []dmarcQuery
	PolicyDomain         string `json:",omitempty"`
	Record               string `json:",omitempty"`
	Policy, Tag          string `json:",omitempty"` // for the domain, and by which tag
	DNSSEC               bool
	Meaning, Problems    []string `json:",omitempty"`
}

// dmarcQuery is a name that was asked for.
type dmarcQuery struct{ Name, Answer string }

func dmarcAnswerOf(d dmarc.Discovery) dmarcLookupAnswer {
	a := dmarcLookupAnswer{Domain: d.Domain.ASCII, DNSSEC: d.Authentic, Queries: []dmarcQuery{}}
	for _, q := range d.Queries {
		a.Queries = append(a.Queries, dmarcQuery{"_dmarc." + q.Domain.ASCII, dmarcAnswer(q)})
	}
	if d.Err == nil {
		a.OrganizationalDomain = d.OrgDomain.ASCII
	}
	if d.Record != nil {
		policy, tag := d.Record.PolicyFor(d.PolicyDomain != d.Domain, false)
		a.PolicyDomain, a.Record, a.Policy, a.Tag = d.PolicyDomain.ASCII, d.Text, string(policy), tag
		a.Meaning, a.Problems = d.Record.Explain(), d.Record.Problems
	}
	return a
}

func dmarcAnswer(q dmarc.Query) string {
	switch {
	case q.Err != nil:
		return "lookup failed"
	case q.Record != nil:
		return terminalText(q.Text)
	case q.Problem != "":
		return "no record: " + q.Problem
	}
	return "no record"
}

// terminalText is text from elsewhere, safe for a terminal.
func terminalText(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '?'
	}, s)
}

func printDMARCRecord(w io.Writer, d dmarc.Discovery) {
	fmt.Fprintf(w, "policy of: %s\n", d.PolicyDomain)
	if d.PolicyDomain != d.Domain {
		policy, tag := d.Record.PolicyFor(true, false)
		fmt.Fprintf(w, "policy for %s: %s (tag %s)\n", d.Domain, policy, tag)
	}
	fmt.Fprintf(w, "DNSSEC: %s\n\n", yesNo(d.Authentic))
	for _, s := range d.Record.Explain() {
		fmt.Fprintln(w, s)
	}
	for _, s := range d.Record.Problems {
		fmt.Fprintf(w, "Problem: %s\n", s)
	}
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

func runDMARCCheckReportAddrs(ctx context.Context, p *program, args []string) error {
	ctx, cancel := context.WithTimeout(ctx, dmarcTimeout)
	defer cancel()
	d, err := lookupDMARC(ctx, p, args[0])
	if err != nil {
		return err
	} else if d.Record == nil && d.Err != nil {
		return d.Err
	} else if d.Record == nil {
		return fmt.Errorf("%s has no DMARC policy", d.Domain)
	}
	dests := dmarc.CheckReportURIs(ctx, nil, p.resolver(), d.PolicyDomain, d.Record)
	bad := 0
	for _, dest := range dests {
		if !dest.Accepted {
			bad++
		}
	}
	var refused error
	if bad > 0 {
		refused = fmt.Errorf("%d of the addresses would not get reports", bad)
	}
	if p.json {
		return p.found(dmarcDestinations(d, dests), refused)
	}
	fmt.Fprintf(p.stdout, "_dmarc.%s: %s\n", d.PolicyDomain.ASCII, terminalText(d.Text))
	for _, dest := range dests {
		fmt.Fprintf(p.stdout, "%s %s: %s\n", dest.Tag, dest.URI, dmarcDestination(dest))
	}
	if len(d.Record.RUA)+len(d.Record.RUF) == 0 {
		fmt.Fprintln(p.stdout, "no reports are asked for")
	}
	for _, s := range d.Record.Problems {
		fmt.Fprintf(p.stdout, "Problem: %s\n", s)
	}
	return refused
}

// dmarcAddresses are those that get reports.
type dmarcAddresses struct {
	PolicyDomain, Record string
	Destinations         []dmarcAddress
	Problems             []string `json:",omitempty"`
}

type dmarcAddress struct {
	Tag, URI           string
	Accepted, External bool
	Problem            string   `json:",omitempty"`
	Record             string   `json:",omitempty"` // by which it has agreed
	Send               []string `json:",omitempty"` // where reports go
}

func dmarcDestinations(d dmarc.Discovery, dests []dmarc.Destination) dmarcAddresses {
	a := dmarcAddresses{PolicyDomain: d.PolicyDomain.ASCII, Record: d.Text, Destinations: []dmarcAddress{}, Problems: d.Record.Problems}
	for _, x := range dests {
		a.Destinations = append(a.Destinations, dmarcAddress{x.Tag, x.URI.String(), x.Accepted, x.External, x.Problem, x.Record, texts(x.Send)})
	}
	return a
}

func dmarcDestination(d dmarc.Destination) string {
	switch {
	case !d.Accepted:
		return "not accepted: " + d.Problem
	case !d.External:
		return "ok, same organization"
	case len(d.Send) == 1 && d.Send[0] == d.URI:
		return fmt.Sprintf("ok, has agreed (%s)", terminalText(d.Record))
	}
	s := "ok, has agreed, sends them on to"
	for _, u := range d.Send {
		s += " " + u.String()
	}
	return s
}

// dmarcSPFArgs reads the arguments that describe an SMTP transaction.
func dmarcSPFArgs(args []string) (a spf.Args, err error) {
	if a.IP, err = netip.ParseAddr(args[0]); err != nil {
		return a, err
	}
	if args[1] != "" && args[1] != "<>" {
		from, err := smtp.ParseAddressLax(args[1])
		if err != nil {
			return a, err
		}
		a.MailFrom = from.Path()
	}
	if a.Hello.IPDomain, err = smtp.ParseIPDomain(args[2], smtp.Options{}); err != nil {
		return a, err
	}
	return a, nil
}

func runDMARCVerify(ctx context.Context, p *program, args []string) error {
	ctx, cancel := context.WithTimeout(ctx, dmarcTimeout)
	defer cancel()
	a, err := dmarcSPFArgs(args)
	if err != nil {
		return err
	}
	f, done, err := spoolInput(p.stdin)
	if err != nil {
		return err
	}
	defer done()
	header, err := message.ReadHeader(bufio.NewReader(io.NewSectionReader(f, 0, 1<<62)), dkim.DefaultMaxHeader)
	if err != nil {
		return err
	}
	authors, problem := message.Authors(header)
	found := dmarcVerifyAnswer{From: texts(authors), FromProblem: problem}
	out := p.stdout
	if p.json {
		out = io.Discard
	}
	if problem != "" {
		fmt.Fprintf(out, "from: %s\n", problem)
	}
	in := dmarc.Input{Sample: func(pct int) bool { return rand.IntN(100) < pct }}
	for _, addr := range authors {
		fmt.Fprintf(out, "from: %s\n", addr)
		in.From = append(in.From, addr.Domain)
	}
	sr := spf.CheckMailFrom(ctx, nil, p.resolver(), a)
	in.SPF = dmarc.SPF{Status: string(sr.Status), Domain: sr.Domain}
	found.SPF = dmarcEvidence{Status: string(sr.Status), Domain: sr.Domain.ASCII, Problem: errorText(sr.Err)}
	fmt.Fprintf(out, "spf: %s%s%s\n", sr.Status, ofDomain(sr.Domain), causedBy(sr.Err))
	signatures, err := dkim.Verify(ctx, slog.New(slog.DiscardHandler), p.resolver(), dkim.Options{}, f)
	if err != nil {
		return err
	}
	for _, s := range signatures {
		in.DKIM = append(in.DKIM, dmarcDKIM(s))
		found.DKIM = append(found.DKIM, dmarcEvidence{string(s.Status), s.Domain().ASCII, errorText(s.Err), s.Testing})
		fmt.Fprintf(out, "dkim: %s%s%s%s\n", s.Status, ofDomain(s.Domain()), causedBy(s.Err), testingNote(s.Testing))
	}
	r := dmarc.Verify(ctx, nil, p.resolver(), in)
	if p.json {
		found.Record, found.PolicyDomain, found.Status, found.Problem = r.RecordText, r.PolicyDomain.ASCII, string(r.Status), r.Problem
		found.Explanation, found.Reject = r.Explain(), r.Reject
		return p.found(found, failUnless(r.Status == dmarc.StatusPass))
	}
	printDMARCResult(p.stdout, r)
	return failUnless(r.Status == dmarc.StatusPass)
}

// dmarcVerifyAnswer is the result for a message.
type dmarcVerifyAnswer struct {
	From         []string
	FromProblem  string `json:",omitempty"`
	SPF          dmarcEvidence
	DKIM         []dmarcEvidence `json:",omitempty"`
	PolicyDomain string          `json:",omitempty"`
	Record       string          `json:",omitempty"`
	Status       string
	Problem      string `json:",omitempty"`
	Explanation  string
	Reject       bool // wanted by the owner of the domain
}

// dmarcEvidence is the result of SPF, or of a signature.
type dmarcEvidence struct {
	Status, Domain string
	Problem        string `json:",omitempty"`
	Testing        bool   `json:",omitempty"`
}

// dmarcDKIM is the result of a signature for DMARC. RFC 6376 3.6.1: one under a key in
// testing is as no signature.
func dmarcDKIM(r dkim.Result) dmarc.DKIM {
	if r.Testing {
		return dmarc.DKIM{Status: string(dkim.StatusNone), Domain: r.Domain()}
	}
	return dmarc.DKIM{Status: string(r.Status), Domain: r.Domain()}
}

func ofDomain(d dns.Domain) string {
	if d.IsZero() {
		return ""
	}
	return " of " + d.Name()
}

func causedBy(err error) string {
	if err == nil {
		return ""
	}
	return ": " + terminalText(err.Error())
}

func testingNote(testing bool) string {
	if testing {
		return " (key in testing, taken as unsigned)"
	}
	return ""
}

func printDMARCResult(w io.Writer, r dmarc.Result) {
	if r.Record != nil {
		fmt.Fprintf(w, "record: %s (_dmarc.%s)\n", terminalText(r.RecordText), r.PolicyDomain.ASCII)
	}
	if r.Problem != "" && r.Status != dmarc.StatusNone {
		fmt.Fprintf(w, "problem: %s\n", r.Problem)
	}
	fmt.Fprintf(w, "dmarc: %s\n", r.Explain())
	if r.Status == dmarc.StatusFail {
		fmt.Fprintf(w, "the owner of %s wants it rejected: %s\n", r.PolicyDomain, yesNo(r.Reject))
	}
}

// spoolInput copies standard input to a file. done closes and removes it.
func spoolInput(r io.Reader) (f *os.File, done func(), err error) {
	f, err = os.CreateTemp("", "mox-*.eml")
	if err != nil {
		return nil, nil, err
	}
	done = func() {
		f.Close()
		os.Remove(f.Name())
	}
	if _, err := io.Copy(f, r); err != nil {
		done()
		return nil, nil, fmt.Errorf("reading the message from standard input: %w", err)
	}
	return f, done, nil
}
