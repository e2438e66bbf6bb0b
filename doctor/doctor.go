package doctor

import (
	"cmp"
	"context"
	"crypto/x509"
	"errors"
	"io/fs"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"mox/admin"
	"mox/config"
	"mox/dns"
	"mox/quickstart"
	"mox/status"
)

// Level is how bad a finding is.
type Level string

// Levels, from the worst.
const (
	Urgent  Level = "urgent"  // mail is refused or can be lost, now or soon
	Problem Level = "problem" // something does not work as it should
	Warning Level = "warning" // works, but not as well as it could
	Hint    Level = "hint"    // to be known only
	OK      Level = "ok"
)

// Finding is one thing that was looked at.
type Finding struct {
	Check  string // one of [Checks]
	Level  Level
	Text   string // sentences
	Remedy string `json:",omitempty"` // what to do: a command after "run: ", DNS records, or sentences
	CanFix bool   `json:",omitempty"` // -fix does it
	Fixed  string `json:",omitempty"` // what was done; the rest tells how it was
}

// Bad tells whether something does not work, still.
func (f Finding) Bad() bool { return (f.Level == Urgent || f.Level == Problem) && f.Fixed == "" }

// Report is all that was found, in the order of [Checks].
type Report struct {
	OK       bool // nothing is bad
	Running  bool // there is a server
	Findings []Finding
}

// Checks are the names of what is looked at, in order.
func Checks() []string {
	return []string{"config", "files", "disk", "memory", "openfiles", "user", "clock", "resolver", "ports", "server", "certificates",
		"host", "reversedns", "port25", "blocklists", "dns", "databases", "junk", "queue", "backup"}
}

// Options say what to look at, and how.
type Options struct {
	ConfigPath string // of mox.conf
	Fix        bool   // repair what is safe to repair
	Deep       bool   // read all content of accounts
	Offline    bool   // ask nobody, DNS neither
	SkipDial   bool   // no connections to other servers

	Resolver dns.Resolver
	Dial     func(ctx context.Context, network, address string) (net.Conn, error) // nil: a net.Dialer
	Roots    *x509.CertPool                                                       // nil: those of the configuration or system
	Machine  quickstart.Machine
	Now      func() time.Time // nil: time.Now

	Tools Tools
}

// Tools are what the command line has of the server. All are needed.
type Tools struct {
	// Status asks the server whose data are in a directory, for all sentences. ErrNotRunning: there is none.
	Status func(ctx context.Context, dataDir string) (status.Report, error)
	// Accounts checks accounts, in the running server or without.
	Accounts func(ctx context.Context, snap *config.Snapshot, m admin.Maintenance, found func(admin.Maintained)) error
	// Stopped gathers facts of a server that does not run, and checks databases that are not of accounts.
	Stopped func(ctx context.Context, snap *config.Snapshot, now time.Time, problem func(path, text string)) (status.Facts, error)
	// Permissions finds files of the server with a wrong owner or mode, and sets them right with fix.
	Permissions func(snap *config.Snapshot, fix bool) ([]Fault, error)
	// MakeDirectory makes a directory that is missing, with those above it, for the user of the server.
	MakeDirectory func(snap *config.Snapshot, path string) error
	// Listen are the addresses that a server would bind.
	Listen func(snap *config.Snapshot) []netip.AddrPort
}

// ErrNotRunning is what Tools.Status returns when there is no server.
var ErrNotRunning = errors.New("no server runs")

// Fault is a file that is not as it should be.
type Fault struct{ Path, Text string }

// examination is a call of Examine.
type examination struct {
	Options
	snap    *config.Snapshot // nil: the configuration is not usable
	static  *config.Static   // nil: mox.conf is not usable
	running bool
	server  status.Report   // if running
	dataDir string          // "": not known
	faulty  map[string]bool // files with a wrong owner or mode, still

	mu    sync.Mutex
	found []Finding
}

// Examine looks at everything. An error is only that ctx ended.
func Examine(ctx context.Context, o Options) (*Report, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	x := &examination{Options: o, faulty: map[string]bool{}}
	x.configuration()
	x.askServer(ctx)
	if x.snap != nil {
		x.files()
		x.accounts(ctx)
		x.junk()
	}
	var wg sync.WaitGroup
	wg.Go(func() { x.machine(ctx) })
	if x.snap != nil && !x.Offline {
		wg.Go(func() { x.domains(ctx) })
	}
	wg.Wait()
	x.fromServer(ctx)
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return x.report(), nil
}

// add adds a finding.
func (x *examination) add(f Finding) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.found = append(x.found, f)
}

// report orders what was found: by check, in each the worst first.
func (x *examination) report() *Report {
	r := &Report{OK: true, Running: x.running, Findings: x.found}
	checks := Checks()
	levels := []Level{Urgent, Problem, Warning, Hint, OK}
	slices.SortStableFunc(r.Findings, func(a, b Finding) int {
		return cmp.Or(slices.Index(checks, a.Check)-slices.Index(checks, b.Check), slices.Index(levels, a.Level)-slices.Index(levels, b.Level))
	})
	r.OK = !slices.ContainsFunc(r.Findings, Finding.Bad)
	return r
}

// run is a remedy that is a command.
func run(command string) string { return "run: " + command }

// configuration reads it, as far as that is possible.
func (x *examination) configuration() {
	snap, err := config.LoadOptions(x.ConfigPath, config.Options{Now: x.Now})
	if err == nil {
		x.snap, x.static = snap, snap.Static
		for _, w := range snap.Warnings {
			x.add(Finding{Check: "config", Level: Warning, Text: sentence(w.Error()), Remedy: "Correct it there, then " + run("mox config test")})
		}
		if len(snap.Warnings) == 0 {
			x.add(Finding{Check: "config", Level: OK, Text: "mox.conf and domains.conf have no errors."})
		}
	} else {
		x.configErrors(err)
		// Without keys and certificates most can be looked at.
		if x.snap, err = config.LoadOptions(x.ConfigPath, config.Options{SkipFiles: true, Now: x.Now}); err == nil {
			x.static = x.snap.Static
		} else {
			x.snap = nil
			x.static, _, _ = config.CheckStatic(x.ConfigPath, config.Options{SkipFiles: true, Now: x.Now})
		}
	}
	if x.static != nil {
		x.dataDir = (&config.Snapshot{Path: x.ConfigPath, Static: x.static}).DataPath(".")
	}
}

// maxErrors bounds errors of the configuration that are told.
const maxErrors = 20

func (x *examination) configErrors(err error) {
	if errors.Is(err, fs.ErrNotExist) && errorPath(err) == x.ConfigPath {
		x.add(Finding{Check: "config", Level: Urgent, Text: "There is no configuration at " + x.ConfigPath + ".",
			Remedy: "Run this in the directory of the installation, or with -config and the path of mox.conf before doctor; for a new installation " + run("mox quickstart you@example.org")})
		return
	}
	if errors.Is(err, fs.ErrPermission) {
		x.add(Finding{Check: "config", Level: Urgent, Text: sentence(err.Error()), Remedy: "Run this as root, or as the user of the server"})
		return
	}
	all := strings.Split(err.Error(), "\n")
	for i, text := range all {
		if i == maxErrors {
			text = "And there are more errors"
		}
		// A server that runs goes on with what it has, but does not start again.
		x.add(Finding{Check: "config", Level: Urgent, Text: sentence(text), Remedy: "Correct it there, then " + run("mox config test")})
		if i == maxErrors {
			return
		}
	}
}

// errorPath is the path that a file system error is about.
func errorPath(err error) string {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Path
	}
	return ""
}

// sentence makes a text of an error one.
func sentence(text string) string {
	text = strings.TrimSpace(text)
	if text != "" && !strings.HasSuffix(text, ".") {
		text += "."
	}
	return text
}
