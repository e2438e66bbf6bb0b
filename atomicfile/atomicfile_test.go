package atomicfile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

func readFile(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func mustWrite(t *testing.T, path, data string, perm fs.FileMode) {
	t.Helper()
	if err := os.WriteFile(path, []byte(data), perm); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, perm); err != nil {
		t.Fatal(err)
	}
}

func checkDir(t *testing.T, dir string, names ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if strings.Join(got, " ") != strings.Join(names, " ") {
		t.Errorf("files %v, want %v", got, names)
	}
}

func checkMode(t *testing.T, path string, perm fs.FileMode) {
	t.Helper()
	if runtime.GOOS == "windows" {
		return
	}
	fi, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if fi.Mode().Perm() != perm {
		t.Errorf("mode %v, want %v", fi.Mode().Perm(), perm)
	}
}

func TestWrite(t *testing.T) {
	dir := t.TempDir()
	p := filepath.Join(dir, "f")
	for _, data := range []string{"one", "", "three and more"} {
		if err := Write(p, []byte(data), 0o664); err != nil {
			t.Fatal(err)
		}
		if got := readFile(t, p); got != data {
			t.Errorf("got %q", got)
		}
	}
	checkMode(t, p, 0o664)
	checkDir(t, dir, "f")
	if err := Write(filepath.Join(dir, "no", "f"), nil, 0o600); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	// A directory cannot be replaced; nothing stays behind.
	if err := os.MkdirAll(filepath.Join(dir, "d", "x"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := Write(filepath.Join(dir, "d"), nil, 0o600); err == nil {
		t.Error("replaced a directory")
	}
	checkDir(t, dir, "d", "f")
	t.Chdir(dir)
	if err := Write("g", []byte("x"), 0o600); err != nil {
		t.Error(err)
	}
}

func TestAbort(t *testing.T) {
	dir := t.TempDir()
	p := filepath.Join(dir, "f")
	mustWrite(t, p, "old", 0o600)
	f, err := Create(p, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write([]byte("new")); err != nil {
		t.Fatal(err)
	}
	f.Abort()
	f.Abort()
	if err := f.Commit(); !errors.Is(err, fs.ErrClosed) {
		t.Error(err)
	}
	if readFile(t, p) != "old" {
		t.Error("aborted write shows")
	}
	checkDir(t, dir, "f")
}

func TestReplace(t *testing.T) {
	dir := t.TempDir()
	p := filepath.Join(dir, "f")
	if err := Replace(p, nil); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	mustWrite(t, p, "old", 0o640)
	if err := Replace(p, []byte("new")); err != nil {
		t.Fatal(err)
	}
	checkMode(t, p, 0o640)
	if readFile(t, p) != "new" {
		t.Error("not replaced")
	}
	if err := Replace(dir, nil); err == nil {
		t.Error("replaced a directory")
	}

	link := filepath.Join(dir, "link")
	if err := os.Symlink("f", link); err != nil {
		t.Skip(err)
	}
	if err := Replace(link, []byte("through link")); err != nil {
		t.Fatal(err)
	}
	if fi, err := os.Lstat(link); err != nil || fi.Mode()&fs.ModeSymlink == 0 {
		t.Error("link was replaced", err)
	}
	if readFile(t, p) != "through link" {
		t.Error("target not replaced")
	}
	checkDir(t, dir, "f", "link")
}

func TestOverwrite(t *testing.T) {
	dir := t.TempDir()
	p := filepath.Join(dir, "f")
	mustWrite(t, p, "a long old content", 0o600)
	before, err := os.Stat(p)
	if err != nil {
		t.Fatal(err)
	}
	if err := overwrite(p, []byte("new")); err != nil {
		t.Fatal(err)
	}
	after, err := os.Stat(p)
	if err != nil || !os.SameFile(before, after) {
		t.Error("other file", err)
	}
	if readFile(t, p) != "new" {
		t.Error("not overwritten")
	}
}

func TestReplacePermissions(t *testing.T) {
	if runtime.GOOS == "windows" || os.Getuid() == 0 {
		t.Skip("needs an unprivileged user on unix")
	}
	dir := t.TempDir()
	p := filepath.Join(dir, "f")
	mustWrite(t, p, "old", 0o600)
	if err := os.Chmod(dir, 0o500); err != nil {
		t.Fatal(err)
	}
	defer os.Chmod(dir, 0o700)
	if err := Replace(p, []byte("in place")); err != nil {
		t.Fatal(err)
	}
	if readFile(t, p) != "in place" {
		t.Error("not replaced")
	}
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(p, 0o400); err != nil {
		t.Fatal(err)
	}
	if err := Replace(p, []byte("x")); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("read-only file: %v", err)
	}
}

func TestClean(t *testing.T) {
	dir := t.TempDir()
	old := time.Now().Add(-2 * time.Hour)
	for _, name := range []string{".f.123.tmp", ".f.new.tmp", "f.123.tmp", ".x.tmp", ".f.9.tmp"} {
		p := filepath.Join(dir, name)
		mustWrite(t, p, "", 0o600)
		if name != ".f.9.tmp" {
			if err := os.Chtimes(p, old, old); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := Clean(dir); err != nil {
		t.Fatal(err)
	}
	checkDir(t, dir, ".f.9.tmp", ".f.new.tmp", ".x.tmp", "f.123.tmp")
	if err := Clean(filepath.Join(dir, "no")); err == nil {
		t.Error("no error")
	}
}

func TestNames(t *testing.T) {
	f, err := Create(filepath.Join(t.TempDir(), "mox.conf"), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Abort()
	if !isTemp(filepath.Base(f.f.Name())) {
		t.Errorf("own name %s not recognized", f.f.Name())
	}
}
