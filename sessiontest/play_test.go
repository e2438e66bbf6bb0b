package sessiontest

import (
	"bufio"
	"fmt"
	"net"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"
)

func echo(nc net.Conn) {
	defer nc.Close()
	fmt.Fprintf(nc, "hello you\r\n")
	r := bufio.NewReader(nc)
	for {
		s, err := r.ReadString('\n')
		if err != nil || s == "QUIT\r\n" {
			return
		}
		fmt.Fprint(nc, s)
	}
}

func TestPlay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewListener(netip.MustParseAddrPort("10.0.0.1:25"))
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				go echo(c)
			}
		}()
		marked := ""
		start := time.Now()
		Run(t, "testdata/echo.txt", Options{
			Dial:    func(string) (net.Conn, error) { return l.Dial(netip.MustParseAddrPort("10.0.0.2:1234")) },
			Actions: map[string]func(testing.TB, string){"mark": func(_ testing.TB, s string) { marked = s }},
		})
		if marked != "a you" || time.Since(start) != 10*time.Millisecond {
			t.Error(marked, time.Since(start))
		}
		l.Close()
		if _, err := l.Dial(netip.AddrPort{}); err == nil {
			t.Error("dialed a closed listener")
		}
	})
}

func TestPattern(t *testing.T) {
	for _, tc := range []struct {
		pattern, line string
		ok            bool
	}{
		{"250 ok", "250 ok", true}, {"250 ok", "250 ok ", false}, {"250 ...", "250 any thing", true}, {"...", "", true},
		{"(a) [${v}] ...", "(a) [val] x", true}, {"(a) [${v}]", "(a) [other]", false}, {"${w=}-...", "x-y", true},
	} {
		re, _, err := pattern(tc.pattern, map[string]string{"v": "val"})
		if err != nil || re.MatchString(tc.line) != tc.ok {
			t.Errorf("%q on %q: %v", tc.pattern, tc.line, err)
		}
	}
	if _, _, err := pattern("${none}", nil); err == nil {
		t.Error("unset variable accepted")
	}
	for _, s := range []string{"X: a", "C", "hello", "C= a", "S*2= x"} {
		if _, err := parseStep(s); err == nil {
			t.Errorf("%q accepted", s)
		}
	}
}
