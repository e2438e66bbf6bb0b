//go:build unix

package ownership

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// TestMakeDir: all that is made belongs to the user, and nothing else.
func TestMakeDir(t *testing.T) {
	base := t.TempDir()
	u := User{UID: uint32(os.Geteuid()), GID: uint32(os.Getegid())}
	if os.Geteuid() == 0 {
		u = User{UID: 65532, GID: 65531}
	}
	path := filepath.Join(base, "a", "b", "c")
	if err := MakeDir(path, u); err != nil {
		t.Fatal(err)
	}
	for dir := path; dir != base; dir = filepath.Dir(dir) {
		info, err := os.Lstat(dir)
		if err != nil {
			t.Fatal(err)
		}
		if st := info.Sys().(*syscall.Stat_t); st.Uid != u.UID || st.Gid != u.GID || info.Mode() != os.ModeDir|0o700 {
			t.Errorf("%s: %d:%d %s", dir, st.Uid, st.Gid, info.Mode())
		}
	}
	if info, _ := os.Stat(base); int(info.Sys().(*syscall.Stat_t).Uid) != os.Geteuid() {
		t.Error("a directory that was there has another owner")
	}
	// A link to nowhere is no directory, and what it names is not made.
	link := filepath.Join(base, "link")
	if err := os.Symlink(filepath.Join(base, "elsewhere"), link); err != nil {
		t.Fatal(err)
	}
	if err := MakeDir(link, u); !errors.Is(err, os.ErrExist) {
		t.Error(err)
	}
	if _, err := os.Lstat(filepath.Join(base, "elsewhere")); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
	// What is not empty was not made just now.
	f, err := os.Open(base)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := isNew(f); !errors.Is(err, errReplaced) {
		t.Error(err)
	}
}
