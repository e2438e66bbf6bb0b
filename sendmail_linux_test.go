package main

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestSetgid: a setgid sendmail reads a configuration that its user may not, does not show
// it, and gives the group up; as anything but sendmail the binary refuses to run.
func TestSetgid(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root")
	}
	const group, nobody = 4242, 65534
	dir, err := os.MkdirTemp("", "setgid")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.Chmod(dir, 0o755))
	self, err := os.Executable()
	must(err)
	for _, name := range []string{"sendmail", "mox"} {
		copyFile(t, self, filepath.Join(dir, name))
		must(os.Chown(filepath.Join(dir, name), 0, group))
		must(os.Chmod(filepath.Join(dir, name), 0o755|os.ModeSetgid))
	}
	home := filepath.Join(dir, "home")
	must(os.Mkdir(home, 0o755))
	must(os.Chown(home, nobody, nobody))
	conf := filepath.Join(dir, "moxsubmit.conf")
	run := func(name, text string) (string, error) {
		must(os.WriteFile(conf, []byte(text), 0o640))
		must(os.Chown(conf, 0, group))
		cmd := exec.Command(filepath.Join(dir, name), "a@b.example")
		cmd.Dir, cmd.Env, cmd.Stdin = dir, []string{"HOME=" + home, "MOXSUBMITCONF=" + conf}, strings.NewReader("hi\n")
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
		var out bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &out
		err := cmd.Run()
		return out.String(), err
	}
	good := "LocalHostname: web.example\nHost: 127.0.0.1\nPort: 1\nTLS: true\nSTARTTLS: false\nUsername: web\nPassword: verysecret\nAuthMethod:\nFrom: web@mail.example\n"
	if out, err := run("sendmail", good); err == nil || !strings.Contains(out, "connecting to submission server") {
		t.Error(out, err)
	}
	if out, err := run("sendmail", good+"verysecret\n"); err == nil || !strings.Contains(out, "line 10: invalid configuration") || strings.Contains(out, "verysecret") {
		t.Error(out, err)
	}
	if out, err := run("mox", good); err == nil || !strings.Contains(out, "refusing to run setgid") {
		t.Error(out, err)
	}
	files, err := filepath.Glob(filepath.Join(home, "moxsubmit.failures", "newmsg.*"))
	if err != nil || len(files) != 2 {
		t.Fatal(files, err)
	}
	fi, err := os.Stat(files[0])
	must(err)
	if st := fi.Sys().(*syscall.Stat_t); st.Gid != nobody || st.Uid != nobody {
		t.Errorf("owner %d, group %d", st.Uid, st.Gid)
	}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	in, err := os.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := os.Create(to)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(out, in); err != nil {
		t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
}
