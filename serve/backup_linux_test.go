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
)

// TestBackupConfined has a confined process make a backup in a directory outside of its own, do
// a drill, and replicate until its end.
func TestBackupConfined(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	in := installUser(t, "127.0.77.33", func(s *config.Static, _ *config.Dynamic) {
		s.Backup = &config.Backup{Repository: "../repo", Replicate: true}
	})
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
	repo, err := backup.OpenRepository(ctx, backup.Directory(filepath.Join(in.dir, "repo")), backup.Key{})
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
