package deliver

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"io"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"mox/smtp"
)

// MaxReceived is how many Received fields a message may have: more are a loop (RFC
// 5321 6.3).
const MaxReceived = 100

// maxDeliveredTo is how many Delivered-To fields are looked at.
const maxDeliveredTo = 200

// checkLoop refuses a message that goes around in circles, and returns the addresses that
// it was delivered to before (RFC 9228).
func checkLoop(m *Message) (delivered []string, _ error) {
	r := bufio.NewReader(m.Spool.Part().Header(m.Spool))
	n, start := 0, true
	for {
		line, err := r.ReadSlice('\n')
		const deliveredTo = "delivered-to:"
		switch {
		case !start:
		case hasName(line, "received:"):
			n++
		case hasName(line, deliveredTo) && len(delivered) < maxDeliveredTo:
			delivered = append(delivered, string(bytes.TrimSpace(line[len(deliveredTo):])))
		}
		// A line longer than the buffer comes in pieces.
		start = err == nil
		if err == io.EOF || n > MaxReceived {
			break
		} else if err != nil && err != bufio.ErrBufferFull {
			return nil, Error(err)
		}
	}
	if n > MaxReceived {
		return nil, smtp.Errorf(550, "5.4.6", "more than %d Received fields, routing loop", MaxReceived)
	}
	return delivered, nil
}

// CheckLoop refuses a message that goes around in circles.
func CheckLoop(m *Message) error {
	_, err := checkLoop(m)
	return err
}

// hasName tells whether a line begins with the name of a field and a colon.
func hasName(line []byte, name string) bool {
	return len(line) >= len(name) && bytes.EqualFold(line[:len(name)], []byte(name))
}

// checkAddress refuses a message that was delivered to the very address twice before.
// Once may be a message that its recipient has sent again as it was.
func (s *seen) checkAddress(to smtp.Path) error {
	n := 0
	for _, a := range s.delivered {
		if strings.EqualFold(a, to.XString(true)) || strings.EqualFold(a, to.XString(false)) {
			n++
		}
	}
	if n >= 2 {
		return smtp.Errorf(550, "5.4.6", "mail forwarding loop for <%s>", to)
	}
	return nil
}

// prefix returns the fields above the message for a recipient.
func (d *Deliverer) prefix(m *Message, j *job) []byte {
	var b bytes.Buffer
	b.Write(j.Fields)
	writeField(&b, "Delivered-To: "+d.address(m, j.to))
	// RFC 5321 4.4: the reverse-path, at final delivery.
	writeField(&b, "Return-Path: <"+m.From.XString(m.SMTPUTF8)+">")
	b.Write(m.Fields)
	if !m.Generated {
		b.WriteString(d.Received(m, j.to))
	}
	b.Write(m.Add)
	return b.Bytes()
}

// address returns a recipient as it is in header fields: the postmaster without domain
// gets ours.
func (d *Deliverer) address(m *Message, to smtp.Path) string { return d.whole(to).XString(m.SMTPUTF8) }

func (d *Deliverer) whole(to smtp.Path) smtp.Path {
	if to.IPDomain.IsZero() {
		to.IPDomain.Domain = d.c.Hostname
	}
	return to
}

func writeField(b *bytes.Buffer, s string) {
	b.WriteString(s)
	b.WriteString("\r\n")
}

// Received is the Received field of a message, RFC 5321 4.4, for a recipient: zero for
// several, who are not to know of each other (RFC 5321 7.2).
func (d *Deliverer) Received(m *Message, to smtp.Path) string {
	var w words
	w.add("Received:")
	if !m.NoClient {
		w.add("from", hello(m.Peer.Hello, m.SMTPUTF8))
		if info := tcpInfo(m.Peer.Remote.Addr(), m.Reverse); info != "" {
			w.add(info)
		}
	}
	l := []string{"by", d.c.Hostname.XName(m.SMTPUTF8), "via tcp", "with", m.Peer.Protocol(m.SMTPUTF8), "id", d.id(m.Peer.CID)}
	if cs := m.Peer.TLS; cs != nil {
		l = append(l, "("+strings.ReplaceAll(tls.VersionName(cs.Version), " ", "")+" "+tls.CipherSuiteName(cs.CipherSuite)+")")
	}
	if !to.IsZero() {
		l = append(l, "for", "<"+d.address(m, to)+">")
	}
	l[len(l)-1] += ";"
	w.add(l...)
	w.add(m.Received.Format("Mon, 2 Jan 2006 15:04:05 -0700"))
	return w.String() + "\r\n"
}

func (d *Deliverer) id(cid int64) string {
	if d.c.ID != nil {
		return d.c.ID(cid)
	}
	return strconv.FormatInt(cid, 16)
}

// hello returns what the client called itself, such that it is one word of a field
// whatever it was.
func hello(h smtp.Host, utf8 bool) string {
	if h.Raw == "" {
		return h.IPDomain.XString(utf8)
	}
	return strings.Map(func(r rune) rune {
		if r > '~' || r <= ' ' || strings.ContainsRune(`()<>@,;:\"[]`, r) {
			return '?'
		}
		return r
	}, h.Raw)
}

// tcpInfo is TCP-info of RFC 5321 4.4: the address, and the name that DNS has for it.
func tcpInfo(ip netip.Addr, reverse string) string {
	if !ip.IsValid() {
		return ""
	}
	s := smtp.IPDomain{IP: ip.Unmap().WithZone("")}.String()
	if reverse != "" {
		s = reverse + " " + s
	}
	return "(" + s + ")"
}

// words folds words into lines of at most 78 characters where they fit.
type words struct {
	b    strings.Builder
	line int
}

func (w *words) add(l ...string) {
	for _, s := range l {
		switch {
		case w.b.Len() == 0:
		case w.line+1+len(s) > 78:
			w.b.WriteString("\r\n\t")
			w.line = 8
		default:
			w.b.WriteByte(' ')
			w.line++
		}
		w.b.WriteString(s)
		w.line += len(s)
	}
}

func (w *words) String() string { return w.b.String() }

// days is how long deliveries are remembered: as long as senders try (RFC 5321
// 4.5.4.1: 4 to 5 days).
const days = 5 * 24 * time.Hour
