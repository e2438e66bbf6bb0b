package smtp

import (
	"crypto/tls"
	"net/netip"
)

// Peer is what a server knows about the client of a transaction: facts for trace
// fields, checks and logs.
type Peer struct {
	CID    int64 // id of the connection in the log
	Remote netip.AddrPort
	Local  netip.AddrPort
	Hello  Host
	ESMTP  bool                 // EHLO, not HELO
	LMTP   bool                 // LHLO
	TLS    *tls.ConnectionState // nil without TLS
	Auth   bool                 // authenticated
}

// Protocol returns the protocol as the "with" clause of a Received field has it (RFC
// 3848, RFC 6531 4.3), utf8 telling whether the message came with SMTPUTF8.
func (p Peer) Protocol(utf8 bool) string {
	s := "SMTP"
	switch {
	case p.LMTP && utf8:
		s = "UTF8LMTP"
	case p.LMTP:
		s = "LMTP"
	case utf8:
		s = "UTF8SMTP"
	case p.ESMTP:
		s = "ESMTP"
	default:
		return s
	}
	if p.TLS != nil {
		s += "S"
	}
	if p.Auth {
		s += "A"
	}
	return s
}
