package serve

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"mox/backup"
	"mox/config"
	"mox/ctl"
	"mox/replica"
	"mox/sftp/sftptest"
)

// TestBackupConfined has a confined process make a backup in a directory outside of its own, do
// a drill, and replicate until its end; and the same by SFTP, with a key outside of its directories.
func TestBackupConfined(t *testing.T) {
	t.Run("directory", func(t *testing.T) {
		t.Parallel()
		testBackupConfined(t, "127.0.77.33", &config.Backup{Repository: "../repo"}, func(in *installation) backup.Place {
			return backup.Place{Repository: filepath.Join(in.dir, "repo")}
		})
	})
	t.Run("sftp", func(t *testing.T) {
		t.Parallel()
		srv := sftptest.New(t)
		b := &config.Backup{Repository: srv.URL("/mox"), SSHKeyFile: "../keys/sshkey", HostKeys: srv.HostKeys}
		testBackupConfined(t, "127.0.77.57", b, func(*installation) backup.Place {
			return backup.Place{Repository: b.Repository, SSHKeyFile: srv.KeyFile, HostKeys: b.HostKeys}
		})
	})
}

func testBackupConfined(t *testing.T, ip string, conf *config.Backup, place func(*installation) backup.Place) {
	ctx := context.Background()
	conf.Replicate = true
	in := installUser(t, ip, func(s *config.Static, _ *config.Dynamic) { s.Backup = conf })
	if from := place(in).SSHKeyFile; from != "" {
		copyKey(t, from, filepath.Join(in.dir, "keys/sshkey"))
	}
	r := in.start(func(cmd *exec.Cmd) { asUser(cmd) })
	r.waitLog("mox is serving")
	stream := func(req ctl.Request) string {
		t.Helper()
		c, err := ctl.Dial(ctx, filepath.Join(in.dir, "data/ctl"))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		var out bytes.Buffer
		if err := c.Stream(ctx, req, nil, &out); err != nil {
			t.Fatalf("%s: %v", req.Command, err)
		}
		return out.String()
	}
	if out := stream(ctl.Request{Command: "backuprun", Params: []string{"", ""}}); !strings.Contains(out, " stored, in ") {
		t.Errorf("backup: %s", out)
	}
	if out := stream(ctl.Request{Command: "backupdrill", Params: []string{""}}); !strings.HasPrefix(out, "OK: ") {
		t.Errorf("drill: %s", out)
	}
	r.signal(syscall.SIGTERM)
	r.wantExit(15, "mox has stopped")
	repo, err := place(in).Open(ctx, false)
	if err != nil {
		t.Fatal(err)
	}
	defer repo.Close()
	if _, err := replica.Restore(ctx, repo, "queue.db", repo.Now(), filepath.Join(t.TempDir(), "queue.db")); err != nil {
		t.Errorf("replica: %v", err)
	}
	if _, err := os.Stat(filepath.Join(in.dir, "data/backup/replica.json")); err != nil {
		t.Errorf("a clean end leaves no state: %v", err)
	}
}

// copyKey copies a file into a new directory, for everybody to read.
func copyKey(t *testing.T, from, to string) {
	t.Helper()
	b, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Dir(to), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, b, 0o644); err != nil {
		t.Fatal(err)
	}
}
