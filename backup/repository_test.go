package backup

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mox/db"
)

// site is a data directory to back up.
type site struct {
	t   *testing.T
	dir string
	db  *db.DB
	src *Source
}

func newSite(t *testing.T) *site {
	s := &site{t: t, dir: t.TempDir()}
	for _, d := range []string{"config", "data/accounts/a", "data/acme"} {
		if err := os.MkdirAll(filepath.Join(s.dir, d), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	s.write("config/mox.conf", "DataDir: ../data\n")
	s.write("data/acme/key", "key")
	s.write("data/empty", "")
	s.write("data/lock", "1")
	var err error
	if s.db, err = db.Open(filepath.Join(s.dir, "data/accounts/a/account.db"), db.Options{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.db.Close() })
	s.exec("CREATE TABLE m(n INTEGER PRIMARY KEY, x)")
	s.src = &Source{ConfigPath: filepath.Join(s.dir, "config/mox.conf"), DataDir: filepath.Join(s.dir, "data"), Accounts: map[string]bool{"a": true}, Rate: 1 << 40,
		Now: func() time.Time { return time.Now().Add(time.Hour) }} // marks count at once
	return s
}

func (s *site) write(name, content string) {
	s.t.Helper()
	if err := os.WriteFile(filepath.Join(s.dir, name), []byte(content), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

func (s *site) exec(sql string, args ...any) {
	s.t.Helper()
	if err := s.db.Write(context.Background(), func(c *db.Conn) error { return c.Exec(sql, args...) }); err != nil {
		s.t.Fatal(err)
	}
}

// fill adds rows of random content.
func (s *site) fill(r *rand.ChaCha8, from, to int) {
	s.t.Helper()
	err := s.db.Write(context.Background(), func(c *db.Conn) error {
		for n := from; n < to; n++ {
			b := make([]byte, 8000)
			r.Read(b)
			if err := c.Exec("INSERT INTO m VALUES(?, ?)", n, b); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		s.t.Fatal(err)
	}
}

// content is that of a database file.
func contentOf(t *testing.T, path string) string {
	t.Helper()
	d, err := db.Open(path, db.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	var b strings.Builder
	if l, err := d.IntegrityCheck(context.Background(), 3); err != nil || len(l) > 0 {
		t.Fatal(l, err)
	}
	err = d.Read(context.Background(), func(c *db.Conn) error {
		rows := c.Query("SELECT n, hex(x) FROM m ORDER BY n")
		for rows.Next() {
			fmt.Fprintf(&b, "%d %s\n", rows.Int64(0), rows.Text(1))
		}
		return rows.Close()
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func storages(t *testing.T, f func(t *testing.T, s Storage, key Key)) {
	key, err := ParseKey(NewKey())
	if err != nil {
		t.Fatal(err)
	}
	t.Run("directory", func(t *testing.T) { f(t, Directory(filepath.Join(t.TempDir(), "repo")), Key{}) })
	t.Run("s3 encrypted", func(t *testing.T) {
		_, s := newFakeS3(t)
		f(t, s, key)
	})
	t.Run("sftp encrypted", func(t *testing.T) {
		_, s := newSFTP(t)
		f(t, s, key)
	})
}

// TestRepository takes snapshots of a database that changes, restores all of them, and prunes.
func TestRepository(t *testing.T) {
	storages(t, func(t *testing.T, st Storage, key Key) {
		ctx := context.Background()
		s := newSite(t)
		rnd := rand.NewChaCha8([32]byte{1})
		now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
		open := func() *Repository {
			r, err := OpenOrCreate(ctx, st, key)
			if err != nil {
				t.Fatal(err)
			}
			r.Now = func() time.Time { return now }
			return r
		}
		var want []string
		var snaps []*Snapshot
		for i := range 6 {
			s.fill(rnd, i*40, i*40+40)
			if i == 3 {
				s.exec("DELETE FROM m WHERE n < 60")
			}
			s.exec("UPDATE m SET x = randomblob(20) WHERE n = ?", i*40+3)
			r := open()
			snap, err := r.Run(ctx, s.src, "v1", nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Close()
			live := filepath.Join(t.TempDir(), "x.db")
			if err := s.db.Backup(ctx, live); err != nil {
				t.Fatal(err)
			}
			want = append(want, contentOf(t, live))
			snaps = append(snaps, snap)
			now = now.Add(24 * time.Hour)
			if i == 0 {
				continue
			}
			if snap.Stats.Unchanged == 0 || snap.Stats.NewStored > 2<<20 {
				t.Errorf("snapshot %d: %+v", i, snap.Stats)
			}
		}
		r := open()
		// Nothing changed: nothing is read.
		again, err := r.Run(ctx, s.src, "v1", nil)
		if err != nil || again.Stats.Read != 0 || again.Stats.NewStored != 0 {
			t.Errorf("unchanged: %+v, %v", again.Stats, err)
		}
		restore := func(i int) {
			t.Helper()
			root := filepath.Join(t.TempDir(), "restored")
			d, err := CreateDir(root, "v2", now)
			if err != nil {
				t.Fatal(err)
			}
			snap, err := r.Snapshot(ctx, snaps[i].Name)
			if err != nil {
				t.Fatal(err)
			}
			if err := r.Restore(ctx, snap, nil, d); err != nil || d.Failures() > 0 {
				t.Fatal(err, d.Failures())
			}
			if got := contentOf(t, filepath.Join(root, "data/accounts/a/account.db")); got != want[i] {
				t.Errorf("snapshot %d is restored differently", i)
			}
			if b, err := os.ReadFile(filepath.Join(root, "data/acme/key")); err != nil || string(b) != "key" {
				t.Errorf("%q, %v", b, err)
			}
			if _, err := os.Stat(filepath.Join(root, "data/lock")); err == nil {
				t.Error("the lock is in the backup")
			}
		}
		for i := range snaps {
			restore(i)
		}
		c, err := r.Check(ctx, CheckOptions{}, func(text string) { t.Error(text) })
		if err != nil || c.Snapshots != 7 {
			t.Errorf("%+v, %v", c, err)
		}
		p, err := r.Prune(ctx, Keep{Last: 2, Daily: 3})
		if err != nil || p.Kept != 3 || p.Removed != 4 || p.Freed == 0 {
			t.Errorf("%+v, %v", p, err)
		}
		r.Close()
		r = open()
		if c, err := r.Check(ctx, CheckOptions{}, func(text string) { t.Error(text) }); err != nil || c.Snapshots != 3 {
			t.Errorf("%+v, %v", c, err)
		}
		restore(5)
		restore(4)
		if _, err := r.Snapshot(ctx, snaps[0].Name); !errors.Is(err, ErrNoSnapshot) {
			t.Errorf("snapshot that was removed: %v", err)
		}
		if at, err := r.At(ctx, snaps[5].Time.Add(time.Second)); err != nil || at.Name != snaps[5].Name {
			t.Errorf("%v, %v", at, err)
		}
		if _, err := r.At(ctx, snaps[3].Time); !errors.Is(err, ErrNoSnapshot) {
			t.Errorf("older than all: %v", err)
		}
		r.Close()
	})
}

// TestRepositoryKeys opens with wrong keys.
func TestRepositoryKeys(t *testing.T) {
	ctx := context.Background()
	st := Directory(t.TempDir())
	pass, err := PassphraseFile("correct horse battery")
	if err != nil {
		t.Fatal(err)
	}
	key, err := ParseKey(pass)
	if err != nil {
		t.Fatal(err)
	}
	other, _ := ParseKey(NewKey())
	if _, err := OpenRepository(ctx, st, key); !errors.Is(err, ErrNoRepository) {
		t.Errorf("empty storage: %v", err)
	}
	r, err := OpenOrCreate(ctx, st, key)
	if err != nil {
		t.Fatal(err)
	}
	s := newSite(t)
	s.write("data/acme/key", "this text is secret "+strings.Repeat("x", 500))
	if _, err := r.Run(ctx, s.src, "v1", nil); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenRepository(ctx, st, other); err == nil || !strings.Contains(err.Error(), "key is not that") {
		t.Errorf("wrong key: %v", err)
	}
	if _, err := OpenRepository(ctx, st, Key{}); err == nil || !strings.Contains(err.Error(), "encrypted") {
		t.Errorf("no key: %v", err)
	}
	st.List(ctx, "", func(o Object) error {
		b, err := st.Get(ctx, o.Name, 0, -1)
		if err != nil || bytes.Contains(b, []byte("secret")) || bytes.Contains(b, []byte("account.db")) {
			t.Errorf("%s can be read: %v", o.Name, err)
		}
		return nil
	})
	for _, bad := range []string{"", "mox-backup-key:xx", "hello", keyPrefix + "AAAA"} {
		if _, err := ParseKey(bad); err == nil {
			t.Errorf("key %q is taken", bad)
		}
	}
	if _, err := PassphraseFile("short"); err == nil {
		t.Error("short passphrase is taken")
	}
}

// TestRepositoryDamage flips a byte in each object: a check finds it, and after a repair and
// another run the newest snapshot is whole.
func TestRepositoryDamage(t *testing.T) {
	storages(t, func(t *testing.T, st Storage, key Key) {
		ctx := context.Background()
		s := newSite(t)
		s.fill(rand.NewChaCha8([32]byte{2}), 0, 50)
		r, err := OpenOrCreate(ctx, st, key)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.Run(ctx, s.src, "v1", nil); err != nil {
			t.Fatal(err)
		}
		var objects []Object
		st.List(ctx, "", func(o Object) error { objects = append(objects, o); return nil })
		for i, o := range objects {
			b, err := st.Get(ctx, o.Name, 0, -1)
			if err != nil {
				t.Fatal(err)
			}
			damaged := bytes.Clone(b)
			damaged[i*7919%len(b)] ^= 4
			st.Put(ctx, o.Name, damaged)
			found := 0
			r, err := OpenRepository(ctx, st, key)
			if err == nil {
				_, err = r.Check(ctx, CheckOptions{}, func(string) { found++ })
			}
			if err == nil && found == 0 && o.Name != headName {
				t.Errorf("damage of %s is not found", o.Name)
			}
			st.Put(ctx, o.Name, b)
		}
		for _, o := range objects {
			if !strings.HasPrefix(o.Name, packPrefix) {
				continue
			}
			b, _ := st.Get(ctx, o.Name, 0, -1)
			b[len(b)/2] ^= 1
			st.Put(ctx, o.Name, b)
		}
		c, err := r.Check(ctx, CheckOptions{Repair: true}, func(string) {})
		if err != nil || c.Problems == 0 {
			t.Errorf("%+v, %v", c, err)
		}
		snap, err := r.Run(ctx, s.src, "v1", nil)
		if err != nil {
			t.Fatal(err)
		}
		if snap.Stats.NewChunks == 0 || snap.Stats.NewChunks > 5 {
			t.Errorf("after the repair: %+v", snap.Stats)
		}
		r.Check(ctx, CheckOptions{}, func(text string) { t.Errorf("after the repair: %s", text) })
	})
}

// TestLocks keeps pruning apart from everything else.
func TestLocks(t *testing.T) {
	ctx := context.Background()
	st := Directory(t.TempDir())
	a, err := OpenOrCreate(ctx, st, Key{})
	if err != nil {
		t.Fatal(err)
	}
	b, err := OpenRepository(ctx, st, Key{})
	if err != nil {
		t.Fatal(err)
	}
	release, err := a.lock(ctx, false)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Prune(ctx, Keep{Last: 1}); !errors.Is(err, ErrLocked) {
		t.Errorf("prune of what is in use: %v", err)
	}
	if r, err := b.lock(ctx, false); err != nil {
		t.Errorf("second use: %v", err)
	} else {
		r()
	}
	// The lock of a process that was killed is forgotten.
	b.Now = func() time.Time { return time.Now().Add(lockTime + time.Second) }
	if _, err := b.Prune(ctx, Keep{Last: 1}); err != nil {
		t.Error(err)
	}
	release()
}

func TestKeep(t *testing.T) {
	var names []string
	start := time.Date(2026, 1, 1, 3, 0, 0, 0, time.UTC)
	for i := range 400 {
		names = append(names, start.AddDate(0, 0, i).Format(snapshotTime)+"-x")
	}
	for _, tc := range []struct {
		k    Keep
		want int
	}{{Keep{}, 400}, {Keep{Last: 3}, 3}, {Keep{Daily: 7}, 7}, {Keep{Daily: 7, Weekly: 4}, 9}, {Keep{Monthly: 12}, 12}, {Keep{Yearly: 5}, 2}, {Keep{Last: 1, Daily: 1, Weekly: 1}, 1}} {
		got := tc.k.Of(names)
		if len(got) != tc.want || !got[names[399]] {
			t.Errorf("%+v keeps %d, want %d", tc.k, len(got), tc.want)
		}
	}
}

// TestSnapshotName: the order of names is that of time, also within a second.
func TestSnapshotName(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
	before := ""
	for _, d := range []time.Duration{0, 1, time.Microsecond, 300 * time.Millisecond, 999 * time.Millisecond, time.Second} {
		name := snapshotName(now.Add(d))
		if at, ok := NameTime(name); name <= before || !ok || !at.Equal(now.Add(d).Truncate(time.Second)) {
			t.Errorf("%s after %s, time %v", name, before, at)
		}
		before = name
	}
}
