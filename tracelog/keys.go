package tracelog

import (
	"crypto/sha256"
	"encoding/binary"
	"net/netip"
	"slices"
	"strings"
	"unicode/utf8"

	"mox/dns"
	"mox/trace"
)

// hashOf is what a text is found by: the first 48 bits of its SHA-256. That among a
// million rows another text has the same is a matter of one search in 10^8.
func hashOf(text string) int64 {
	sum := sha256.Sum256([]byte(text))
	return int64(binary.BigEndian.Uint64(sum[:]) >> 16)
}

// accountHash is apart from what users type: nobody finds an account's mail by naming a
// domain like it.
func accountHash(account string) int64 { return hashOf("account\x00" + account) }

// appendKeys appends the hashes of what a trace is found by.
func appendKeys(h []int64, t *trace.Trace) []int64 {
	start := len(h)
	add := func(text string) {
		if text != "" {
			h = append(h, hashOf(text))
		}
	}
	f := &t.Facts
	add(messageID(f.MessageID))
	add(t.ID)
	for _, address := range []string{f.MailFrom, f.From, f.RcptTo} {
		address = fold(address)
		add(address)
		if i := strings.LastIndexByte(address, '@'); i >= 0 {
			add(address[i+1:])
		}
	}
	add(fold(f.OrgDomain))
	if f.Remote.IsValid() {
		add(f.Remote.Unmap().WithZone("").String())
	}
	if t.Account != "" {
		h = append(h, accountHash(t.Account))
	}
	slices.Sort(h[start:])
	return h[:start+len(slices.Compact(h[start:]))]
}

// queryHashes returns the hashes that entries for the text may have: message-ids and log
// ids are compared exactly, addresses and domains without regard to case.
func queryHashes(text string) []int64 {
	text = messageID(text)
	exact := hashOf(text)
	folded := fold(text)
	if ip, err := netip.ParseAddr(text); err == nil {
		folded = ip.Unmap().WithZone("").String()
	} else if strings.LastIndexByte(folded, '@') == 0 {
		folded = folded[1:]
	}
	if h := hashOf(folded); h != exact {
		return []int64{exact, h}
	}
	return []int64{exact}
}

// messageID returns a message-id without angle brackets and space around it. RFC 5322
// 3.6.4: the brackets are no part of the identifier.
func messageID(s string) string {
	s = strings.TrimSpace(s)
	if n := len(s); n > 2 && s[0] == '<' && s[n-1] == '>' {
		return s[1 : n-1]
	}
	return s
}

// fold returns an address or domain in the form in which it is compared: lower case, with
// A-labels.
func fold(address string) string {
	s := strings.ToLower(address)
	i := strings.LastIndexByte(s, '@') + 1
	domain := s[i:]
	for k := range len(domain) {
		if domain[k] < utf8.RuneSelf {
			continue
		}
		if d, err := dns.ParseDomainLax(domain); err == nil {
			return s[:i] + d.ASCII
		}
		break
	}
	return s
}
