package dns

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	mdns "github.com/miekg/dns"
)

// TSIGAlgorithms are the algorithms of [Updater.Algorithm]: those of RFC 8945 6 that are not
// broken.
func TSIGAlgorithms() []string {
	return []string{"hmac-sha256", "hmac-sha224", "hmac-sha384", "hmac-sha512"}
}

// Updater changes records at the primary server of a zone (RFC 2136), with requests that are
// signed with a shared key (TSIG, RFC 8945), as are their answers. Safe for concurrent use.
type Updater struct {
	Server    string // "host:port"
	KeyName   string
	Algorithm string // one of TSIGAlgorithms; empty: the first
	Secret    []byte
	// Zone is that of all names; empty: found by asking the server for the SOA record.
	Zone    string
	Timeout time.Duration    // of one request; 0: 10 seconds
	Now     func() time.Time // nil: time.Now
	// Dial makes connections, over TCP; nil: a net.Dialer.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// ErrUpdate is wrapped by errors for what a server refused to change.
var ErrUpdate = errors.New("dns server refused the update")

// SetTXT adds a TXT record; others with that name stay.
func (u *Updater) SetTXT(ctx context.Context, name, text string, ttl time.Duration) error {
	rr, zone, err := u.record(ctx, name, text, ttl)
	if err != nil {
		return err
	}
	m := new(mdns.Msg).SetUpdate(zone)
	m.Insert([]mdns.RR{rr})
	return u.update(ctx, m)
}

// UnsetTXT removes a TXT record; others with that name stay. It is no error if there is none.
func (u *Updater) UnsetTXT(ctx context.Context, name, text string) error {
	rr, zone, err := u.record(ctx, name, text, 0)
	if err != nil {
		return err
	}
	m := new(mdns.Msg).SetUpdate(zone)
	m.Remove([]mdns.RR{rr})
	return u.update(ctx, m)
}

// record makes a record, and finds its zone.
func (u *Updater) record(ctx context.Context, name, text string, ttl time.Duration) (mdns.RR, string, error) {
	fqdn, ok := presentation(canonical(name))
	if !ok || len(text) > 255 {
		return nil, "", fmt.Errorf("updating dns record of %q: %w", name, ErrDomain)
	}
	zone := u.Zone
	if zone == "" {
		var err error
		if zone, err = u.zoneOf(ctx, fqdn); err != nil {
			return nil, "", fmt.Errorf("finding zone of %s: %w", name, err)
		}
	}
	zone = mdns.CanonicalName(zone)
	if !mdns.IsSubDomain(zone, fqdn) {
		return nil, "", fmt.Errorf("updating dns record: %s is not in zone %s", name, zone)
	}
	escaped := strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(text)
	return &mdns.TXT{
		Hdr: mdns.RR_Header{Name: fqdn, Rrtype: mdns.TypeTXT, Class: mdns.ClassINET, Ttl: uint32(ttl / time.Second)},
		Txt: []string{escaped},
	}, zone, nil
}

// zoneOf asks the server which zone it has a name in: for a name that is not the top of one,
// the answer has its SOA record among the authorities (RFC 2308 2.1, 2.2).
func (u *Updater) zoneOf(ctx context.Context, fqdn string) (string, error) {
	for name := fqdn; name != "."; {
		m := new(mdns.Msg).SetQuestion(name, mdns.TypeSOA)
		m.RecursionDesired = false
		resp, err := u.exchange(ctx, m)
		if err != nil {
			return "", err
		}
		for _, rr := range slices.Concat(resp.Answer, resp.Ns) {
			if soa, ok := rr.(*mdns.SOA); ok && mdns.IsSubDomain(soa.Hdr.Name, fqdn) {
				return soa.Hdr.Name, nil
			}
		}
		i, end := mdns.NextLabel(name, 0)
		if end {
			break
		}
		name = name[i:]
	}
	return "", errors.New("the server has no such zone")
}

func (u *Updater) update(ctx context.Context, m *mdns.Msg) error {
	resp, err := u.exchange(ctx, m)
	if err != nil {
		return fmt.Errorf("updating dns records: %w", err)
	}
	if resp.Rcode != mdns.RcodeSuccess {
		return fmt.Errorf("%w: %s", ErrUpdate, mdns.RcodeToString[resp.Rcode])
	}
	return nil
}

// exchange signs a message, sends it over TCP and reads the answer, whose signature is checked.
func (u *Updater) exchange(ctx context.Context, m *mdns.Msg) (*mdns.Msg, error) {
	timeout := u.Timeout
	if timeout == 0 {
		timeout = 10 * time.Second
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	dial := u.Dial
	if dial == nil {
		dial = (&net.Dialer{}).DialContext
	}
	conn, err := dial(ctx, "tcp", u.Server)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	if deadline, ok := ctx.Deadline(); ok {
		// A connection that cannot have deadlines ends by the context.
		_ = conn.SetDeadline(deadline)
	}
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	keyName := mdns.CanonicalName(u.KeyName)
	c := &mdns.Conn{Conn: conn, TsigSecret: map[string]string{keyName: base64.StdEncoding.EncodeToString(u.Secret)}}
	now := time.Now
	if u.Now != nil {
		now = u.Now
	}
	algorithm := u.Algorithm
	if algorithm == "" {
		algorithm = TSIGAlgorithms()[0]
	}
	// RFC 8945 10: five minutes for differences of clocks.
	m.SetTsig(keyName, mdns.Fqdn(algorithm), 300, now().Unix())
	if err := c.WriteMsg(m); err != nil {
		return nil, err
	}
	resp, err := c.ReadMsg() // with a wrong signature, an error
	if resp != nil && resp.Rcode != mdns.RcodeSuccess && resp.Rcode != mdns.RcodeNameError {
		// It may say why it is not signed: key unknown, wrong, or clocks apart (RFC 8945 5.2).
		return nil, fmt.Errorf("%w: %s", ErrUpdate, refusal(resp))
	}
	switch {
	case err != nil:
		return nil, err
	case resp.Id != m.Id || !resp.Response:
		return nil, errors.New("answer is to another question")
	case resp.IsTsig() == nil:
		// RFC 8945 5.4: it could be from anybody.
		return nil, errors.New("answer is not signed")
	}
	return resp, nil
}

// refusal tells why, for people.
func refusal(m *mdns.Msg) string {
	s := mdns.RcodeToString[m.Rcode]
	if t := m.IsTsig(); t != nil && t.Error != 0 {
		s += ", " + mdns.RcodeToString[int(t.Error)]
	}
	return s
}
