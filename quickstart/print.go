package quickstart

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"mox/clientconf"
	"mox/dnsrecords"
)

// lineWidth is that of text.
const lineWidth = 100

// PrintFindings writes what a check found.
func PrintFindings(w io.Writer, check Check, found []Finding) error {
	var b bytes.Buffer
	for _, f := range found {
		level := string(f.Level)
		if f.Level == Warning || f.Level == Problem {
			level = strings.ToUpper(level)
		}
		wrap(&b, fmt.Sprintf("%-8s ", level), strings.Repeat(" ", 9), check.Title+": "+f.Text)
		if f.Remedy != "" {
			wrap(&b, strings.Repeat(" ", 9)+"-> ", strings.Repeat(" ", 12), f.Remedy)
		}
	}
	_, err := w.Write(b.Bytes())
	return err
}

// wrap writes text in lines that are not too long, the first after first, others after rest.
func wrap(b *bytes.Buffer, first, rest, text string) {
	line, empty := first, true
	for word := range strings.FieldsSeq(text) {
		if !empty && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > lineWidth {
			b.WriteString(strings.TrimRight(line, " ") + "\n")
			line, empty = rest, true
		}
		if !empty {
			line += " "
		}
		line += word
		empty = false
	}
	b.WriteString(line + "\n")
}

// Print writes all that a person needs to know of the result, passwords included.
func (r *Result) Print(w io.Writer) error {
	var b bytes.Buffer
	p := r.Plan
	fmt.Fprintf(&b, "\n# Files\n\nMade in %s:\n\n", p.Dir())
	for _, name := range r.Files {
		fmt.Fprintf(&b, "    %s\n", name)
	}
	if err := r.printAccounts(&b); err != nil {
		return err
	}
	if err := r.printRecords(&b); err != nil {
		return err
	}
	if err := r.printSnippets(&b); err != nil {
		return err
	}
	r.printSteps(&b)
	_, err := w.Write(b.Bytes())
	return err
}

// pageURLs are where webmail, account and admin pages are; those on localhost are for this machine only.
func (r *Result) pageURLs() (webmail, account, admin string) {
	base := "http://localhost"
	if port := r.Snapshot.Listeners["internal"].AdminHTTP.Port; port != 80 {
		base += fmt.Sprintf(":%d", port)
	}
	webmail, account, admin = base+"/webmail/", base+"/", base+"/admin/"
	if r.Snapshot.Listeners["public"].AccountHTTPS.Enabled {
		account = "https://" + r.Snapshot.Hostname.ASCII + "/"
		webmail = account + "webmail/"
	}
	return webmail, account, admin
}

func (r *Result) printAccounts(b *bytes.Buffer) error {
	fmt.Fprintf(b, "\n# Passwords\n\n")
	wrap(b, "", "", "They are shown here once, and kept in quickstart.log, which only its owner can read: remove it, or the lines, when you have them elsewhere. mox itself keeps only hashes.")
	fmt.Fprintf(b, "\nFor administration:\n\n    %s\n\nFor %s, in mail programs, the webmail and the account pages:\n\n    %s\n\n", r.AdminPassword, r.Plan.Address, r.AccountPassword)
	webmail, account, admin := r.pageURLs()
	wrap(b, "", "", fmt.Sprintf("The webmail is at %s, the account pages are at %s, the admin pages at %s. What is on localhost is for this machine only: docs/web.md tells how to reach it from elsewhere.", webmail, account, admin))
	fmt.Fprintf(b, "\n# Mail programs\n\n")
	wrap(b, "", "", "Most find these by themselves, given address and password.")
	fmt.Fprintf(b, "\n")
	rows, username, err := r.Clients()
	for _, c := range rows {
		fmt.Fprintf(b, "    %-15s %s, port %d, %s\n", c.Use, c.Host, c.Port, c.Security)
	}
	fmt.Fprintf(b, "    %-15s %s\n", "User name", username)
	return err
}

func (r *Result) printRecords(b *bytes.Buffer) error {
	fmt.Fprintf(b, "\n# DNS records\n\n")
	wrap(b, "", "", fmt.Sprintf("To be added to the zone of %s, by hand or as a zone file. Lines that begin with ;; wait for what is said before them. Later, \"mox config dnsrecords %s\" prints them again, and \"mox config dnscheck %s\" tells what is missing.", r.Plan.Address.Domain.ASCII, r.Plan.Address.Domain.ASCII, r.Plan.Address.Domain.ASCII))
	fmt.Fprintf(b, "\n; --- zone begins ---\n")
	if err := dnsrecords.WriteZone(b, r.Records); err != nil {
		return err
	}
	fmt.Fprintf(b, "; --- zone ends ---\n")
	return nil
}

func (r *Result) printSnippets(b *bytes.Buffer) error {
	l, err := r.Plan.Snippets()
	if err != nil || len(l) == 0 {
		return err
	}
	fmt.Fprintf(b, "\n# The other web server\n\n")
	wrap(b, "", "", fmt.Sprintf("It keeps ports 80 and 443. What comes for https://mta-sts.%[1]s and https://autoconfig.%[1]s it passes on to http://127.0.0.1:81, and what comes for https://mail.%[1]s to http://127.0.0.1:1080. Nobody but the web server may reach these ports.", r.Plan.Address.Domain.ASCII))
	for _, s := range l {
		fmt.Fprintf(b, "\n--- %s ---\n%s", s.Server, s.Text)
		if s.Listener != "" {
			fmt.Fprintf(b, "\n--- %s: in place of IPs of the listener public in mox.conf, for mail through it ---\n%s", s.Server, s.Listener)
		}
	}
	fmt.Fprintf(b, "---\n")
	return nil
}

// WriteJSON writes the result for programs, passwords included.
func (r *Result) WriteJSON(w io.Writer) error {
	p := r.Plan
	clients, username, err := r.Clients()
	if err != nil {
		return err
	}
	snippets, err := p.Snippets()
	if err != nil {
		return err
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "\t")
	e.SetEscapeHTML(false)
	return e.Encode(struct {
		Dir, Address, Account, Hostname string
		IPs, NATIPs                     []netip.Addr
		Findings                        []Finding
		Files                           []string
		AdminPassword, AccountPassword  string
		Username                        string
		Clients                         []Client
		Records                         []dnsrecords.Record
		Snippets                        []Snippet
		Steps                           []Step
	}{p.Dir(), p.Address.String(), p.Account, p.Hostname.ASCII, p.IPs, p.NATIPs, p.Findings, r.Files, r.AdminPassword, r.AccountPassword, username, clients, r.Records, snippets, r.Steps()})
}

// Problems counts the findings without whose remedy mail does not work.
func (p *Plan) Problems() int {
	n := 0
	for _, f := range p.Findings {
		if f.Level == Problem {
			n++
		}
	}
	return n
}

// Step is one of the things that are left to do, with commands for it.
type Step struct {
	Text     string
	Commands []string
}

// Steps are what is left to do, in their order.
func (r *Result) Steps() []Step {
	p := r.Plan
	var l []Step
	if problems := p.Problems(); problems > 0 {
		l = append(l, Step{Text: fmt.Sprintf("Remedy the %d %s found above, as far as they keep you from starting.", problems, plural(problems, "problem", "problems"))})
	}
	if p.Options.ExistingWebserver {
		l = append(l, Step{Text: "Replace the paths in TLS.KeyCerts of config/mox.conf by those of your certificates, restart mox when they are renewed, and set up the web server as shown above.", Commands: []string{p.command("config test")}})
	}
	l = append(l, Step{Text: "Add the DNS records."})
	l = append(l, r.startSteps()...)
	if !p.Options.ExistingWebserver {
		l = append(l, Step{Text: "Once the certificate is there, read and write mail in the webmail, https://" + p.Hostname.ASCII + "/webmail/, and log in to the account pages, where users change their passwords and find settings for mail programs: https://" + p.Hostname.ASCII + "/"})
	}
	return append(l,
		Step{Text: "Look whether DNS and the way to this server are as they should be, some minutes later.", Commands: []string{p.command("config dnscheck " + p.Address.Domain.ASCII)}},
		Step{Text: "The admin pages and the HTTP API are on port " + fmt.Sprint(p.internalPort()) + " of this machine only. From elsewhere they are reached through a tunnel, here at http://localhost:8080/admin/ in a browser:",
			Commands: []string{fmt.Sprintf("ssh -L 8080:localhost:%d %s", p.internalPort(), p.Hostname.ASCII)}},
	)
}

func (p *Plan) internalPort() int {
	if port := p.staticConfig(nil).Listeners["internal"].WebAPIHTTP.Port; port != 0 {
		return port
	}
	return 80
}

// command is how a command of mox is given from the directory of the installation.
func (p *Plan) command(args string) string {
	if p.Options.Docker {
		return "docker compose run --rm mox " + args
	}
	return "./mox " + args
}

// startSteps are how the server is started.
func (r *Result) startSteps() []Step {
	p := r.Plan
	if p.Options.Docker {
		return []Step{{Text: "Start the container with this directory as its working directory, on the network of the host, so that the addresses of others are seen.",
			Commands: []string{"docker compose up -d", "docker compose logs -f"}}}
	}
	var l []Step
	if dir := filepath.Dir(p.Options.Machine.Program); p.Options.Machine.Program != "" && dir != p.Dir() {
		l = append(l, Step{Text: "Put the program into this directory, from where it is started.", Commands: []string{fmt.Sprintf("cp %s %s", p.Options.Machine.Program, filepath.Join(p.Dir(), "mox"))}})
	}
	if !p.Options.Machine.HasUser(p.Options.User) {
		l = append(l, Step{Text: "Make the user as which it runs.", Commands: []string{p.addUser()}})
	}
	if p.hasUnit() {
		return append(l, Step{Text: "Start mox, now and when the machine starts.", Commands: []string{
			"systemctl enable --now " + filepath.Join(p.Dir(), unitFile),
			"journalctl -f -u mox",
		}})
	}
	return append(l, Step{Text: "Start mox, as root: it gives up all rights but those it needs. \"mox config printservice\" prints a service file for this system.", Commands: []string{"./mox serve"}})
}

func (r *Result) printSteps(b *bytes.Buffer) {
	fmt.Fprintf(b, "\n# What is left to do\n\n")
	for i, s := range r.Steps() {
		wrap(b, fmt.Sprintf("%d. ", i+1), "   ", s.Text)
		for _, c := range s.Commands {
			fmt.Fprintf(b, "       %s\n", c)
		}
	}
	fmt.Fprintf(b, "\nAll of this is in quickstart.log too.\n")
}

// Client is a row of the settings for mail programs.
type Client struct {
	Use, Host string
	Port      int
	Security  string
}

// Clients are the settings for mail programs, with the name to log in with.
func (r *Result) Clients() (rows []Client, username string, err error) {
	settings, err := clientconf.For(r.Snapshot, r.Plan.Address.String())
	if err != nil {
		return nil, "", err
	}
	for protocol, use := range map[clientconf.Protocol]string{clientconf.IMAP: "Reading (IMAP)", clientconf.Submission: "Sending (SMTP)"} {
		for _, e := range settings.Best(protocol) {
			rows = append(rows, Client{use, e.Host.Name(), e.Port, map[clientconf.TLSMode]string{clientconf.ImplicitTLS: "TLS from the start (SSL/TLS)"}[e.TLS]})
		}
	}
	slices.SortStableFunc(rows, func(a, b Client) int { return strings.Compare(a.Use, b.Use) })
	return rows, settings.Username, nil
}
