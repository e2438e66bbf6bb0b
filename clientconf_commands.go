package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"mox/clientconf"
	"mox/config"
	"mox/dns"
	"mox/dnscheck"
	"mox/dnsrecords"
	"mox/rdap"
)

func clientConfCommands() []command {
	return []command{
		{words: "clientconfig", args: "domain|address", short: "print how mail programs connect: hosts, ports, TLS", min: 1, max: 1, setup: setupClientConfig, help: clientConfigHelp},
		{words: "rdap domainage", args: "domain", short: "print when a domain was registered", min: 1, max: 1, setup: setupDomainAge, help: domainAgeHelp},
		{words: "config dnscheck", args: "domain", short: "check the DNS of a domain, and the services that it leads to", min: 1, max: 1, setup: setupDNSCheck, help: dnsCheckHelp},
		{words: "config dnsrecords", args: "domain", short: "print the DNS records that a domain needs", min: 1, max: 1, setup: setupDNSRecords, help: dnsRecordsHelp},
	}
}

const dnsRecordsHelp = `
Prints a fragment of a zone file that name servers load as it is, with what each record is for.
Records that make sense only once something else holds are comments that begin with ";;".
"mox config dnscheck" tells which are missing or wrong.

Whether the records for DANE are among them depends on whether the zone of the host is signed
with DNSSEC, which is looked up unless -dnssec says it. With -json, prints a list of objects with
Name, Type, Value, TTL in seconds, Purpose, and Precondition if there is one; the value of a TXT
record is one text there, and Quoted has it in strings as zone files do. With -format table, the
records are as the forms of most DNS providers want them: names relative to the domain, with @
for the domain itself, and texts in one piece. The server need not run.`

const dnsCheckHelp = `
Looks up what others look up about the domain, and connects as they do: to the mail servers at
port 25, with STARTTLS, to names for settings and policies at port 443, and to IMAP and submission
with TLS. Takes at most 30 seconds.

Prints the subjects with errors or warnings, and what to do about them: records to publish are as
in a zone file. Exits with 1 if there are errors. With -json, prints an object with Domain and
Sections, each with Name, Errors, Warnings and Instructions. Run it on the machine of the
server: what counts is what its resolver says, and firewalls may treat it differently.`

const clientConfigHelp = `
Prints a line for each way to connect for users of a domain: protocol, host, port, the listener
in mox.conf, and a note about TLS. The best are first; those of listeners other than the public
one, for internal networks, are last. Users log in with an address of theirs and a password.

Mail programs find most of this themselves, from the address: see AutoconfigHTTPS in mox.conf, and
"mox config dnsrecords". With -json, prints an object with Domain, Username (of an address),
Mechanisms and Entries. The server need not run.`

const domainAgeHelp = `
Asks the registry of the domain with RDAP (RFC 9083). For a name below a registered domain, that
is asked about. The address of the registry's server is gotten from IANA. Exits with 1 if the
domain is not registered, or if the registry does not tell. Mail from domains that are a few weeks
old only is distrusted by many. With -json, an object: Domain, Server, Registered and AgeDays.`

// printJSON prints a value as indented JSON.
func (p *program) printJSON(v any) error {
	e := json.NewEncoder(p.stdout)
	e.SetEscapeHTML(false)
	e.SetIndent("", "\t")
	return e.Encode(v)
}

func setupDNSRecords(fs *flag.FlagSet) runFunc {
	asJSON := fs.Bool("json", false, "print JSON, as -format json")
	format := fs.String("format", "bind", "`bind|json|table`: a zone file, JSON, or a table for the forms of DNS providers")
	dnssec := fs.String("dnssec", "auto", "whether the zone of the host is signed, as `auto|yes|no`; auto looks it up")
	return withResolver(func(ctx context.Context, p *program, args []string) error {
		domain, err := parseHost(args[0])
		if err != nil {
			return err
		}
		if *asJSON {
			*format = "json"
		}
		print := recordFormats[*format]
		if print == nil {
			return usagef("-format must be bind, json or table")
		}
		snap, err := config.Load(p.configPath)
		if err != nil {
			return err
		}
		var o dnsrecords.Options
		switch *dnssec {
		case "yes":
			o.Authentic = true
		case "no":
		case "auto":
			if o.Authentic, err = dnsrecords.SignedZone(ctx, p.resolver(), snap.Hostname); err != nil {
				fmt.Fprintf(p.stderr, "could not look up whether the zone of %s is signed, taken for not: %v\n", snap.Hostname, err)
			}
		default:
			return usagef("-dnssec must be auto, yes or no")
		}
		if o.AccountURIs, err = dnsrecords.AccountURIs(snap); err != nil {
			fmt.Fprintf(p.stderr, "no records that restrict certificates to an account: %v\n", err)
		}
		records, err := dnsrecords.For(snap, domain.Name(), o)
		if err != nil {
			return knownDomains(err, snap)
		}
		return print(p, domain, records)
	})(fs)
}

// recordFormats print records of a domain.
var recordFormats = map[string]func(p *program, domain dns.Domain, records []dnsrecords.Record) error{
	"bind": func(p *program, _ dns.Domain, records []dnsrecords.Record) error {
		return dnsrecords.WriteZone(p.stdout, records)
	},
	"json": func(p *program, _ dns.Domain, records []dnsrecords.Record) error { return p.printJSON(records) },
	"table": func(p *program, domain dns.Domain, records []dnsrecords.Record) error {
		return printRecordTable(p.stdout, domain, records)
	},
}

// printRecordTable prints records as the forms of DNS providers want them: names relative to
// the domain, with @ for itself, and texts in one piece without quotes. Names of other zones are
// whole, with a final dot. Records that are not to be added yet come last, with their conditions.
func printRecordTable(out io.Writer, domain dns.Domain, records []dnsrecords.Record) error {
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "Name\tType\tTTL\tValue")
	var later []dnsrecords.Record
	for _, r := range records {
		if r.Precondition != "" {
			later = append(later, r)
			continue
		}
		fmt.Fprintf(w, "%s\t%s\t%d\t%s\n", relativeName(r.Name, domain), r.Type, r.TTL/time.Second, r.Value)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	last := ""
	for _, r := range later {
		if r.Precondition != last {
			fmt.Fprintf(out, "\n%s\n", r.Precondition)
			last = r.Precondition
		}
		if r.Value != "" {
			fmt.Fprintf(out, "%s  %s  %d  %s\n", relativeName(r.Name, domain), r.Type, r.TTL/time.Second, r.Value)
		}
	}
	return nil
}

// relativeName returns a name as it is written within the zone of a domain.
func relativeName(name string, domain dns.Domain) string {
	if name == domain.ASCII+"." {
		return "@"
	}
	if below, ok := strings.CutSuffix(name, "."+domain.ASCII+"."); ok {
		return below
	}
	return name
}

// domainNames returns those that are configured.
func domainNames(snap *config.Snapshot) []string {
	var l []string
	for _, d := range snap.Domains {
		l = append(l, d.Domain.Name())
	}
	slices.Sort(l)
	return l
}

func setupDNSCheck(fs *flag.FlagSet) runFunc {
	asJSON := fs.Bool("json", false, "print JSON")
	return withResolver(func(ctx context.Context, p *program, args []string) error {
		domain, err := parseHost(args[0])
		if err != nil {
			return err
		}
		snap, err := config.Load(p.configPath)
		if err != nil {
			return err
		}
		ctx, cancel := interruptible(ctx)
		defer cancel()
		r, err := dnscheck.Check(ctx, snap, domain.Name(), dnscheck.Options{Resolver: p.resolver(), Dial: p.connect, Roots: p.roots})
		if err != nil {
			return knownDomains(err, snap)
		}
		if *asJSON {
			err = p.printJSON(r)
		} else {
			p.printDNSCheck(r)
		}
		if errs, _ := r.Errors(); errs > 0 && err == nil {
			return exitStatus(1)
		}
		return err
	})(fs)
}

// printDNSCheck prints the sections of a check in which something was found.
func (p *program) printDNSCheck(r *dnscheck.Result) {
	clean := true
	for _, s := range r.Sections {
		if s.Clean() {
			continue
		}
		if !clean {
			fmt.Fprintln(p.stdout)
		}
		clean = false
		fmt.Fprintf(p.stdout, "# %s\n", s.Name)
		for _, e := range s.Errors {
			fmt.Fprintf(p.stdout, "error: %s\n", terminalText(e))
		}
		for _, w := range s.Warnings {
			fmt.Fprintf(p.stdout, "warning: %s\n", terminalText(w))
		}
		for _, text := range s.Instructions {
			fmt.Fprintf(p.stdout, "\n%s\n", text)
		}
	}
	if clean {
		fmt.Fprintf(p.stdout, "nothing wrong with %s\n", r.Domain)
	}
}

// knownDomains adds the domains that are configured to the error that one is not.
func knownDomains(err error, snap *config.Snapshot) error {
	if errors.Is(err, dnsrecords.ErrNoDomain) {
		return fmt.Errorf("%w, known are %s", err, strings.Join(domainNames(snap), ", "))
	}
	return err
}

func setupClientConfig(fs *flag.FlagSet) runFunc {
	asJSON := fs.Bool("json", false, "print JSON")
	return func(ctx context.Context, p *program, args []string) error {
		// The keys are not needed.
		snap, err := config.LoadOptions(p.configPath, config.Options{SkipFiles: true})
		if err != nil {
			return err
		}
		s, err := clientconf.For(snap, args[0])
		switch {
		case errors.Is(err, clientconf.ErrAddress):
			return usageError{err.Error()}
		case errors.Is(err, clientconf.ErrNoDomain):
			return fmt.Errorf("%w, known are %s", err, strings.Join(domainNames(snap), ", "))
		case err != nil:
			return err
		case *asJSON:
			return p.printJSON(clientConfigJSON(s))
		}
		w := tabwriter.NewWriter(p.stdout, 0, 8, 2, ' ', 0)
		fmt.Fprintln(w, "Protocol\tHost\tPort\tListener\tNote")
		for _, e := range s.Entries {
			fmt.Fprintf(w, "%s\t%s\t%d\t%s\t%s\n", e.Protocol, e.Host.ASCII, e.Port, e.Listener, e.Note)
		}
		return w.Flush()
	}
}

// clientConfigJSON returns what is printed as JSON.
func clientConfigJSON(s *clientconf.Settings) any {
	type entry struct {
		Protocol, Host string
		Port           int
		TLS            string
		ALPN           string `json:",omitempty"`
		Listener       string
		Public         bool
		Note           string
	}
	v := struct {
		Domain     string
		Username   string `json:",omitempty"`
		Mechanisms []string
		Entries    []entry
	}{s.Domain.Name(), s.Username, s.Mechanisms, []entry{}}
	for _, e := range s.Entries {
		v.Entries = append(v.Entries, entry{string(e.Protocol), e.Host.ASCII, e.Port, string(e.TLS), e.ALPN, e.Listener, e.Public, e.Note})
	}
	return v
}

func setupDomainAge(fs *flag.FlagSet) runFunc {
	asJSON := fs.Bool("json", false, "print JSON")
	bootstrap := fs.String("bootstrap", rdap.BootstrapURL, "`URL` of the list of servers")
	return func(ctx context.Context, p *program, args []string) error {
		domain, err := parseHost(args[0])
		if err != nil {
			return err
		}
		ctx, cancel := interruptible(ctx)
		defer cancel()
		c := rdap.Client{Bootstrap: *bootstrap, UserAgent: "mox/" + version()}
		if p.connect != nil || p.roots != nil {
			c.Transport = &http.Transport{DialContext: p.connect, TLSClientConfig: &tls.Config{RootCAs: p.roots}}
		}
		r, err := c.DomainAge(ctx, domain)
		if err != nil {
			return err
		}
		age := time.Since(r.Registered)
		if *asJSON {
			return p.printJSON(struct {
				Domain, Server string
				Registered     time.Time
				AgeDays        int
			}{r.Domain.Name(), r.Server, r.Registered, int(age.Hours() / 24)})
		}
		fmt.Fprintf(p.stdout, "domain: %s\n", r.Domain)
		fmt.Fprintf(p.stdout, "registered: %s, %d days ago\n", r.Registered.UTC().Format(time.DateOnly), int(age.Hours()/24))
		fmt.Fprintf(p.stdout, "server: %s\n", terminalText(r.Server))
		return nil
	}
}
