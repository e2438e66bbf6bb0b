//go:build unix

package serve

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"mox/config"
)

// lines connects to a service, says something, and returns the lines that come back
// until the connection ends.
func (in *installation) lines(service, say string) []string {
	in.t.Helper()
	conn, err := net.DialTimeout("tcp", in.addr(service), time.Minute)
	if err != nil {
		in.t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(time.Minute))
	if _, err := io.WriteString(conn, say); err != nil {
		in.t.Fatal(err)
	}
	var all []string
	for s := bufio.NewScanner(conn); s.Scan(); {
		all = append(all, s.Text())
	}
	return all
}

// metric returns the value of a line of the metrics.
func (in *installation) metric(name string) string {
	in.t.Helper()
	resp, err := http.Get("http://" + in.addr("metrics") + "/metrics")
	if err != nil {
		in.t.Fatal(err)
	}
	defer resp.Body.Close()
	for s := bufio.NewScanner(resp.Body); s.Scan(); {
		if rest, ok := strings.CutPrefix(s.Text(), name+" "); ok {
			return rest
		}
	}
	return "none"
}

// waitMetric waits until a line of the metrics has a value, at most 2 s.
func (in *installation) waitMetric(name, want string) {
	in.t.Helper()
	got := ""
	for range 3000 {
		if got = in.metric(name); got == want {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	in.t.Errorf("%s is %s, want %s", name, got, want)
}

// TestProxied: a listener behind a proxy knows its clients, and has no others; metrics
// are asked directly.
func TestProxied(t *testing.T) {
	in := install(t, "127.0.0.71", func(s *config.Static, _ *config.Dynamic) {
		l := s.Listeners["local"]
		l.ProxyProtocol = []string{"127.0.0.0/8"}
		s.Listeners["local"] = l
	})
	r := in.serving()
	const header = "PROXY TCP4 192.0.2.1 127.0.0.71 12345 25\r\n"
	// From an address that is not ours, our name is refused.
	got := in.lines("smtp", header+"EHLO localhost\r\nEHLO client.example\r\nQUIT\r\n")
	if len(got) < 4 || !strings.HasPrefix(got[1], "550 5.7.1 ") || !slices.Contains(got, "250-BINARYMIME") || slices.Contains(got, "250-REQUIRETLS") {
		t.Errorf("%q", got)
	}
	if got := in.lines("imap", header+"a LOGOUT\r\n"); len(got) != 3 || !strings.HasPrefix(got[0], "* OK ") {
		t.Errorf("%q", got)
	}
	if got := in.lines("smtp", "EHLO client.example\r\nQUIT\r\n"); len(got) != 0 {
		t.Errorf("without header: %q", got)
	}
	// It is counted when the connection has been closed.
	in.waitMetric(`mox_proxy_connection_refused_total{listener="local",reason="header"}`, "1")
	r.waitLog("remote=192.0.2.1")
	conn, err := net.Dial("tcp", in.addr("imap"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, header); err != nil {
		t.Fatal(err)
	}
	if _, err := bufio.NewReader(conn).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	const open = `mox_connections_count{listener="local",protocol="imap"}`
	in.waitMetric(open, "1")
	conn.Close()
	in.waitMetric(open, "0")
	if _, err := r.control("stop"); err != nil {
		t.Error(err)
	}
}

// TestLMTP: RFC 2033, without login and with a reply for each recipient.
func TestLMTP(t *testing.T) {
	in := install(t, "127.0.0.72", nil)
	static, dynamic := in.conf()
	l := static.Listeners["local"]
	l.LMTP = config.LMTP{Enabled: true, Port: in.port["lmtp"]}
	static.Listeners["local"] = l
	in.write(static, dynamic)
	r := in.serving()
	got := in.lines("lmtp", "LHLO localhost\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<mox@mox.example>\r\nRCPT TO:<nobody@mox.example>\r\n"+
		"RCPT TO:<postmaster@localhost>\r\nDATA\r\nSubject: hi\r\n\r\ntext\r\n.\r\nQUIT\r\n")
	if len(got) == 0 || got[0] != "220 localhost LMTP mox" {
		t.Fatalf("%q", got)
	}
	if s := strings.Join(got, "\n"); strings.Contains(s, "AUTH") {
		t.Error("login is offered")
	}
	var codes []string
	for _, s := range got[len(got)-8:] {
		codes = append(codes, s[:min(9, len(s))])
	}
	if want := []string{"250 2.1.0", "250 2.1.5", "550 5.1.1", "250 2.1.5", "354 send ", "250 2.0.0", "250 2.0.0", "221 2.0.0"}; !slices.Equal(codes, want) {
		t.Errorf("%q", got)
	}
	if _, err := r.control("stop"); err != nil {
		t.Error(err)
	}
}
