package moxtest_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"net/smtp"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"mox/admin"
	"mox/backup"
	"mox/moxtest"
	"mox/store"
	"mox/transfer"
)

// contents is what an account has: flags and hash by mailbox and message, in order.
type contents struct{ lines []string }

func (c *contents) Folder(f transfer.Folder) error {
	c.lines = append(c.lines, fmt.Sprintf("mailbox %s %d", f.Name, f.Subscription))
	return nil
}

func (c *contents) Message(m *transfer.Message) error {
	h := sha256.New()
	_, err := io.Copy(h, m.Body)
	c.lines = append(c.lines, fmt.Sprintf("%s %s %q %x", m.Folder, m.Received.UTC().Format(time.RFC3339), m.Flags, h.Sum(nil)))
	return err
}

func (c *contents) Problem(text string) { c.lines = append(c.lines, "problem "+text) }

func contentsOf(t *testing.T, s *store.Store, name string) []string {
	t.Helper()
	acc, err := s.Account(context.Background(), name)
	if err != nil {
		t.Fatal(err)
	}
	defer acc.Release()
	var c contents
	if err := transfer.FromAccount(acc, transfer.Selection{}).Send(context.Background(), &c); err != nil {
		t.Fatal(err)
	}
	return c.lines
}

// load delivers and submits messages to accounts until stopped, and counts those acknowledged.
type load struct {
	stop  atomic.Bool
	acked [3]atomic.Int64
	wait  sync.WaitGroup
}

func (l *load) begin(t *testing.T, s *moxtest.Server) {
	for i := range l.acked {
		l.wait.Go(func() {
			to := fmt.Sprintf("u%d@%s", i, moxtest.Domain)
			c, err := smtp.NewClient(s.Dial(t, "smtp"), moxtest.Hostname)
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			// At 500 in a minute from one address, the server refuses more.
			for n := 0; !l.stop.Load() && n < 450; n++ {
				msg := fmt.Sprintf("From: a@remote.example\r\nTo: %s\r\nSubject: n\r\nMessage-ID: <%d@remote.example>\r\n\r\n%s\r\n", to, n, strings.Repeat(fmt.Sprint(n, " text "), 1+n%500))
				if err := deliver(c, to, msg); err != nil {
					t.Errorf("sending: %v", err)
					return
				}
				l.acked[i].Add(1)
			}
		})
	}
}

// deliver sends a message through a connection that stays open.
func deliver(c *smtp.Client, to, msg string) error {
	if err := c.Mail("a@remote.example"); err != nil {
		return err
	}
	if err := c.Rcpt(to); err != nil {
		return err
	}
	w, err := c.Data()
	if err != nil {
		return err
	}
	if _, err := io.WriteString(w, msg); err != nil {
		return err
	}
	return w.Close()
}

// TestBackupUnderLoad makes a backup while mail comes in as fast as it can. What is restored
// has, of each account, all mail acknowledged before, and what it has is the same as that of
// the live server from its beginning on.
func TestBackupUnderLoad(t *testing.T) {
	s := moxtest.New(t, moxtest.WithoutNetwork(), moxtest.WithAccount("u0", "u0@"+moxtest.Domain), moxtest.WithAccount("u1", "u1@"+moxtest.Domain), moxtest.WithAccount("u2", "u2@"+moxtest.Domain))
	var l load
	l.begin(t, s)
	time.Sleep(300 * time.Millisecond)
	var before [3]int64
	for i := range l.acked {
		before[i] = l.acked[i].Load()
	}
	root := filepath.Join(t.TempDir(), "copy")
	d, err := backup.CreateDir(root, "(test)", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	d.Problem = func(text string, missing bool) { t.Logf("problem: %s (missing: %v)", text, missing) }
	var wire bytes.Buffer
	if err := s.Admin.Backup(context.Background(), admin.Actor("test"), &wire); err != nil {
		t.Fatal(err)
	}
	time.Sleep(50 * time.Millisecond)
	l.stop.Store(true)
	l.wait.Wait()
	if err := backup.Decode(&wire, d); err != nil {
		t.Fatal(err)
	}
	if err := d.Close(time.Now()); err != nil || d.Failures() > 0 {
		t.Fatal(err, d.Failures())
	}
	m, err := backup.ReadManifest(root)
	if err != nil {
		t.Fatal(err)
	}
	backup.CheckDir(root, "", m, func(p backup.Problem) { t.Errorf("%s: %s", p.Path, p.Text) })

	restored, err := store.Open(filepath.Join(root, "data"), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer restored.Close()
	for i := range l.acked {
		name := fmt.Sprintf("u%d", i)
		live, got := contentsOf(t, s.Store, name), contentsOf(t, restored, name)
		inbox := func(lines []string) (l []string) {
			for _, x := range lines {
				if strings.HasPrefix(x, "Inbox ") {
					l = append(l, x)
				}
			}
			return l
		}
		a, b := inbox(live), inbox(got)
		t.Logf("%s: %d acknowledged before, %d restored, %d live", name, before[i], len(b), len(a))
		if int64(len(b)) < before[i] || len(b) > len(a) {
			t.Fatalf("%s: %d messages were acknowledged before the backup, it has %d, the server %d", name, before[i], len(b), len(a))
		}
		for n := range b {
			if a[n] != b[n] {
				t.Fatalf("%s: message %d differs:\n%s\n%s", name, n, a[n], b[n])
			}
		}
		if len(live)-len(a) != len(got)-len(b) {
			t.Errorf("%s: mailboxes differ:\n%q\n%q", name, live, got)
		}
		acc, err := restored.Account(context.Background(), name)
		if err != nil {
			t.Fatal(err)
		}
		problems, err := acc.CheckDeep(context.Background())
		if err != nil || len(problems) > 0 {
			t.Error(problems, err)
		}
		acc.Release()
	}
}

// TestBackupEveryByte flips bytes all over a backup: each is found.
func TestBackupEveryByte(t *testing.T) {
	s := moxtest.New(t, moxtest.WithoutNetwork())
	s.Send(t, "a@remote.example", "mox@"+moxtest.Domain, "From: a@remote.example\r\nMessage-ID: <1@remote.example>\r\n\r\nText.\r\n")
	root := filepath.Join(t.TempDir(), "copy")
	d, err := backup.CreateDir(root, "(test)", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if err := admin.BackupSource(s.Config.Snapshot()).Send(context.Background(), d); err != nil {
		t.Fatal(err)
	}
	if err := d.Close(time.Now()); err != nil {
		t.Fatal(err)
	}
	m, err := backup.ReadManifest(root)
	if err != nil {
		t.Fatal(err)
	}
	for i, f := range m.Files {
		if f.Size == 0 {
			continue
		}
		name := filepath.Join(root, filepath.FromSlash(f.Path))
		whole, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		at := int64(i) * 7919 % f.Size
		damaged := bytes.Clone(whole)
		damaged[at] ^= 1
		if err := os.WriteFile(name, damaged, 0o660); err != nil {
			t.Fatal(err)
		}
		found := 0
		backup.CheckDir(root, "", m, func(p backup.Problem) {
			found++
			if p.Path != f.Path {
				t.Errorf("%s is said to be damaged, not %s", p.Path, f.Path)
			}
		})
		if found != 1 {
			t.Errorf("%s: %d problems found after byte %d was flipped", f.Path, found, at)
		}
		if err := os.WriteFile(name, whole, 0o660); err != nil {
			t.Fatal(err)
		}
	}
}
