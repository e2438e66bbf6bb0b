package dns

import (
	"context"
	"encoding/base64"
	"errors"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	mdns "github.com/miekg/dns"
)

// primary is a server for the zone d.example that takes updates.
type primary struct {
	mu      sync.Mutex
	txt     map[string][]string // by name
	refuse  int
	plain   bool // answers are not signed
	updates int
}

func (p *primary) ServeDNS(w mdns.ResponseWriter, q *mdns.Msg) {
	p.mu.Lock()
	defer p.mu.Unlock()
	m := new(mdns.Msg).SetReply(q)
	t := q.IsTsig()
	switch {
	case t == nil || w.TsigStatus() != nil:
		m.Rcode = mdns.RcodeNotAuth
	case q.Opcode == mdns.OpcodeQuery && mdns.IsSubDomain("d.example.", q.Question[0].Name):
		m.Rcode = mdns.RcodeNameError
		m.Ns = []mdns.RR{&mdns.SOA{Hdr: mdns.RR_Header{Name: "d.example.", Rrtype: mdns.TypeSOA, Class: mdns.ClassINET}, Ns: "ns.", Mbox: "x."}}
	case q.Opcode == mdns.OpcodeQuery:
		m.Rcode = mdns.RcodeRefused
	case p.refuse != 0:
		m.Rcode = p.refuse
	case q.Question[0].Name != "d.example." || q.Question[0].Qtype != mdns.TypeSOA:
		m.Rcode = mdns.RcodeNotZone
	default:
		p.updates++
		for _, rr := range q.Ns {
			p.change(rr)
		}
	}
	if t != nil && w.TsigStatus() == nil && !p.plain {
		m.SetTsig(t.Hdr.Name, t.Algorithm, 300, time.Now().Unix())
	}
	_ = w.WriteMsg(m)
}

// change is RFC 2136 2.5.1, 2.5.4.
func (p *primary) change(rr mdns.RR) {
	name, text := rr.Header().Name, rr.(*mdns.TXT).Txt[0]
	if rr.Header().Class == mdns.ClassINET {
		p.txt[name] = append(p.txt[name], text)
		return
	}
	var rest []string
	for _, have := range p.txt[name] {
		if have != text {
			rest = append(rest, have)
		}
	}
	p.txt[name] = rest
}

func newPrimary(t *testing.T, secret []byte) (*primary, string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &primary{txt: map[string][]string{}}
	s := &mdns.Server{Listener: l, Handler: p, TsigSecret: map[string]string{"mox-key.": base64.StdEncoding.EncodeToString(secret)}, MsgAcceptFunc: func(mdns.Header) mdns.MsgAcceptAction { return mdns.MsgAccept }}
	go s.ActivateAndServe()
	t.Cleanup(func() { s.Shutdown() })
	return p, l.Addr().String()
}

// TestUpdate: RFC 2136 3.4, RFC 8945.
func TestUpdate(t *testing.T) {
	ctx := context.Background()
	p, addr := newPrimary(t, []byte("secret"))
	for _, algorithm := range append(TSIGAlgorithms(), "") {
		u := &Updater{Server: addr, KeyName: "Mox-Key", Algorithm: algorithm, Secret: []byte("secret")}
		if algorithm == "" {
			u.Zone = "D.example"
		}
		const name = "_acme-challenge.Mail.d.example"
		for _, text := range []string{"one", `"two" \ three`, "one"} {
			if err := u.SetTXT(ctx, name, text, time.Minute); err != nil {
				t.Fatal(algorithm, err)
			}
		}
		if got := p.txt["_acme-challenge.mail.d.example."]; len(got) != 3 || got[0] != "one" || got[1] != `\"two\" \\ three` {
			t.Errorf("%q", got)
		}
		for _, text := range []string{"one", `"two" \ three`, "none"} {
			if err := u.UnsetTXT(ctx, name, text); err != nil {
				t.Fatal(err)
			}
		}
		if got := p.txt["_acme-challenge.mail.d.example."]; len(got) != 0 {
			t.Errorf("%q", got)
		}
	}
}

func TestUpdateErrors(t *testing.T) {
	ctx := context.Background()
	p, addr := newPrimary(t, []byte("secret"))
	ok := Updater{Server: addr, KeyName: "mox-key", Secret: []byte("secret"), Timeout: 5 * time.Second}
	for _, tc := range []struct {
		what   string
		change func(u *Updater)
		name   string
		want   string
	}{
		{"wrong key", func(u *Updater) { u.Secret = []byte("other") }, "x.d.example", "NOTAUTH"},
		{"unknown key", func(u *Updater) { u.KeyName = "other" }, "x.d.example", "NOTAUTH"},
		{"clock", func(u *Updater) { u.Now = func() time.Time { return time.Now().Add(-time.Hour) } }, "x.d.example", "NOTAUTH"},
		{"other zone", func(u *Updater) {}, "x.e.example", "REFUSED"},
		{"not in zone", func(u *Updater) { u.Zone = "d.example" }, "x.e.example", "is not in zone"},
		{"no name", func(u *Updater) {}, "x..example", "invalid domain name"},
		{"nobody there", func(u *Updater) { u.Server = "127.0.0.1:1" }, "x.d.example", "refused"},
		{"refused", func(u *Updater) { p.refuse = mdns.RcodeRefused }, "x.d.example", "REFUSED"},
		{"unsigned", func(u *Updater) { p.plain = true }, "x.d.example", "answer is not signed"},
	} {
		u := ok
		p.mu.Lock()
		p.refuse, p.plain = 0, false
		tc.change(&u)
		p.mu.Unlock()
		err := u.SetTXT(ctx, tc.name, "text", time.Minute)
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v", tc.what, err)
		}
		if strings.ToUpper(tc.want) == tc.want && !errors.Is(err, ErrUpdate) {
			t.Errorf("%s: %v", tc.what, err)
		}
	}
	canceled, cancel := context.WithCancel(ctx)
	cancel()
	if err := ok.SetTXT(canceled, "x.d.example", "text", time.Minute); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
