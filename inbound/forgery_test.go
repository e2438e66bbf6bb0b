package inbound

import (
	"strings"
	"testing"

	"mox/dns"
)

var ours = []dns.Domain{{ASCII: "mx.example"}}

// filtered writes a message in pieces of a size.
func filtered(t testing.TB, s string, size int) string {
	t.Helper()
	var b strings.Builder
	f := newForgeryFilter(&b, ours)
	for i := 0; i < len(s); i += size {
		n, err := f.Write([]byte(s[i:min(i+size, len(s))]))
		if err != nil || n != min(size, len(s)-i) {
			t.Fatal(n, err)
		}
	}
	if err := f.Flush(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestForgery(t *testing.T) {
	long := strings.Repeat("x", 3*maxFilterLine)
	for _, tc := range []struct{ in, want string }{
		{"From: a\r\nAuthentication-Results: mx.example; spf=pass\r\n\tsmtp.mailfrom=a\r\nTo: b\r\n\r\nAuthentication-Results: mx.example; none\r\n", "From: a\r\nTo: b\r\n\r\nAuthentication-Results: mx.example; none\r\n"},
		{"Authentication-Results: other.example; none\r\n\r\n", "Authentication-Results: other.example; none\r\n\r\n"},
		{"AUTHENTICATION-results :\r\n (comment)\r\n MX.example 1; none\r\nTo: b\r\n\r\n", "To: b\r\n\r\n"},
		{"X-Mox-Reason: trusted\r\n y\r\nTo: b\r\n\r\n", "To: b\r\n\r\n"},
		{"To: b\r\nAuthentication-Results: mx.example; none", "To: b\r\n"},
		{"To: b\r\nAuthentication-Results: o; none", "To: b\r\nAuthentication-Results: o; none"},
		{"To: b\r\nnot a field\r\nAuthentication-Results: mx.example; none\r\n", "To: b\r\nnot a field\r\nAuthentication-Results: mx.example; none\r\n"},
		{"To: " + long + "\r\nAuthentication-Results: mx.example; " + long + "\r\n " + long + "\r\nCc: c\r\n\r\n" + long, "To: " + long + "\r\nCc: c\r\n\r\n" + long},
		{"Authentication-Results: (" + strings.Repeat("x\r\n ", maxFilterField) + ") mx.example; none\r\nCc: c\r\n\r\n", "Cc: c\r\n\r\n"},
		{"", ""}, {"\r\n", "\r\n"}, {"\r\nbody", "\r\nbody"}, {"x", "x"},
	} {
		for _, size := range []int{1, 7, 4096, 1 << 20} {
			if got := filtered(t, tc.in, size); got != tc.want {
				t.Errorf("%.80q in pieces of %d: got %.80q, want %.80q", tc.in, size, got, tc.want)
			}
		}
	}
}

// FuzzForgery: what comes out does not depend on the pieces, is never more than came
// in, and has no forged field that would be found in it once more.
func FuzzForgery(f *testing.F) {
	f.Add("From: a\r\nAuthentication-Results: mx.example; spf=pass\r\n x\r\n\r\nbody", uint8(3))
	f.Fuzz(func(t *testing.T, s string, size uint8) {
		whole := filtered(t, s, len(s)+1)
		if got := filtered(t, s, int(size)+1); got != whole {
			t.Fatalf("%q in pieces: %q, as a whole: %q", s, got, whole)
		}
		if len(whole) > len(s) {
			t.Fatal("longer")
		}
		if again := filtered(t, whole, len(s)+1); again != whole {
			t.Fatalf("%q, again %q", whole, again)
		}
	})
}
