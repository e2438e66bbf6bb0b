package moxtest_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"mox/backup"
	"mox/store"
)

// TestBackupLarge prints figures about an account of many messages: as many as
// MOX_BACKUP_MESSAGES in the environment says.
func TestBackupLarge(t *testing.T) {
	n, _ := strconv.Atoi(os.Getenv("MOX_BACKUP_MESSAGES"))
	if n == 0 {
		t.Skip("MOX_BACKUP_MESSAGES is not set")
	}
	ctx := context.Background()
	dir := t.TempDir()
	data := filepath.Join(dir, "data")
	if err := os.MkdirAll(filepath.Join(dir, "config"), 0o700); err != nil {
		t.Fatal(err)
	}
	os.WriteFile(filepath.Join(dir, "config/mox.conf"), []byte("DataDir: ../data\n"), 0o600)
	s, err := store.Open(data, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Create(ctx, "big", store.InitialMailboxes{}); err != nil {
		t.Fatal(err)
	}
	acc, err := s.Account(ctx, "big")
	if err != nil {
		t.Fatal(err)
	}
	defer acc.Release()
	rnd := rand.NewChaCha8([32]byte{9})
	add := func(from, to int) {
		for from < to {
			k := min(500, to-from)
			msgs := make([]store.NewMessage, k)
			for i := range msgs {
				b := make([]byte, 4500)
				rnd.Read(b)
				sp := acc.NewSpool()
				fmt.Fprintf(sp, "From: a%d@remote.example\r\nSubject: message %d\r\nMessage-ID: <%d@remote.example>\r\n\r\n%x\r\n", from%100, from+i, from+i, b)
				if err := sp.Finish(); err != nil {
					t.Fatal(err)
				}
				msgs[i] = store.NewMessage{Spool: sp}
			}
			box, _ := acc.MailboxByName("Inbox")
			if _, err := acc.Add(ctx, box.ID, msgs); err != nil {
				t.Fatal(err)
			}
			for i := range msgs {
				msgs[i].Spool.Close()
			}
			from += k
		}
	}
	add(0, n)
	src := &backup.Source{ConfigPath: filepath.Join(dir, "config/mox.conf"), DataDir: data}
	measure := func(what string, fn func() string) {
		runtime.GC()
		debug.FreeOSMemory()
		os.WriteFile("/proc/self/clear_refs", []byte("5"), 0)
		before := status(t, "VmRSS:")
		begin := time.Now()
		res := fn()
		t.Logf("%-42s %6.2f s, memory %d MiB at most, %d MiB before; %s", what, time.Since(begin).Seconds(), status(t, "VmHWM:")>>10, before>>10, res)
	}
	measure("directory", func() string {
		d, err := backup.CreateDir(filepath.Join(dir, "copy"), "x", time.Now())
		if err == nil {
			err = src.Send(ctx, d)
		}
		if err == nil {
			err = d.Close(time.Now())
		}
		if err != nil {
			t.Fatal(err)
		}
		fi, _ := os.Stat(filepath.Join(dir, "copy/data/accounts/big/account.db"))
		return fmt.Sprintf("%d MiB", fi.Size()>>20)
	})
	key, _ := backup.ParseKey(backup.NewKey())
	open := func() *backup.Repository {
		r, err := backup.OpenOrCreate(ctx, backup.Directory(filepath.Join(dir, "repo")), key)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	run := func() string {
		r := open()
		defer r.Close()
		snap, err := r.Run(ctx, src, "x", nil)
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf("read %d MiB, stored %d KiB", snap.Stats.Read>>20, snap.Stats.NewStored>>10)
	}
	measure("repository, first", run)
	add(n, n+100)
	measure("repository, 100 messages more", run)
	time.Sleep(3500 * time.Millisecond)
	run() // its marks count
	measure("repository, unchanged", run)
	latencies := func(during func()) string {
		done := make(chan struct{})
		var wg sync.WaitGroup
		wg.Go(func() { during(); close(done) })
		var l []time.Duration
		for {
			select {
			case <-done:
				wg.Wait()
				slices.Sort(l)
				return fmt.Sprintf("%d deliveries, each %v (median), %v (99 %%)", len(l), l[len(l)/2].Round(10*time.Microsecond), l[len(l)*99/100].Round(10*time.Microsecond))
			default:
			}
			sp := acc.NewSpool()
			io.WriteString(sp, "Subject: x\r\n\r\n"+strings.Repeat("text ", 500))
			sp.Finish()
			begin := time.Now()
			if _, err := acc.Deliver(ctx, "Inbox", store.NewMessage{Spool: sp}); err != nil {
				t.Error(err)
			}
			l = append(l, time.Since(begin))
			sp.Close()
			time.Sleep(5 * time.Millisecond)
		}
	}
	measure("deliveries, nothing else", func() string { return latencies(func() { time.Sleep(4 * time.Second) }) })
	measure("deliveries during a backup", func() string { return latencies(func() { run() }) })
	measure("restore of all", func() string {
		r := open()
		defer r.Close()
		snap, err := r.At(ctx, time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		d, err := backup.CreateDir(filepath.Join(dir, "restored"), "x", time.Now())
		if err == nil {
			err = r.Restore(ctx, snap, nil, d)
		}
		if err != nil {
			t.Fatal(err)
		}
		return ""
	})
	measure("drill", func() string {
		d := &backup.Drill{Open: func(context.Context) (*backup.Repository, error) { return open(), nil }, Scratch: filepath.Join(dir, "scratch"), StateFile: filepath.Join(dir, "state"), Live: s, Now: time.Now}
		p, err := d.Run(ctx)
		if err != nil {
			t.Error(err)
		}
		return p.String()
	})
	measure("check", func() string {
		r := open()
		defer r.Close()
		c, err := r.Check(ctx, backup.CheckOptions{}, func(s string) { t.Error(s) })
		if err != nil {
			t.Error(err)
		}
		return fmt.Sprintf("%d MiB read, %d chunks", c.Read>>20, c.Chunks)
	})
}

// status is a figure in KiB of this process; 0 where there is none.
func status(t *testing.T, field string) int {
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	_, rest, _ := bytes.Cut(b, []byte(field))
	f := strings.Fields(string(rest[:min(len(rest), 40)]))
	if len(f) == 0 {
		return 0
	}
	n, _ := strconv.Atoi(f[0])
	return n
}
