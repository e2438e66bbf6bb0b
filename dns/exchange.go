package dns

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	mdns "github.com/miekg/dns"
)

const (
	// udpSize is the size of UDP answers asked for: one that is not fragmented (RFC
	// 6891 6.2.5, and the recommendation of DNS flag day 2020).
	udpSize = 1232
	// maxUDP is what is accepted nevertheless.
	maxUDP = 4096
	// maxForged bounds the UDP packets looked at in a try. When so many come that do
	// not belong to the question, someone is guessing: TCP cannot be guessed into.
	maxForged = 16
)

var udpBuffers = sync.Pool{New: func() any { return new([maxUDP]byte) }}

// errForged: too many UDP packets were not the answer.
var errForged = errors.New("too many packets that are not the answer")

// query is a question as sent.
type query struct {
	q      question
	fqdn   string
	id     uint16
	packed []byte // with two octets of length in front
	length int    // of the question section
}

// msg is the message without length.
func (q *query) msg() []byte { return q.packed[2:] }

// newQuery makes a query.
//
// RFC 6840 5.7, RFC 4035 3.2.1: AD asks for the AD bit in the answer, DO for DNSSEC.
func (c *Client) newQuery(q question, edns bool) (*query, error) {
	fqdn, ok := presentation(q.name)
	if !ok {
		return nil, ErrDomain
	}
	var id [2]byte
	if _, err := io.ReadFull(c.o.Rand, id[:]); err != nil {
		return nil, fmt.Errorf("making id of query: %w", err)
	}
	m := mdns.Msg{
		MsgHdr:   mdns.MsgHdr{Id: binary.BigEndian.Uint16(id[:]), RecursionDesired: true, AuthenticatedData: true},
		Question: []mdns.Question{{Name: fqdn, Qtype: q.typ, Qclass: mdns.ClassINET}},
	}
	if edns {
		m.SetEdns0(udpSize, true)
	}
	packed, err := m.Pack()
	if err != nil {
		return nil, fmt.Errorf("making query: %w", err)
	}
	length := len(packed) - headerSize
	if edns {
		length -= optSize
	}
	return &query{q, fqdn, m.Id, append([]byte{byte(len(packed) >> 8), byte(len(packed))}, packed...), length}, nil
}

const (
	headerSize = 12
	optSize    = 11 // of an OPT record without options
)

// try asks one server once. An *Error is the server's own word.
func (c *Client) try(ctx context.Context, conf *conf, s *server, q question) (*answer, error) {
	ctx, cancel := context.WithTimeout(ctx, conf.try)
	defer cancel()
	a, err := c.exchange(ctx, conf, s, q, true)
	var e *Error
	if errors.As(err, &e) && (e.RCode == "FORMERR" || e.RCode == "NOTIMP") {
		// RFC 6891 7: a server may not know EDNS.
		a, err = c.exchange(ctx, conf, s, q, false)
	}
	switch {
	case err == nil || errors.As(err, &e):
		s.failed.Store(0)
	case !errors.Is(ctx.Err(), context.Canceled):
		s.failed.Store(c.o.Now().UnixNano())
	}
	return a, err
}

// exchange sends a query over UDP, and over TCP if the answer was too long.
func (c *Client) exchange(ctx context.Context, conf *conf, s *server, q question, edns bool) (*answer, error) {
	query, err := c.newQuery(q, edns)
	if err != nil {
		return nil, err
	}
	lim := limits{c.o.MaxTTL, c.o.MaxNegativeTTL}
	if !conf.tcp {
		buf := udpBuffers.Get().(*[maxUDP]byte)
		defer udpBuffers.Put(buf)
		msg, err := c.udp(ctx, s, query, buf[:])
		switch {
		case err == nil && msg[2]&truncated == 0:
			// All that is kept of msg is copied by read.
			return read(msg, q, query.fqdn, s.trusted, lim)
		case err != nil && !errors.Is(err, errForged):
			return nil, err
		}
	}
	msg, err := c.tcp(ctx, s, query)
	if err != nil {
		return nil, fmt.Errorf("over tcp: %w", err)
	}
	if msg[2]&truncated != 0 {
		return nil, errMalformed
	}
	return read(msg, q, query.fqdn, s.trusted, lim)
}

// truncated is the TC bit in the third octet of the header.
const truncated = 0x02

// dial connects to a server. Deadline and end of ctx count for the connection too.
func (c *Client) dial(ctx context.Context, network string, s *server) (net.Conn, func(), error) {
	conn, err := c.o.Dial(ctx, network, s.name)
	if err != nil {
		return nil, nil, err
	}
	stop := bound(ctx, conn)
	return conn, func() { stop(); conn.Close() }, nil
}

// bound makes operations of conn end with ctx. What it returns tells whether that did not
// happen, and ends it.
func bound(ctx context.Context, conn net.Conn) (stop func() bool) {
	deadline, _ := ctx.Deadline() // the zero time is none
	conn.SetDeadline(deadline)
	return context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })
}

// udp asks over a socket, and so a port, of its own (RFC 5452 9.2) and returns the
// first packet that is the answer, passing over others. To a server on this machine, whose
// address nobody outside can forge, sockets are used again.
func (c *Client) udp(ctx context.Context, s *server, q *query, buf []byte) ([]byte, error) {
	select {
	case conn := <-s.idle:
		msg, err := c.over(ctx, s, conn, q, buf)
		if err == nil || ctx.Err() != nil {
			return msg, err
		}
		// The server may have been started anew since.
	default:
	}
	conn, err := c.o.Dial(ctx, "udp", s.name)
	if err != nil {
		return nil, err
	}
	return c.over(ctx, s, conn, q, buf)
}

// over asks over a socket, and keeps or closes it.
func (c *Client) over(ctx context.Context, s *server, conn net.Conn, q *query, buf []byte) (msg []byte, err error) {
	stop := bound(ctx, conn)
	defer func() {
		if stop() && err == nil && c.keep(s, conn) {
			return
		}
		conn.Close()
	}()
	if _, err := conn.Write(q.msg()); err != nil {
		return nil, err
	}
	for range maxForged {
		n, err := conn.Read(buf)
		if err != nil {
			return nil, err
		}
		if q.answeredBy(buf[:n]) {
			return buf[:n], nil
		}
	}
	return nil, errForged
}

// keep keeps a socket for later, and tells whether it does.
func (c *Client) keep(s *server, conn net.Conn) bool {
	if s.idle == nil || !c.reuse || c.ctx.Err() != nil {
		return false
	}
	select {
	case s.idle <- conn:
		return true
	default:
		return false
	}
}

// tcp asks over a connection (RFC 7766 8: with two octets of length).
func (c *Client) tcp(ctx context.Context, s *server, q *query) ([]byte, error) {
	conn, done, err := c.dial(ctx, "tcp", s)
	if err != nil {
		return nil, err
	}
	defer done()
	if _, err := conn.Write(q.packed); err != nil {
		return nil, err
	}
	var length [2]byte
	if _, err := io.ReadFull(conn, length[:]); err != nil {
		return nil, err
	}
	msg := make([]byte, binary.BigEndian.Uint16(length[:]))
	if _, err := io.ReadFull(conn, msg); err != nil {
		return nil, err
	}
	if !q.answeredBy(msg) {
		return nil, errMalformed
	}
	return msg, nil
}

// answeredBy tells whether a message is a response to the query: by id and question
// section (RFC 5452 9.1), in which case of letters may differ.
func (q *query) answeredBy(msg []byte) bool {
	if len(msg) < headerSize || binary.BigEndian.Uint16(msg) != q.id || msg[2]&0x80 == 0 {
		return false
	}
	switch binary.BigEndian.Uint16(msg[4:]) {
	case 0:
		// A server that understood nothing may leave the question out. That it failed is
		// all that it can say so: it answers nothing, and no AD bit counts.
		rcode := int(msg[3] & 15)
		return len(msg) == headerSize && (rcode == mdns.RcodeFormatError || rcode == mdns.RcodeNotImplemented || rcode == mdns.RcodeServerFailure || rcode == mdns.RcodeRefused)
	case 1:
		want := q.msg()[headerSize : headerSize+q.length]
		return len(msg) >= headerSize+q.length && sameName(string(want), string(msg[headerSize:headerSize+q.length]))
	}
	return false
}
