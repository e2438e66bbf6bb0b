package serve

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"mox/admin"
	"mox/metrics"
	"mox/queue"
)

// Health is how a server is.
type Health = admin.Health

// healthTimeout is for each check.
const healthTimeout = 10 * time.Second

// Health opens an account and the queue, reads what a login needs, connects to the listeners, and
// looks at the counters. It takes ten seconds at most.
func (s *Server) Health(ctx context.Context) Health {
	h := Health{Version: s.Version, Uptime: s.Now().Sub(s.started).Round(time.Millisecond)}
	h.Program, _ = os.Executable()
	checks := []struct {
		name  string
		check func(ctx context.Context) error
	}{
		{"account", s.checkHealthAccount},
		{"queue", s.checkHealthQueue},
	}
	for _, e := range s.healthEndpoints() {
		checks = append(checks, struct {
			name  string
			check func(ctx context.Context) error
		}{fmt.Sprintf("%s at %s", e.service, e.addr), func(ctx context.Context) error { return s.checkHealthListener(ctx, e) }})
	}
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	found := make([]string, len(checks))
	var wg sync.WaitGroup
	for i, c := range checks {
		wg.Go(func() {
			if err := within(ctx, c.check); err != nil {
				found[i] = c.name + ": " + err.Error()
			}
		})
	}
	wg.Wait()
	s.count(&h)
	for _, text := range found {
		if text != "" {
			h.Problems = append(h.Problems, text)
		}
	}
	return h
}

// within gives up on a check that hangs.
func within(ctx context.Context, check func(ctx context.Context) error) error {
	done := make(chan error, 1)
	go func() { done <- check(ctx) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return fmt.Errorf("no answer: %w", ctx.Err())
	}
}

// count takes over the counters.
func (s *Server) count(h *Health) {
	sum := func(name string, only string) (n int) {
		values, err := s.Registry.Gather(name)
		if err != nil {
			return 0
		}
		for labels, v := range values {
			if strings.Contains(labels, only) {
				n += int(v)
			}
		}
		return n
	}
	h.Panics = sum(metrics.Panic.Name, "")
	h.Errors = sum(metrics.LoggingError.Name, "")
	h.Logins = sum(metrics.Authentication.Name, "result=ok")
	h.NotLogins = sum(metrics.Authentication.Name, "result=error")
}

// checkHealthAccount reads from the account of the postmaster what a login and a look into the
// inbox need.
func (s *Server) checkHealthAccount(ctx context.Context) error {
	name := s.Config.Snapshot().Static.Postmaster.Account
	if _, err := s.secrets().Secret(ctx, name); err != nil {
		return err
	}
	acc, err := s.Store.Account(ctx, name)
	if err != nil {
		return err
	}
	defer acc.Release()
	box, ok := acc.MailboxByName("INBOX")
	if !ok {
		return errors.New("no inbox")
	}
	view, err := acc.OpenBox(ctx, box.ID)
	if err != nil {
		return err
	}
	view.Close()
	return nil
}

func (s *Server) checkHealthQueue(ctx context.Context) error {
	_, _, err := s.Queue.Next(ctx, queue.DueOptions{})
	return err
}

// healthEndpoints are sockets to connect to, one for each kind of service, where that needs no
// proxy.
func (s *Server) healthEndpoints() []openSocket {
	first := map[service]openSocket{}
	for _, o := range s.bound {
		if _, ok := first[o.service]; !ok && (len(o.conf.Proxies) == 0 || !o.service.proxied()) {
			first[o.service] = o
		}
	}
	var list []openSocket
	for _, kind := range slices.Sorted(maps.Keys(first)) {
		list = append(list, first[kind])
	}
	return list
}

// greets has the services that speak first, and how they begin.
var greets = map[service]string{serviceSMTP: "220 ", serviceLMTP: "220 ", serviceSubmission: "220 ", serviceIMAP: "* OK "}

// checkHealthListener connects to a socket of ours, and reads the greeting if there is one. A
// server that is full or that limits its own address has accepted the connection, which counts.
func (s *Server) checkHealthListener(ctx context.Context, o openSocket) error {
	addr, err := netip.ParseAddrPort(o.Listener.Addr().String())
	if err != nil {
		return nil // of a test, in memory
	}
	if ip := addr.Addr(); ip.IsUnspecified() {
		ip = netip.AddrFrom4([4]byte{127, 0, 0, 1})
		if addr.Addr().Is6() {
			ip = netip.IPv6Loopback()
		}
		addr = netip.AddrPortFrom(ip, addr.Port())
	}
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", addr.String())
	if err != nil {
		return err
	}
	defer conn.Close()
	if greets[o.service] == "" {
		return nil
	}
	if deadline, ok := ctx.Deadline(); ok {
		conn.SetDeadline(deadline)
	}
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		return err
	}
	if !strings.HasPrefix(line, greets[o.service]) && !strings.HasPrefix(line, "421 ") && !strings.HasPrefix(line, "* BYE ") {
		return fmt.Errorf("greeting is %.100q", line)
	}
	return nil
}
