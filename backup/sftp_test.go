package backup

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"mox/sftp/sftptest"
)

// newSFTP returns a server and a directory of it.
func newSFTP(t *testing.T) (*sftptest.Server, Storage) {
	srv := sftptest.New(t)
	s, err := Place{Repository: srv.URL("/backups/mox"), SSHKeyFile: srv.KeyFile, HostKeys: srv.HostKeys[:1]}.Storage()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { disconnect(s) })
	return srv, s
}

func TestSFTP(t *testing.T) {
	_, s := newSFTP(t)
	testStorage(t, s)
}

// TestSFTPFaults makes backups while the connection breaks, and where the disk is full.
func TestSFTPFaults(t *testing.T) {
	ctx := context.Background()
	srv, st := newSFTP(t)
	s := newSite(t)
	s.fill(rand.NewChaCha8([32]byte{1}), 0, 400)
	r, err := OpenOrCreate(ctx, st, Key{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	srv.Cut.Store(1 << 20)
	if _, err := r.Run(ctx, s.src, "v1", nil); err != nil {
		t.Fatal(err)
	}
	if srv.Cut.Load() != 0 || srv.Logins.Load() != 2 {
		t.Errorf("%d logins", srv.Logins.Load())
	}
	if c, err := r.Check(ctx, CheckOptions{}, func(text string) { t.Error(text) }); err != nil || c.Snapshots != 1 {
		t.Errorf("%+v, %v", c, err)
	}
	s.fill(rand.NewChaCha8([32]byte{2}), 400, 500)
	srv.Full.Store(true)
	if _, err := r.Run(ctx, s.src, "v1", nil); err == nil || !strings.Contains(err.Error(), "disk full") {
		t.Errorf("disk full: %v", err)
	}
	srv.Full.Store(false)
	if _, err := r.Run(ctx, s.src, "v1", nil); err != nil {
		t.Error(err)
	}
	if c, err := r.Check(ctx, CheckOptions{}, func(text string) { t.Error(text) }); err != nil || c.Snapshots != 2 {
		t.Errorf("%+v, %v", c, err)
	}
}

// TestSFTPPlace opens places with what is wrong about SFTP.
func TestSFTPPlace(t *testing.T) {
	srv := sftptest.New(t)
	good := Place{Repository: srv.URL("/mox"), SSHKeyFile: srv.KeyFile, HostKeys: srv.HostKeys}
	for want, change := range map[string]func(p *Place){
		"mox backup sshkey":   func(p *Place) { p.SSHKeyFile = "" },
		"no such file":        func(p *Place) { p.SSHKeyFile += "x" },
		"no private SSH key":  func(p *Place) { p.SSHKeyFile = "sftp_test.go" },
		"mox backup hostkeys": func(p *Place) { p.HostKeys = nil },
		"host key \"x\"":      func(p *Place) { p.HostKeys = []string{"x"} },
		"another host key":    func(p *Place) { srv.NewHostKeys() },
		"has no user":         func(p *Place) { p.Repository = "sftp://host/x" },
	} {
		p := good
		change(&p)
		if _, err := p.Open(context.Background(), true); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
		good.HostKeys = srv.HostKeys
	}
	if _, err := good.Open(context.Background(), false); !errors.Is(err, ErrNoRepository) {
		t.Errorf("no repository: %v", err)
	}
	r, err := good.Open(context.Background(), true)
	if err != nil {
		t.Fatal(err)
	}
	r.Close()
	if b, err := os.ReadFile(srv.Root + "/mox/" + headName); err != nil || len(b) == 0 {
		t.Error(err)
	}
}
