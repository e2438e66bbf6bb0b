package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"mox/updates"
)

// feedDomain has the newest version in tests of upgrades.
const feedDomain = "releases.example"

// feedMox is an installation with a server of version v1.0.0, and a feed that has v1.0.0 and v2.0.0.
type feedMox struct {
	*installed
	key    string // public
	server *exec.Cmd
}

// run runs a command of mox, and returns its output. stdin is a text.
func (f *feedMox) run(stdin string, args ...string) (string, error) {
	cmd := f.command(args...)
	cmd.Stdin = strings.NewReader(stdin)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	return out.String(), err
}

// must is run of what must succeed.
func (f *feedMox) must(stdin string, args ...string) string {
	f.t.Helper()
	out, err := f.run(stdin, args...)
	if err != nil {
		f.t.Fatalf("mox %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

func newFeedMox(t *testing.T, ip string, user bool) *feedMox {
	t.Helper()
	f := &feedMox{installed: prepareMox(t, ip, user)}
	feed := f.path("feed")
	address := ip + ":28597"
	changelog := filepath.Join(feed, updates.ChangelogName)
	private := f.must("", "updates", "genkey")
	f.key = strings.TrimSpace(f.must(private, "updates", "pubkey"))
	cert, err := selfSigned(ip)
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{os.Mkdir(feed, 0o777), os.Chmod(feed, 0o777), os.WriteFile(f.path("releases.key"), []byte(private), 0o644), os.WriteFile(f.path("config/tls.pem"), cert.pem, 0o644)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, v := range []string{"v1.0.0", "v2.0.0"} {
		path := filepath.Join(feed, v)
		if err := appendFault(f.path("mox"), path, v); err != nil {
			t.Fatal(err)
		}
		f.must("What is new in "+v+".\n", "updates", "addsigned", "-key", f.path("releases.key"), "-changelog", changelog, "-version", v, runtime.GOOS+"/"+runtime.GOARCH+"="+path)
	}
	if err := os.Remove(f.path("mox")); err != nil {
		t.Fatal(err)
	}
	if err := appendFault(filepath.Join(feed, "v1.0.0"), f.path("mox"), ""); err != nil {
		t.Fatal(err)
	}
	conf, err := os.ReadFile(f.conf())
	if err != nil {
		t.Fatal(err)
	}
	conf = append(conf, "CheckUpdates: true\nUpdates:\n\tDomain: "+feedDomain+"\n\tURL: https://"+address+"/"+updates.ChangelogName+"\n\tPublicKeys:\n\t\t- "+f.key+"\nTLS:\n\tCA:\n\t\tCertFiles:\n\t\t\t- tls.pem\n"...)
	if err := os.WriteFile(f.conf(), conf, 0o644); err != nil {
		t.Fatal(err)
	}
	f.server = f.command("updates", "serve", "-address", address, "-changelog", changelog, "-cert", f.path("config/tls.pem"), "-key", f.path("config/tls.pem"))
	// Its program is not the one that is replaced.
	f.server.Path = filepath.Join(feed, "v1.0.0")
	if err := f.server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.server.Process.Signal(syscall.SIGTERM); f.server.Wait() })
	if user && os.Getuid() == 0 {
		if err := os.Chown(f.path("mox"), upgradeUser, upgradeUser); err != nil {
			t.Fatal(err)
		}
	}
	return f
}

// TestUpgradeFeed upgrades a running server to a program that it gets from a signed feed, as root
// and without, and back; and refuses what is not signed, while it serves on.
func TestUpgradeFeed(t *testing.T) {
	for i, user := range []bool{false, true} {
		t.Run(map[bool]string{false: "root", true: "unprivileged"}[user], func(t *testing.T) {
			if !user && os.Getuid() != 0 {
				t.Skip("needs root")
			}
			t.Parallel()
			f := newFeedMox(t, []string{"127.0.93.11", "127.0.93.12"}[i], user)
			f.start()
			f.mox("password1\n", "setaccountpassword", "mox")
			if !user {
				// The configuration is the worker's, which must not choose what root runs.
				if out, err := f.run("", "upgrade"); err == nil || !strings.Contains(out, "can be changed by others than root") || !strings.Contains(out, "-pubkey") {
					t.Fatalf("%v\n%s", err, out)
				}
			}
			if out, err := f.run("", "checkupdate"); err == nil || !strings.HasPrefix(out, "v2.0.0 is available, this is v1.0.0.") || !strings.Contains(out, "What is new in v2.0.0.") {
				t.Errorf("%v\n%s", err, out)
			}
			f.refuses("not signed by a key that is trusted", "-pubkey", "iojj3XQJ8ZX9UtstPLpdcspnCb8dlBIb83SIAbQPb1w=")
			f.tampered()
			tr := f.begin()
			time.Sleep(200 * time.Millisecond)
			for _, step := range []struct {
				want, say string
				args      []string
			}{
				{"v2.0.0", "upgraded from v1.0.0", nil},
				{"v2.0.0", "there is no newer version than v2.0.0", nil},
				{"v1.0.0", "upgraded from v2.0.0", []string{"-version", "v1.0.0", "-downgrade"}},
			} {
				args := []string{"upgrade", "-watch", "3s"}
				if !user {
					args = append(args, "-pubkey", f.key)
				}
				out, err := f.run("", append(args, step.args...)...)
				if err != nil || !strings.Contains(out, step.say) || f.program() != step.want {
					t.Errorf("%v, program is %s\n%s", err, f.program(), out)
				}
				if tr != nil { // during one, as the server limits connections
					tr.check()
					tr = nil
				}
				if h := f.mox("", "health"); !strings.HasPrefix(h, "healthy: "+step.want) {
					t.Errorf("health %q", h)
				}
				if step.want == "v2.0.0" {
					f.refuses("add -downgrade", "-pubkey", f.key, "-version", "v1.0.0")
				}
			}
			if !user {
				// Where root alone can change the configuration, its keys are believed.
				for name, mode := range map[string]os.FileMode{"config": 0o755, "config/mox.conf": 0o644} {
					if err := errors.Join(os.Chown(f.path(name), 0, 0), os.Chmod(f.path(name), mode)); err != nil {
						t.Fatal(err)
					}
				}
				f.refuses("the feed has no version v9.9.9; the newest is v2.0.0", "-version", "v9.9.9")
			}
		})
	}
}

// refuses expects an upgrade that is refused, and changes nothing.
func (f *feedMox) refuses(say string, args ...string) {
	f.t.Helper()
	before := f.program()
	out, err := f.run("", append([]string{"upgrade"}, args...)...)
	if err == nil || !strings.Contains(out, say) {
		f.t.Errorf("upgrade %v: %v, want %q\n%s", args, err, say, out)
	}
	if _, err := os.Lstat(f.path("mox.new")); err == nil || f.program() != before {
		f.t.Errorf("program is %s now, before it was %s; mox.new: %v", f.program(), before, err)
	}
}

// tampered has the web server deliver a program that is not what was signed, of the same size.
func (f *feedMox) tampered() {
	f.t.Helper()
	path := f.path("feed/v2.0.0")
	b, err := os.ReadFile(path)
	if err != nil {
		f.t.Fatal(err)
	}
	put := func(content []byte) {
		f.t.Helper()
		if err := os.WriteFile(path+".new", content, 0o755); err != nil {
			f.t.Fatal(err)
		}
		if err := os.Rename(path+".new", path); err != nil {
			f.t.Fatal(err)
		}
	}
	other := bytes.Clone(b)
	other[len(other)/2] ^= 1
	put(other)
	f.refuses("the download is not what was signed: its SHA-256 is", "-pubkey", f.key)
	put(b)
}
