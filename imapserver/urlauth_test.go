package imapserver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"mox/imapclient"
	"mox/store"
)

// authorizedURL asks for the authorization of a URL.
func authorizedURL(t *testing.T, c *imapclient.Client, rump string) string {
	t.Helper()
	urls, err := c.AuthorizeURLs(context.Background(), rump)
	if err != nil || len(urls) != 1 {
		t.Fatalf("GENURLAUTH: %q, %v", urls, err)
	}
	return urls[0]
}

// TestOpenURL: what the submission server may read for whom.
func TestOpenURL(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	ts := newTestServer(t, testOptions{config: func(c *Config) {
		c.Now = func() time.Time { return now }
		c.OwnHost = func(host string) bool { return host == "mox.example" }
	}})
	ctx := context.Background()
	if err := ts.store.Create(ctx, "chris", store.InitialMailboxes{}); err != nil {
		t.Fatal(err)
	}
	ts.add("Inbox", testMessages["nested"], 0)
	c := ts.client()
	const base = "imap://mjl%40mox.example@mox.example/INBOX/;UID=1/;SECTION=1"
	submit := authorizedURL(t, c, base+";URLAUTH=submit+mjl%40mox.example")
	text := "part one"
	for _, tc := range []struct {
		name, account, url, want string
		err                      error
	}{
		{"submit", "mjl", submit, text, nil},
		{"submit by another", "chris", submit, "", ErrURLDenied},
		{"submit for another", "chris", authorizedURL(t, c, base+";URLAUTH=submit+chris%40mox.example"), text, nil},
		{"submit for another, by me", "mjl", authorizedURL(t, c, base+";URLAUTH=submit+chris%40mox.example"), "", ErrURLDenied},
		{"submit for nobody", "mjl", authorizedURL(t, c, base+";URLAUTH=submit+nobody"), "", ErrURLDenied},
		{"user", "mjl", authorizedURL(t, c, base+";URLAUTH=user+mjl%40mox.example"), "", ErrURLDenied},
		{"authuser", "chris", authorizedURL(t, c, base+";URLAUTH=authuser"), text, nil},
		{"not yet expired", "mjl", authorizedURL(t, c, base+";EXPIRE=2026-01-02T03:04:05Z;URLAUTH=submit+mjl%40mox.example"), text, nil},
		{"expired", "mjl", authorizedURL(t, c, base+";EXPIRE=2026-01-02T04:04:04.9+01:00;URLAUTH=submit+mjl%40mox.example"), "", ErrURLDenied},
		{"partial", "mjl", authorizedURL(t, c, base+"/;PARTIAL=5.2;URLAUTH=submit+mjl%40mox.example"), "on", nil},
		{"header fields", "mjl", authorizedURL(t, c, "imap://mjl%40mox.example@mox.example/INBOX/;UID=1/;SECTION=HEADER.FIELDS%20(To);URLAUTH=submit+mjl%40mox.example"), "To: b@example.org\r\n\r\n", nil},
		{"no message", "mjl", authorizedURL(t, c, "imap://mjl%40mox.example@mox.example/INBOX/;UID=2;URLAUTH=submit+mjl%40mox.example"), "", ErrURLGone},
		{"wrong token", "mjl", submit[:len(submit)-1] + string("0123456789abcdef"[(strings.IndexByte("0123456789abcdef", submit[len(submit)-1])+1)%16]), "", ErrURLDenied},
		{"short token", "mjl", submit[:len(submit)-2], "", ErrURLDenied},
		{"other version of the token", "mjl", strings.Replace(submit, ":internal:01", ":internal:02", 1), "", ErrURLDenied},
		{"other mechanism", "mjl", strings.Replace(submit, ":internal:", ":xsample:", 1), "", ErrURLDenied},
		{"other case", "mjl", strings.Replace(submit, "/INBOX/", "/inbox/", 1), "", ErrURLDenied},
		{"upper case token", "mjl", submit[:strings.LastIndexByte(submit, ':')+1] + strings.ToUpper(submit[strings.LastIndexByte(submit, ':')+1:]), text, nil},
		{"not authorized", "mjl", base + ";URLAUTH=submit+mjl%40mox.example", "", ErrURLDenied},
		{"other host", "mjl", strings.Replace(submit, "@mox.example", "@imap.example.org", 1), "", ErrURLHost},
		{"own", "mjl", base, text, nil},
		{"own, other host", "mjl", strings.Replace(base, "@mox.example", "@imap.example.org", 1), "", ErrURLHost},
		{"own, no part", "mjl", base + "0", "", ErrURLGone},
		{"own, no mailbox", "mjl", strings.Replace(base, "INBOX", "Nowhere", 1), "", ErrURLGone},
		{"another's", "chris", base, "", ErrURLDenied},
		{"nobody's", "mjl", "imap://mox.example/INBOX/;UID=1", "", ErrURLDenied},
		{"relative", "mjl", "/INBOX/;UID=1", "", ErrURLDenied},
		{"relative, authorized", "mjl", "/INBOX/;UID=1;URLAUTH=authuser:internal:01234567890123456789012345678901", "", ErrURLDenied},
		{"http", "mjl", "http://mox.example/", "", ErrURL},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r, err := ts.OpenURL(ctx, tc.account, tc.url)
			if !errors.Is(err, tc.err) {
				t.Fatalf("error %v, want %v", err, tc.err)
			}
			if err != nil {
				return
			}
			defer r.Close()
			got, err := io.ReadAll(r)
			if err != nil || string(got) != tc.want || r.Size != int64(len(got)) {
				t.Errorf("%q of size %d, %v", got, r.Size, err)
			}
		})
	}
}

// TestURLFetchNUL compares octets that transcripts do not show: a literal8 has NUL, a
// literal has none.
func TestURLFetchNUL(t *testing.T) {
	ts := newTestServer(t, testOptions{})
	ts.add("Inbox", testMessages["nul"], 0)
	url := authorizedURL(t, ts.client(), "imap://mjl%40mox.example@x/INBOX/;UID=1/;SECTION=2;URLAUTH=authuser")
	nc, err := net.Dial("tcp", ts.tcp(Listener{Service: "imap", PlaintextAuth: true}))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	nc.SetDeadline(time.Now().Add(time.Minute))
	fmt.Fprintf(nc, "a LOGIN %q %q\r\nb URLFETCH (\"%s\" BINARY) \"%s\"\r\nc LOGOUT\r\n", testUser, testPassword, url, url)
	all, err := io.ReadAll(nc)
	if err != nil {
		t.Fatal(err)
	}
	want := "* URLFETCH \"" + url + "\" (BINARY ~{3}\r\na\x00b)\r\n* URLFETCH \"" + url + "\" {3}\r\na\x80b\r\nb OK"
	if !strings.Contains(string(all), want) {
		t.Errorf("%q has no %q", all, want)
	}
}
