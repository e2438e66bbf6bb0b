package junk

import (
	"crypto/sha256"
	"encoding/binary"
	"net/netip"
	"slices"
	"strings"

	"golang.org/x/text/unicode/norm"

	"mox/dns"
	"mox/ratelimit"
	"mox/store"
	"mox/trace"
)

// kind says what a key is of. On disk as part of hashes: values never change.
type kind byte

const (
	kindFrom           kind = 'F' // From address, validated
	kindFromUnverified kind = 'f' // not validated
	kindDomain         kind = 'D' // of From
	kindDomainUnver    kind = 'd'
	kindOrg            kind = 'O' // organizational domain of From
	kindOrgUnver       kind = 'o'
	kindDKIM           kind = 'K' // domain of a signature that passed
	kindMailFrom       kind = 'M' // address that passed SPF
	kindMailFromDomain kind = 'm'
	kindHello          kind = 'h' // name that passed SPF
	kindNet1           kind = '1' // networks, from the narrowest
	kindNet2           kind = '2'
	kindNet3           kind = '3'

	kindSentAddress kind = 'T'
	kindSentDomain  kind = 't'
	kindSentOrg     kind = 'u'

	kindWho kind = 'w' // in signal.who
)

// networks are the kinds of ratelimit.Networks.
var networks = [ratelimit.Classes]kind{kindNet1, kindNet2, kindNet3}

// unverified returns the kind for a sender that is not validated, given that for one that is.
func (k kind) unverified() kind { return k | 0x20 }

// of returns the kind for a sender.
func (k kind) of(validated bool) kind {
	if validated {
		return k
	}
	return k.unverified()
}

// key is a hash, positive and never 0, of who is meant; the names are not stored.
func (k kind) key(mailbox, value string) int64 {
	b := make([]byte, 0, 256)
	b = append(b, byte(k))
	b = append(b, mailbox...)
	b = append(b, 0)
	b = append(b, value...)
	sum := sha256.Sum256(b)
	return int64(binary.BigEndian.Uint64(sum[:])>>1 | 1)
}

// signal is an entry of a sender in the table signal.
type signal struct{ key, who int64 }

// signalsOf returns the keys under which an example of a sender is found.
func signalsOf(mailbox string, s trace.Sender) []signal {
	mailbox = mailboxName(mailbox)
	var list []signal
	add := func(k kind, value string, who int64) {
		if value == "" {
			return
		}
		if e := (signal{k.key(mailbox, value), who}); !slices.Contains(list, e) {
			list = append(list, e)
		}
	}
	s = canonicalSender(s)
	v, who := s.Validated(), int64(0)
	if s.From != "" {
		who = kindWho.key("", s.From)
	}
	add(kindFrom.of(v), s.From, 0)
	add(kindDomain.of(v), s.FromDomain, who)
	add(kindOrg.of(v), s.OrgDomain, who)
	for _, d := range s.DKIM[:min(len(s.DKIM), maxDKIM)] {
		add(kindDKIM, d, 0)
	}
	add(kindMailFrom, s.MailFrom, 0)
	add(kindMailFromDomain, s.MailFromDomain, 0)
	add(kindHello, s.Hello, 0)
	for i, p := range netKeys(s.IP) {
		add(networks[i], p, 0)
	}
	return list
}

// maxDKIM bounds the signatures of a message that count.
const maxDKIM = 8

// netKeys returns the networks of an address as strings, none for no address.
func netKeys(ip netip.Addr) []string {
	if !ip.IsValid() {
		return nil
	}
	var l []string
	for _, p := range ratelimit.Networks(ip) {
		l = append(l, p.String())
	}
	return l
}

// canonicalSender makes names that are equal in mail equal as strings.
func canonicalSender(s trace.Sender) trace.Sender {
	s.From, s.MailFrom = canonicalAddress(s.From), canonicalAddress(s.MailFrom)
	s.FromDomain, s.OrgDomain = canonicalDomain(s.FromDomain), canonicalDomain(s.OrgDomain)
	s.MailFromDomain, s.Hello = canonicalDomain(s.MailFromDomain), canonicalDomain(s.Hello)
	s.DKIM = slices.Clone(s.DKIM)
	for i, d := range s.DKIM {
		s.DKIM[i] = canonicalDomain(d)
	}
	return s
}

// canonicalAddress is how addresses are compared: whatever the case, since hardly anybody
// tells apart addresses by that, and without quotes that change nothing.
func canonicalAddress(s string) string {
	at := strings.LastIndexByte(s, '@')
	if at < 0 {
		return ""
	}
	local := s[:at]
	if q, ok := strings.CutPrefix(local, `"`); ok && strings.HasSuffix(q, `"`) && !strings.Contains(q, `\`) {
		local = strings.TrimSuffix(q, `"`)
	}
	domain := canonicalDomain(s[at+1:])
	if local == "" || domain == "" {
		return ""
	}
	return norm.NFC.String(strings.ToLower(local)) + "@" + domain
}

// canonicalDomain is a domain with A-labels, in lower case.
func canonicalDomain(s string) string {
	if d, err := dns.ParseDomainLax(strings.TrimSuffix(s, ".")); err == nil {
		return d.ASCII
	}
	return strings.ToLower(s)
}

func domainOf(address string) string { return address[strings.LastIndexByte(address, '@')+1:] }

// mailboxName is a mailbox as in keys.
func mailboxName(name string) string {
	if n, err := store.NormalName(name); err == nil {
		return n
	}
	return name
}

const signalSize = 16

func packSignals(list []signal) []byte {
	b := make([]byte, 0, len(list)*signalSize)
	for _, s := range list {
		b = binary.BigEndian.AppendUint64(b, uint64(s.key))
		b = binary.BigEndian.AppendUint64(b, uint64(s.who))
	}
	return b
}

func unpackSignals(b []byte) ([]signal, error) {
	if len(b)%signalSize != 0 {
		return nil, errDamaged
	}
	var list []signal
	for ; len(b) > 0; b = b[signalSize:] {
		list = append(list, signal{int64(binary.BigEndian.Uint64(b)), int64(binary.BigEndian.Uint64(b[8:]))})
	}
	return list, nil
}
