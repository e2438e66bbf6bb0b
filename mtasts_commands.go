package main

import (
	"context"
	"errors"
	"fmt"
	"mime"
	"time"

	"mox/dns"
	"mox/mtasts"
)

func mtastsCommands() []command {
	return []command{
		{words: "mtasts lookup", args: "domain", short: "look up the MTA-STS record and policy of a domain", min: 1, max: 1, setup: diagnostic(runMTASTSLookup), help: mtastsLookupHelp},
	}
}

const mtastsLookupHelp = `
Prints the record in DNS, the policy (RFC 8461) that is fetched by HTTPS, and which of the hosts
in MX records the policy allows. Exits with 1 if there is no record or no policy, if either is
not valid, or if the policy could not be fetched over verified TLS. With -json, an object: Record, URL, Mode,
MaxAge in seconds, MX, Extensions, ContentType, and Hosts (of Host and Allowed).`

func runMTASTSLookup(ctx context.Context, p *program, args []string) error {
	domain, err := parseHost(args[0])
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	c := mtasts.Client{Resolver: p.resolver(), Transport: mtasts.NewTransport(p.resolver(), p.roots, p.connect)}
	record, f, err := c.Get(ctx, domain)
	if p.json {
		return mtastsJSON(ctx, p, domain, record, f, err)
	}
	if record.ID != "" {
		fmt.Fprintf(p.stdout, "record: %s\n", record)
		fmt.Fprintf(p.stdout, "policy of: %s\n", mtasts.URL(domain))
	}
	if err != nil {
		if errors.Is(err, mtasts.ErrPolicy) {
			fmt.Fprintf(p.stdout, "not a policy: %.1000q\n", f.Text)
		}
		return err
	}
	fmt.Fprintf(p.stdout, "mode: %s\n", f.Policy.Mode)
	fmt.Fprintf(p.stdout, "max age: %d seconds, %.1f days\n", f.Policy.MaxAge/time.Second, f.Policy.MaxAge.Hours()/24)
	for _, m := range f.Policy.MX {
		fmt.Fprintf(p.stdout, "mx: %s\n", m)
	}
	for _, x := range f.Policy.Extensions {
		fmt.Fprintf(p.stdout, "%s: %s\n", x.Name, terminalText(x.Value))
	}
	if t, _, err := mime.ParseMediaType(f.ContentType); err != nil || t != "text/plain" {
		fmt.Fprintf(p.stdout, "warning: media type is %q, not text/plain\n", f.ContentType)
	}
	return printMTASTSHosts(ctx, p, domain, f.Policy)
}

// printMTASTSHosts tells which of the hosts of a domain the policy allows.
func printMTASTSHosts(ctx context.Context, p *program, domain dns.Domain, policy mtasts.Policy) error {
	x, err := dns.GatherMX(ctx, p.resolver(), domain)
	if errors.Is(err, dns.ErrNoMail) {
		fmt.Fprintf(p.stdout, "warning: %v\n", err)
		return nil
	} else if err != nil {
		return err
	}
	for _, h := range x.Hosts {
		allowed := "allowed by the policy"
		if !policy.Matches(h.Host) {
			allowed = "not allowed by the policy"
		}
		fmt.Fprintf(p.stdout, "host: %s, %s\n", h.Host, allowed)
	}
	return nil
}

// mtastsAnswer is what a domain has.
type mtastsAnswer struct {
	Record, URL string        `json:",omitempty"`
	Mode        string        `json:",omitempty"`
	MaxAge      int64         `json:",omitempty"` // seconds
	MX          []string      `json:",omitempty"` // patterns
	Extensions  []mtasts.Pair `json:",omitempty"`
	ContentType string        `json:",omitempty"`
	Text        string        `json:",omitempty"` // of what is no policy
	Hosts       []mtastsHost  `json:",omitempty"`
}

// mtastsHost is a host in MX records.
type mtastsHost struct {
	Host    string
	Allowed bool
}

func mtastsJSON(ctx context.Context, p *program, domain dns.Domain, record mtasts.Record, f mtasts.Fetched, err error) error {
	a := mtastsAnswer{ContentType: f.ContentType}
	if record.ID != "" {
		a.Record, a.URL = record.String(), mtasts.URL(domain)
	}
	if errors.Is(err, mtasts.ErrPolicy) {
		a.Text = f.Text[:min(len(f.Text), 1000)]
	}
	if err != nil {
		return p.found(a, err)
	}
	a.Mode, a.MaxAge, a.MX, a.Extensions = string(f.Policy.Mode), int64(f.Policy.MaxAge/time.Second), texts(f.Policy.MX), f.Policy.Extensions
	x, err := dns.GatherMX(ctx, p.resolver(), domain)
	for _, h := range x.Hosts {
		a.Hosts = append(a.Hosts, mtastsHost{h.Host.ASCII, f.Policy.Matches(h.Host)})
	}
	if errors.Is(err, dns.ErrNoMail) {
		err = nil
	}
	return p.found(a, err)
}
