package inbound

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"net/netip"
	"sync"

	"mox/dns"
	"mox/message"
	"mox/smtp"
	"mox/trace"
)

// Query is a message that could come.
type Query struct {
	From, To smtp.Path
	// Remote is the client; not valid: an address that From's domain gets mail at.
	Remote netip.Addr
	Hello  dns.Domain // zero: the domain of From
	TLS    bool
	// DKIM are domains whose signatures are taken to be valid.
	DKIM []dns.Domain
	// Message may be empty: then it is one with From and To only, and the words are not
	// judged.
	Message []byte
	Door    Door
}

// Simulate goes through all that would happen to a message right now, without delivering,
// counting or learning, and returns the decision for each account, or the refusal.
func (in *Inbound) Simulate(ctx context.Context, q Query) ([]*trace.Trace, error) {
	peer, err := in.peer(ctx, q)
	if err != nil {
		return nil, err
	}
	var l collector
	dry := &Inbound{c: in.c}
	dry.c.Metrics, dry.c.Trace, dry.c.ID = Metrics{}, l.add, func(int64) string { return "" }
	tx, err := dry.Begin(ctx, peer, q.Door)
	if err != nil {
		return nil, err
	}
	defer tx.Abort()
	text := q.Message
	if len(text) == 0 {
		if text, err = plain(q); err != nil {
			return nil, err
		}
	}
	if err := tx.Mail(ctx, q.From, smtp.MailParams{HasSize: true, Size: int64(len(text))}); err != nil {
		return nil, err
	}
	if tx.check != nil {
		tx.check.Assume(q.DKIM)
	}
	if tx.Rcpt(ctx, q.To, smtp.RcptParams{}) != nil {
		return l.traces, nil // which say why
	}
	w, err := tx.Data(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(text); err != nil {
		return nil, err
	}
	return l.traces, tx.decide(ctx, &l, len(q.Message) > 0)
}

// decide judges the message and leaves it at that.
func (tx *Transaction) decide(ctx context.Context, l *collector, words bool) error {
	if err := tx.filter.Flush(); err != nil {
		return err
	}
	if err := tx.spool.Finish(); err != nil {
		return err
	}
	m := tx.message()
	j := tx.judge(ctx, m)
	j.dry, j.wordless = true, !words
	m.Judge = j.judge
	if err := j.mayPost(tx.rcpts[0]); err != nil {
		return nil // which is reported
	}
	return tx.in.c.Deliverer.Judge(ctx, m, tx.rcpts)
}

// collector keeps traces.
type collector struct {
	mu     sync.Mutex
	traces []*trace.Trace // guarded by mu
}

func (l *collector) add(t *trace.Trace) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.traces = append(l.traces, t)
}

// peer makes up the client.
func (in *Inbound) peer(ctx context.Context, q Query) (smtp.Peer, error) {
	hello := q.Hello
	if hello.IsZero() {
		hello = q.From.IPDomain.Domain
	}
	if hello.IsZero() {
		hello = in.c.Hostname
	}
	p := smtp.Peer{ESMTP: true, Hello: smtp.Host{IPDomain: smtp.IPDomain{Domain: hello}}}
	if q.TLS {
		p.TLS = &tls.ConnectionState{Version: tls.VersionTLS13, CipherSuite: tls.TLS_AES_128_GCM_SHA256}
	}
	ip := q.Remote
	if !ip.IsValid() {
		if ip = in.likely(ctx, q.From.IPDomain.Domain); !ip.IsValid() {
			return p, fmt.Errorf("the address that would send is not known, give one")
		}
	}
	p.Remote = netip.AddrPortFrom(ip, 25)
	return p, nil
}

// likely returns an address that a domain gets mail at, and so may send it from.
func (in *Inbound) likely(ctx context.Context, d dns.Domain) netip.Addr {
	if d.IsZero() || in.c.Resolver == nil {
		return netip.Addr{}
	}
	hosts := []string{d.ASCII}
	if mx, _, err := in.c.Resolver.LookupMX(ctx, d.ASCII); err == nil && len(mx) > 0 {
		hosts = append([]string{mx[0].Host}, hosts...)
	}
	for _, h := range hosts {
		if ips, _, err := in.c.Resolver.LookupIP(ctx, "ip", h); err == nil && len(ips) > 0 {
			return ips[0]
		}
	}
	return netip.Addr{}
}

// plain is a message with From and To only.
func plain(q Query) ([]byte, error) {
	var b bytes.Buffer
	c := message.NewComposer(&b, message.ComposeOptions{UTF8: true})
	for _, f := range []struct {
		name string
		p    smtp.Path
	}{{"From", q.From}, {"To", q.To}} {
		if !f.p.IsZero() {
			c.Addresses(f.name, []message.Address{{Mailbox: string(f.p.Localpart), Host: f.p.IPDomain.XString(true)}})
		}
	}
	err := c.WriteBody(message.TextBody("", false))
	return b.Bytes(), err
}
