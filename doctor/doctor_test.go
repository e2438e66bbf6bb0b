package doctor

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mox/admin"
	"mox/backup"
	"mox/config"
	"mox/dns"
	"mox/quickstart"
	"mox/status"
	"mox/store"
)

const testStatic = `DataDir: ../data
LogLevel: info
User: mox
Hostname: mail.example.org
Listeners:
	public:
		IPs:
			- 192.0.2.10
		SMTP:
			Enabled: true
			NoSTARTTLS: true
Postmaster:
	Account: mox
	Mailbox: Postmaster
`

const testDynamic = `Domains:
	example.org: nil
Accounts:
	mox:
		Domain: example.org
		Destinations:
			mox@example.org: nil
		JunkFilter:
			Threshold: 0.95
			Params:
				Twograms: true
				MaxPower: 0.1
				TopWords: 10
				IgnoreWords: 0.1
`

// world is an installation, and all it touches, which a fault changes.
type world struct {
	t    *testing.T
	dir  string
	o    Options
	zone dns.MockResolver

	running  bool
	facts    status.Facts
	statErr  error
	stopped  error
	damaged  map[string]string // databases
	accounts []admin.Maintained
	faults   []Fault
	fixed    bool // Permissions were set right

	greeting     string // of port 25 elsewhere; "": it is blocked
	synchronised bool
	memory, disk uint64
	files        uint64
	users        bool
	listening    []quickstart.Socket
	off          time.Duration // of another's clock
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, dir: t.TempDir(), running: true, greeting: "220 hi", synchronised: true, memory: 4 << 30, disk: 40 << 30, files: 65535, users: true, damaged: map[string]string{}}
	w.zone = dns.MockResolver{
		NS: map[string][]string{"com": {"a.gtld-servers.net"}}, A: map[string][]string{"mail.example.org": {"192.0.2.10"}, "mx.gmail.example": {"192.0.2.99"}},
		MX:  map[string][]dns.MX{"gmail.com": {{Preference: 5, Host: "mx.gmail.example"}}, "example.org": {{Preference: 10, Host: "mail.example.org"}}},
		PTR: map[string][]string{"192.0.2.10": {"mail.example.org"}}, TXT: map[string][]string{"example.org": {"v=spf1 ip4:192.0.2.10 -all"}}, AllAuthentic: true, Fail: map[string]error{},
	}
	w.write("config/mox.conf", testStatic)
	w.write("config/domains.conf", testDynamic)
	if err := os.Mkdir(filepath.Join(w.dir, "data"), 0o700); err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	w.facts = status.Facts{Now: now, Uptime: 100 * time.Hour, Disk: status.Disk{Dir: "/d", Free: 40 << 30, Known: true},
		Backup: &status.Backup{Interval: 24 * time.Hour, State: backup.ManagerState{Good: backup.Result{Ended: now.Add(-time.Hour)}}, Drill: backup.DrillState{Last: backup.Proven{Time: now, OK: true}}}}
	return w
}

func (w *world) write(name, text string) {
	w.t.Helper()
	path := filepath.Join(w.dir, name)
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(text), 0o600)); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) examine() *Report {
	w.t.Helper()
	o := w.o
	o.ConfigPath, o.Resolver = filepath.Join(w.dir, "config/mox.conf"), w.zone
	o.Dial = func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("refused") }
	o.Machine = quickstart.Machine{
		Hostname: func() (string, error) { return "mail.example.org", nil }, Interfaces: func() ([]quickstart.Interface, error) { return nil, nil },
		Listening: func() ([]quickstart.Socket, error) { return w.listening, nil }, Synchronised: func() (bool, bool) { return w.synchronised, true },
		DomainAge: func(context.Context, dns.Domain) (time.Time, time.Time, error) {
			if w.off == 0 {
				return time.Time{}, time.Time{}, errors.New("no answer")
			}
			return time.Now().AddDate(-5, 0, 0), time.Now().Add(w.off), nil
		},
		Memory: func() (uint64, bool) { return w.memory, true }, Disk: func(string) (uint64, bool) { return w.disk, true }, OpenFiles: func() (uint64, bool) { return w.files, true },
		HasUser: func(string) bool { return w.users }, IsRoot: func() bool { return true }, OS: "linux", Program: "/x/mox",
		Dial: func(context.Context, string, string) (net.Conn, error) {
			if w.greeting == "" {
				return nil, errors.New("i/o timeout")
			}
			ours, theirs := net.Pipe()
			go func() {
				io.WriteString(theirs, w.greeting+"\r\n")
				io.Copy(io.Discard, theirs)
				theirs.Close()
			}()
			return ours, nil
		},
	}
	o.Tools = Tools{
		Status: func(context.Context, string) (status.Report, error) {
			if !w.running {
				return status.Report{}, ErrNotRunning
			}
			return w.facts.All(), w.statErr
		},
		Accounts: func(_ context.Context, _ *config.Snapshot, m admin.Maintenance, found func(admin.Maintained)) error {
			for _, a := range w.accounts {
				if m.Fix {
					a.Fixes, a.Problems = a.Problems, nil
				}
				found(a)
			}
			return nil
		},
		Stopped: func(_ context.Context, _ *config.Snapshot, _ time.Time, problem func(path, text string)) (status.Facts, error) {
			for path, text := range w.damaged {
				problem(path, text)
			}
			return w.facts, w.stopped
		},
		Permissions: func(_ *config.Snapshot, fix bool) ([]Fault, error) {
			w.fixed = w.fixed || fix
			return w.faults, nil
		},
		MakeDirectory: func(_ *config.Snapshot, path string) error { return os.MkdirAll(path, 0o700) },
		Listen: func(*config.Snapshot) []netip.AddrPort {
			return []netip.AddrPort{netip.MustParseAddrPort("192.0.2.10:25")}
		},
	}
	r, err := Examine(context.Background(), o)
	if err != nil {
		w.t.Fatal(err)
	}
	var out bytes.Buffer
	if err := r.Print(&out, true); err != nil || strings.ContainsAny(out.String(), "\x1b\x00") {
		w.t.Fatalf("printing: %v, %q", err, out.String())
	}
	return r
}

// find returns a finding of a check with a text.
func find(r *Report, check, text string) (Finding, bool) {
	for _, f := range r.Findings {
		if f.Check == check && strings.Contains(f.Text, text) {
			return f, true
		}
	}
	return Finding{}, false
}

// TestFaults: each fault has a finding that is not there without it, of the right level and with what
// mends it.
func TestFaults(t *testing.T) {
	tests := []struct {
		name   string
		fault  func(w *world)
		check  string
		level  Level
		text   string
		remedy string
	}{
		{"no configuration", func(w *world) { os.Remove(filepath.Join(w.dir, "config/mox.conf")) }, "config", Urgent, "There is no configuration at ", "mox quickstart"},
		{"unknown field", func(w *world) { w.write("config/mox.conf", testStatic+"Nonsense: 1\n") }, "config", Urgent, "Nonsense", "run: mox config test"},
		{"no domains.conf", func(w *world) { os.Remove(filepath.Join(w.dir, "config/domains.conf")) }, "config", Urgent, "domains.conf: no such file", "run: mox config test"},
		{"key missing", func(w *world) {
			w.write("config/domains.conf", strings.Replace(testDynamic, "example.org: nil", "example.org:\n\t\tDKIM:\n\t\t\tSelectors:\n\t\t\t\ts1:\n\t\t\t\t\tPrivateKeyFile: s1.pem", 1))
		}, "config", Urgent, "s1.pem", "run: mox config test"},
		{"data directory missing", func(w *world) { os.Remove(filepath.Join(w.dir, "data")) }, "files", Problem, "data does not exist", "run: mox doctor -fix"},
		{"data is a file", func(w *world) {
			os.Remove(filepath.Join(w.dir, "data"))
			w.write("data", "x")
		}, "files", Problem, "is no directory", "mv "},
		{"owner", func(w *world) { w.faults = []Fault{{"/d/queue.db", "belongs to user id 0"}} }, "files", Problem, "/d/queue.db belongs to user id 0", "run: mox doctor -fix"},
		{"leftover", func(w *world) {
			w.write("config/.domains.conf.123.tmp", "x")
			old := time.Now().Add(-2 * time.Hour)
			os.Chtimes(filepath.Join(w.dir, "config/.domains.conf.123.tmp"), old, old)
		}, "files", Hint, "1 temporary files", "run: mox doctor -fix"},
		{"disk", func(w *world) { w.facts.Disk.Free = 100 << 20 }, "disk", Urgent, "has only 100 MiB left", "run: df -h"},
		{"memory", func(w *world) { w.memory = 200 << 20 }, "memory", Warning, "Only 200 MB", "swapon"},
		{"open files", func(w *world) { w.files = 1024 }, "openfiles", Warning, "only 1024 open files", "LimitNOFILE"},
		{"user", func(w *world) { w.users = false }, "user", Hint, "no user mox", "useradd --system"},
		{"clock not kept", func(w *world) { w.synchronised = false }, "clock", Warning, "Nothing keeps the clock right", "systemctl enable --now systemd-timesyncd"},
		{"clock off", func(w *world) { w.off = time.Hour }, "clock", Problem, "away from that of another server", "systemd-timesyncd"},
		{"resolver dead", func(w *world) { w.zone.Fail["ns com"] = nil }, "resolver", Problem, "DNS gives no answers", "apt install unbound"},
		{"resolver without DNSSEC", func(w *world) { w.zone.AllAuthentic = false }, "resolver", Warning, "does not say that it verifies DNSSEC", "unbound-anchor"},
		{"port taken", func(w *world) {
			w.running = false
			w.listening = []quickstart.Socket{{Addr: netip.MustParseAddrPort("0.0.0.0:25"), PID: 7, Process: "exim4", Unit: "exim4.service"}}
		}, "ports", Problem, "exim4 (process 7) already has port 25", "systemctl disable --now exim4.service"},
		{"stopped", func(w *world) { w.running = false }, "server", Urgent, "not running", "mox serve"},
		{"unreachable socket", func(w *world) { w.statErr = errors.New("permission denied") }, "server", Problem, "permission denied", "as root"},
		{"own check", func(w *world) { w.facts.Health = []string{"imap at 1.2.3.4:143: refused"} }, "server", Urgent, "imap at 1.2.3.4:143", "run: mox health"},
		{"panics", func(w *world) { w.facts.Panics = 2 }, "server", Problem, "hit 2 bugs", "run: mox logs -level error"},
		{"upgrade", func(w *world) { w.facts.Upgrade = status.Upgrade{Failed: true, Undone: true, Reason: "x"} }, "server", Problem, "last upgrade was undone", "run: mox upgrade -status"},
		{"host without address", func(w *world) { w.zone.A = nil }, "host", Problem, "mail.example.org has no address in DNS", "A 192.0.2.10"},
		{"no reverse name", func(w *world) { w.zone.PTR = nil }, "reversedns", Problem, "192.0.2.10 has no name in reverse DNS", "(PTR) of 192.0.2.10 to mail.example.org"},
		{"other reverse name", func(w *world) { w.zone.PTR["192.0.2.10"] = []string{"host.provider.example"} }, "reversedns", Problem, "is called host.provider.example", "(PTR) of 192.0.2.10"},
		{"port 25", func(w *world) { w.greeting = "" }, "port25", Problem, "The way out seems to be blocked", "open port 25"},
		{"something else on port 25", func(w *world) { w.greeting = "hello" }, "port25", Problem, "Something else answers", "open port 25"},
		{"block list", func(w *world) { w.zone.A["10.2.0.192.bl.spamcop.net"] = []string{"127.0.0.2"} }, "blocklists", Problem, "192.0.2.10 is on the block list bl.spamcop.net", "for removal"},
		{"no SPF", func(w *world) { w.zone.TXT = nil }, "dns", Problem, "example.org, SPF: example.org has no SPF record", `example.org. IN TXT "v=spf1`},
		{"no MX", func(w *world) { delete(w.zone.MX, "example.org") }, "dns", Problem, "example.org, MX: example.org has no MX record", "example.org. IN MX 10 mail.example.org."},
		{"account", func(w *world) {
			w.accounts = []admin.Maintained{{Account: "mox", Problems: []store.Problem{{Area: "counts", Text: "wrong"}}}}
		}, "databases", Urgent, "Account mox: counts: wrong", "run: mox doctor -fix"},
		{"queue.db damaged", func(w *world) { w.running, w.damaged["/d/queue.db"] = false, "malformed" }, "databases", Urgent, "/d/queue.db: malformed", ".recover"},
		{"junk.db damaged", func(w *world) { w.running, w.damaged["/d/accounts/a/junk.db"] = false, "malformed" }, "databases", Urgent, "junk.db: malformed", "mox retrain"},
		{"store in use", func(w *world) { w.running, w.stopped = false, errors.New("in use") }, "databases", Problem, "in use", "backup"},
		{"not stored", func(w *world) { w.facts.Unstored = 3 }, "databases", Urgent, "3 incoming messages could not be stored", "run: mox check -quick"},
		{"no junk filter", func(w *world) {
			w.write("config/domains.conf", testDynamic[:strings.Index(testDynamic, "\t\tJunkFilter")])
		}, "junk", Hint, "Without junk filter: mox", "mox config describe-domains"},
		{"late", func(w *world) {
			w.facts.Queue = status.Queue{Messages: 1, Late: 1, Oldest: w.facts.Now.Add(-72 * time.Hour), Destinations: []status.Destination{{Name: "a.example", Late: 1}}}
		}, "queue", Problem, "1 outgoing message waits for longer than a day", "run: mox queue list"},
		{"held", func(w *world) { w.facts.Queue.Held = 1 }, "queue", Problem, "on hold", "run: mox queue list -hold true"},
		{"backup failed", func(w *world) { w.facts.Backup.State.Last.Err = "no space" }, "backup", Problem, "The last backup failed", "run: mox backup run"},
		{"backup old", func(w *world) { w.facts.Backup.State.Good.Ended = w.facts.Now.AddDate(0, 0, -30) }, "backup", Urgent, "No backup was made when it was due", "run: mox backup run"},
		{"drill failed", func(w *world) {
			w.facts.Backup.Drill.Last = backup.Proven{Time: w.facts.Now, Failures: []string{"bad"}}
		}, "backup", Urgent, "could not be restored", "run: mox backup check"},
		{"no backups", func(w *world) { w.facts.Backup = nil }, "backup", Hint, "No backups are configured", "config example backup"},
	}
	base := newWorld(t).examine()
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			if f, ok := find(base, tc.check, tc.text); ok {
				t.Fatalf("found without the fault: %+v", f)
			}
			w := newWorld(t)
			tc.fault(w)
			r := w.examine()
			f, ok := find(r, tc.check, tc.text)
			if !ok {
				var all []string
				for _, f := range r.Findings {
					all = append(all, fmt.Sprintf("%+v", f))
				}
				t.Fatalf("not found; there is:\n%s", strings.Join(all, "\n"))
			}
			if f.Level != tc.level || !strings.Contains(f.Remedy, tc.remedy) {
				t.Errorf("got %+v, want level %s and remedy with %q", f, tc.level, tc.remedy)
			}
			if f.Bad() && r.OK {
				t.Error("report is OK")
			}
		})
	}
}

// TestHealthy: what does not depend on a fault is in order.
func TestHealthy(t *testing.T) {
	r := newWorld(t).examine()
	for _, f := range r.Findings {
		// The zone of the test has no more than it needs.
		if f.Check != "dns" && f.Level != OK {
			t.Errorf("%+v", f)
		}
	}
	seen := map[string]bool{}
	for _, f := range r.Findings {
		seen[f.Check] = true
	}
	for _, c := range Checks() {
		if !seen[c] && c != "ports" && c != "databases" {
			t.Errorf("nothing is said about %s", c)
		}
	}
}

// TestFix: what is repaired is no problem any more, and nothing is changed without Fix.
func TestFix(t *testing.T) {
	w := newWorld(t)
	w.faults = []Fault{{"/d/x", "has mode 0644"}}
	w.accounts = []admin.Maintained{{Account: "mox", Problems: []store.Problem{{Area: "counts", Text: "wrong"}}}}
	os.Remove(filepath.Join(w.dir, "data"))
	if r := w.examine(); r.OK || w.fixed {
		t.Fatalf("without Fix: %+v", r)
	}
	if _, err := os.Stat(filepath.Join(w.dir, "data")); err == nil {
		t.Fatal("directory was made without Fix")
	}
	w.o.Fix = true
	r := w.examine()
	for _, tc := range []struct{ check, text, fixed string }{
		{"files", "does not exist", "was made"},
		{"files", "Owners or modes", "1 files"},
		{"databases", "account mox", "counts: wrong."},
	} {
		if f, ok := find(r, tc.check, tc.text); !ok || !strings.Contains(f.Fixed, tc.fixed) || f.Bad() {
			t.Errorf("%s: %+v", tc.text, f)
		}
	}
	if _, err := os.Stat(filepath.Join(w.dir, "data")); err != nil || !w.fixed {
		t.Error("not repaired", err)
	}
}

// TestConsequences: what follows from something else is not told.
func TestConsequences(t *testing.T) {
	w := newWorld(t)
	w.running = false
	r := w.examine()
	for _, f := range r.Findings {
		if f.Check == "dns" && strings.Contains(f.Text, errStopped.Error()) {
			t.Errorf("%+v", f)
		}
	}
}
