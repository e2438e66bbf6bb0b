package serve

import (
	"crypto/tls"
	"fmt"
	"strings"
	"testing"
	"time"

	"mox/config"
	"mox/imapclient"
)

// TestDocumentText searches for the text of a document, which programs read that can read
// nothing else, whoever else may.
func TestDocumentText(t *testing.T) {
	needRoot(t)
	in := install(t, "127.0.77.21", nil)
	static, dynamic := in.conf()
	spy := fmt.Sprintf("cat %s >/dev/null 2>&1 && echo mail-read; cat /etc/passwd >/dev/null 2>&1 && echo system-read; echo ended", in.data("accounts/mox/account.db"))
	static.DocumentText = []config.DocumentText{
		{Types: []string{"application/x-upper"}, Command: []string{"/usr/bin/tr", "a-z", "A-Z"}},
		{Types: []string{"application/x-spy"}, Command: []string{"/bin/sh", "-c", spy}},
	}
	in.write(static, dynamic)
	r := in.serving()
	if _, err := r.control("setaccountpassword", "mox", "test-password-1"); err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	c, err := imapclient.Dial(ctx, in.addr("imaps"), imapclient.Implicit, &tls.Config{InsecureSkipVerify: true}, imapclient.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Login(ctx, "mox@mox.example", "test-password-1"); err != nil {
		t.Fatal(err)
	}
	msg := "Subject: x\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\nContent-Type: application/x-upper\r\n\r\nwords of a document\r\n--x\r\nContent-Type: application/x-spy\r\n\r\nx\r\n--x--\r\n"
	if _, err := c.Append(ctx, "INBOX", imapclient.AppendMessage{Size: int64(len(msg)), Data: strings.NewReader(msg)}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Select(ctx, "INBOX", ""); err != nil {
		t.Fatal(err)
	}
	found := func(needle string) bool {
		t.Helper()
		res, err := c.Search(ctx, false, "", "BODY "+needle)
		if err != nil {
			t.Fatal(err)
		}
		return len(res.Numbers) > 0
	}
	for deadline := time.Now().Add(time.Minute); !found(`"WORDS OF"`); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the document is not found:\n%s", r.log.String())
		}
	}
	for needle, want := range map[string]bool{"ended": true, "mail-read": false, "system-read": false} {
		if found(needle) != want {
			t.Errorf("%q is found: %v", needle, !want)
		}
	}
	in.wantMetrics("mox_search_index_lag_seconds 0", "mox_search_indexed_messages_total 1")
	if _, err := r.control("stop"); err != nil {
		t.Error(err)
	}
	r.wantExit(0, "mox has stopped")
}
