package serve

import (
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestKeyFiles: the worker gets the configured files as they are now, and no others.
func TestKeyFiles(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path+".new", []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(path+".new", path); err != nil {
			t.Fatal(err)
		}
		return path
	}
	cert, key := write("cert.pem", "one"), write("key.pem", "key")
	other := write("other", "from disk")
	large := write("large", strings.Repeat("x", maxKeyFile+1))
	if err := os.Mkdir(filepath.Join(dir, "d"), 0o700); err != nil {
		t.Fatal(err)
	}
	paths := []string{cert, key, large, filepath.Join(dir, "d")}
	parent, worker := net.Pipe()
	done := make(chan struct{})
	go func() {
		serveKeyFiles(parent, paths, nil)
		close(done)
	}()
	r := &keyFileReader{paths: append(paths, "/not/of/the/parent"), conn: worker}
	read := func(path, want, wantErr string) {
		t.Helper()
		data, err := r.read(path)
		if string(data) != want || (err == nil) != (wantErr == "") || err != nil && !strings.Contains(err.Error(), wantErr) {
			t.Errorf("%s: %q, %v", path, data, err)
		}
	}
	read(cert, "one", "")
	write("cert.pem", "two")
	read(cert, "two", "")
	read(key, "key", "")
	read(large, "", "is larger than")
	read(filepath.Join(dir, "d"), "", "not a regular file")
	read("/not/of/the/parent", "", "no such file is configured")
	if err := os.Remove(key); err != nil {
		t.Fatal(err)
	}
	read(key, "", "no such file")
	read(other, "from disk", "")
	parent.Close()
	<-done
	read(cert, "", "a restart is needed")
	read(other, "from disk", "")
}

// FuzzKeyFiles: whatever the worker says, the parent gives nothing but answers.
func FuzzKeyFiles(f *testing.F) {
	f.Add([]byte{0, 0, 0, 1, 255, 255, 9})
	path := filepath.Join(f.TempDir(), "x")
	if err := os.WriteFile(path, []byte("content"), 0o600); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var out strings.Builder
		serveKeyFiles(struct {
			io.Reader
			io.Writer
		}{strings.NewReader(string(data)), &out}, []string{path}, nil)
		if n := len(data) / 2; n > 0 && out.Len() < 5*n {
			t.Errorf("%d requests, %d octets", n, out.Len())
		}
	})
}
