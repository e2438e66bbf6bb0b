package loginlog

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mox/db/dbtest"
)

var start = time.Unix(1_800_000_000, 0).UTC()

func open(t *testing.T, path string, o Options) *Log {
	t.Helper()
	l, err := Open(path, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

func attempt(account, login, remote, result string, after time.Duration) Attempt {
	return Attempt{Last: start.Add(after), Account: account, LoginAddress: login, RemoteIP: remote, Protocol: "imap", AuthMech: "plain", TLS: "TLS 1.3", UserAgent: "agent", Result: result}
}

func listing(t *testing.T, l *Log, account string) string {
	t.Helper()
	all, err := l.List(t.Context(), account, 1000)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, a := range all {
		fmt.Fprintf(&b, "%s %s %s %s %s %q %q %s %d %d %d\n", a.Account, a.LoginAddress, a.RemoteIP, a.Protocol, a.AuthMech, a.TLS, a.UserAgent, a.Result, a.First.Unix()-start.Unix(), a.Last.Unix()-start.Unix(), a.Count)
	}
	return b.String()
}

func equal(t *testing.T, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

// TestRecord counts what is alike, also over restarts.
func TestRecord(t *testing.T) {
	path := filepath.Join(t.TempDir(), FileName)
	o := Options{Now: func() time.Time { return start.Add(time.Minute) }}
	l := open(t, path, o)
	l.Record(attempt("a", "a@x.example", "192.0.2.1", "ok", 0))
	l.Record(attempt("a", "a@x.example", "192.0.2.1", "ok", 2*time.Second))
	l.Record(attempt("-", "b@x.example", "192.0.2.1", "badcreds", 3*time.Second))
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l = open(t, path, o)
	l.Record(attempt("a", "a@x.example", "192.0.2.1", "ok", 4*time.Second))
	equal(t, listing(t, l, "a"), "a a@x.example 192.0.2.1 imap plain \"TLS 1.3\" \"agent\" ok 0 4 3\n")
	equal(t, listing(t, l, ""), "a a@x.example 192.0.2.1 imap plain \"TLS 1.3\" \"agent\" ok 0 4 3\n- b@x.example 192.0.2.1 imap plain \"TLS 1.3\" \"agent\" badcreds 3 3 1\n")
	if err := l.Forget(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	equal(t, listing(t, l, "a"), "")
}

// TestBounds: rows of an account, their age and their texts.
func TestBounds(t *testing.T) {
	path := filepath.Join(t.TempDir(), FileName)
	now := start
	l := open(t, path, Options{Now: func() time.Time { return now }, Max: 10, Delay: time.Hour})
	for i := range 30 {
		l.Record(attempt("-", fmt.Sprintf("%d@x.example", i), "192.0.2.1", "badcreds", time.Duration(i)*time.Second))
	}
	all, err := l.List(t.Context(), "-", 100)
	if err != nil || len(all) != 10 || all[0].LoginAddress != "29@x.example" {
		t.Errorf("%d attempts, %v: %+v", len(all), err, all)
	}
	now = start.Add(31 * 24 * time.Hour)
	l.sweep(t.Context())
	equal(t, listing(t, l, ""), "")

	a := attempt("a", strings.Repeat("ä", 1000)+"@x.example", "192.0.2.1", "badcreds", 0)
	a.UserAgent = "one\r\n\x00two\xff"
	l.Record(a)
	all, err = l.List(t.Context(), "a", 100)
	if err != nil || len(all) != 1 || len(all[0].LoginAddress) != 254 || all[0].UserAgent != "onetwo\uFFFD" {
		t.Errorf("%v: %+v", err, all)
	}
	// More different ones than can wait.
	for i := range MaxWaiting + 5 {
		l.Record(attempt("b", fmt.Sprint(i), "192.0.2.1", "badcreds", 0))
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.waiting) != MaxWaiting || l.left != 5 {
		t.Errorf("%d wait, %d are left out", len(l.waiting), l.left)
	}
}

// TestUpgrade opens databases that each version of the schema wrote.
func TestUpgrade(t *testing.T) {
	o := Options{Now: func() time.Time { return start }}
	dbtest.Upgrade(t, dbtest.Versions{Schema: Schema(), Write: func(t *testing.T) (path, text string) {
		path = filepath.Join(t.TempDir(), FileName)
		l := open(t, path, o)
		l.Record(attempt("a", "a@x.example", "192.0.2.1", "ok", 0))
		l.Record(attempt("-", "b@x.example", "2001:db8::1", "badcreds", time.Second))
		text = listing(t, l, "")
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		return path, text
	}, Check: func(t *testing.T, file []byte, text string) {
		l := open(t, dbtest.File(t, file, FileName), o)
		dbtest.Equal(t, listing(t, l, ""), text)
		// It is in full use.
		l.Record(attempt("a", "a@x.example", "192.0.2.1", "ok", time.Minute))
		if s := listing(t, l, "a"); !strings.HasSuffix(s, " 60 2\n") {
			t.Errorf("not counted: %s", s)
		}
	}})
}
