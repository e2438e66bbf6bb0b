package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mox/imapclient"
	"mox/imapimport"
	"mox/moxtest"
)

// TestImportIMAP takes one account of a server over into others of it, through its control
// socket.
func TestImportIMAP(t *testing.T) {
	t.Parallel()
	mox := moxtest.New(t, moxtest.WithAccount("old", "old@mox.example"), moxtest.WithAccount("a", "a@mox.example"), moxtest.WithAccount("b", "b@mox.example"))
	c := mox.DialIMAP(t, "old")
	if err := c.Create(t.Context(), "Work/Übersicht"); err != nil {
		t.Fatal(err)
	}
	for i, box := range []string{"INBOX", "INBOX", "Work/Übersicht", "Sent"} {
		text := fmt.Sprintf("Message-ID: <%d@x>\r\n\r\nx\r\n", i)
		if _, err := c.Append(t.Context(), box, imapclient.AppendMessage{Flags: []string{`\Seen`, "work"}, Size: int64(len(text)), Data: strings.NewReader(text)}); err != nil {
			t.Fatal(err)
		}
	}
	run := func(status int, args ...string) string {
		t.Helper()
		p, stdout, stderr := testProgram()
		p.roots, p.getenv = mox.RootCAs, func(name string) string { return map[string]string{"MOX_IMAP_PASSWORD": moxtest.Password}[name] }
		args = append([]string{"-config", filepath.Join(mox.Dir, "mox.conf"), "import", "imap", "-host", mox.IMAPAddr(), "-tls", "starttls"}, args...)
		if got := p.main(args); got != status {
			t.Fatalf("%q: status %d, want %d: %s%s", args, got, status, stdout, stderr)
		}
		return stdout.String() + stderr.String()
	}
	want := func(got, part string) {
		t.Helper()
		if !strings.Contains(got, part) {
			t.Errorf("output lacks %q: %s", part, got)
		}
	}
	got := run(0, "-user", "old@mox.example", "-verify", "a")
	want(got, "a: 4 messages in 8 mailboxes, 4 added (")
	want(got, "a: Work/Übersicht -> Work/Übersicht: 1 messages of 24 bytes there, 1 of 24 here, 0 missing, flags of 0 differ")
	want(run(0, "-user", "old@mox.example", "a"), "0 added (0 bytes), 0 were there, flags of 0 changed")

	// Again into both, from a file; what is there twice now goes below another mailbox.
	file := filepath.Join(t.TempDir(), "accounts.csv")
	csv := "user, account, password\nold@mox.example,a," + moxtest.Password + "\nold@mox.example,b," + moxtest.Password + "\n"
	if err := os.WriteFile(file, []byte(csv), 0o600); err != nil {
		t.Fatal(err)
	}
	got = run(0, "-accounts", file, "-json", "-include", "inbox", "-include", "Work/*", "-map", "INBOX=Old/In")
	added := map[string]int{}
	for line := range strings.Lines(got) {
		if !strings.HasPrefix(line, "{") {
			continue // of standard error
		}
		var r struct {
			Account string
			imapimport.Result
		}
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatalf("%v: %s", err, got)
		}
		added[r.Account] = r.Added
	}
	if diff := cmp.Diff(map[string]int{"a": 2, "b": 3}, added); diff != "" {
		t.Error(diff)
	}

	// Missing: what was deleted here.
	c = mox.DialIMAP(t, "a")
	for _, command := range []string{"SELECT INBOX", `STORE 1 +FLAGS (\Deleted)`, "EXPUNGE"} {
		if _, err := c.Do(t.Context(), command); err != nil {
			t.Fatal(err)
		}
	}
	want(run(1, "-user", "old@mox.example", "-verify", "a"), "missing: <0@x>")
	want(run(1, "-user", "nobody@mox.example", "a"), `login of "nobody@mox.example"`)
	want(run(1, "-user", "old@mox.example", "nobody"), `account "nobody": not found`)
	want(run(2, "-user", "old@mox.example"), "an account, -host and -user are needed")
	want(run(2, "-user", "x", "-tls", "maybe", "a"), "unknown mode")
}

func TestReadIMAPJobs(t *testing.T) {
	base := imapJob{host: "h", tls: "implicit"}
	for _, tc := range []struct{ file, problem string }{
		{"", "first line"},
		{"user,account\nu,a\n", ""},
		{"User , ACCOUNT,tls,host\nu,a,,other\nu,a,none,\n", ""},
		{"user,account\nu,a\nu,a\n", "line 3: \"u\" of h is there twice"},
		{"user,account\nu\n", "wrong number of fields"},
		{"user,account\nu,\n", "line 2: no account"},
		{"user,account,tls\nu,a,maybe\n", "unknown mode"},
		{"user,account,color\nu,a,red\n", "unknown column \"color\""},
	} {
		_, err := readIMAPJobs(strings.NewReader(tc.file), base)
		if (err == nil) != (tc.problem == "") || err != nil && !strings.Contains(err.Error(), tc.problem) {
			t.Errorf("%q: error %v, want %q", tc.file, err, tc.problem)
		}
	}
}
