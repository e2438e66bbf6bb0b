package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"text/tabwriter"

	"mox/dns"
	"mox/smtp"
	"mox/spf"
)

func spfCommands() []command {
	return []command{
		{words: "spf check", args: "domain|address ip", short: "check whether a host may send mail for a domain", min: 2, max: 2, setup: setupSPFCheck, help: spfCheckHelp},
		{words: "spf lookup", args: "domain", short: "look up the SPF record of a domain", min: 1, max: 1, setup: diagnostic(runSPFLookup), help: spfLookupHelp},
		{words: "spf parse", args: "txtrecord", short: "explain an SPF record", min: 1, max: 1, setup: withJSON(runSPFParse), help: spfParseHelp},
	}
}

const spfCheckHelp = `
Evaluates the SPF records (RFC 7208) of a domain, or of that of a sender address, for a client
at the IP address, as is done for incoming mail. Without a localpart the sender is postmaster
at the domain.

Exits with 1 for the results fail, softfail, temperror and permerror, and with 0 for pass,
neutral and none. With -json, an object: Status, Domain, Record, Mechanism, MechanismDomain, Explanation,
Problem, Lookups, VoidLookups and DNSSEC.`

const spfLookupHelp = `
Prints the record, and what is probably not meant in it. Exits with 1 if there is no record,
more than one, or an invalid one, or if the lookup fails. With -json, an object: Record, Status (of a failure),
DNSSEC and Warnings.`

const spfParseHelp = `
Prints the record in canonical form, each of its terms in plain words, and what is probably
not meant. The record is one argument: quote it. Exits with 1 if it is not valid. With -json, an object:
Record, Terms (of Term, Status and Meaning) and Warnings.`

func setupSPFCheck(fs *flag.FlagSet) runFunc {
	helo := fs.String("helo", "", "`name` that the client gives in EHLO (default the domain)")
	return diagnostic(func(ctx context.Context, p *program, args []string) error {
		return runSPFCheck(ctx, p, args[0], args[1], *helo)
	})(fs)
}

func runSPFCheck(ctx context.Context, p *program, sender, ip, helo string) error {
	addr, err := parseSPFSender(sender)
	if err != nil {
		return usageError{err.Error()}
	}
	args := spf.Args{MailFrom: addr.Path(), Hello: smtp.Host{IPDomain: smtp.IPDomain{Domain: addr.Domain}}}
	if args.IP, err = netip.ParseAddr(ip); err != nil || args.IP.Zone() != "" {
		return usagef("%q is not an IP address", ip)
	}
	if helo != "" {
		if args.Hello.IPDomain, err = smtp.ParseIPDomain(helo, smtp.Options{}); err != nil {
			args.Hello = smtp.Host{Raw: helo}
		}
	}
	res := spf.CheckMailFrom(ctx, nil, p.resolver(), args)
	ok := res.Status == spf.StatusPass || res.Status == spf.StatusNeutral || res.Status == spf.StatusNone
	if p.json {
		return p.found(spfAnswer{
			string(res.Status), res.Domain.ASCII, res.Record, res.Mechanism, res.MechanismDomain, res.Explanation, errorText(res.Err), res.Lookups, res.VoidLookups, res.Authentic,
		}, failUnless(ok))
	}
	printSPFResult(p.stdout, res)
	return failUnless(ok)
}

// spfAnswer is the result of a check.
type spfAnswer struct {
	Status, Domain       string
	Record               string `json:",omitempty"`
	Mechanism            string `json:",omitempty"` // that decided
	MechanismDomain      string `json:",omitempty"` // whose record it is in
	Explanation, Problem string `json:",omitempty"`
	Lookups, VoidLookups int
	DNSSEC               bool
}

// parseSPFSender parses an address, or a domain, whose postmaster then is the sender.
func parseSPFSender(s string) (smtp.Address, error) {
	if strings.Contains(s, "@") {
		return smtp.ParseAddressLax(s)
	}
	d, err := dns.ParseDomainLax(strings.TrimSuffix(s, "."))
	return smtp.Address{Localpart: "postmaster", Domain: d}, err
}

func printSPFResult(w io.Writer, res spf.Result) {
	fmt.Fprintf(w, "status: %s\n", res.Status)
	if res.Record != "" {
		fmt.Fprintf(w, "record: %q\n", res.Record)
	}
	if res.Mechanism != "" {
		fmt.Fprintf(w, "mechanism: %s", res.Mechanism)
		if res.MechanismDomain != "" && res.MechanismDomain != res.Domain.ASCII {
			fmt.Fprintf(w, " of %s", res.MechanismDomain)
		}
		fmt.Fprintln(w)
	}
	if res.Explanation != "" {
		fmt.Fprintf(w, "explanation: %s\n", res.Explanation)
	}
	if res.Err != nil {
		fmt.Fprintf(w, "problem: %v\n", res.Err)
	}
	fmt.Fprintf(w, "lookups: %d of 10, %d without records\n", res.Lookups, res.VoidLookups)
	printDNSSEC(w, res.Authentic)
}

func printDNSSEC(w io.Writer, authentic bool) {
	if authentic {
		fmt.Fprintln(w, "dnssec: validated")
	} else {
		fmt.Fprintln(w, "dnssec: not validated")
	}
}

func runSPFLookup(ctx context.Context, p *program, args []string) error {
	d, err := dns.ParseDomainLax(strings.TrimSuffix(args[0], "."))
	if err != nil {
		return usageError{err.Error()}
	}
	txt, rec, authentic, status, err := spf.Lookup(ctx, nil, p.resolver(), d)
	if p.json {
		a := spfRecord{Record: txt, DNSSEC: &authentic}
		if err != nil {
			a.Status = string(status)
		} else {
			a.Warnings = rec.Warnings(txt)
		}
		return p.found(a, err)
	}
	if txt != "" {
		fmt.Fprintf(p.stdout, "record: %q\n", txt)
	}
	if err != nil {
		fmt.Fprintf(p.stdout, "status: %s\n", status)
	}
	printDNSSEC(p.stdout, authentic)
	if err != nil {
		return err
	}
	printSPFWarnings(p.stdout, rec, txt)
	return nil
}

// spfRecord is a record explained.
type spfRecord struct {
	Record   string
	Status   string    `json:",omitempty"` // if there is none that is valid
	DNSSEC   *bool     `json:",omitempty"`
	Terms    []spfTerm `json:",omitempty"`
	Warnings []string  `json:",omitempty"`
}

// spfTerm is a mechanism or modifier, the result if a mechanism matches, and what it means.
type spfTerm struct {
	Term    string
	Status  string `json:",omitempty"`
	Meaning string
}

// spfTerms explains the terms of a record.
func spfTerms(rec *spf.Record) (l []spfTerm) {
	for _, d := range rec.Directives {
		l = append(l, spfTerm{d.String(), string(d.Qualifier.Status()), describeDirective(d)})
	}
	for _, m := range rec.Other {
		l = append(l, spfTerm{m.Name + "=" + m.Value, "", "unknown, ignored"})
	}
	if rec.Redirect != "" {
		l = append(l, spfTerm{"redirect=" + rec.Redirect, "", "for all other clients, the SPF record of " + describeDomain(rec.Redirect) + " decides"})
	}
	if rec.Exp != "" {
		l = append(l, spfTerm{"exp=" + rec.Exp, "", "a fail is explained by the text in the TXT record of " + describeDomain(rec.Exp)})
	}
	return l
}

func runSPFParse(_ context.Context, p *program, args []string) error {
	rec, isSPF, err := spf.Parse(args[0])
	if err != nil {
		return err
	}
	if !isSPF {
		return errors.New(`not an SPF record: it does not begin with "v=spf1" and a space`)
	}
	if p.json {
		return p.found(spfRecord{Record: rec.String(), Terms: spfTerms(rec), Warnings: rec.Warnings(args[0])}, nil)
	}
	fmt.Fprintf(p.stdout, "%s\n\n", rec)
	w := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
	for _, t := range spfTerms(rec) {
		fmt.Fprintf(w, "%s\t%s\t%s\n", t.Term, t.Status, t.Meaning)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	printSPFWarnings(p.stdout, rec, args[0])
	return nil
}

func printSPFWarnings(w io.Writer, rec *spf.Record, txt string) {
	for _, s := range rec.Warnings(txt) {
		fmt.Fprintf(w, "warning: %s\n", s)
	}
}

// describeDirective says in words which clients a mechanism matches.
func describeDirective(d spf.Directive) string {
	domain := describeDomain(d.DomainSpec)
	switch d.Mechanism {
	case spf.MechanismAll:
		return "all clients that nothing before matched"
	case spf.MechanismInclude:
		return "clients for which the SPF record of " + domain + " gives pass"
	case spf.MechanismA:
		return "clients " + describeNetwork(d) + "an address of " + domain
	case spf.MechanismMX:
		return "clients " + describeNetwork(d) + "an address of an MX host of " + domain
	case spf.MechanismPTR:
		return "clients whose name by reverse lookup is " + domain + " or below it"
	case spf.MechanismExists:
		return "clients for which " + domain + " has an A record"
	}
	if d.Prefix.IsSingleIP() {
		return "the client at " + d.Prefix.Addr().String()
	}
	return "clients in the network " + d.Prefix.Masked().String()
}

// describeDomain names the domain of a term.
func describeDomain(spec string) string {
	switch {
	case spec == "":
		return "the domain"
	case strings.Contains(spec, "%"):
		return "the name that " + spec + " expands to"
	}
	return strings.TrimSuffix(spec, ".")
}

// describeNetwork names the prefix lengths of a and mx.
func describeNetwork(d spf.Directive) string {
	var l []string
	if d.IP4Bits != 32 {
		l = append(l, fmt.Sprintf("/%d with IPv4", d.IP4Bits))
	}
	if d.IP6Bits != 128 {
		l = append(l, fmt.Sprintf("/%d with IPv6", d.IP6Bits))
	}
	if len(l) == 0 {
		return "at "
	}
	return "in the network (" + strings.Join(l, ", ") + ") of "
}
