package main

import (
	"context"
	"fmt"
	"strings"

	"mox/dns"
	"mox/publicsuffix"
)

func publicSuffixCommands() []command {
	return []command{
		{words: "publicsuffix", args: "domain", short: "print the organizational domain of a domain, by the public suffix list", min: 1, max: 1, setup: withJSON(runPublicSuffix), help: publicSuffixHelp},
	}
}

const publicSuffixHelp = `
Prints the part of the name that its owner has registered, and the public suffix it is
registered below: one of a registry (ICANN), a private one of a company that gives names to
others, or one that the list does not know, which is the top-level domain then. The list is
that of publicsuffix.org, as of the version that is printed.

Exits with 1 for a name that is a public suffix itself. With -json, an object: Organizational (empty for such a
name), Suffix, Kind and List.`

func runPublicSuffix(_ context.Context, p *program, args []string) error {
	d, err := dns.ParseDomainLax(strings.TrimSuffix(args[0], "."))
	if err != nil {
		return usageError{fmt.Sprintf("domain %q: %v", args[0], err)}
	}
	r := publicsuffix.Lookup(d)
	kind := "private"
	switch {
	case !r.Listed:
		kind = "not in the list"
	case r.ICANN:
		kind = "ICANN"
	}
	var unregistered error
	if r.Organizational.IsZero() {
		unregistered = fmt.Errorf("%s is a public suffix: nobody has registered it", d)
	}
	if p.json {
		return p.found(struct{ Organizational, Suffix, Kind, List string }{r.Organizational.ASCII, r.Suffix.ASCII, kind, publicsuffix.Version()}, unregistered)
	}
	if !r.Organizational.IsZero() {
		fmt.Fprintf(p.stdout, "organizational domain: %s\n", r.Organizational)
	}
	fmt.Fprintf(p.stdout, "public suffix: %s (%s)\n", r.Suffix, kind)
	fmt.Fprintf(p.stdout, "list: %s\n", publicsuffix.Version())
	return unregistered
}
