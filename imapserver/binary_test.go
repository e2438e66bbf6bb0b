package imapserver

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"testing"
)

// TestNUL: RFC 9051 9 has no NUL in a literal, which BODY[] of a message with binary parts
// would have. BINARY[] has it, in a literal8.
func TestNUL(t *testing.T) {
	const header = "Content-Transfer-Encoding: binary\r\nContent-Type: image/png\r\nX-Odd: a\x00b\r\n\r\n"
	// Longer than the pieces that content is read and written in.
	long := strings.Repeat("\x00\x01\x02\xff", 100_000)
	lf := func(s string) string { return strings.ReplaceAll(s, "\r\n", "\n") } // add makes it CRLF
	ts := newTestServer(t, testOptions{})
	ts.add("Inbox", lf(header+"\x00\x00 end\r\n"), 0)
	ts.add("Inbox", lf(header+long), 0)
	conn, err := ts.ln.Dial(remote)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	r := bufio.NewReader(conn)
	until := func(prefix string) {
		t.Helper()
		for {
			line, err := r.ReadString('\n')
			if err != nil {
				t.Fatal(err)
			}
			if strings.HasPrefix(line, prefix) {
				return
			}
		}
	}
	until("* OK")
	fmt.Fprintf(conn, "a LOGIN \"%s\" \"te\\\"st p\\\\ss\"\r\n", testUser)
	until("a OK")
	fmt.Fprint(conn, "b EXAMINE INBOX\r\n")
	until("b OK")
	literal := func(s string) string { return fmt.Sprintf("{%d}\r\n%s", len(s), s) }
	clean := func(s string) string { return strings.ReplaceAll(s, "\x00", "\x80") }
	for _, tc := range []struct{ command, want string }{
		{"1 (RFC822.SIZE BODY.PEEK[])", fmt.Sprintf("* 1 FETCH (RFC822.SIZE %d BODY[] %s)", len(header)+8, literal(clean(header+"\x00\x00 end\r\n")))},
		{"1 BODY.PEEK[1]<1.3>", "* 1 FETCH (BODY[1]<1> {3}\r\n\x80 e)"},
		{"1 BODY.PEEK[HEADER.FIELDS (X-Odd)]", "* 1 FETCH (BODY[HEADER.FIELDS (X-Odd)] " + literal("X-Odd: a\x80b\r\n\r\n") + ")"},
		{"1 (BINARY.SIZE[1] BINARY.PEEK[1])", "* 1 FETCH (BINARY.SIZE[1] 8 BINARY[1] ~" + literal("\x00\x00 end\r\n") + ")"},
		{"1 BINARY.PEEK[]", "* 1 FETCH (BINARY[] ~" + literal(header+"\x00\x00 end\r\n") + ")"},
		{"2 BODY.PEEK[]", "* 2 FETCH (BODY[] " + literal(clean(header+long)) + ")"},
		{"2 BODY.PEEK[1]<1.399998>", "* 2 FETCH (BODY[1]<1> " + literal(clean(long[1:399_999])) + ")"},
		{"2 BINARY.PEEK[1]", "* 2 FETCH (BINARY[1] ~" + literal(long) + ")"},
	} {
		fmt.Fprintf(conn, "c FETCH %s\r\n", tc.command)
		b := make([]byte, len(tc.want)+len("\r\nc OK"))
		if _, err := io.ReadFull(r, b); err != nil {
			t.Fatal(tc.command, err)
		}
		if got := string(b); got != tc.want+"\r\nc OK" {
			t.Fatalf("%s: got %.300q\nwant %.300q", tc.command, got, tc.want)
		}
		until("") // the rest of the line
	}
}
