package main

import (
	"bufio"
	"context"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"
	"time"

	"mox/db"
)

// upgradeMemory is all the data that a server may have in memory.
const upgradeMemory = 512 << 20

// TestUpgradeLarge opens a large account that the first version of the schema wrote, in little
// memory, and is killed again and again while it does, and while mail comes in.
func TestUpgradeLarge(t *testing.T) {
	n, _ := strconv.Atoi(os.Getenv("MOX_UPGRADE_MESSAGES"))
	if n == 0 {
		t.Skip("takes minutes: make upgrade")
	}
	in := prepareMox(t, "127.0.81.50", true)
	in.start()
	in.mox("password1\n", "setaccountpassword", "mox")
	in.mox("", "stop")
	<-in.exited
	mails := in.path("mails.mbox")
	writeMbox(t, mails, n)
	in.mox("", "import", "mbox", "mox", "Archive", mails)
	path := in.path("data/accounts/mox/account.db")
	toFirstSchema(t, path)
	if v, err := db.FileVersion(path); err != nil || v.Schema != 1 {
		t.Fatalf("version %v, %v", v, err)
	}
	if info, err := os.Stat(path); err == nil {
		t.Logf("%d messages, %d MB, schema 1", n, info.Size()>>20)
	}
	if os.Getuid() == 0 {
		filepath.WalkDir(in.path("data"), func(path string, _ fs.DirEntry, _ error) error { return os.Chown(path, upgradeUser, upgradeUser) })
	}
	// Killed while it starts, which changes the schema, and while mail comes in.
	limit := []string{"prlimit", fmt.Sprintf("--data=%d", upgradeMemory)}
	all := &traffic{in: in, unsure: map[string]bool{}}
	for round := range 8 {
		if round < 3 {
			in.startAndKill(limit, time.Duration(rand.IntN(60))*time.Millisecond)
			continue
		}
		in.start(limit...)
		tr := in.begin()
		time.Sleep(time.Duration(200+rand.IntN(1500)) * time.Millisecond)
		in.kill9()
		tr.end()
		for _, id := range tr.accepted {
			all.accepted = append(all.accepted, fmt.Sprint(round, id))
		}
	}
	start := time.Now()
	in.start(limit...)
	t.Logf("started in %v", time.Since(start).Round(time.Millisecond))
	found := in.count("Archive")
	if found != n {
		t.Errorf("%d of %d messages", found, n)
	}
	inbox := in.count("INBOX") + in.count("Junk") + in.count("Rejects")
	if inbox < len(all.accepted) {
		t.Errorf("%d messages of %d that were accepted", inbox, len(all.accepted))
	}
	out := in.mox("", "check", "mox")
	peak := peakMemory(t, workerOf(t, in.server.Process.Pid))
	t.Logf("%d messages there, %d accepted between kills are among %d; check says %q; worker took %d MB at most", found, len(all.accepted), inbox, strings.TrimSpace(out), peak>>20)
	if peak > upgradeMemory {
		t.Errorf("worker took %d MB", peak>>20)
	}
	in.mox("", "stop")
	<-in.exited
	if v, err := db.FileVersion(path); err != nil || v.Schema < 2 { // the log is in the file now
		t.Errorf("version %v, %v", v, err)
	}
	if out := in.mox("", "verifydata", in.path("data")); !strings.Contains(out, ": OK") {
		t.Errorf("verifydata: %s", out)
	}
}

// writeMbox writes messages to import.
func writeMbox(t *testing.T, path string, n int) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	w := bufio.NewWriter(f)
	for i := range n {
		fmt.Fprintf(w, "From a%d@remote.example Sun Nov 22 10:00:00 2026\nFrom: a%d@remote.example\nTo: mox@mox.example\nDate: Sun, 22 Nov 2026 10:00:00 +0000\nMessage-ID: <large-%d@remote.example>\nSubject: large %d\n\nThis is message %d of many.\n\n", i%1000, i%1000, i, i, i)
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	f.Close()
	os.Chmod(path, 0o644)
}

// toFirstSchema takes from an account's database what the first version of the schema did not have.
func toFirstSchema(t *testing.T, path string) {
	t.Helper()
	sql, err := os.ReadFile("store/schema/0001_account.sql")
	if err != nil {
		t.Fatal(err)
	}
	first, err := db.Open(filepath.Join(t.TempDir(), "first.db"), db.Options{Migrations: fstest.MapFS{"0001_account.sql": {Data: sql}}})
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	now, err := db.Open(path, db.Options{})
	if err != nil {
		t.Fatal(err)
	}
	had, has := objects(t, first), objects(t, now)
	err = now.Write(context.Background(), func(c *db.Conn) error {
		for _, kind := range []string{"trigger", "index", "table", "column"} {
			for name := range has {
				if k, rest, _ := strings.Cut(name, " "); k != kind || had[name] {
					continue
				} else if kind != "column" {
					if err := c.Script("DROP " + kind + " IF EXISTS " + rest); err != nil {
						return err
					}
				} else if table, column, _ := strings.Cut(rest, " "); has["table "+table] && had["table "+table] {
					if err := c.Script("ALTER TABLE " + table + " DROP COLUMN " + column); err != nil {
						return err
					}
				}
			}
		}
		return c.Script("PRAGMA user_version=1")
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := now.Close(); err != nil {
		t.Fatal(err)
	}
}

// objects are the tables, indexes and columns of a database: "table x", "index y", "column x z".
func objects(t *testing.T, d *db.DB) map[string]bool {
	t.Helper()
	m := map[string]bool{}
	err := d.Read(context.Background(), func(c *db.Conn) error {
		rows := c.Query("SELECT type, name FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%'")
		for rows.Next() {
			m[rows.Text(0)+" "+rows.Text(1)] = true
		}
		if err := rows.Close(); err != nil {
			return err
		}
		rows = c.Query("SELECT s.name, p.name FROM sqlite_schema s, pragma_table_info(s.name) p WHERE s.type = 'table' AND s.name NOT LIKE 'sqlite_%'")
		for rows.Next() {
			m["column "+rows.Text(0)+" "+rows.Text(1)] = true
		}
		return rows.Close()
	})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// startAndKill kills a server that starts.
func (in *installed) startAndKill(limit []string, after time.Duration) {
	cmd := in.command("serve")
	cmd.Args = append(limit[:len(limit):len(limit)], cmd.Args...)
	cmd.Path = "/usr/bin/prlimit"
	if err := cmd.Start(); err != nil {
		in.t.Fatal(err)
	}
	time.Sleep(40*time.Millisecond + after)
	killTree(cmd.Process.Pid)
	cmd.Wait()
}

// kill9 kills the worker and its parent.
func (in *installed) kill9() {
	killTree(in.server.Process.Pid)
	<-in.exited
}

func killTree(pid int) {
	children := childrenOf(pid)
	syscall.Kill(pid, syscall.SIGKILL)
	for _, c := range children {
		syscall.Kill(c, syscall.SIGKILL)
		for syscall.Kill(c, 0) == nil {
			time.Sleep(time.Millisecond)
		}
	}
}

func childrenOf(pid int) (all []int) {
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, f := range files {
		b, _ := os.ReadFile(f)
		for _, word := range strings.Fields(string(b)) {
			if n, err := strconv.Atoi(word); err == nil {
				all = append(all, n)
			}
		}
	}
	return all
}

func workerOf(t *testing.T, pid int) int {
	t.Helper()
	list := childrenOf(pid)
	if len(list) != 1 {
		t.Fatalf("process %d has children %v", pid, list)
	}
	return list[0]
}

// peakMemory is the most that a process had in memory.
func peakMemory(t *testing.T, pid int) int {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`(?m)^VmHWM:\s+(\d+) kB`).FindSubmatch(b)
	if m == nil {
		t.Fatalf("no peak in %s", b)
	}
	n, _ := strconv.Atoi(string(m[1]))
	return n << 10
}

// count is the number of messages in a mailbox.
func (in *installed) count(box string) int {
	in.t.Helper()
	conn, err := net.DialTimeout("tcp", net.JoinHostPort(in.ip, upgradeIMAP), time.Minute)
	if err != nil {
		in.t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(time.Minute))
	fmt.Fprintf(conn, "a LOGIN mox@mox.example password1\r\nb EXAMINE %s\r\nc LOGOUT\r\n", box)
	n := 0
	for lines := bufio.NewScanner(conn); lines.Scan(); {
		if text, ok := strings.CutSuffix(lines.Text(), " EXISTS"); ok {
			n, _ = strconv.Atoi(strings.TrimPrefix(text, "* "))
		}
	}
	return n
}
