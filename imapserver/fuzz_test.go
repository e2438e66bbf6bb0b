package imapserver

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"testing"
	"time"
)

// FuzzSession: whatever a client sends after login, the session ends without panic,
// the account stays consistent, and nobody else is harmed.
func FuzzSession(f *testing.F) {
	for _, s := range []string{
		"b SELECT INBOX\r\nc FETCH 1:* (FLAGS BODY[] ENVELOPE BODYSTRUCTURE BINARY[1] BINARY.SIZE[1])\r\nd UID FETCH * BODY[1.2.HEADER.FIELDS (A)]<1.2>\r\n",
		"b ENABLE QRESYNC\r\nc SELECT INBOX (QRESYNC (1 1 1:5 (1:2 1:2)))\r\nd STORE 1:* (UNCHANGEDSINCE 0) FLAGS (x)\r\ne EXPUNGE\r\n",
		"b SELECT INBOX\r\nc SEARCH RETURN (SAVE MIN) OR TEXT x NOT HEADER a b\r\nd MOVE $ Archive\r\ne IDLE\r\nDONE\r\n",
		"b APPEND INBOX (\\Seen) {3+}\r\nabc {5+}\r\n12345\r\nc STATUS INBOX (MESSAGES)\r\n",
		"b CREATE a/b\r\nc RENAME a c\r\nd DELETE c/b\r\ne LIST (SUBSCRIBED) \"\" * RETURN (STATUS (SIZE))\r\nf LSUB \"\" %\r\n",
		"b ENABLE METADATA\r\nc SETMETADATA INBOX (/private/comment ~{1+}\r\n\x00 /private/specialuse \"\\\\Sent\")\r\nd GETMETADATA (DEPTH infinity MAXSIZE 5) INBOX /private\r\ne LIST \"\" * RETURN (METADATA (/private/comment))\r\n",
		"b SELECT INBOX\r\nc NOTIFY SET STATUS (selected (MessageNew (UID BODY[1]) MessageExpunge FlagChange)) (subtree (\"\" Sent) (MailboxName SubscriptionChange)) (personal (MessageNew MessageExpunge ServerMetadataChange))\r\nd COPY 1 INBOX\r\ne STORE 1 +FLAGS x\r\nf IDLE\r\nDONE\r\ng NOTIFY NONE\r\n",
		"b SELECT INBOX (ANNOTATE)\r\nc STORE 1:* ANNOTATION (/comment (value.priv ~{1+}\r\n\x00 value.shared \"x\") /1/flags/seen (value.priv \"1\"))\r\nd FETCH 1:* (ANNOTATION ((/* /%) (value size)))\r\ne SEARCH ANNOTATION * value \"x\"\r\nf COPY 1 Archive\r\n",
		"b SETACL INBOX chris +lrcd\r\nc GETACL INBOX\r\nd LISTRIGHTS INBOX -x\r\ne MYRIGHTS \"Other Users/chris/INBOX\"\r\nf LIST \"\" % RETURN (MYRIGHTS)\r\n",
		"b SELECT \"Other Users/chris/Archive\"\r\nc COPY 1 INBOX\r\nd MOVE 1 \"Other Users/chris/Archive\"\r\ne CREATE \"Other Users/chris/Archive/x\"\r\nf RENAME \"Other Users/chris/Archive/x\" y\r\n",
		"b SELECT INBOX\r\nc ENABLE UIDONLY QRESYNC\r\nd UID FETCH 1:* (UID FLAGS BODY[])\r\ne UID SEARCH NOT 1\r\nf UID MOVE 1 Archive\r\ng UNAUTHENTICATE\r\nh NOOP\r\n",
		"b COMPRESS DEFLATE\r\n\x4a\x34\x54\x08\x76\xf5\x71\x75",
		"b EXAMINE INBOX\r\nc COPY 1:2 Sent\r\nd CLOSE\r\ne GETQUOTAROOT INBOX\r\nf ID (\"a\" \"b\")\r\n",
		"b SELECT INBOX\r\nc UID REPLACE 1 INBOX (\\Seen) CATENATE (TEXT {3+}\r\nabc URL \";UID=4/;SECTION=3.1.MIME\" URL /INBOX/;UID=4/;PARTIAL=1.2)\r\nd REPLACE * Sent {3+}\r\nabc\r\n",
		"b GENURLAUTH \"imap://mjl%40mox.example@x/INBOX/;UID=4/;SECTION=2;URLAUTH=authuser\" INTERNAL\r\nc URLFETCH (\"imap://mjl%40mox.example@x/INBOX/;UID=4/;SECTION=2;URLAUTH=authuser:internal:01234567890123456789012345678901\" BODYPARTSTRUCTURE BINARY)\r\nd RESETKEY INBOX\r\n",
		"b SELECT INBOX\r\nc UID SORT RETURN (UPDATE PARTIAL -1:-5 COUNT SAVE) (REVERSE SUBJECT DATE) UTF-8 ALL\r\nd STORE 1:* +FLAGS (\\Deleted)\r\ne EXPUNGE\r\nf CANCELUPDATE \"c\"\r\n",
		"b SELECT INBOX\r\nc SEARCH RETURN (UPDATE CONTEXT) NOT 1:2 UNSEEN\r\nd FETCH 1:* BODY[]\r\ne SEARCH RETURN (UPDATE) OLDER 5\r\nf MOVE 1 Archive\r\n",
		"b SELECT INBOX\r\nc THREAD REFERENCES UTF-8 ALL\r\nd UID THREAD REFS UTF-8 $\r\ne THREAD ORDEREDSUBJECT US-ASCII TEXT x\r\nf COMPARATOR \"-i;*\"\r\ng SORT (DISPLAYFROM CC) UTF-8 BODY X\r\nh LANGUAGE en-x-y *\r\n",
		"b SELECT INBOX\r\nc SETMETADATA \"\" (/private/filters/values/x \"OR TEXT a NOT FILTER y\" /shared/filters/values/y \"FILTER x\")\r\nd SEARCH FILTER y\r\ne THREAD REFS UTF-8 NOT FILTER X\r\n",
		"b ESEARCH IN (mailboxes (INBOX x) subtree-one Sent personal) RETURN (MIN PARTIAL 1:2) TEXT a\r\nc SELECT INBOX\r\nd ESEARCH RETURN (SAVE) 1:9\r\ne UID ESEARCH IN (selected subscribed) RETURN (UPDATE) $\r\n",
		"b SELECT INBOX\r\nc SEARCH RETURN (RELEVANCY PARTIAL 1:2) FUZZY (TEXT helo NOT SUBJECT \"a b\" HEADER x y SEEN)\r\nd SORT (RELEVANCY REVERSE DATE) UTF-8 FUZZY FUZZY BODY hello\r\ne ESEARCH IN (personal) RETURN (RELEVANCY ALL) OR FUZZY FROM fred UNSEEN\r\n",
	} {
		f.Add([]byte(s))
	}
	ts := newTestServer(f, testOptions{log: 100, sharing: true})
	ts.setACL("chris", "Archive", "mjl", "lrswipkxtea")
	addr := ts.tcp(Listener{Service: "imap", PlaintextAuth: true})
	for i := range 3 {
		ts.add("Inbox", smallMessage(i), 0)
	}
	ts.add("Inbox", testMessages["nested"], 0)
	f.Fuzz(func(t *testing.T, in []byte) {
		nc, err := net.Dial("tcp", addr)
		if err != nil {
			t.Skip(err)
		}
		defer nc.Close()
		nc.SetDeadline(time.Now().Add(time.Minute))
		var all bytes.Buffer
		fmt.Fprintf(&all, "a LOGIN %q %q\r\n", testUser, testPassword)
		all.Write(in)
		go func() {
			// The server may end the connection first.
			_, _ = nc.Write(all.Bytes())
			_ = nc.(*net.TCPConn).CloseWrite()
		}()
		if _, err := io.Copy(io.Discard, nc); err != nil {
			if ne, ok := err.(net.Error); ok && ne.Timeout() {
				t.Errorf("session does not end for %q", in)
			}
		}
		if *ts.panics > 0 {
			t.Errorf("panic for %q", in)
		}
	})
}
