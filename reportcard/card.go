package reportcard

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"mox/config"
	"mox/dane"
	"mox/dns"
	"mox/dnsbl"
	"mox/dnsrecords"
	"mox/message"
	"mox/msgauth"
	"mox/mtasts"
	"mox/outbound"
	"mox/queue"
	"mox/quickstart"
	"mox/smtp"
	"mox/trace"
)

// Level is how good something is.
type Level string

// Levels.
const (
	OK   Level = "ok"
	Poor Level = "poor" // some will mind
	Bad  Level = "bad"  // many refuse it, or take it for junk
)

// Line is a thing that receivers look at.
type Line struct {
	Name   string // such as "SPF"
	Level  Level
	Text   string
	Remedy string `json:",omitempty"`
}

// Card is what others see.
type Card struct {
	From, To  string
	MessageID string
	Size      int    // octets
	Transport string `json:",omitempty"` // by which it goes; "": to the servers of the recipient
	Message   []Line // about the message itself
	Addresses []Address
	Receiver  []Line // about the servers of the recipient
}

// Address is one that the message may come from.
type Address struct {
	IP    netip.Addr
	Lines []Line
	Facts trace.Facts // as a receiver would find them
}

// Options are for [Make].
type Options struct {
	Config   *config.Snapshot
	Resolver dns.Resolver
	Dial     func(ctx context.Context, network, address string) (net.Conn, error) // nil: a net.Dialer
	Roots    *x509.CertPool                                                       // nil: those of the system
	Now      func() time.Time                                                     // nil: time.Now
	Timeout  time.Duration                                                        // 0: 30 seconds

	Account  string
	From, To smtp.Address
	Message  []byte // as it goes out
}

// Bad tells whether anything on the card is.
func (c *Card) Bad() bool {
	bad := func(l Line) bool { return l.Level == Bad }
	if slices.ContainsFunc(c.Message, bad) || slices.ContainsFunc(c.Receiver, bad) {
		return true
	}
	return slices.ContainsFunc(c.Addresses, func(a Address) bool { return slices.ContainsFunc(a.Lines, bad) })
}

// Make looks at a message and all that receivers would look up for it.
func Make(ctx context.Context, o Options) (*Card, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(o.Timeout, 30*time.Second))
	defer cancel()
	part, err := message.Parse(bytes.NewReader(o.Message), message.Limits{})
	if err != nil {
		return nil, fmt.Errorf("test message: %w", err)
	}
	c := &Card{From: o.From.String(), To: o.To.String(), Size: len(o.Message)}
	c.Transport = outbound.Transport(o.Config, &queue.Message{Account: o.Account, SenderDomain: o.From.Domain, RecipientDomain: o.To.Domain})
	c.header(&o)
	var wg sync.WaitGroup
	if ips := dnsrecords.SendingIPs(o.Config); c.Transport == "" {
		c.Addresses = make([]Address, len(ips))
		for i, ip := range ips {
			wg.Go(func() { c.Addresses[i] = o.address(ctx, ip, part) })
		}
		wg.Go(func() { c.Receiver = o.receiver(ctx) })
		wg.Wait()
		if len(ips) == 0 {
			c.Message = append(c.Message, Line{"addresses", Poor, "By which addresses mail of this server comes is not in mox.conf, so what receivers see of them is not known.", "List them in IPs, or with address translation in NATIPs, of the public listener of mox.conf."})
		}
	}
	return c, nil
}

// maxGoodSize is a size that nearly all take (with attachments, encoded).
const maxGoodSize = 20 << 20

// header looks at the message itself. RFC 5322 3.6.
func (c *Card) header(o *Options) {
	h, err := message.ReadHeader(bufio.NewReader(bytes.NewReader(o.Message)), 1<<20)
	if err != nil {
		c.Message = append(c.Message, Line{"header", Bad, "It cannot be read: " + err.Error() + ".", ""})
		return
	}
	add := func(name string, bad bool, good, problem, remedy string) {
		if bad {
			c.Message = append(c.Message, Line{name, Bad, problem, remedy})
			return
		}
		c.Message = append(c.Message, Line{name, OK, good, ""})
	}
	ids := message.ParseMessageIDs(h.Get("Message-ID"), 1)
	if len(ids) > 0 {
		c.MessageID = ids[0]
	}
	add("Message-ID", len(ids) == 0, "<"+c.MessageID+">.", "There is none that is valid.", "")
	date, err := message.ParseDate(h.Get("Date"))
	off := o.Now().Sub(date).Abs()
	add("Date", err != nil || off > time.Hour, date.Format(time.RFC1123Z)+".", "There is none that is valid, or it is far from now.", "Set the clock: systemctl enable --now systemd-timesyncd")
	authors, _ := message.Authors(h)
	add("From", len(authors) != 1, c.From+".", "There is not exactly one author.", "")
	add("size", c.Size > maxGoodSize, fmt.Sprintf("%d octets.", c.Size), fmt.Sprintf("%d octets are more than many take.", c.Size), "Send a link in place of large attachments.")
	name := o.Config.Hostname
	add("HELO", !strings.Contains(name.ASCII, ".") || name.Numeric(), name.ASCII+".", fmt.Sprintf("The name that the server gives, %s, is no full host name.", name.ASCII), "Set Hostname in mox.conf to a name that is in DNS.")
}

// address checks the message as if it came from an address.
func (o *Options) address(ctx context.Context, ip netip.Addr, part *message.Part) Address {
	a := Address{IP: ip}
	var wg sync.WaitGroup
	var lists []Line
	wg.Go(func() { lists = o.blockLists(ctx, ip) })
	host := smtp.Host{IPDomain: smtp.IPDomain{Domain: o.Config.Hostname}}
	k := msgauth.New(msgauth.Config{Resolver: o.Resolver, Hostname: o.To.Domain, Now: o.Now}).
		Begin(ctx, smtp.Peer{Remote: netip.AddrPortFrom(ip, 25), Hello: host, ESMTP: true}, smtp.Path{Localpart: o.From.Localpart, IPDomain: smtp.IPDomain{Domain: o.From.Domain}})
	k.Message(ctx, part, bytes.NewReader(o.Message)).Facts(&a.Facts)
	k.End()
	wg.Wait()
	a.Lines = append(o.facts(ip, &a.Facts), lists...)
	return a
}

// facts puts what was found into words.
func (o *Options) facts(ip netip.Addr, f *trace.Facts) []Line {
	check := "mox config dnscheck " + o.From.Domain.ASCII
	l := []Line{o.reverse(ip, f.IPRev)}
	for _, s := range f.SPF {
		if s.Identity == "helo" && len(f.SPF) > 1 {
			continue
		}
		line := Line{"SPF", OK, fmt.Sprintf("pass: %s has %s.", s.Domain, ip), ""}
		if s.Status != "pass" {
			line = Line{"SPF", Bad, fmt.Sprintf("%s: the record of %s does not have %s%s.", s.Status, s.Domain, ip, because(s.Problem)), "run: " + check}
		}
		l = append(l, line)
	}
	l = append(l, o.dkim(f, check))
	d := f.DMARC
	aligned := fmt.Sprintf("pass: From is aligned, policy %s.", d.Policy)
	switch {
	case d.Status == "pass" && d.Policy == "none":
		return append(l, Line{"DMARC", OK, aligned, ""})
	case d.Status == "pass":
		return append(l, Line{"DMARC", OK, aligned, ""})
	case d.Status == "none":
		return append(l, Line{"DMARC", Poor, fmt.Sprintf("%s has no record, which Gmail, Yahoo and Outlook want.", o.From.Domain.ASCII), "run: " + check})
	}
	return append(l, Line{"DMARC", Bad, fmt.Sprintf("%s: neither SPF nor DKIM passes for the domain of From, and the policy is %s%s.", d.Status, cmp.Or(d.Policy, "not known"), because(d.Problem)), "run: " + check})
}

func because(problem string) string {
	if problem == "" {
		return ""
	}
	return " (" + strings.TrimRight(problem, ".") + ")"
}

func (o *Options) reverse(ip netip.Addr, r *trace.IPRev) Line {
	host := o.Config.Hostname.ASCII
	fix := fmt.Sprintf("Set the reverse name (PTR) of %s to %s, at the provider of the machine.", ip, host)
	switch {
	case r == nil || r.Status != "pass":
		status, problem := "not known", ""
		if r != nil {
			status, problem = r.Status, r.Problem
		}
		return Line{"reverse DNS", Bad, fmt.Sprintf("%s: %s has no name that leads back to it%s.", status, ip, because(problem)), fix}
	case !strings.EqualFold(strings.TrimSuffix(r.Name, "."), host):
		return Line{"reverse DNS", Poor, fmt.Sprintf("%s is called %s, while the server calls itself %s.", ip, r.Name, host), fix}
	}
	return Line{"reverse DNS", OK, fmt.Sprintf("%s is %s.", ip, host), ""}
}

func (o *Options) dkim(f *trace.Facts, check string) Line {
	var good, bad []string
	for _, d := range f.DKIM {
		name := d.Selector + "._domainkey." + d.Domain
		if d.Status == "pass" {
			good = append(good, name)
		} else {
			bad = append(bad, fmt.Sprintf("%s is %s%s", name, d.Status, because(d.Problem)))
		}
	}
	switch {
	case len(f.DKIM) == 0:
		return Line{"DKIM", Bad, "The message is not signed.", "Give the domain keys: mox config domain add makes some, and \"mox dkim gened25519\" with DKIM of the domain in domains.conf. Then run: " + check}
	case len(good) == 0:
		return Line{"DKIM", Bad, strings.Join(bad, "; ") + ".", "run: " + check}
	case len(bad) > 0:
		return Line{"DKIM", Poor, fmt.Sprintf("pass by %s, but %s.", strings.Join(good, ", "), strings.Join(bad, "; ")), "run: " + check}
	}
	return Line{"DKIM", OK, fmt.Sprintf("pass: %s.", strings.Join(good, ", ")), ""}
}

// blockLists asks lists about an address.
func (o *Options) blockLists(ctx context.Context, ip netip.Addr) []Line {
	names := quickstart.BlockLists()
	for _, d := range o.Config.MonitorDNSBLs {
		if !slices.Contains(names, d.ASCII) {
			names = append(names, d.ASCII)
		}
	}
	lines := make([]Line, len(names))
	var wg sync.WaitGroup
	for i, name := range names {
		wg.Go(func() { lines[i] = o.blockList(ctx, ip, name) })
	}
	wg.Wait()
	var clean []string
	var l []Line
	for i, line := range lines {
		if line.Level == OK {
			clean = append(clean, names[i])
		} else {
			l = append(l, line)
		}
	}
	if len(clean) > 0 {
		l = append(l, Line{"block lists", OK, fmt.Sprintf("%s is not on %s.", ip, strings.Join(clean, " and ")), ""})
	}
	return l
}

func (o *Options) blockList(ctx context.Context, ip netip.Addr, name string) Line {
	zone, err := dns.ParseDomain(name)
	if err != nil {
		return Line{Level: OK}
	}
	status, listing, err := dnsbl.Lookup(ctx, o.Resolver, zone, ip)
	switch {
	case status == dnsbl.StatusFail:
		return Line{"block lists", Bad, fmt.Sprintf("%s is on %s%s.", ip, name, because(listing.Explanation)), "Its page says why, and how to be removed: mox dnsbl check " + name + " " + ip.String()}
	case err != nil:
		return Line{"block lists", Poor, fmt.Sprintf("%s could not be asked%s.", name, because(err.Error())), "Use a resolver of your own: lists refuse queries that come through public ones."}
	}
	return Line{Level: OK}
}

// receiver finds out where the message goes, and which TLS it gets.
func (o *Options) receiver(ctx context.Context) []Line {
	domain := o.To.Domain
	x, err := dns.GatherMX(ctx, o.Resolver, domain)
	switch {
	case errors.Is(err, dns.ErrNoMail):
		return []Line{{"MX", Bad, fmt.Sprintf("%s takes no mail: %v.", domain.ASCII, err), "Check the spelling of the domain."}}
	case err != nil:
		return []Line{{"MX", Bad, fmt.Sprintf("The servers of %s cannot be looked up: %v.", domain.ASCII, err), "run: mox dns lookup mx " + domain.ASCII}}
	}
	var hosts []string
	for _, h := range x.Hosts {
		hosts = append(hosts, h.Host.ASCII)
	}
	l := []Line{{"MX", OK, strings.Join(hosts, ", ") + ".", ""}}
	var wg sync.WaitGroup
	var sts Line
	wg.Go(func() { sts = o.mtasts(ctx, x) })
	withDANE := o.dane(ctx, x)
	wg.Wait()
	switch {
	case withDANE != "":
		l = append(l, Line{"TLS", OK, "verified by DANE: " + withDANE + ".", ""})
	case sts.Text != "":
		l = append(l, sts)
	default:
		l = append(l, Line{"TLS", OK, "used if their server has it, not verified: the domain has neither DANE nor MTA-STS.", ""})
	}
	return l
}

// maxDANE bounds the hosts whose records are looked up.
const maxDANE = 5

// dane tells which hosts have records by which they are verified. RFC 7672 2.2.
func (o *Options) dane(ctx context.Context, x dns.Exchanges) string {
	if !x.Authentic {
		return ""
	}
	var with []string
	for _, h := range x.Hosts[:min(len(x.Hosts), maxDANE)] {
		addrs, err := dns.GatherIPs(ctx, o.Resolver, h.Host)
		if err != nil {
			continue
		}
		if r, err := dane.Lookup(ctx, o.Resolver, h.Host, 25, addrs); err == nil && len(r.Usable()) > 0 {
			with = append(with, h.Host.ASCII)
		}
	}
	return strings.Join(with, ", ")
}

// mtasts tells about the policy of the domain; without text there is none.
func (o *Options) mtasts(ctx context.Context, x dns.Exchanges) Line {
	c := mtasts.Client{Resolver: o.Resolver, Transport: mtasts.NewTransport(o.Resolver, o.Roots, o.Dial)}
	_, f, err := c.Get(ctx, o.To.Domain)
	switch {
	case errors.Is(err, mtasts.ErrNoRecord):
		return Line{}
	case err != nil:
		return Line{"TLS", Poor, fmt.Sprintf("the MTA-STS policy of %s cannot be had%s.", o.To.Domain.ASCII, because(err.Error())), "It is theirs to correct: run: mox mtasts lookup " + o.To.Domain.ASCII}
	case f.Policy.Mode != "enforce":
		return Line{"TLS", OK, fmt.Sprintf("used if their server has it: MTA-STS mode %s.", f.Policy.Mode), ""}
	}
	for _, h := range x.Hosts {
		if !f.Policy.Matches(h.Host) {
			return Line{"TLS", Poor, fmt.Sprintf("MTA-STS is enforced and does not allow %s, which is not sent to.", h.Host.ASCII), "It is theirs to correct: run: mox mtasts lookup " + o.To.Domain.ASCII}
		}
	}
	return Line{"TLS", OK, "verified: MTA-STS is enforced.", ""}
}
