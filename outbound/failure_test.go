package outbound

import (
	"context"
	"fmt"
	"net"
	"os"
	"syscall"
	"testing"

	"mox/smtpclient"
)

// A server that refuses the content says nothing about those it was for, unless it does.
func TestContentRefused(t *testing.T) {
	for _, tc := range []struct {
		verb string
		code int
		enh  string
		own  bool
	}{
		{smtpclient.VerbEnd, 550, "5.7.1", true},
		{smtpclient.VerbEnd, 554, "", true},
		{"BDAT", 550, "5.6.0", true},
		{smtpclient.VerbEnd, 550, "5.1.1", false},
		{"BDAT", 550, "5.2.1", false},
		{smtpclient.VerbEnd, 451, "4.7.1", false},
		{"RCPT", 550, "5.7.1", false},
		{"RCPT", 550, "", false},
	} {
		f := fromError(&smtpclient.Error{Verb: tc.verb, Code: tc.code, Enhanced: tc.enh, Permanent: tc.code >= 500, Text: "no"}, "mx.test", "192.0.2.1")
		if f.own != tc.own {
			t.Errorf("%s %d %s: own %v", tc.verb, tc.code, tc.enh, f.own)
		}
	}
}

// TestDialReason: what the sender reads when there is no connection.
func TestDialReason(t *testing.T) {
	refused := &net.OpError{Op: "dial", Net: "tcp4", Source: &net.TCPAddr{IP: net.IPv4(192, 0, 2, 9)}, Addr: &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 25},
		Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
	for _, c := range []struct {
		err  error
		want string
	}{
		{refused, "connection refused"},
		{&net.OpError{Op: "dial", Err: syscall.ENETUNREACH}, "network is unreachable"},
		{&net.OpError{Op: "dial", Err: os.ErrDeadlineExceeded}, "no answer in time"},
		{&net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ETIMEDOUT)}, "no answer in time"},
		{context.DeadlineExceeded, "context deadline exceeded"},
		{fmt.Errorf("through proxy p.example: %w", refused), "through proxy p.example: " + refused.Error()},
	} {
		if got := dialReason(c.err); got != c.want {
			t.Errorf("%v: %q, want %q", c.err, got, c.want)
		}
	}
}
