//go:build unix

package main

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"mox/config"
)

// TestDoctorMakeDirectory: what root makes belongs to the user of the server, who could not use it else.
func TestDoctorMakeDirectory(t *testing.T) {
	path := filepath.Join(t.TempDir(), "backups", "mox")
	snap := &config.Snapshot{Static: &config.Static{User: "65532"}}
	if err := doctorMakeDirectory(snap, path); err != nil {
		t.Fatal(err)
	}
	want := uint32(os.Geteuid())
	if want == 0 {
		want = 65532
	}
	for _, dir := range []string{path, filepath.Dir(path)} {
		info, err := os.Stat(dir)
		if err != nil {
			t.Fatal(err)
		}
		if uid := info.Sys().(*syscall.Stat_t).Uid; uid != want || info.Mode().Perm() != 0o700 {
			t.Errorf("%s belongs to %d, mode %s", dir, uid, info.Mode())
		}
	}
	if os.Geteuid() != 0 {
		return
	}
	snap.Static.User = "root"
	if err := doctorMakeDirectory(snap, filepath.Join(path, "x")); err == nil {
		t.Error("a directory was made for root")
	}
}
