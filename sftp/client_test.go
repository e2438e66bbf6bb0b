package sftp_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	pkgsftp "github.com/pkg/sftp"

	"mox/sftp"
	"mox/sftp/sftptest"
)

var ctx = context.Background()

// config is that of a client for a directory of a server, which waits for nothing long.
func config(t *testing.T, s *sftptest.Server, dir string) sftp.Config {
	t.Helper()
	place, err := sftp.ParseURL(s.URL(dir))
	if err != nil {
		t.Fatal(err)
	}
	file, err := os.ReadFile(s.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	key, err := sftp.ParseKey(file)
	if err != nil {
		t.Fatal(err)
	}
	return sftp.Config{Place: place, Key: key, HostKeys: hostKeys(t, s.HostKeys...), Wait: time.Millisecond}
}

func hostKeys(t *testing.T, l ...string) sftp.HostKeys {
	t.Helper()
	h, err := sftp.ParseHostKeys(l)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func open(t *testing.T, c sftp.Config) *sftp.Client {
	cl := sftp.New(c)
	t.Cleanup(func() { cl.Close() })
	return cl
}

func random(n int) []byte {
	b := make([]byte, n)
	rand.Read(b)
	return b
}

func same(t *testing.T, c *sftp.Client, name string, want []byte) {
	t.Helper()
	if got, err := c.Get(ctx, name, 0, -1); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%s: %d octets, %v; want %d", name, len(got), err, len(want))
	}
}

// temporaries counts files that were not finished.
func temporaries(t *testing.T, root string) int {
	n := 0
	err := filepath.WalkDir(root, func(p string, _ fs.DirEntry, err error) error {
		if strings.HasSuffix(p, ".tmp") {
			n++
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestCut(t *testing.T) {
	s := sftptest.New(t)
	c := open(t, config(t, s, "/repo"))
	data := random(3 << 20)
	s.Cut.Store(1 << 20) // in the middle of the first try
	if err := c.Put(ctx, "packs/aa/one", data); err != nil {
		t.Fatal(err)
	}
	if s.Cut.Load() != 0 || s.Logins.Load() != 2 {
		t.Errorf("%d logins, cut %d", s.Logins.Load(), s.Cut.Load())
	}
	same(t, c, "packs/aa/one", data)
	s.CutAll()
	same(t, c, "packs/aa/one", data)
	if n := temporaries(t, s.Root); n != 0 {
		t.Errorf("%d temporary files are left", n)
	}
	s.CutAll()
	if err := c.Delete(ctx, "packs/aa/one"); err != nil {
		t.Error(err)
	}
	if _, err := c.Get(ctx, "packs/aa/one", 0, -1); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("removed: %v", err)
	}
}

// TestReplace has a server on which a file cannot take the name of another.
func TestReplace(t *testing.T) {
	if err := pkgsftp.SetSFTPExtensions("statvfs@openssh.com"); err != nil {
		t.Fatal(err)
	}
	defer pkgsftp.SetSFTPExtensions("hardlink@openssh.com", "posix-rename@openssh.com", "statvfs@openssh.com")
	s := sftptest.New(t)
	c := open(t, config(t, s, "/repo"))
	for i := range 3 {
		data := random(1000 + i)
		if err := c.Put(ctx, "head", data); err != nil {
			t.Fatal(err)
		}
		same(t, c, "head", data)
		if n := temporaries(t, s.Root); n != 0 {
			t.Errorf("%d temporary files are left", n)
		}
	}
	// What is there stays when another cannot come.
	before, err := c.Get(ctx, "head", 0, -1)
	if err != nil {
		t.Fatal(err)
	}
	s.NoRename.Store(true)
	if err := c.Put(ctx, "head", random(10)); err == nil {
		t.Error("no error")
	}
	same(t, c, "head", before)
}

// TestLatency writes and reads over a link on which an answer takes 50 ms: one request after the
// other would be 12 s each.
func TestLatency(t *testing.T) {
	// Other work on the machine disturbs: it is enough to be quick once.
	for try := range 5 {
		wrote, read, list := latency(t)
		t.Logf("write %v, read %v, list %v", wrote, read, list)
		if wrote <= 6*time.Second && read <= 6*time.Second && list <= 4*time.Second {
			return
		} else if try == 4 {
			t.Error("too slow")
		}
	}
}

// latency is how long it takes to write, to read, and to list 40 directories.
func latency(t *testing.T) (wrote, read, list time.Duration) {
	t.Helper()
	s := sftptest.New(t)
	s.Latency = 50 * time.Millisecond
	c := open(t, config(t, s, "/repo"))
	data := random(8 << 20)
	start := time.Now()
	if err := c.Put(ctx, "a", data); err != nil {
		t.Fatal(err)
	}
	wrote = time.Since(start)
	same(t, c, "a", data)
	read = time.Since(start) - wrote
	for i := range 40 {
		if err := os.MkdirAll(filepath.Join(s.Root, "repo/d", fmt.Sprint(i)), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	start = time.Now()
	if err := c.List(ctx, "", func(string, int64) error { return nil }); err != nil {
		t.Fatal(err)
	}
	return wrote, read, time.Since(start)
}

func TestParallel(t *testing.T) {
	s := sftptest.New(t)
	c := open(t, config(t, s, "/repo"))
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			name, data := fmt.Sprintf("d%d/%d", i%4, i), random(100_000+i)
			if err := c.Put(ctx, name, data); err != nil {
				t.Error(err)
				return
			}
			same(t, c, name, data)
		})
	}
	wg.Wait()
	var total int64
	last := ""
	err := c.List(ctx, "", func(name string, size int64) error {
		if name <= last {
			t.Errorf("%s after %s", name, last)
		}
		last = name
		total += size
		return nil
	})
	if err != nil || total != 20*100_000+190 || s.Logins.Load() != 1 {
		t.Errorf("%d octets, %d logins, %v", total, s.Logins.Load(), err)
	}
}

// fails expects an error that has some words.
func fails(t *testing.T, err error, words ...string) {
	t.Helper()
	if err == nil {
		t.Errorf("no error, want %q", words)
		return
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("error is without %q: %v", w, err)
		}
	}
}

func TestRefused(t *testing.T) {
	s := sftptest.New(t)
	s.Full.Store(true)
	c := open(t, config(t, s, "/repo"))
	fails(t, c.Put(ctx, "a", random(10_000)), "disk full: 4 KiB are free in /repo", "writing a", "sftp://backup@127.0.0.1")
	if n := temporaries(t, s.Root); n != 0 {
		t.Errorf("%d temporary files are left", n)
	}
	s.Full.Store(false)
	if err := c.Put(ctx, "a", []byte("x")); err != nil {
		t.Fatal(err)
	}
	s.ReadOnly.Store(true)
	err := c.Put(ctx, "b", []byte("x"))
	fails(t, err, "backup may not write there, or may only read")
	if !errors.Is(err, fs.ErrPermission) {
		t.Errorf("%v is not fs.ErrPermission", err)
	}
	fails(t, c.Put(ctx, "new/b", []byte("x")), "may not write there")
	fails(t, c.Delete(ctx, "a"), "may not write there")
	same(t, c, "a", []byte("x"))
	s.ReadOnly.Store(false)
	fails(t, c.Put(ctx, "a/b", []byte("x")), "writing a/b")
	if s.Logins.Load() != 1 {
		t.Errorf("%d logins: what was refused was tried again", s.Logins.Load())
	}
	if _, err := c.Get(ctx, "a", 0, 5); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("more than there is: %v", err)
	}
	if _, err := c.Get(ctx, "a", 0, 1<<40); err == nil {
		t.Error("a terabyte is read")
	}
	for _, name := range []string{"", ".", "..", "../x", "/x", "a/../../b", "a//b", "a\x00b"} {
		if err := c.Put(ctx, name, nil); err == nil {
			t.Errorf("name %q is taken", name)
		}
		if err := c.Delete(ctx, name); err == nil {
			t.Errorf("name %q is removed", name)
		}
		if _, err := c.Get(ctx, name, 0, -1); err == nil {
			t.Errorf("name %q is read", name)
		}
	}
}

func TestLogin(t *testing.T) {
	s, other := sftptest.New(t), sftptest.New(t)
	get := func(c sftp.Config) error {
		_, err := open(t, c).Get(ctx, "none", 0, -1)
		return err
	}
	c := config(t, s, "/repo")
	shown, err := sftp.ServerKeys(ctx, s.Addr)
	if err != nil || len(shown) != 2 || shown[0].Key != s.HostKeys[0] || shown[1].Key != s.HostKeys[1] {
		t.Fatalf("%+v, %v, want %v", shown, err, s.HostKeys)
	}
	for _, pin := range []string{s.HostKeys[0], s.HostKeys[1], shown[0].Fingerprint, shown[1].Fingerprint, "[127.0.0.1]:22,example ssh" + strings.TrimPrefix(s.HostKeys[0], "ssh"), s.HostKeys[0] + " root@there"} {
		c.HostKeys = hostKeys(t, other.HostKeys[0], pin)
		if err := get(c); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("host key %s: %v", pin, err)
		}
	}
	n := s.Logins.Load()
	c.HostKeys = hostKeys(t, other.HostKeys[0], shown[0].Fingerprint)
	s.NewHostKeys()
	fails(t, get(c), "shows another host key than HostKeys has: ssh-ed25519 ", "SHA256:", "Nothing was sent")
	c.HostKeys = sftp.HostKeys{}
	fails(t, get(c), "mox backup hostkeys "+s.Addr)
	rsa := "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQC9Q8Z8mJvHbF4RrGcD0Sx3XkPq8Yc4Xh1n8V9x2n0dHqY1m7c3h6v2b4f8j9k0l1z2x3c4v5b6n7m8q9w0e1r2t3y4u5i6o7p8a9s0d1f2g3h4j5k6l7z8x9c0v1b2n3m4q5w6e7r8t9y0u1i2o3p4"
	if _, err := sftp.ParseHostKeys([]string{rsa}); err == nil {
		t.Error("a broken key is taken")
	}
	if s.Logins.Load() != n {
		t.Error("the key was offered to a server with the wrong host key")
	}
	c = config(t, s, "/repo")
	file, err := sftp.NewKey("mox")
	if err != nil {
		t.Fatal(err)
	}
	if c.Key, err = sftp.ParseKey(file); err != nil {
		t.Fatal(err)
	}
	fails(t, get(c), "does not let backup in", c.Key.Authorized(), "authorized_keys")
	c = config(t, s, "/repo")
	c.Place.User = "other"
	fails(t, get(c), "does not let other in")
	c.Place.Port = 1
	c.Tries = 2
	fails(t, get(c), "connecting", "refused")
}

// TestSilent is a server that answers no more.
func TestSilent(t *testing.T) {
	s := sftptest.New(t)
	conf := config(t, s, "/repo")
	conf.Tries = 1
	// patient opens a client whose time is as short as this machine can bear just now.
	patient := func(d *time.Duration) *sftp.Client {
		s.Silent.Store(false)
		for *d = 200 * time.Millisecond; ; *d *= 2 {
			c := open(t, conf)
			if err := c.Put(ctx, "a", []byte("x")); err == nil {
				return c
			} else if *d > time.Minute {
				t.Fatal(err)
			}
		}
	}
	c := patient(&conf.Silence)
	s.Silent.Store(true)
	fails(t, c.Put(ctx, "a", []byte("y")), "connection lost")
	conf.Silence = time.Minute
	c = patient(&conf.Timeout)
	s.Silent.Store(true)
	fails(t, c.Put(ctx, "a", []byte("y")), "not done in time")
	short, cancel := context.WithTimeout(ctx, 200*time.Millisecond)
	defer cancel()
	conf.Timeout = 0
	if err := sftp.New(conf).Put(short, "a", nil); err == nil {
		t.Error("written without answer")
	}
	s.Silent.Store(false)
	got, err := c.Get(ctx, "a", 0, -1)
	for end := time.Now().Add(time.Minute); err != nil && time.Now().Before(end); {
		got, err = c.Get(ctx, "a", 0, -1)
	}
	if err != nil || string(got) != "x" {
		t.Errorf("afterwards: %q, %v", got, err)
	}
}

func TestIdle(t *testing.T) {
	t.Parallel() // it waits
	s := sftptest.New(t)
	conf := config(t, s, "/repo")
	conf.Silence, conf.Idle = 3*time.Second, 100*time.Millisecond
	c := open(t, conf)
	for i := range 2 {
		if err := c.Put(ctx, "a", []byte("x")); err != nil {
			t.Fatal(err)
		}
		for start := time.Now(); s.Open.Load() > 0; time.Sleep(10 * time.Millisecond) {
			if time.Since(start) > 20*time.Second {
				t.Fatal("the connection is not ended")
			}
		}
		if n := s.Logins.Load(); n != int64(i)+1 {
			t.Errorf("%d logins", n)
		}
	}
}

func TestList(t *testing.T) {
	s := sftptest.New(t)
	c := open(t, config(t, s, "/~/deep/repo"))
	if err := c.List(ctx, "", func(string, int64) error { return errors.New("there is nothing") }); err != nil {
		t.Fatal(err)
	}
	if err := c.Put(ctx, "d/a", nil); err != nil {
		t.Fatal(err)
	}
	root := filepath.Join(s.Root, "deep/repo")
	for _, name := range []string{"d/old.tmp", "d/new.tmp"} {
		if err := os.WriteFile(filepath.Join(root, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("..", filepath.Join(root, "d/link")); err != nil {
		t.Fatal(err)
	}
	then := time.Now().Add(-72 * time.Hour)
	if err := os.Chtimes(filepath.Join(root, "d/old.tmp"), then, then); err != nil {
		t.Fatal(err)
	}
	var l []string
	if err := c.List(ctx, "d/", func(name string, _ int64) error { l = append(l, name); return nil }); err != nil || fmt.Sprint(l) != "[d/a]" {
		t.Errorf("%v, %v", l, err)
	}
	if n := temporaries(t, s.Root); n != 1 {
		t.Errorf("%d temporary files", n)
	}
	if info, err := os.Stat(root); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("mode of the directory: %v, %v", info, err)
	}
	stop := errors.New("enough")
	if err := c.List(ctx, "", func(string, int64) error { return stop }); err != stop {
		t.Errorf("%v", err)
	}
}
