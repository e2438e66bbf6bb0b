package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"mox/admin"
	"mox/config"
	"mox/dns"
	"mox/dnsrecords"
	"mox/refusal"
	"mox/reportcard"
	"mox/smtp"
	"mox/smtpclient"
	"mox/upkeep"
)

func sendCommands() []command {
	return []command{
		{words: "send", args: "[to@address]", short: "send a test mail, and tell how others take it", max: 1, setup: setupSend, help: sendHelp},
	}
}

const sendHelp = `
Sends a short message by the running server, and prints a report card: what receivers find about
it and about each address that mail of this server comes from. That is reverse DNS, SPF, DKIM and DMARC,
block lists, the name in EHLO, the header, and which TLS the servers of the recipient get. Then it
follows the message in the queue until it was taken, or refused. What the other server says is put
into plain words, with what to do about it: large providers and block lists are known.

The sender is the first address of the postmaster's account unless -from is given, an address of
any account. With -self the message comes back: it is brought to this server by the way that
others take, through the MX records of its domain, and what the server itself found about it, the
Authentication-Results, are printed. The recipient is the sender then unless one of this server is given.

Exits with 0 when the message was taken, and with 1 when it was refused or is still waiting
after -wait; it stays in the queue then.`

// sendTest is a run of "mox send".
type sendTest struct {
	t    admin.TestMail
	self bool
	wait time.Duration
	json bool

	snap *config.Snapshot
	out  io.Writer
	r    sendReport
}

// sendReport is what it gave.
type sendReport struct {
	Card      *reportcard.Card `json:",omitempty"` // nil: the message does not leave this server
	Sent      admin.TestSent
	Delivered bool
	Waiting   bool                 `json:",omitempty"` // it is in the queue, still
	Attempts  []reportcard.Attempt `json:",omitempty"`
	Arrival   *admin.Arrival       `json:",omitempty"` // of -self
}

func setupSend(fs *flag.FlagSet) runFunc {
	c := sendTest{}
	fs.StringVar(&c.t.From, "from", "", "`address` of an account, to send from")
	fs.BoolVar(&c.self, "self", false, "to an address of this server, by the way that others take")
	fs.DurationVar(&c.wait, "wait", 2*time.Minute, "how long to follow the message")
	fs.BoolVar(&c.json, "json", false, "print JSON, at the end")
	addr := resolverFlag(fs)
	return func(ctx context.Context, p *program, args []string) error {
		if len(args) == 0 && !c.self {
			return usagef("an address to send to is needed, or -self")
		}
		if len(args) > 0 {
			c.t.To = args[0]
			if _, err := smtp.ParseAddress(args[0]); err != nil {
				return usageError{fmt.Sprintf("address %q: %v", args[0], err)}
			}
		}
		r, err := p.resolverAt(*addr)
		if err != nil {
			return err
		}
		ctx, stop := interruptible(ctx)
		defer stop()
		return c.run(ctx, p, r)
	}
}

func (c *sendTest) run(ctx context.Context, p *program, r dns.Resolver) error {
	var err error
	if c.snap, err = config.LoadOptions(p.configPath, config.Options{SkipFiles: true}); err != nil {
		return err
	}
	c.out = p.stdout
	if c.json {
		c.out = io.Discard
	}
	c.t.MakeOnly = c.self
	if err := p.askJSON(ctx, &c.r.Sent, "sendtest", c.t); err != nil {
		return err
	}
	if err := c.card(ctx, p, r); err != nil {
		return err
	}
	switch {
	case c.self:
		err = c.bring(ctx, p, r)
	case c.r.Sent.Local:
		c.r.Delivered = true
		_, err = fmt.Fprintf(c.out, "%s is an address of this server: the message was delivered without leaving it. With -self it takes the way that mail of others takes.\n", c.r.Sent.To)
	default:
		err = c.follow(ctx, p)
	}
	if c.json && err == nil {
		err = p.printJSON(c.r)
	}
	if err == nil && !c.r.Delivered {
		err = exitStatus(1)
	}
	return err
}

// card makes and prints the report card.
func (c *sendTest) card(ctx context.Context, p *program, r dns.Resolver) error {
	if c.r.Sent.Local {
		return nil
	}
	o := reportcard.Options{Config: c.snap, Resolver: r, Dial: p.connect, Roots: p.roots, Account: c.r.Sent.Account, Message: c.r.Sent.Message}
	var err, terr error
	o.From, err = smtp.ParseAddress(c.r.Sent.From)
	o.To, terr = smtp.ParseAddress(c.r.Sent.To)
	if err := errors.Join(err, terr); err != nil {
		return err
	}
	if c.r.Card, err = reportcard.Make(ctx, o); err != nil {
		return err
	}
	return c.r.Card.Print(c.out)
}

// sendPoll is the time between looks at the queue.
const sendPoll = 500 * time.Millisecond

// follow prints attempts as they are made.
func (c *sendTest) follow(ctx context.Context, p *program) error {
	waiting, cancel := context.WithTimeout(ctx, c.wait)
	defer cancel()
	fmt.Fprintf(c.out, "In the queue as %d.\n", c.r.Sent.ID)
	var ip netip.Addr
	if ips := dnsrecords.SendingIPs(c.snap); len(ips) == 1 {
		ip = ips[0]
	}
	for {
		var st admin.SendState
		if err := p.ask(ctx, &st, "sendstate", strconv.FormatInt(c.r.Sent.ID, 10)); err != nil {
			return err
		}
		for n := len(c.r.Attempts); n < len(st.Message.Results); n++ {
			a := reportcard.Explain(n+1, st.Message.Results[n], &st.Message, ip)
			c.r.Attempts = append(c.r.Attempts, a)
			if err := a.Print(c.out); err != nil {
				return err
			}
		}
		if st.Done {
			c.r.Delivered = st.Success
			fmt.Fprintln(c.out, map[bool]string{true: "Delivered.", false: "It will not be tried again: " + st.Event + "."}[st.Success])
			return nil
		}
		if !upkeep.Sleep(waiting, sendPoll) {
			c.r.Waiting = true
			fmt.Fprintf(c.out, "It waits in the queue and is tried again: mox queue list -ids %d\n", c.r.Sent.ID)
			return nil
		}
	}
}

// bring takes the message to this server as others do.
func (c *sendTest) bring(ctx context.Context, p *program, r dns.Resolver) error {
	waiting, cancel := context.WithTimeout(ctx, c.wait)
	defer cancel()
	a := reportcard.Attempt{Number: 1}
	host, err := c.bringTo(waiting, p, r, &a.Secure)
	a.Host, a.Success = host, err == nil
	if err != nil {
		reply := refusal.Reply{Text: err.Error(), Recipient: c.r.Sent.To}
		var serr *smtpclient.Error
		if errors.As(err, &serr) {
			reply.Code, reply.Enhanced = serr.Code, serr.Enhanced
		}
		advice := refusal.Decode(reply)
		if reply.Code == 0 {
			advice.Remedy = "Look whether others can reach port 25 of this server: a firewall, or a router that does not lead its own address back inside, may be in the way. From another machine: mox smtp dial " + host
		}
		a.Answer, a.Advice = err.Error(), &advice
	}
	c.r.Attempts = append(c.r.Attempts, a)
	if perr := a.Print(c.out); err != nil || perr != nil {
		return perr
	}
	for {
		if err := p.ask(ctx, &c.r.Arrival, "arrived", c.account(), c.r.Sent.MessageID); err != nil {
			return err
		}
		if c.r.Arrival != nil {
			c.r.Delivered = true
			fmt.Fprintf(c.out, "It is in mailbox %s of account %s. The server found:\n", c.r.Arrival.Mailbox, c.account())
			for _, s := range c.r.Arrival.Results {
				fmt.Fprintf(c.out, "  Authentication-Results: %s\n", terminalText(s))
			}
			return nil
		}
		if !upkeep.Sleep(waiting, sendPoll) {
			fmt.Fprintf(c.out, "It was taken but is in no mailbox of account %s. See why: mox trace %s\n", c.account(), c.r.Sent.MessageID)
			return nil
		}
	}
}

// account is the one that the message comes to.
func (c *sendTest) account() string {
	if to, err := smtp.ParseAddress(c.r.Sent.To); err == nil {
		if d := c.snap.Domain(to.Domain); d != nil {
			if dest := c.snap.Destination(d.Key(to.Localpart)); dest != nil {
				return dest.Account
			}
		}
	}
	return c.r.Sent.Account
}

// bringTo delivers to the first host of the domain that answers, and returns its name. secure is set when
// that was by verified TLS.
func (c *sendTest) bringTo(ctx context.Context, p *program, r dns.Resolver, secure *bool) (string, error) {
	from, to, err := c.envelope()
	if err != nil {
		return "", err
	}
	x, err := dns.GatherMX(ctx, r, to.IPDomain.Domain)
	if err != nil {
		return to.IPDomain.Domain.ASCII, err
	}
	dial := p.connect
	if dial == nil {
		dial = (&net.Dialer{Timeout: 20 * time.Second}).DialContext
	}
	var last error
	host := ""
	for _, h := range x.Hosts {
		host = h.Host.ASCII
		addrs, err := dns.GatherIPs(ctx, r, h.Host)
		last = err
		for _, ip := range addrs.IPs {
			var conn net.Conn
			if conn, last = dial(ctx, "tcp", net.JoinHostPort(ip.String(), "25")); last == nil {
				return host, c.deliver(ctx, conn, p.tlsOf(host, secure), from, to)
			}
		}
	}
	return host, last
}

func (c *sendTest) envelope() (from, to smtp.Path, err error) {
	from, err = smtp.ParsePath("<"+c.r.Sent.From+">", smtp.Options{})
	if err == nil {
		to, err = smtp.ParsePath("<"+c.r.Sent.To+">", smtp.Options{})
	}
	return from, to, err
}

// tlsOf is as most servers have it on port 25: with TLS if it is there, whatever the certificate. secure
// is set when that is valid for the host.
func (p *program) tlsOf(host string, secure *bool) *tls.Config {
	return &tls.Config{ServerName: host, InsecureSkipVerify: true, VerifyConnection: func(cs tls.ConnectionState) error {
		*secure = verifyCertificates(cs, host, p.roots) == nil
		return nil
	}}
}

// deliver sends the message over a connection, which it closes.
func (c *sendTest) deliver(ctx context.Context, conn net.Conn, cfg *tls.Config, from, to smtp.Path) error {
	client, err := smtpclient.New(ctx, conn, smtpclient.Options{Hello: c.snap.Hostname.ASCII, TLS: smtpclient.TLSOpportunistic, TLSConfig: cfg})
	if err != nil {
		return err
	}
	defer client.Close()
	msg := c.r.Sent.Message
	results, err := client.Deliver(ctx, smtpclient.Message{From: from, Rcpts: []smtpclient.Recipient{{To: to}}, Size: int64(len(msg)), Content: bytes.NewReader(msg)})
	if err == nil && len(results) > 0 {
		err = results[0]
	}
	return err
}

// askJSON is ask for a command whose parameter is JSON.
func (p *program) askJSON(ctx context.Context, answer any, command string, param any) error {
	var b strings.Builder
	if err := printJSONLine(&b, param); err != nil {
		return err
	}
	return p.ask(ctx, answer, command, strings.TrimSpace(b.String()))
}
