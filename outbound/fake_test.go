package outbound

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"mox/queue"
	"mox/smtp"
)

// fakeQueue is a queue in memory.
type fakeQueue struct {
	mu       sync.Mutex
	changed  func()
	now      func() time.Time
	next     int64
	msgs     map[int64]*queue.Message
	content  map[int64]string // by base id
	done     []queue.Outcome  // final ones
	all      []queue.Outcome
	notices  []queue.NewMessage
	recorded error // of Record
	polls    int
}

func (q *fakeQueue) add(text string, msgs ...queue.Message) []int64 {
	q.mu.Lock()
	var ids []int64
	base := q.next + 1
	for _, m := range msgs {
		q.next++
		m.ID, m.BaseID, m.Queued, m.Size = q.next, base, q.now(), int64(len(text))
		m.SenderDomain, m.RecipientDomain = m.Sender.IPDomain.Domain, m.Recipient.IPDomain.Domain
		if m.NextAttempt.IsZero() {
			m.NextAttempt = q.now()
		}
		q.msgs[m.ID] = &m
		ids = append(ids, m.ID)
	}
	q.content[base] = text
	q.mu.Unlock()
	if q.changed != nil {
		q.changed()
	}
	return ids
}

func (q *fakeQueue) sorted() []*queue.Message {
	var l []*queue.Message
	for _, m := range q.msgs {
		l = append(l, m)
	}
	slices.SortFunc(l, func(a, b *queue.Message) int {
		return cmp.Or(a.NextAttempt.Compare(b.NextAttempt), cmp.Compare(a.ID, b.ID))
	})
	return l
}

func (q *fakeQueue) Due(_ context.Context, now time.Time, o queue.DueOptions) ([]queue.Message, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.polls++
	var l []queue.Message
	bases := map[string]map[int64]int{}
	for _, m := range q.sorted() {
		d := m.Destination()
		if len(l) >= o.Max || m.NextAttempt.After(now) || o.Busy(d) || o.Skip(m.ID) {
			continue
		}
		if bases[d] == nil {
			bases[d] = map[int64]int{}
		}
		if bases[d][m.BaseID] == 0 && len(bases[d]) >= o.PerDestination || bases[d][m.BaseID] >= o.Recipients {
			continue
		}
		bases[d][m.BaseID]++
		l = append(l, *m)
	}
	return l, nil
}

func (q *fakeQueue) Next(_ context.Context, o queue.DueOptions) (time.Time, bool, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, m := range q.sorted() {
		if !o.Busy(m.Destination()) && !o.Skip(m.ID) {
			return m.NextAttempt, true, nil
		}
	}
	return time.Time{}, false, nil
}

func (q *fakeQueue) Begin(context.Context, ...int64) error { return nil }

func (q *fakeQueue) Record(_ context.Context, l []queue.Outcome, notices []queue.NewMessage) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.recorded != nil {
		return q.recorded
	}
	for _, o := range l {
		q.all = append(q.all, o)
		m := q.msgs[o.ID]
		if o.Action != queue.Delayed {
			delete(q.msgs, o.ID)
			q.done = append(q.done, o)
			continue
		}
		m.NextAttempt = o.Next
		m.DelayNotified = m.DelayNotified || o.NotifyDelayed
		if !o.NotTried {
			m.Attempts++
			m.Results = append(m.Results, o.Result)
		}
	}
	q.notices = append(q.notices, notices...)
	return nil
}

type stringContent struct{ *strings.Reader }

func (stringContent) Close() error { return nil }

func (q *fakeQueue) Content(_ context.Context, id int64) (Content, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	m := q.msgs[id]
	if m == nil {
		return nil, queue.ErrNotFound
	}
	return stringContent{strings.NewReader(q.content[m.BaseID])}, nil
}

// path parses an address.
func path(s string) smtp.Path {
	p, err := smtp.ParsePath("<"+s+">", smtp.Options{})
	if err != nil {
		panic(err)
	}
	return p
}

// authority makes certificates.
type authority struct {
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
	pool *x509.CertPool
}

func newAuthority(t testing.TB) *authority {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1<<33, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, tpl, tpl, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	a := &authority{key: key, pool: x509.NewCertPool()}
	a.cert, _ = x509.ParseCertificate(der)
	a.pool.AddCert(a.cert)
	return a
}

func (a *authority) issue(t testing.TB, names ...string) *tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tpl := &x509.Certificate{
		SerialNumber: big.NewInt(2), DNSNames: names, NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1<<33, 0),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, tpl, a.cert, key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, _ := x509.ParseCertificate(der)
	return &tls.Certificate{Certificate: [][]byte{der, a.cert.Raw}, PrivateKey: key, Leaf: leaf}
}

// received is a message that a server took.
type received struct {
	from, text string
	to         []string
	tls        bool
	conn       int
}

// server is an SMTP server whose behaviour is set by its fields. An empty reply is the
// usual one.
type server struct {
	mu      sync.Mutex
	cert    *tls.Certificate // nil: no STARTTLS
	ext     []string         // after EHLO
	clients bool             // must show a certificate
	down    bool             // connections are refused
	hang    bool             // connections get no answer

	greeting string
	handle   func(verb, line string, n int) string // reply to a command, n being the number of recipients so far
	// cut closes the connection: "data" within the message, "dot" after it, "mail".
	cut string

	slow time.Duration // before the reply to MAIL

	conns int
	got   []received
	lines []string
}

func (s *server) messages() []received {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.got)
}

// said are the lines that clients have sent.
func (s *server) said() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.lines)
}

func (s *server) serve(conn net.Conn, num int) {
	defer conn.Close()
	r, secure := bufio.NewReader(conn), false
	say := func(text string) { io.WriteString(conn, strings.ReplaceAll(text, "\n", "\r\n")+"\r\n") }
	say(cmp.Or(s.greeting, "220 mx ESMTP"))
	var m received
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		line = strings.TrimRight(line, "\r\n")
		verb, _, _ := strings.Cut(strings.ToUpper(line), " ")
		s.mu.Lock()
		s.lines = append(s.lines, line)
		reply, cut := "", s.cut
		if s.handle != nil {
			reply = s.handle(verb, line, len(m.to))
		}
		s.mu.Unlock()
		ok := reply == "" || reply[0] == '2' || reply[0] == '3'
		if reply != "" && (!ok || verb != "DATA") {
			say(reply)
		}
		if strings.HasPrefix(reply, "421") {
			return
		}
		switch verb {
		case "EHLO":
			ext := s.ext
			if s.cert != nil && !secure {
				ext = append([]string{"STARTTLS"}, ext...)
			}
			l := append([]string{"mx"}, ext...)
			for i, x := range l {
				sep := "-"
				if i == len(l)-1 {
					sep = " "
				}
				say("250" + sep + x)
			}
		case "STARTTLS":
			if !ok {
				continue
			}
			say("220 go")
			conf := &tls.Config{Certificates: []tls.Certificate{*s.cert}}
			if s.clients {
				conf.ClientAuth = tls.RequireAnyClientCert
			}
			tc := tls.Server(conn, conf)
			if err := tc.Handshake(); err != nil {
				return
			}
			conn, r, secure = tc, bufio.NewReader(tc), true
		case "MAIL":
			time.Sleep(s.slow)
			if cut == "mail" {
				return
			}
			if ok {
				m = received{from: line[len("MAIL FROM:"):], tls: secure, conn: num}
			}
			if reply == "" {
				say("250 ok")
			}
		case "RCPT":
			if ok {
				m.to = append(m.to, line[len("RCPT TO:"):])
			}
			if reply == "" {
				say("250 ok")
			}
		case "DATA":
			if !ok {
				continue
			}
			if len(m.to) == 0 {
				say("554 no recipients")
				continue
			}
			say("354 go")
			if !s.data(r, &m, cut, say) {
				return
			}
			m = received{tls: secure, conn: num}
		case "QUIT":
			say("221 bye")
			return
		case "RSET":
			m = received{}
			say("250 ok")
		default:
			if reply == "" {
				say("500 what")
			}
		}
	}
}

func (s *server) data(r *bufio.Reader, m *received, cut string, say func(string)) bool {
	var text bytes.Buffer
	for {
		line, err := r.ReadString('\n')
		if err != nil || cut == "data" {
			return false
		}
		if line == ".\r\n" {
			break
		}
		text.WriteString(strings.TrimPrefix(line, "."))
	}
	if cut == "dot" {
		return false
	}
	m.text = text.String()
	reply := ""
	s.mu.Lock()
	if s.handle != nil {
		reply = s.handle(".", "", len(m.to))
	}
	if reply == "" || reply[0] == '2' {
		s.got = append(s.got, *m)
	}
	s.mu.Unlock()
	say(cmp.Or(reply, "250 2.0.0 taken"))
	return true
}

// network has servers by address.
type network struct {
	mu      sync.Mutex
	servers map[string]*server // by IP
	dials   []string
	sources []netip.Addr
	wg      sync.WaitGroup
	open    []net.Conn
}

func (n *network) dial(ctx context.Context, source netip.Addr, _, address string) (net.Conn, error) {
	host, _, _ := net.SplitHostPort(address)
	n.mu.Lock()
	s := n.servers[host]
	n.dials = append(n.dials, address)
	n.sources = append(n.sources, source)
	n.mu.Unlock()
	if s == nil {
		<-ctx.Done() // nobody answers
		return nil, ctx.Err()
	}
	s.mu.Lock()
	down, hang := s.down, s.hang
	s.conns++
	num := s.conns
	s.mu.Unlock()
	if hang {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	if down {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	}
	c1, c2 := bufferedPipe()
	n.mu.Lock()
	n.open = append(n.open, c1, c2)
	n.mu.Unlock()
	n.wg.Go(func() { s.serve(c2, num) })
	return c1, nil
}

func (n *network) close() {
	n.mu.Lock()
	for _, c := range n.open {
		c.Close()
	}
	n.mu.Unlock()
	n.wg.Wait()
}

// bufferedPipe is a net.Pipe of which the writer does not wait for the reader: pipelining
// clients and talkative servers otherwise wait for each other.
func bufferedPipe() (net.Conn, net.Conn) {
	a, b := newHalf(), newHalf()
	return &pipeConn{in: a, out: b}, &pipeConn{in: b, out: a}
}

type half struct {
	mu       sync.Mutex
	cond     *sync.Cond
	buf      bytes.Buffer
	closed   bool
	deadline time.Time
	timer    *time.Timer
}

func newHalf() *half { h := &half{}; h.cond = sync.NewCond(&h.mu); return h }

func (h *half) close() {
	h.mu.Lock()
	h.closed = true
	if h.timer != nil {
		h.timer.Stop()
	}
	h.mu.Unlock()
	h.cond.Broadcast()
}

type pipeConn struct{ in, out *half }

func (c *pipeConn) Read(p []byte) (int, error) {
	h := c.in
	h.mu.Lock()
	defer h.mu.Unlock()
	for h.buf.Len() == 0 {
		if h.closed {
			return 0, io.EOF
		}
		if !h.deadline.IsZero() && !time.Now().Before(h.deadline) {
			return 0, errTimeout
		}
		h.cond.Wait()
	}
	defer h.cond.Broadcast()
	return h.buf.Read(p)
}

func (c *pipeConn) Write(p []byte) (int, error) {
	h := c.out
	h.mu.Lock()
	defer h.mu.Unlock()
	for h.buf.Len() > 64<<10 && !h.closed {
		h.cond.Wait()
	}
	if h.closed {
		return 0, io.ErrClosedPipe
	}
	n, err := h.buf.Write(p)
	h.cond.Broadcast()
	return n, err
}

func (c *pipeConn) Close() error { c.in.close(); c.out.close(); return nil }

func (c *pipeConn) LocalAddr() net.Addr {
	return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 99), Port: 1}
}
func (c *pipeConn) RemoteAddr() net.Addr             { return c.LocalAddr() }
func (c *pipeConn) SetWriteDeadline(time.Time) error { return nil }
func (c *pipeConn) SetDeadline(t time.Time) error    { return c.SetReadDeadline(t) }
func (c *pipeConn) SetReadDeadline(t time.Time) error {
	h := c.in
	h.mu.Lock()
	defer h.mu.Unlock()
	h.deadline = t
	if h.timer != nil {
		h.timer.Stop()
		h.timer = nil
	}
	if !t.IsZero() && !h.closed {
		h.timer = time.AfterFunc(time.Until(t), h.cond.Broadcast)
	}
	h.cond.Broadcast()
	return nil
}

type timeoutError struct{}

func (timeoutError) Error() string   { return "i/o timeout" }
func (timeoutError) Timeout() bool   { return true }
func (timeoutError) Temporary() bool { return true }

var errTimeout = fmt.Errorf("%w", timeoutError{})
