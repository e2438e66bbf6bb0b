package serve

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"mox/config"
	"mox/ownership"
)

// These tests are about a worker that somebody has taken over, here its user: root must do nothing
// for it that gives more rights than it has.

// as runs a shell command as the user of the worker, in the directory of the installation.
func (in *installation) as(command string) error {
	cmd := exec.Command("/bin/sh", "-c", command)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: testUID, Gid: testUID}}
	cmd.Dir = in.dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return errors.New(err.Error() + ": " + string(out))
	}
	return nil
}

// TestTakenOverConfig: the worker goes on changing what is its own, and nothing else.
func TestTakenOverConfig(t *testing.T) {
	needRoot(t)
	in := installUser(t, "127.0.77.37", nil) // the unrepaired state of an older installation
	in.rootsDir()
	r := in.serving()
	r.waitLog("belongs to root now")
	in.wantFile("config/mox.conf", 0o640, 0)
	before, err := os.ReadFile(in.path)
	if err != nil {
		t.Fatal(err)
	}
	for _, attack := range []string{
		"echo x >>config/mox.conf", "rm -f config/mox.conf", "mv config/mox.conf config/old", "mv config away",
		"cp config/domains.conf config/new && mv -f config/new config/mox.conf", "ln -sf /etc/shadow config/mox.conf",
	} {
		if err := in.as(attack); err == nil {
			t.Errorf("%s: is done", attack)
		}
	}
	// By rename of a file of its own in the sticky directory.
	if _, err := r.control("accountadd", "late", "late@mox.example"); err != nil {
		t.Error(err)
	}
	if _, err := r.control("domainadd", "two.example", "late"); err != nil {
		t.Error(err)
	}
	in.wantFile("config/domains.conf", 0o640, testUID)
	if b, err := os.ReadFile(in.config("domains.conf")); err != nil || !strings.Contains(string(b), "late@mox.example") {
		t.Errorf("%v\n%s", err, b)
	}
	if after, err := os.ReadFile(in.path); err != nil || string(after) != string(before) {
		t.Errorf("mox.conf: %v\n%s", err, after)
	}
	r.signal(syscall.SIGTERM)
	r.wantExit(15, "mox has stopped")
	r = in.serving()
	if text := r.log.String(); strings.Contains(text, "belongs to root") || strings.Contains(text, "fixing") {
		t.Errorf("repaired again:\n%s", text)
	}
	r.signal(syscall.SIGTERM)
	r.wantExit(15, "mox has stopped")
}

// TestTakenOverDomains: root reads no file that domains.conf names, nor tells the worker of its content.
func TestTakenOverDomains(t *testing.T) {
	needRoot(t)
	in := install(t, "127.0.77.38", nil)
	program := in.program()
	secret := filepath.Join(in.dir, "secret")
	if err := os.WriteFile(secret, []byte("Secret: of root\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := in.start(func(cmd *exec.Cmd) { cmd.Path = program })
	r.waitLog("mox is serving")
	worker := r.worker()
	rolledBack := func(reason string) {
		t.Helper()
		before := strings.Count(r.log.String(), "state=rolledback")
		r.signal(syscall.SIGUSR2)
		for range 3000 {
			if strings.Count(r.log.String(), "state=rolledback") > before {
				break
			}
			time.Sleep(20 * time.Millisecond)
		}
		_, last, _ := strings.Cut(r.log.String(), "state=rolledback")
		if last = last[strings.LastIndex(last, "state=rolledback")+1:]; !strings.Contains(last, reason) {
			t.Errorf("not rolled back because of %q:\n%s", reason, last)
		}
		if r.worker() != worker {
			t.Error("the worker is another")
		}
	}
	if err := in.as(`cp config/domains.conf good && true || cp config/domains.conf data/good`); err != nil {
		t.Fatal(err)
	}
	if err := in.as("ln -sf " + secret + " config/x && mv -fT config/x config/domains.conf"); err != nil {
		t.Fatal(err)
	}
	rolledBack("permission denied")
	if strings.Contains(r.log.String(), "of root") {
		t.Errorf("the secret is in the log:\n%s", r.log.String())
	}
	// An error of the worker's own files is told before it stops.
	if err := in.as("rm config/domains.conf; echo 'Nonsense: y' >config/domains.conf"); err != nil {
		t.Fatal(err)
	}
	rolledBack("Nonsense")
	if line := in.greeting("imap", false); !strings.HasPrefix(line, "* OK ") {
		t.Errorf("greeting %q", line)
	}
	// mox.conf of somebody else is not believed either.
	if err := os.Chown(in.path, testUID, testUID); err != nil {
		t.Fatal(err)
	}
	rolledBack("chown root")
	r.signal(syscall.SIGTERM)
	r.wantExit(15, "mox has stopped")
}

// TestTakenOverKeys: a key that the worker could have put there is opened with its rights only.
func TestTakenOverKeys(t *testing.T) {
	needRoot(t)
	in := install(t, "127.0.77.39", func(s *config.Static, _ *config.Dynamic) {
		l := s.Listeners["local"]
		l.TLS = &config.TLS{KeyCerts: []config.KeyCert{{CertFile: "../certs/cert.pem", KeyFile: "../certs/key.pem"}}}
		s.Listeners["local"] = l
	})
	certs := filepath.Join(in.dir, "certs")
	if err := os.Mkdir(certs, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"cert.pem", "key.pem"} {
		if err := os.Rename(in.config(name), filepath.Join(certs, name)); err != nil {
			t.Fatal(err)
		}
	}
	// Of root, the key readable for root alone.
	if err := errors.Join(os.Chmod(filepath.Join(certs, "cert.pem"), 0o644), os.Chmod(filepath.Join(certs, "key.pem"), 0o400)); err != nil {
		t.Fatal(err)
	}
	r := in.serving()
	if strings.Contains(r.log.String(), "not opened by root") {
		t.Errorf("keys of root:\n%s", r.log.String())
	}
	r.signal(syscall.SIGTERM)
	r.wantExit(15, "mox has stopped")

	// In a directory of the user, root opens neither the key nor what a link there leads to.
	if err := os.Chown(certs, testUID, testUID); err != nil {
		t.Fatal(err)
	}
	r = in.start(nil)
	r.wantExit(1, "key.pem: permission denied")
	for _, text := range []string{"not opened by root", "chown root " + certs} {
		if !strings.Contains(r.log.String(), text) {
			t.Errorf("log lacks %q:\n%s", text, r.log.String())
		}
	}
	user := ownership.ByID(testUID, testUID)
	for _, attack := range []string{"true", "cd certs; mv key.pem old; ln -s ../config/secret key.pem", "cd certs; rm key.pem; ln -s /etc/shadow key.pem"} {
		if err := in.as(attack); err != nil {
			t.Fatal(err)
		}
		data, err := readKeyFile(filepath.Join(certs, "key.pem"), &user)
		if _, ok := errors.AsType[*ownership.ChangeableError](err); !ok {
			t.Errorf("%s: root reads %q, %v", attack, data, err)
		}
	}
	// What the user can read works.
	if err := in.as("cd certs; rm key.pem; mv old key.pem"); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(filepath.Join(certs, "key.pem"), testUID, testUID); err != nil {
		t.Fatal(err)
	}
	pem, err := os.ReadFile(filepath.Join(certs, "cert.pem"))
	if err == nil {
		err = os.WriteFile(in.config("cert.pem"), pem, 0o644) // for greeting
	}
	if err != nil {
		t.Fatal(err)
	}
	r = in.serving()
	if line := in.greeting("imaps", true); !strings.HasPrefix(line, "* OK ") {
		t.Errorf("greeting %q", line)
	}
	r.signal(syscall.SIGTERM)
	r.wantExit(15, "mox has stopped")
}

// TestTakenOverPlace: where the worker's user can put another configuration, root starts, and tells.
func TestTakenOverPlace(t *testing.T) {
	needRoot(t)
	in := installUser(t, "127.0.77.40", nil)
	serving := func(complaint string) {
		t.Helper()
		r := in.serving()
		if text := r.log.String(); complaint != "" && !strings.Contains(text, complaint) || complaint == "" && strings.Contains(text, "could become root") {
			t.Errorf("want %q in the log:\n%s", complaint, text)
		}
		r.signal(syscall.SIGTERM)
		r.wantExit(15, "mox has stopped")
	}
	serving("chown root " + in.dir)
	in.rootsDir()
	serving("")
	for _, name := range []string{"config", "config/mox.conf"} {
		if err := os.Chown(filepath.Join(in.dir, name), testUID, testUID); err != nil {
			t.Fatal(err)
		}
	}
	if err := replaceIn(in.path, "DataDir:", "NoFixPermissions: true\nDataDir:"); err != nil {
		t.Fatal(err)
	}
	serving("chown root " + in.config(""))
	for _, name := range []string{"", "config", "config/mox.conf"} {
		if err := os.Chown(filepath.Join(in.dir, name), 0, testUID); err != nil {
			t.Fatal(err)
		}
	}
	serving("")
}

// TestTakenOverProgram: root does not replace itself by a program that the worker's user can change.
func TestTakenOverProgram(t *testing.T) {
	needRoot(t)
	in := install(t, "127.0.77.41", nil)
	program := in.program()
	if err := os.Chown(program, testUID, testUID); err != nil {
		t.Fatal(err)
	}
	r := in.start(func(cmd *exec.Cmd) { cmd.Path = program })
	r.waitLog("mox is serving")
	r.waitLog("root runs this program")
	if _, err := r.control("upgrade", `{"ID":"x","Reversible":true,"Watch":1000000000}`); err != nil {
		t.Fatal(err)
	}
	r.waitLog("the parent process stays the old program")
	r.waitLog("chown root " + program)
	if err := os.Chown(program, 0, 0); err != nil {
		t.Fatal(err)
	}
	first := r.worker()
	if _, err := r.control("upgrade", `{"ID":"y","Reversible":true,"Watch":1000000000}`); err != nil {
		t.Fatal(err)
	}
	r.waitLog("parent process is the new program")
	if r.worker() == first {
		t.Error("the worker is the same")
	}
	r.signal(syscall.SIGTERM)
	r.wantExit(15, "mox has stopped")
}

// TestAdoptGuards makes mox.conf root's at the end of an upgrade from a program that did not.
func TestAdoptGuards(t *testing.T) {
	needRoot(t)
	in := install(t, "127.0.77.42", nil)
	program := in.program()
	r := in.start(func(cmd *exec.Cmd) { cmd.Path = program })
	r.waitLog("mox is serving")
	if _, err := r.control("upgrade", `{"ID":"x","Reversible":true,"Watch":3000000000}`); err != nil {
		t.Fatal(err)
	}
	r.waitLog("state=watching")
	for _, name := range []string{"config", "config/mox.conf"} { // as it was before
		if err := os.Chown(filepath.Join(in.dir, name), testUID, testUID); err != nil {
			t.Fatal(err)
		}
	}
	r.waitLog("parent process is the new program")
	in.wantFile("config/mox.conf", 0o640, 0)
	in.wantFile("config", os.ModeDir|os.ModeSetgid|os.ModeSticky|0o770, 0)
	r.waitLog("belongs to root now")
	r.signal(syscall.SIGTERM)
	r.wantExit(15, "mox has stopped")
}

// TestRootDataReplaced has the data directory be a link that the worker's user made.
func TestRootDataReplaced(t *testing.T) {
	needRoot(t)
	in := install(t, "127.0.77.43", func(s *config.Static, _ *config.Dynamic) { s.DataDir = "../work/data" })
	for _, name := range []string{"work", "secret"} {
		if err := os.Mkdir(filepath.Join(in.dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chown(filepath.Join(in.dir, "work"), testUID, testUID); err != nil {
		t.Fatal(err)
	}
	if err := in.as("ln -s ../secret work/data"); err != nil {
		t.Fatal(err)
	}
	r := in.start(nil)
	r.wantExit(1, "chown root "+filepath.Join(in.dir, "work"))
	in.wantFile("secret", os.ModeDir|0o700, 0)
	if err := in.as("rm work/data; mkdir work/data"); err != nil {
		t.Fatal(err)
	}
	r = in.serving()
	r.signal(syscall.SIGTERM)
	r.wantExit(15, "mox has stopped")
	in.wantFile("work/data/queue.db", 0o640, testUID)
}
