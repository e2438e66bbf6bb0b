package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/netip"
	"strings"

	"mox/quickstart"
)

func quickstartCommands() []command {
	return []command{
		{words: "quickstart", args: "you@example.org [user or uid]", short: "make a new installation: configuration, keys, account, DNS records", min: 1, max: 2, setup: setupQuickstart, help: quickstartHelp},
	}
}

const quickstartHelp = `
Looks at this machine and says what is in the way of mail, each with a remedy: resolver
and DNSSEC, host name, addresses and address translation, reverse DNS, other servers on the
ports, the way out to port 25, block lists, age of the domain, clock, memory. Then it writes
config/mox.conf and config/domains.conf, with comments, and keys, the first account in
data/, and a unit for systemd, all in the working directory; prints passwords, the settings for
mail programs, all DNS records, and how to go on. What it prints is in quickstart.log as well.

It changes nothing where there is an installation already. The server will run as user
mox unless another is given.

With -json, an object: Dir, Address, Account, Hostname, IPs, NATIPs, Findings, Files, AdminPassword,
AccountPassword, Username, Clients, Records, Snippets and Steps.

Answers of DNS are needed, but for -offline: then nobody is asked, and nothing
can be said about DNS. With environment variable MOX_DOCKER no unit is written. If another
web server has ports 80 and 443 and is to keep them, use -existing-webserver: mox then
listens for it on ports 81 and 1080 of this machine, and what to put into the configuration of nginx,
Caddy, Apache, Traefik or HAProxy is printed.

"mox setup" does the same with pages in a browser.`

func setupQuickstart(fs *flag.FlagSet) runFunc {
	var o quickstart.Options
	var ips addrList
	quickstartFlags(fs, &o)
	fs.Var(&ips, "publicip", "`address` by which others reach this machine, instead of those in DNS; may be given several times")
	asJSON := fs.Bool("json", false, "print the result as JSON, for programs; quickstart.log is text all the same")
	addr := resolverFlag(fs)
	return func(ctx context.Context, p *program, args []string) error {
		o.Address, o.PublicIPs = args[0], ips
		if len(args) > 1 {
			o.User = args[1]
		}
		if err := p.quickstartOptions(&o, *addr); err != nil {
			return err
		}
		return p.quickstart(ctx, o, *asJSON)
	}
}

// quickstartFlags are those that "mox quickstart" and "mox setup" have.
func quickstartFlags(fs *flag.FlagSet, o *quickstart.Options) {
	fs.StringVar(&o.Hostname, "hostname", "", "`name` of this machine in DNS, instead of the one that it finds out")
	fs.BoolVar(&o.ExistingWebserver, "existing-webserver", false, "leave ports 80 and 443 to another web server, which passes on to mox what is for mox")
	fs.BoolVar(&o.SkipDial, "skipdial", false, "do not try to connect to port 25 of others, and do not ask for the age of the domain")
	fs.BoolVar(&o.Offline, "offline", false, "ask nobody anything, DNS neither")
}

// quickstartOptions completes options by what the program knows.
func (p *program) quickstartOptions(o *quickstart.Options, resolver string) error {
	r, err := p.resolverAt(resolver)
	if err != nil {
		return err
	}
	o.Resolver, o.Docker = r, p.getenv("MOX_DOCKER") != ""
	if p.machine != nil {
		o.Machine = *p.machine
	}
	return nil
}

// quickstart runs with a copy of all that is printed in the log.
func (p *program) quickstart(ctx context.Context, o quickstart.Options, asJSON bool) error {
	var log bytes.Buffer
	var out io.Writer = io.MultiWriter(p.stdout, &log)
	if asJSON {
		out = &log
	}
	// Before anybody is asked anything.
	if err := quickstart.CheckNew(o); err != nil {
		return quickstartError(err)
	}
	fmt.Fprintf(out, "# What was found\n\n")
	o.Found = func(c quickstart.Check, found []quickstart.Finding) { quickstart.PrintFindings(out, c, found) }
	// Who interrupts it finds nothing made, or all.
	ctx, cancel := interruptible(ctx)
	defer cancel()
	r, err := quickstart.Run(ctx, o)
	if err != nil {
		return quickstartError(err)
	}
	var text bytes.Buffer
	if err := r.Print(&text); err != nil {
		return err
	}
	if err := r.WriteLog(append(log.Bytes(), text.Bytes()...)); err != nil {
		return err
	}
	if asJSON {
		return r.WriteJSON(p.stdout)
	}
	_, err = p.stdout.Write(text.Bytes())
	return err
}

// quickstartError makes wrong arguments a wrong use.
func quickstartError(err error) error {
	if errors.Is(err, quickstart.ErrAddress) {
		return usageError{err.Error()}
	}
	return err
}

// addrList is a flag with addresses.
type addrList []netip.Addr

func (l *addrList) String() string {
	var s []string
	for _, ip := range *l {
		s = append(s, ip.String())
	}
	return strings.Join(s, ",")
}

func (l *addrList) Set(s string) error {
	for field := range strings.SplitSeq(s, ",") {
		ip, err := quickstart.ParsePublicIP(field)
		if err != nil {
			return errors.New("need an IP address by which others reach this machine")
		}
		*l = append(*l, ip)
	}
	return nil
}
