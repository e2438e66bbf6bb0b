//go:build unix

package ownership

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// server is the user that is not to be believed.
var server = User{UID: 65534, GID: 65534}

// place is a directory that root and the user can enter, in which tests make files.
type place struct {
	t   *testing.T
	dir string
	log bytes.Buffer
}

func newPlace(t *testing.T) *place {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("needs root")
	}
	dir, err := os.MkdirTemp("", "moxownership")
	if err == nil {
		err = os.Chmod(dir, 0o755)
	}
	if err == nil {
		dir, err = filepath.EvalSymlinks(dir)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return &place{t: t, dir: dir}
}

func (p *place) path(name string) string { return filepath.Join(p.dir, name) }

func (p *place) must(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
}

// file makes a file, whose content is its name, or with a final slash a directory.
func (p *place) file(name string, uid int, mode uint32) {
	p.t.Helper()
	path := p.path(name)
	if strings.HasSuffix(name, "/") {
		p.must(os.Mkdir(path, 0o700))
	} else {
		p.must(os.WriteFile(path, []byte(name), 0o600))
	}
	p.must(os.Chown(path, uid, uid))
	p.must(syscall.Chmod(path, mode))
}

func (p *place) link(name, target string, uid int) {
	p.t.Helper()
	p.must(os.Symlink(target, p.path(name)))
	p.must(os.Lchown(p.path(name), uid, uid))
}

// want looks at owner, group and mode.
func (p *place) want(name string, uid, gid, mode uint32) {
	p.t.Helper()
	var st syscall.Stat_t
	p.must(syscall.Lstat(p.path(name), &st))
	if got := uint32(st.Mode) & 0o7777; st.Uid != uid || st.Gid != gid || got != mode {
		p.t.Errorf("%s: %d:%d %04o, want %d:%d %04o", name, st.Uid, st.Gid, got, uid, gid, mode)
	}
}

func (p *place) fix(keep ...string) error {
	l := Layout{Config: p.path("config/mox.conf"), Data: p.path("data"), User: server, Log: slog.New(slog.NewTextHandler(&p.log, nil))}
	for _, name := range keep {
		l.Keep = append(l.Keep, p.path(name))
	}
	return Fix(l)
}

// as runs a shell command as the user, in the place.
func (p *place) as(command string) error {
	cmd := exec.Command("/bin/sh", "-c", command)
	cmd.Dir = p.dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: server.UID, Gid: server.GID}}
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}

// TestOpen opens nothing that the user could have put there.
func TestOpen(t *testing.T) {
	const user = 65534
	p := newPlace(t)
	p.file("secret", 0, 0o600)
	p.file("own", user, 0o600)
	p.file("roots/", 0, 0o755)
	p.file("roots/key", 0, 0o600)
	p.file("roots/own", user, 0o600)
	p.file("roots/open", 0, 0o666)
	p.link("roots/link", "../secret", 0)
	p.link("roots/absolute", p.path("secret"), 0)
	p.link("roots/out", "../users/key", 0)
	p.link("roots/loop", "loop", 0)
	p.link("roots/up", "..", 0)
	p.must(os.Link(p.path("secret"), p.path("roots/hard")))
	p.file("users/", user, 0o755)
	p.file("users/key", 0, 0o600)
	p.link("users/link", "../secret", user)
	p.link("users/rootslink", "../secret", 0)
	p.file("users/roots/", 0, 0o755)
	p.file("users/roots/key", 0, 0o600)
	p.file("group/", 0, 0o755)
	p.must(os.Chown(p.path("group"), 0, user))
	p.must(os.Chmod(p.path("group"), 0o775))
	p.file("group/key", 0, 0o600)
	p.file("others/", 0, 0o777)
	p.file("others/key", 0, 0o600)
	p.file("sticky/", 0, 0o1777)
	p.file("sticky/key", 0, 0o600)
	p.file("sticky/own", user, 0o600)
	p.link("sticky/link", "../secret", user)
	p.link("sticky/rootslink", "../secret", 0)
	p.must(os.Link(p.path("roots/key"), p.path("sticky/hard")))
	p.must(os.Link(p.path("roots/link"), p.path("sticky/hardlink")))
	p.file("sticky/own.d/", user, 0o755)
	p.file("sticky/own.d/key", 0, 0o600)
	p.file("stickyown/", user, 0o1755)
	p.file("stickyown/key", 0, 0o600)
	p.file("alice/", 1234, 0o755) // not root's, but not the user's either
	p.file("alice/key", 1234, 0o600)
	p.must(syscall.Mkfifo(p.path("roots/fifo"), 0o666))

	for _, tc := range []struct {
		name       string
		changeable string // what the user can change; "" if the file is opened
		err        string
	}{
		{"secret", "", ""},
		{"own", "", ""}, // its content is the user's, its place is not
		{"roots/key", "", ""}, {"roots/own", "", ""}, {"roots/open", "", ""},
		{"roots/link", "", ""}, {"roots/absolute", "", ""}, {"roots/up/secret", "", ""},
		{"roots/hard", "", ""},
		{"roots/out", "users", ""},
		{"users/key", "users", ""}, {"users/link", "users", ""}, {"users/rootslink", "users", ""}, {"users/roots/key", "users", ""},
		{"group/key", "group", ""}, {"others/key", "others", ""},
		{"sticky/key", "", ""}, {"sticky/rootslink", "", ""},
		{"sticky/own", "sticky/own", ""}, {"sticky/link", "sticky/link", ""}, {"sticky/hard", "sticky/hard", ""}, {"sticky/hardlink", "sticky/hardlink", ""},
		{"sticky/own.d/key", "sticky/own.d", ""}, {"stickyown/key", "stickyown", ""},
		{"alice/key", "", ""},
		{"roots/loop", "", "too many levels"}, {"roots/fifo", "", "not a regular file"}, {"roots", "", "not a regular file"},
		{"roots/none", "", "no such file"}, {"none/none", "", "no such file"}, {"secret/x", "", "not a directory"},
		{"roots/x\x00y", "", "invalid argument"},
	} {
		f, err := Open(p.path(tc.name), &server)
		var changeable *ChangeableError
		switch {
		case tc.changeable != "":
			if !errors.As(err, &changeable) || changeable.At != p.path(tc.changeable) || changeable.Path != p.path(tc.name) {
				t.Errorf("%s: %v", tc.name, err)
			}
		case tc.err != "":
			if err == nil || !strings.Contains(err.Error(), tc.err) || errors.As(err, &changeable) {
				t.Errorf("%s: %v", tc.name, err)
			}
		case err != nil:
			t.Errorf("%s: %v", tc.name, err)
		}
		if f != nil {
			f.Close()
		}
		// Who is the same has nothing to fear.
		if f, err := Open(p.path(tc.name), nil); (err == nil) != (tc.err == "") {
			t.Errorf("%s, of oneself: %v", tc.name, err)
		} else if err == nil {
			f.Close()
		}
	}
	for name, want := range map[string]bool{"roots/key": true, "roots/own": false, "roots/open": false, "own": false} {
		f, err := OpenRoots(p.path(name), &server)
		if (err == nil) != want {
			t.Errorf("content of %s: %v", name, err)
		} else if err == nil {
			f.Close()
		}
	}
	// A group that the system knows for the user.
	p.file("staff/", 0, 0o755)
	p.must(os.Chown(p.path("staff"), 0, 4321))
	p.must(os.Chmod(p.path("staff"), 0o775))
	p.file("staff/key", 0, 0o600)
	for _, u := range []User{server, {UID: server.UID, GID: server.GID, Groups: []uint32{4321}}} {
		f, err := Open(p.path("staff/key"), &u)
		if (err == nil) != (len(u.Groups) == 0) {
			t.Errorf("%v: %v", u, err)
		} else if err == nil {
			f.Close()
		}
	}
	if err := CheckDir(p.path("users"), server); err != nil {
		t.Error(err)
	}
	if err := CheckDir(p.path("users/roots"), server); err == nil {
		t.Error("a directory that the user can replace is good")
	}
	for name, want := range map[string]bool{"roots": true, "users": false, "users/roots": false, "sticky": true, "stickyown": false, "others": false} {
		if err := CheckPlace(p.path(name), server); (err == nil) != want {
			t.Errorf("place %s: %v", name, err)
		}
	}
	if err := CheckDir("/", server); err != nil {
		t.Error(err)
	}
}

// TestFix gives the files of an installation from before to whom they belong, once.
func TestFix(t *testing.T) {
	const user = 65534
	p := newPlace(t)
	p.file("config/", user, 0o750)
	p.file("config/mox.conf", user, 0o660)
	p.file("config/domains.conf", 0, 0o644)
	p.file("config/key.pem", 0, 0o400)
	p.file("config/cert.pem", user, 0o644)
	p.file("config/tls/", user, 0o755)
	p.file("config/tls/key.pem", 0, 0o400)
	p.file("config/dkim/", 0, 0o755)
	p.file("config/dkim/a.pem", 0, 0o600)
	p.file("config/hook.sh", 0, 0o755)
	p.file("data/", user, 0o755)
	p.file("data/queue.db", 0, 0o666)
	p.file("data/accounts/", 0, 0o777)
	p.file("data/accounts/own", user, 0o640)
	p.file("elsewhere/", 0, 0o755)
	p.file("elsewhere/shadow", 0, 0o600)
	p.file("elsewhere/two", 0, 0o600)
	p.link("data/link", "../elsewhere/shadow", user)
	p.link("data/accounts/dir", "../../elsewhere", user)
	p.must(os.Link(p.path("elsewhere/two"), p.path("data/hard")))
	p.must(syscall.Mkfifo(p.path("data/fifo"), 0o666))
	before, err := os.OpenFile(p.path("config/mox.conf"), os.O_WRONLY, 0) // as the user may have it open
	p.must(err)
	defer before.Close()

	keep := []string{"config/key.pem", "config/cert.pem", "config/tls/key.pem", "config/hook.sh", "config/none/key.pem"}
	p.must(p.fix(keep...))
	for _, text := range []string{"belongs to root now", "several hard links"} {
		if !strings.Contains(p.log.String(), text) {
			t.Errorf("log lacks %q:\n%s", text, p.log.String())
		}
	}
	check := func() {
		t.Helper()
		p.want("config", 0, user, 0o3770)
		p.want("config/mox.conf", 0, user, 0o640)
		p.want("config/domains.conf", user, 0, 0o640)
		p.want("config/key.pem", 0, 0, 0o400)
		p.want("config/cert.pem", user, user, 0o644)
		p.want("config/tls", 0, user, 0o3770)
		p.want("config/tls/key.pem", 0, 0, 0o400)
		p.want("config/dkim", user, 0, 0o2750)
		p.want("config/dkim/a.pem", user, 0, 0o600)
		p.want("config/hook.sh", 0, 0, 0o755)
		p.want("data", user, 0, 0o2750)
		p.want("data/accounts/own", user, 0, 0o640)
		p.want("data/queue.db", user, 0, 0o640)
		p.want("data/accounts", user, 0, 0o2750)
		p.want("elsewhere", 0, 0, 0o755)
		p.want("elsewhere/shadow", 0, 0, 0o600)
		p.want("elsewhere/two", 0, 0, 0o600)
		p.want("data/hard", 0, 0, 0o600)
		if text, err := os.ReadFile(p.path("config/mox.conf")); err != nil || string(text) != "config/mox.conf" {
			t.Errorf("mox.conf: %q, %v", text, err)
		}
		entries, err := os.ReadDir(p.path("config"))
		if err != nil || len(entries) != 7 {
			t.Errorf("directory has %v, %v", entries, err)
		}
	}
	check()
	if _, err := before.WriteString("evil"); err != nil {
		t.Fatal(err)
	}
	check()
	for _, name := range []string{"config/mox.conf", "config/key.pem", "config/tls/key.pem"} {
		f, err := OpenRoots(p.path(name), &server)
		if err != nil {
			t.Error(err)
			continue
		}
		f.Close()
	}

	// Nothing to do a second time, also not for what the user adds.
	p.must(p.as("umask 007; cd config; echo new >domains.new; mv domains.new domains.conf; mkdir hostkeys; echo x >hostkeys/k; cat mox.conf >/dev/null; chmod g+s hostkeys"))
	p.must(os.RemoveAll(p.path("config/hostkeys")))
	p.must(os.Remove(p.path("data/hard")))
	p.log.Reset()
	p.must(p.fix(keep...))
	if strings.Contains(p.log.String(), "fixing") {
		t.Errorf("log of the second time:\n%s", p.log.String())
	}
}

// TestTakenOver tries what the user can do about files that root believes.
func TestTakenOver(t *testing.T) {
	const user = 65534
	p := newPlace(t)
	p.file("config/", user, 0o750)
	p.file("config/mox.conf", user, 0o660)
	p.file("config/domains.conf", user, 0o640)
	p.file("config/tls/", user, 0o755)
	p.file("config/tls/key.pem", 0, 0o400)
	p.file("config/hook.sh", 0, 0o755)
	p.file("secret/", 0, 0o755)
	p.file("secret/key", 0, 0o600)
	keep := []string{"config/tls/key.pem", "config/hook.sh"}
	p.must(p.fix(keep...))
	for _, attack := range []string{
		"echo User: alice >>config/mox.conf", "rm -f config/mox.conf", "mv config/mox.conf config/old",
		"echo x >config/new && mv -f config/new config/mox.conf", "ln -sf ../secret/key config/mox.conf", "chmod 666 config/mox.conf",
		"mv config config.old", "rm -rf config/tls", "mv config/tls config/tls.old", "rm -f config/tls/key.pem",
		"echo x >config/tls/n && mv -f config/tls/n config/tls/key.pem", "ln -sf ../../secret/key config/tls/key.pem",
		"chmod 777 config", "mv data data.old", "ln -s secret data2", "mkdir x",
		"echo evil >>config/hook.sh", "mv config/hook.sh config/x",
		"ln secret/key config/hard", // refused by the system if it protects hard links
	} {
		if err := p.as(attack); err == nil {
			t.Errorf("%s: is done", attack)
		}
	}
	// What it needs works.
	for _, need := range []string{
		"cat config/mox.conf", "echo x >config/t && mv config/t config/domains.conf", "mkdir config/dkim && echo k >config/dkim/k", "echo p >config/adminpasswd", "rm config/adminpasswd",
		"echo q >data/queue.db", "mkdir -p data/accounts/a",
	} {
		if err := p.as(need); err != nil {
			t.Errorf("%s: %v", need, err)
		}
	}

	// What it plants leads root nowhere, also when root repairs again.
	p.must(p.as("ln -s ../secret config/dir; ln -s ../secret/key config/link; ln -s ../../secret data/accounts/b; ln -s ../secret/key data/report.db; mkfifo config/fifo"))
	p.must(os.Link(p.path("secret/key"), p.path("config/hard"))) // as a system without protection has it
	p.must(os.Link(p.path("secret/key"), p.path("data/hard")))
	p.must(p.fix(append(keep, "config/link", "config/dir/key", "config/hard")...))
	p.want("secret", 0, 0, 0o755)
	p.want("secret/key", 0, 0, 0o600)
	for _, name := range []string{"config/link", "config/dir/key", "config/hard"} {
		var changeable *ChangeableError
		if _, err := Open(p.path(name), &server); !errors.As(err, &changeable) {
			t.Errorf("root opens %s: %v", name, err)
		}
	}
}

// TestFixData is about a data directory that the user can replace.
func TestFixData(t *testing.T) {
	const user = 65534
	p := newPlace(t)
	p.file("config/", 0, 0o750)
	p.file("config/mox.conf", 0, 0o640)
	p.file("secret/", 0, 0o700)
	p.file("secret/key", 0, 0o600)
	p.file("work/", user, 0o755)
	p.file("work/moved/", 0, 0o700)
	p.file("work/moved/key", 0, 0o600)
	l := Layout{Config: p.path("config/mox.conf"), User: server, Log: slog.New(slog.NewTextHandler(&p.log, nil))}
	fix := func(data string) {
		t.Helper()
		p.log.Reset()
		l.Data = p.path(data)
		p.must(Fix(l))
		if !strings.Contains(p.log.String(), "data directory are not repaired") {
			t.Errorf("log:\n%s", p.log.String())
		}
		p.want("secret", 0, 0, 0o700)
		p.want("secret/key", 0, 0, 0o600)
		p.want("work/moved", 0, 0, 0o700)
		p.want("work/moved/key", 0, 0, 0o600)
	}
	p.must(p.as("ln -s ../secret work/data"))
	fix("work/data")
	p.must(p.as("rm work/data; mv work/moved work/data 2>/dev/null || true"))
	if _, err := os.Stat(p.path("work/data")); err == nil {
		p.must(os.Rename(p.path("work/data"), p.path("work/moved")))
	}
	fix("work/moved")
	fix("work/new")
	if _, err := os.Stat(p.path("work/new")); err == nil {
		t.Error("root made a directory where the user could move it")
	}
	// One that is the user's is repaired wherever it is.
	p.must(p.as("mkdir work/own"))
	p.file("work/own/file", 0, 0o644)
	l.Data = p.path("work/own")
	p.must(Fix(l))
	p.want("work/own/file", user, 0, 0o640)
	// A missing one is made, through a link of root.
	p.file("disk/", 0, 0o755)
	p.link("data", "disk/mail", 0)
	l.Data = p.path("data")
	p.must(Fix(l))
	p.want("disk/mail", user, 0, 0o2750)
	// The configuration may be in the data directory, or be it.
	p.file("both/", 0, 0o700)
	p.file("both/mox.conf", user, 0o600)
	p.file("both/queue.db", 0, 0o600)
	l.Config, l.Data = p.path("both/mox.conf"), p.path("both")
	p.must(Fix(l))
	p.want("both", 0, user, 0o3770)
	p.want("both/mox.conf", 0, user, 0o640)
	p.want("both/queue.db", user, 0, 0o600)
	p.file("big/", 0, 0o700)
	p.file("big/queue.db", 0, 0o600)
	p.file("big/config/", user, 0o700)
	p.file("big/config/mox.conf", user, 0o600)
	l.Config, l.Data = p.path("big/config/mox.conf"), p.path("big")
	p.must(Fix(l))
	p.want("big", 0, user, 0o3770)
	p.want("big/config", 0, user, 0o3770)
	p.want("big/queue.db", user, 0, 0o600)
	if err := p.as("mv big/config big/x"); err == nil {
		t.Error("the user moved the configuration")
	}
}

// TestGuard refuses a mox.conf that the user could have put there whatever is repaired.
func TestGuard(t *testing.T) {
	const user = 65534
	for what, make := range map[string]func(p *place) string{
		"directory above": func(p *place) string {
			p.file("home/", user, 0o755)
			p.file("home/config/", 0, 0o750)
			p.file("home/config/mox.conf", 0, 0o640)
			return "home/config/mox.conf"
		},
		"directory above, open": func(p *place) string {
			p.file("home/", 0, 0o777)
			p.file("home/config/", user, 0o750)
			p.file("home/config/mox.conf", user, 0o640)
			return "home/config/mox.conf"
		},
		"link": func(p *place) string {
			p.file("config/", user, 0o750)
			p.file("other", 0, 0o640)
			p.link("config/mox.conf", "../other", user)
			return "config/mox.conf"
		},
		"file behind a link": func(p *place) string {
			p.file("config/", 0, 0o750)
			p.file("other", user, 0o640)
			p.link("config/mox.conf", "../other", 0)
			return "config/mox.conf"
		},
	} {
		t.Run(what, func(t *testing.T) {
			p := newPlace(t)
			name := make(p)
			var changeable *ChangeableError
			err := Guard(Layout{Config: p.path(name), Data: filepath.Dir(p.path(name)), User: server, Log: slog.New(slog.DiscardHandler)})
			if !errors.As(err, &changeable) || !strings.Contains(err.Error(), "chown root "+changeable.At) {
				t.Errorf("%v", err)
			}
		})
	}
	p := newPlace(t)
	p.file("config/", 0, 0o750)
	p.file("other", 0, 0o600)
	p.link("config/mox.conf", "../other", 0)
	p.must(Guard(Layout{Config: p.path("config/mox.conf"), Data: p.path("config"), User: server, Log: slog.New(slog.DiscardHandler)}))
	p.want("other", 0, user, 0o640)
	p.must(os.Remove(p.path("other")))
	if err := Guard(Layout{Config: p.path("config/mox.conf"), Data: p.path("config"), User: server, Log: slog.New(slog.DiscardHandler)}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v", err)
	}
}

// TestMembers tells who shares a group with the user.
func TestMembers(t *testing.T) {
	const passwd = "root:x:0:0::/root:/bin/sh\nmox:x:998:100::/srv/mox:/bin/false\nalice:x:1000:100::/home/alice:/bin/sh\nbob:x:1001:1001::/home/bob:/bin/sh\nbad\n"
	const group = "root:x:0:\nusers:x:100:mox,bob,carol\nothers:x:101:dave\n"
	for _, tc := range []struct {
		user User
		want string
	}{
		{User{UID: 998, GID: 100}, "alice bob carol"},
		{User{UID: 1001, GID: 1001}, ""},
		{User{UID: 7, GID: 101}, "dave"},
	} {
		if got := strings.Join(members(tc.user, passwd, group), " "); got != tc.want {
			t.Errorf("%v: %q", tc.user, got)
		}
	}
}

// TestLookup finds users by name and number.
func TestLookup(t *testing.T) {
	for name, want := range map[string]error{"": ErrNone, "0": ErrRoot, "root": ErrRoot, "no such user": errors.New("make that user")} {
		if _, err := Lookup(name); err == nil || !strings.Contains(err.Error(), want.Error()) {
			t.Errorf("%q: %v", name, err)
		}
	}
	if u, err := Lookup("4294967000"); err != nil || u.UID != 4294967000 || u.GID != 4294967000 || u.Groups != nil {
		t.Errorf("%v, %v", u, err)
	}
}
