package upgrade

import (
	"encoding/binary"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"mox/admin"
	"mox/ownership"
)

// dataUID is the user of mox.conf in these tests.
const dataUID = 65534

// TestDataUser looks at data directories as root: commands run as the user of mox.conf, never as root, and not
// where that user has planted a link.
func TestDataUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	dir, err := os.MkdirTemp("", "moxowner")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	path := func(name string) string { return filepath.Join(dir, name) }
	check := func(errs ...error) {
		t.Helper()
		if err := errors.Join(errs...); err != nil {
			t.Fatal(err)
		}
	}
	check(os.Chmod(dir, 0o755), os.MkdirAll(path("data/sub"), 0o755), os.Mkdir(path("user"), 0o755), os.MkdirAll(path("roots/upgrade/rehearsal"), 0o755))
	check(os.MkdirAll(path("user/data"), 0o755), os.Symlink(path("data"), path("link")), os.Symlink(path("roots"), path("user/planted")), os.Symlink(path("roots"), path("bad")))
	check(os.Symlink(path("data"), path("user/other")), os.WriteFile(path("mox.conf"), nil, 0o644), os.WriteFile(path("stranger.conf"), nil, 0o644), os.Chown(path("stranger.conf"), 1234, 1234))
	for _, name := range []string{"data", "data/sub", "user", "user/data", "user/planted", "user/other"} {
		check(os.Lchown(path(name), dataUID, dataUID))
	}
	changeable := func(err error) bool { _, ok := errors.AsType[*ownership.ChangeableError](err); return ok }
	text := func(want string) func(error) bool {
		return func(err error) bool { return err != nil && strings.Contains(err.Error(), want) }
	}
	name := strconv.Itoa(dataUID)
	for _, tc := range []struct {
		conf, user, data string
		resolved         string
		err              func(error) bool
	}{
		{"mox.conf", name, "data", "data", nil},
		{"mox.conf", name, "link", "data", nil}, // root's link
		{"mox.conf", name, "user/data", "user/data", nil},
		{"mox.conf", name, "user/planted", "", changeable},
		{"mox.conf", name, "user/other", "", changeable},
		{"mox.conf", name, "bad", "", text("belongs to the user with id 0")},
		{"mox.conf", name, "roots", "", text("belongs to the user with id 0")},
		{"mox.conf", "1234", "data", "", text("belongs to the user with id 65534")},
		{"mox.conf", "root", "data", "", func(err error) bool { return errors.Is(err, ownership.ErrRoot) }},
		{"mox.conf", name, "none", "", func(err error) bool { return errors.Is(err, os.ErrNotExist) }},
		{"stranger.conf", name, "data", "", text("belongs to neither root")},
	} {
		as, resolved, err := DataUser(path(tc.conf), tc.user, path(tc.data))
		if tc.err != nil {
			if !tc.err(err) || as != nil {
				t.Errorf("%v: %v", tc, err)
			}
			continue
		}
		if err != nil || resolved != path(tc.resolved) || as == nil {
			t.Errorf("%v: %q %v", tc, resolved, err)
			continue
		}
		cmd := exec.Command("id", "-u")
		as(cmd)
		if out, err := cmd.Output(); err != nil || strings.TrimSpace(string(out)) != name {
			t.Errorf("%v: runs as %s, %v", tc, out, err)
		}
	}

	// As root nothing is removed where the user could have put a link, be it at the last moment.
	check(os.Symlink(path("roots/upgrade"), path("data/upgrade")))
	r := &runner{}
	if err := r.remove(path("data/upgrade/rehearsal")); err == nil {
		t.Error("root removed in a directory of the user")
	}
	as, data, err := DataUser(path("mox.conf"), name, path("data"))
	check(err)
	r.As = as
	if err := r.remove(filepath.Join(data, Dir, "rehearsal")); err == nil {
		t.Error("the user could remove what is root's")
	}
	if _, err := os.Stat(path("roots/upgrade/rehearsal")); err != nil {
		t.Error(err)
	}
}

// TestKeepCapabilities: the new program has the capabilities of the one in use, or nothing is changed.
func TestKeepCapabilities(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	capable := func(path string) {
		t.Helper()
		data := make([]byte, 20)
		binary.LittleEndian.PutUint32(data, 0x02000001)
		binary.LittleEndian.PutUint32(data[4:], 1<<unix.CAP_NET_BIND_SERVICE)
		if err := unix.Setxattr(path, "security.capability", data, 0); err != nil {
			t.Skipf("capabilities of files cannot be set here: %v", err)
		}
	}
	o := installed(t)
	capable(o.Program)
	script(t, string(o.Source.(File)), "v2", "")
	o.Server = &fakeServer{state: admin.UpgradeDone}
	if result, err := Run(t.Context(), o); err != nil || !result.Installed {
		t.Fatal(result, err)
	}
	for _, path := range []string{o.Program, o.Program + ".old"} {
		if caps := ownership.FileCapabilities(path); caps != 1<<unix.CAP_NET_BIND_SERVICE {
			t.Errorf("%s has capabilities %#x", path, caps)
		}
	}

	// Without the right to give them, as another user than root: in a process of its own.
	if err := errors.Join(os.Chmod(filepath.Dir(o.Program), 0o777), os.Chmod(filepath.Dir(filepath.Dir(o.Program)), 0o755)); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/proc/self/exe", "-test.run=^TestKeepCapabilitiesChild$", "-test.v")
	cmd.Env = append(os.Environ(), "MOX_TEST_CAPABLE="+o.Program)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: dataUID, Gid: dataUID}}
	cmd.Dir = "/"
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "PASS: TestKeepCapabilitiesChild") {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestKeepCapabilitiesChild is run by TestKeepCapabilities.
func TestKeepCapabilitiesChild(t *testing.T) {
	program := os.Getenv("MOX_TEST_CAPABLE")
	if program == "" {
		t.Skip("for TestKeepCapabilities")
	}
	before, err := os.Stat(program)
	if err != nil {
		t.Fatal(err)
	}
	server := &fakeServer{state: admin.UpgradeDone}
	_, err = Run(t.Context(), Options{Source: File(program + ".none"), Program: program, Server: server, SkipRehearsal: true})
	var refused *ownership.CapabilityError
	if !errors.As(err, &refused) || !strings.Contains(err.Error(), "setcap cap_net_bind_service=+ep "+program) || !strings.Contains(err.Error(), "nothing was changed") {
		t.Error(err)
	}
	after, err := os.Stat(program)
	if err != nil || !os.SameFile(before, after) {
		t.Errorf("the program was replaced: %v", err)
	}
	if _, err := os.Stat(program + ".new"); err == nil {
		t.Error("mox.new was left")
	}
}
