package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"mox/admin"
	"mox/autotls"
	"mox/config"
	"mox/ctl"
	"mox/doctor"
	"mox/ownership"
	"mox/queue"
	"mox/serve"
	"mox/status"
	"mox/store"
	"mox/upgrade"
)

func doctorCommands() []command {
	return []command{
		{words: "doctor", short: "look for anything that is wrong with the installation, and repair it", max: 0, setup: setupDoctor, help: doctorHelp},
		{words: "doctorfiles", prints: printsJSON, short: "look at files as the user whom they belong to, for doctor", max: 0, setup: setupDoctorFiles, unlisted: true},
	}
}

const doctorHelp = `
Goes through the configuration, directories, owners and modes of files, disk, memory, clock, resolver and
DNSSEC, ports, the server's own check, certificates, the host name and reverse DNS, outgoing port
25, block lists, the DNS records of all domains, databases, junk filters, the queue, backups and
their proofs. It works with the server running, without, and with a configuration that has errors:
what cannot be looked at then is left out.

Each finding is a line with the check and what is wrong. Below it is what to do: a command, or
the records to publish. With -fix, what is safe to repair is repaired: directories that are missing are made,
owners and modes set right, temporary files of killed processes removed, and in accounts counts, sizes,
UIDs, references and the parsed form of messages made right. What was done is told in place of the
remedy. Configuration, DNS, certificates and mail are not changed.

Exits with 0 when there are no problems, or all were repaired, and with 1 otherwise. Warnings and hints
do not count. "mox status" is the quick look.`

func setupDoctor(fs *flag.FlagSet) runFunc {
	var o doctor.Options
	fs.BoolVar(&o.Fix, "fix", false, "repair what is safe to repair")
	fs.BoolVar(&o.Deep, "deep", false, "read the content of all messages")
	fs.BoolVar(&o.Offline, "offline", false, "ask nobody anything, DNS neither")
	fs.BoolVar(&o.SkipDial, "skipdial", false, "make no connections to other servers")
	asJSON := fs.Bool("json", false, "print JSON")
	all := fs.Bool("all", false, "print what is in order too")
	addr := resolverFlag(fs)
	return func(ctx context.Context, p *program, _ []string) error {
		ctx, stop := interruptible(ctx)
		defer stop()
		if err := p.doctorOptions(&o, *addr); err != nil {
			return err
		}
		r, err := doctor.Examine(ctx, o)
		if err != nil {
			return err
		}
		if *asJSON {
			err = printJSONLine(p.stdout, r)
		} else {
			err = r.Print(p.stdout, *all)
		}
		if err == nil && !r.OK {
			err = exitStatus(1)
		}
		return err
	}
}

// doctorOptions completes options by what the program knows.
func (p *program) doctorOptions(o *doctor.Options, resolver string) error {
	r, err := p.resolverAt(resolver)
	if err != nil {
		return err
	}
	if o.ConfigPath, err = filepath.Abs(p.configPath); err != nil {
		return err
	}
	o.Resolver, o.Dial, o.Roots = r, p.connect, p.roots
	if p.machine != nil {
		o.Machine = *p.machine
	}
	files := &doctorFilesOf{p: p}
	o.Tools = doctor.Tools{Status: doctorStatus, Accounts: files.accounts, Stopped: files.stopped, Permissions: doctorPermissions, MakeDirectory: doctorMakeDirectory, Listen: doctorListen}
	return nil
}

// doctorStatus asks the server of a data directory.
func doctorStatus(ctx context.Context, dataDir string) (r status.Report, err error) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	c, err := ctl.Dial(ctx, filepath.Join(dataDir, "ctl"))
	if errors.Is(err, ctl.ErrNotRunning) {
		return r, doctor.ErrNotRunning
	} else if err != nil {
		return r, err
	}
	return r, askClient(ctx, c, &r, "status", "all")
}

// doctorFiles is what is found in the files of a server that does not run.
type doctorFiles struct {
	Accounts      []admin.Maintained
	AccountsError string // why not all could be checked
	Facts         status.Facts
	Problems      []doctor.Fault // of databases
	Error         string         // why not all could be looked at
}

// doctorFilesOf looks at files once, for two of the tools. As root it does so as the user whom they belong to.
type doctorFilesOf struct {
	p *program
	f *doctorFiles // nil: not looked yet
}

func (d *doctorFilesOf) get(ctx context.Context, snap *config.Snapshot, m admin.Maintenance) (*doctorFiles, error) {
	if d.f != nil {
		return d.f, nil
	}
	if checkOwner(snap.DataPath("")) == nil {
		d.f = d.p.lookAtFiles(ctx, snap, m)
		return d.f, nil
	}
	args := []string{"-config", snap.Path, "doctorfiles"}
	if m.Fix {
		args = append(args, "-fix")
	}
	if !m.Quick {
		args = append(args, "-deep")
	}
	out, err := runAsUser(ctx, snap, args...)
	if err != nil {
		return nil, err
	}
	f := &doctorFiles{}
	if err := json.Unmarshal(out, f); err != nil {
		return nil, fmt.Errorf("looking at files as their owner: %w", err)
	}
	d.f = f
	return f, nil
}

// ownerTimeout bounds what is done as another user.
const ownerTimeout = 6 * time.Hour

// runAsUser runs this program as the user of mox.conf, and returns what it prints.
func runAsUser(ctx context.Context, snap *config.Snapshot, args ...string) ([]byte, error) {
	as, _, err := upgrade.DataUser(snap.Path, snap.Static.User, snap.DataPath("."))
	if err != nil {
		return nil, err
	}
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, ownerTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, exe, args...)
	if as != nil {
		as(cmd)
	}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("looking at files as user %s of mox.conf: %w: %.500s", snap.Static.User, err, strings.TrimSpace(stderr.String()))
	}
	return out, nil
}

// setupDoctorFiles is the command that runs as the owner of the files.
func setupDoctorFiles(fs *flag.FlagSet) runFunc {
	m := admin.Maintenance{Command: "check"}
	fs.BoolVar(&m.Fix, "fix", false, "repair what is wrong with accounts")
	deep := fs.Bool("deep", false, "read content")
	return func(ctx context.Context, p *program, _ []string) error {
		ctx, stop := interruptible(ctx)
		defer stop()
		m.Quick = !*deep
		snap, err := config.Load(p.configPath)
		if err != nil {
			if snap, err = config.LoadOptions(p.configPath, config.Options{SkipFiles: true}); err != nil {
				return err
			}
		}
		return printJSONLine(p.stdout, p.lookAtFiles(ctx, snap, m))
	}
}

// lookAtFiles checks accounts and other databases, and gathers facts.
func (p *program) lookAtFiles(ctx context.Context, snap *config.Snapshot, m admin.Maintenance) *doctorFiles {
	f := &doctorFiles{}
	if err := p.checkAccounts(ctx, m, func(r admin.Maintained) { f.Accounts = append(f.Accounts, r) }); err != nil {
		f.AccountsError = err.Error()
	}
	var err error
	f.Facts, err = p.stoppedFacts(ctx, snap, time.Now(), func(path, text string) { f.Problems = append(f.Problems, doctor.Fault{Path: path, Text: text}) })
	if err != nil {
		f.Error = err.Error()
	}
	return f
}

// accounts implements doctor.Tools: in the server if it runs.
func (d *doctorFilesOf) accounts(ctx context.Context, snap *config.Snapshot, m admin.Maintenance, found func(admin.Maintained)) error {
	if c, err := d.p.dial(ctx); err == nil {
		c.Close()
		return d.p.checkAccounts(ctx, m, found)
	}
	f, err := d.get(ctx, snap, m)
	if err != nil {
		return err
	}
	for _, r := range f.Accounts {
		found(r)
	}
	return textError(f.AccountsError)
}

// stopped implements doctor.Tools.
func (d *doctorFilesOf) stopped(ctx context.Context, snap *config.Snapshot, now time.Time, problem func(path, text string)) (status.Facts, error) {
	f, err := d.get(ctx, snap, admin.Maintenance{Command: "check", Quick: true})
	if err != nil {
		return status.Facts{Now: now}, err
	}
	for _, x := range f.Problems {
		problem(x.Path, x.Text)
	}
	return f.Facts, textError(f.Error)
}

func textError(text string) error {
	if text == "" {
		return nil
	}
	return errors.New(text)
}

// checkAccounts is "mox check" with types instead of text.
func (p *program) checkAccounts(ctx context.Context, m admin.Maintenance, found func(admin.Maintained)) error {
	c := maintainCommand{m: m, json: true}
	var out bytes.Buffer
	err := c.maintain(ctx, p, "", &out)
	d := json.NewDecoder(&out)
	for {
		var r admin.Maintained
		if derr := d.Decode(&r); errors.Is(derr, io.EOF) {
			return err
		} else if derr != nil {
			return errors.Join(err, derr)
		}
		found(r)
	}
}

// stoppedFacts are those of a server that does not run.
func (p *program) stoppedFacts(ctx context.Context, snap *config.Snapshot, now time.Time, problem func(path, text string)) (status.Facts, error) {
	f := status.Facts{Now: now}
	f.Disk.Dir = snap.DataPath(".")
	if free, err := upgrade.FreeSpace(f.Disk.Dir); err == nil && free < 1<<60 {
		f.Disk.Free, f.Disk.Known = free, true
	}
	var berr error
	if f.Backup, berr = admin.BackupFacts(snap); berr != nil {
		problem(snap.DataPath("backup"), berr.Error())
	}
	// With the data directory held, no server starts meanwhile.
	err := p.withStore(snap.DataPath(""), nil, func(*store.Store) error {
		var err error
		if f.Certificates, err = autotls.StoredStatus(snap.DataPath(serve.ACMEDir), snap, func() time.Time { return now }); err != nil {
			problem(snap.DataPath(serve.ACMEDir), err.Error())
		}
		if err := checkDatabases(ctx, snap.DataPath("."), problem); err != nil {
			return err
		}
		path := snap.DataPath(queue.FileName)
		if err := queue.Look(path, func(q *queue.Queue) error { return admin.QueueFacts(ctx, q, &f) }); err != nil {
			problem(path, err.Error())
		}
		return nil
	})
	return f, err
}

func doctorPermissions(snap *config.Snapshot, fix bool) ([]doctor.Fault, error) {
	var all []doctor.Fault
	seen := map[string]bool{} // configuration and data may be in one directory
	err := serve.FindPermissions(snap, fix, func(path, text string) {
		if !seen[path] {
			seen[path] = true
			all = append(all, doctor.Fault{Path: path, Text: text})
		}
	})
	return all, err
}

// doctorMakeDirectory makes a directory; root does so for the user of the server.
func doctorMakeDirectory(snap *config.Snapshot, path string) error {
	if os.Geteuid() != 0 {
		return os.MkdirAll(path, 0o700)
	}
	u, err := ownership.Lookup(snap.Static.User)
	if err != nil {
		return err
	}
	return ownership.MakeDir(path, u)
}

func doctorListen(snap *config.Snapshot) []netip.AddrPort {
	var all []netip.AddrPort
	for _, s := range serve.Sockets(snap) {
		if a, err := netip.ParseAddrPort(s); err == nil {
			all = append(all, a)
		}
	}
	return all
}

// askClient sends a command without input over a connection, which it closes, and decodes its answer, which is JSON.
func askClient(ctx context.Context, c *ctl.Client, answer any, command string, params ...string) error {
	defer c.Close()
	defer context.AfterFunc(ctx, func() { c.Close() })() // a server that hangs
	var out bytes.Buffer
	if err := c.Do(ctl.Request{Command: command, Params: params}, &out); err != nil {
		return err
	}
	if answer == nil {
		return nil
	}
	if err := json.Unmarshal(out.Bytes(), answer); err != nil {
		return fmt.Errorf("answer of the server: %w", err)
	}
	return nil
}
