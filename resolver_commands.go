package main

import (
	"context"
	"flag"
	"fmt"

	"mox/dns"
)

// resolver returns the resolver of diagnostic commands: the system's.
func (p *program) resolver() dns.Resolver {
	if p.dns == nil {
		// The only errors are those of addresses of servers.
		p.dns, _ = dns.System(dns.Options{})
	}
	return p.dns
}

// resolverFlag defines flag -resolver, for p.resolverAt.
func resolverFlag(fs *flag.FlagSet) *string {
	return fs.String("resolver", "", "DNS resolver to ask, as `address[:port]`, in place of those of the system; what it says about DNSSEC is believed")
}

// resolverAt returns the resolver of a command with flag -resolver.
func (p *program) resolverAt(addr string) (dns.Resolver, error) {
	if addr == "" {
		return p.resolver(), nil
	}
	if _, err := dns.ParseServer(addr); err != nil {
		return nil, usageError{err.Error()}
	}
	return dns.NewClient(dns.Options{Servers: []string{addr}, TrustServers: true})
}

// withResolver is the setup of a command with flag -resolver. What the flag says, run finds
// by p.resolver.
func withResolver(run runFunc) func(fs *flag.FlagSet) runFunc {
	return func(fs *flag.FlagSet) runFunc {
		addr := resolverFlag(fs)
		return func(ctx context.Context, p *program, args []string) error {
			r, err := p.resolverAt(*addr)
			if err != nil {
				return err
			}
			p.dns = r
			return run(ctx, p, args)
		}
	}
}

// withJSON is the setup of a command with flag -json, which its run finds as p.json.
func withJSON(run runFunc) func(fs *flag.FlagSet) runFunc {
	return func(fs *flag.FlagSet) runFunc {
		asJSON := fs.Bool("json", false, "print JSON")
		return func(ctx context.Context, p *program, args []string) error {
			p.json = *asJSON
			return run(ctx, p, args)
		}
	}
}

// diagnostic is the setup of a command with flags -resolver and -json.
func diagnostic(run runFunc) func(fs *flag.FlagSet) runFunc {
	return func(fs *flag.FlagSet) runFunc { return withResolver(withJSON(run)(fs))(fs) }
}

// found prints what a command has found out as JSON, and returns the error that it ends with.
func (p *program) found(v any, err error) error {
	if werr := printJSONLine(p.stdout, v); werr != nil {
		return werr
	}
	return err
}

// errorText is the text of an error, "" for nil.
func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// texts are things as text.
func texts[T fmt.Stringer](l []T) []string {
	var out []string
	for _, v := range l {
		out = append(out, v.String())
	}
	return out
}
