package imapserver

import (
	"bufio"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"
)

// lineClient says lines and collects what comes back.
type lineClient struct {
	t  testing.TB
	nc net.Conn
	br *bufio.Reader
	n  int
}

func newLineClient(t testing.TB, nc net.Conn) *lineClient {
	t.Helper()
	nc.SetDeadline(time.Now().Add(time.Minute))
	c := &lineClient{t: t, nc: nc, br: bufio.NewReader(nc)}
	c.line()
	return c
}

func (c *lineClient) close() { c.nc.Close() }

func (c *lineClient) line() string {
	c.t.Helper()
	s, err := c.br.ReadString('\n')
	if err != nil {
		c.t.Fatalf("reading: %v", err)
	}
	return strings.TrimSuffix(s, "\r\n")
}

// do says a command, and returns the untagged responses and the tagged one, without tag. A
// BYE counts as the tagged one.
func (c *lineClient) do(command string) (untagged []string, tagged string) {
	c.t.Helper()
	c.n++
	tag := fmt.Sprintf("x%d", c.n)
	if _, err := c.nc.Write([]byte(tag + " " + command + "\r\n")); err != nil {
		c.t.Fatalf("writing: %v", err)
	}
	for {
		l := c.line()
		if rest, ok := strings.CutPrefix(l, tag+" "); ok {
			return untagged, rest
		}
		if strings.HasPrefix(l, "* BYE") {
			return untagged, l[2:]
		}
		untagged = append(untagged, l)
	}
}

// ok is do for a command that must succeed.
func (c *lineClient) ok(command string) []string {
	c.t.Helper()
	untagged, tagged := c.do(command)
	if !strings.HasPrefix(tagged, "OK") {
		c.t.Fatalf("%s: %s", command, tagged)
	}
	return untagged
}
