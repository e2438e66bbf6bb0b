package quickstart

import (
	"bufio"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"mox/rdap"
)

// wellKnown has mail servers that always answer: cli reference, section 3, step 7.
const wellKnown = "gmail.com"

const dialTimeout = 10 * time.Second

func checkPort25(ctx context.Context, s *survey) []Finding {
	if s.o.SkipDial {
		return []Finding{note("", "Not tried, as -skipdial says.")}
	}
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	l, _, err := s.o.Resolver.LookupMX(ctx, wellKnown)
	if err != nil {
		return []Finding{note("Try later: mox smtp dial "+wellKnown, "Not tried: %v.", err)}
	}
	host := l[0].Host
	greeting, err := greet(ctx, s.o.Machine.Dial, net.JoinHostPort(host, "25"))
	const ask = "Ask the provider of this machine to open port 25 for outgoing connections; many do on request, some never do. Otherwise mail can go out through another server: see Transports and Routes in \"mox config describe-static\"."
	switch {
	case err != nil:
		return []Finding{problem(ask, "No connection to port 25 of %s: %v. The way out seems to be blocked, so mail cannot be sent.", host, err)}
	case !strings.HasPrefix(greeting, "220"):
		return []Finding{problem(ask, "Something else answers on port 25 in place of %s: %.60q.", host, greeting)}
	}
	return []Finding{ok("Port 25 of %s can be reached from here.", host)}
}

// greet connects and reads the first line of the other server.
func greet(ctx context.Context, dial func(ctx context.Context, network, address string) (net.Conn, error), addr string) (string, error) {
	conn, err := dial(ctx, "tcp", addr)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	if end, ok := ctx.Deadline(); ok {
		conn.SetDeadline(end)
	}
	line, err := bufio.NewReader(io.LimitReader(conn, 512)).ReadString('\n')
	if err != nil && line == "" {
		return "", fmt.Errorf("connected, but there is no greeting: %w", err)
	}
	io.WriteString(conn, "QUIT\r\n")
	return strings.TrimSpace(line), nil
}

// checkPorts finds servers on the ports that the configuration has.
func checkPorts(_ context.Context, s *survey) []Finding {
	sockets, err := s.o.Machine.Listening()
	if err != nil {
		return []Finding{note("", "What listens on this machine is not known: %v.", err)}
	}
	taken := map[string][]uint16{} // ports by who has them
	who := map[string]Socket{}
	for _, want := range s.wantedPorts() {
		for _, sock := range sockets {
			if sock.Addr.Port() != want.Port() || !overlap(sock.Addr.Addr(), want.Addr()) {
				continue
			}
			key := sock.Unit + " " + sock.Process
			if !slices.Contains(taken[key], want.Port()) {
				taken[key] = append(taken[key], want.Port())
			}
			who[key] = sock
		}
	}
	if len(taken) == 0 {
		return []Finding{ok("Those that the server needs are free.")}
	}
	var found []Finding
	for key, ports := range taken {
		slices.Sort(ports)
		found = append(found, s.portTaken(who[key], ports))
	}
	slices.SortFunc(found, func(a, b Finding) int { return strings.Compare(a.Text, b.Text) })
	return found
}

// wantedPorts are the addresses and ports that the configuration to be written has.
func (s *survey) wantedPorts() []netip.AddrPort {
	if s.installed {
		return s.o.wanted
	}
	static := s.staticConfig(nil)
	var all []netip.AddrPort
	for _, l := range static.Listeners {
		for _, port := range ports(l) {
			for _, ip := range l.IPs {
				all = append(all, netip.AddrPortFrom(netip.MustParseAddr(ip), port))
			}
		}
	}
	slices.SortFunc(all, netip.AddrPort.Compare)
	return all
}

// overlap tells whether two sockets on one port are in each other's way. A socket for :: may
// be for IPv4 too, which the table of the kernel does not tell.
func overlap(has, wants netip.Addr) bool {
	if has == wants || has.IsUnspecified() && (has.Is6() || wants.Is4()) {
		return true
	}
	return wants.IsUnspecified() && wants.Is4() == has.Is4()
}

func (s *survey) portTaken(sock Socket, ports []uint16) Finding {
	text := make([]string, len(ports))
	for i, p := range ports {
		text[i] = fmt.Sprint(p)
	}
	name := "another program"
	switch {
	case sock.Process != "" && sock.PID != 0:
		name = fmt.Sprintf("%s (process %d)", sock.Process, sock.PID)
	case sock.Process != "":
		name = sock.Process
	}
	remedy := "Find it as root with \"ss -ltnp\" and stop it before mox starts."
	switch {
	case sock.Process == "mox" && s.installed:
		remedy = fmt.Sprintf("If that is another installation of mox, stop it: mox stop, in its directory. If it is a server of this one that hangs: kill %d", sock.PID)
	case sock.Process == "mox":
		remedy = "If that is an installation of mox in another directory, stop it first: mox stop, there."
	case sock.Unit != "":
		remedy = "Stop it, and keep it from starting: systemctl disable --now " + sock.Unit
	case sock.PID != 0:
		remedy = fmt.Sprintf("Stop it before mox starts, and keep it from starting again: process %d.", sock.PID)
	}
	web := func(p uint16) bool { return p == 80 || p == 443 || p == 81 || p == 1080 }
	if slices.ContainsFunc(ports, web) && s.installed {
		remedy = strings.TrimSuffix(remedy, ".") + ". Or let it stay, and have mox listen on other ports (Port in sections HTTP of mox.conf) to which it passes on what is for mox."
	} else if slices.ContainsFunc(ports, web) && !s.o.ExistingWebserver {
		remedy = strings.TrimSuffix(remedy, ".") + ". Or let it stay, and let it pass on to mox what is for mox: run again with -existing-webserver."
	}
	return problem(remedy, "%s already has %s %s, which mox needs.", name, plural(len(ports), "port", "ports"), join(text))
}

// ageAnswer is what an RDAP server said.
type ageAnswer struct {
	registered, date time.Time
	err              error
}

// young is the age below which a domain is a stranger to everybody: cli reference, section 3,
// step 7.
const young = 6 * 7 * 24 * time.Hour

func checkDomainAge(ctx context.Context, s *survey) []Finding {
	var a ageAnswer
	if s.o.SkipDial {
		s.dateReceived <- a
		return []Finding{note("", "Not asked, as -skipdial says.")}
	}
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	a.registered, a.date, a.err = s.o.Machine.DomainAge(ctx, s.Address.Domain)
	s.dateReceived <- a
	day := a.registered.UTC().Format("2 January 2006")
	switch {
	case errors.Is(a.err, rdap.ErrNotFound):
		return []Finding{problem("Register it, or look for a mistake in its name. If it is registered since today, the registry may need some hours.", "The registry does not know %s.", s.Address.Domain)}
	case errors.Is(a.err, rdap.ErrNoServer) || errors.Is(a.err, rdap.ErrNoDate):
		return []Finding{note("", "The registry does not tell when %s was registered.", s.Address.Domain)}
	case a.err != nil:
		return []Finding{note("", "When %s was registered could not be asked: %v.", s.Address.Domain, a.err)}
	case s.o.Now().Sub(a.registered) < young:
		return []Finding{warning("Be patient: write to people who expect it at first, and little; nothing else helps. It passes within some weeks.",
			"%s was registered on %s, less than six weeks ago. Many servers mistrust mail of domains that new.", s.Address.Domain, day)}
	}
	return []Finding{ok("%s was registered on %s.", s.Address.Domain, day)}
}

// Differences of the clock from which on it is told, and harms: codes and signatures of others
// are valid for minutes.
const (
	clockWarning = time.Minute
	clockProblem = 5 * time.Minute
)

const setClock = "Have the clock kept right: systemctl enable --now systemd-timesyncd (or chrony, or ntpsec)."

func checkClock(ctx context.Context, s *survey) []Finding {
	now := s.o.Now()
	if now.Year() < 2025 {
		return []Finding{problem(setClock, "The clock says it is %s.", now.UTC().Format("2 January 2006"))}
	}
	<-s.resolved
	if !s.o.SkipDial && s.resolver == nil { // otherwise there is no answer to wait for
		select {
		case a := <-s.dateReceived:
			if f, known := compareClock(now, a); known {
				return []Finding{f}
			}
		case <-ctx.Done():
		}
	}
	synchronised, known := s.o.Machine.Synchronised()
	switch {
	case !known:
		return []Finding{note("Look at it yourself: date -u", "It is %s, and nobody was asked whether that is right.", now.UTC().Format("2 January 2006, 15:04 UTC"))}
	case !synchronised:
		return []Finding{warning(setClock, "Nothing keeps the clock right. Certificates and signatures need the time.")}
	}
	return []Finding{ok("Kept right by the system.")}
}

func compareClock(now time.Time, a ageAnswer) (Finding, bool) {
	var invalid x509.CertificateInvalidError
	if errors.As(a.err, &invalid) && invalid.Reason == x509.Expired {
		return problem(setClock, "By the clock of this machine, %s, the certificate of a well-known server is not valid. The clock seems to be wrong.", now.UTC().Format("2 January 2006, 15:04 UTC")), true
	}
	if a.date.IsZero() {
		return Finding{}, false
	}
	off := now.Sub(a.date).Abs().Round(time.Second)
	switch {
	case off >= clockProblem:
		return problem(setClock, "The clock is %s away from that of another server. Certificates, signatures and logins by code fail.", off), true
	case off >= clockWarning:
		return warning(setClock, "The clock is %s away from that of another server.", off), true
	}
	return ok("Agrees with that of another server."), true
}
