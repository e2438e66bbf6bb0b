package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"time"

	"mox/admin"
	"mox/config"
	"mox/ctl"
	"mox/upgrade"
)

// upgradeCommands are about the running program, and the next one.
func upgradeCommands() []command {
	return []command{
		{words: "health", short: "have the running server check itself", max: 0, setup: setupHealth, help: healthHelp},
		{words: "upgrade", short: "go over to another program, without refused connections, and back if it fails", max: 0, setup: setupUpgrade, help: upgradeHelp},
		{words: "copydata", args: "datadir newdir", prints: printsDone, short: "copy the databases of a data directory, for the rehearsal of an upgrade", min: 2, max: 2, run: runCopyData, unlisted: true},
	}
}

const healthHelp = `
The server opens the account of the postmaster and the queue, reads what a login needs, and
connects to its listeners. Prints "healthy", or a line for each problem and exits with 1.`

const upgradeHelp = `
Fetches the newest release, or the one that -version names, and verifies its signature, size and
SHA-256; see "mox checkupdate" for where from. With -binary it is a program that is here already.

Checks the new program: that it runs on this machine, reads mox.conf, and takes over
a copy of all databases ("verifydata"). Then it is put in the place of the program in use, which
stays beside it as "mox.old", and the server's parent process hands over: the old program lets
open connections finish for three seconds and stops, the new one gets its sockets; who connects
meanwhile waits and is not refused. The new one is then watched: when it does not start,
crashes, hangs, panics, or is not healthy (see "mox health"), the parent goes back to the old one.

Mail is not lost on the way back: when the new program has another schema of databases that the
old one cannot use, that is found out by the rehearsal. Then databases are copied at the
handover, and put back when the new program did not get ready; once it has accepted mail, there is
no way back, and it is started again instead. docs/upgrade.md has the details.

With -json, an object: From, To, Rehearsed, Changed, Reversible, State, Reason and Installed; with -status, ID,
State, Reason, Version and Since.

To be run by who may replace the program, usually root. Without running server, the program is
only checked and replaced.`

// control connects to the running server, or returns nil when there is none.
func (p *program) control(ctx context.Context) (*ctl.Client, error) {
	c, err := p.dial(ctx)
	if errors.Is(err, ctl.ErrNotRunning) {
		return nil, nil
	}
	return c, err
}

// ask sends a command without input, and decodes its answer, which is JSON.
func (p *program) ask(ctx context.Context, answer any, command string, params ...string) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	c, err := p.dial(ctx)
	if err != nil {
		return err
	}
	return askClient(ctx, c, answer, command, params...)
}

func setupHealth(fs *flag.FlagSet) runFunc {
	asJSON := fs.Bool("json", false, "print JSON")
	return func(ctx context.Context, p *program, _ []string) error {
		var h admin.Health
		if err := p.ask(ctx, &h, "health"); err != nil {
			return err
		}
		if *asJSON {
			if err := printJSONLine(p.stdout, h); err != nil {
				return err
			}
		} else if h.OK() {
			fmt.Fprintf(p.stdout, "healthy: %s, for %v\n", h.Version, h.Uptime.Round(time.Second))
		}
		for _, problem := range h.Problems {
			if !*asJSON {
				fmt.Fprintln(p.stdout, problem)
			}
		}
		if !h.OK() {
			return exitStatus(1)
		}
		return nil
	}
}

func setupUpgrade(fs *flag.FlagSet) runFunc {
	c := upgradeCommand{}
	fs.StringVar(&c.binary, "binary", "", "`path` of the new program, in place of one that is fetched")
	fs.StringVar(&c.version, "version", "", "`version` to fetch (default: the newest)")
	fs.BoolVar(&c.downgrade, "downgrade", false, "allow that -version is the same as now, or older")
	c.pubkeys = stringsFlag(fs, "pubkey", "public `key` of who releases, in base64, in place of those of this program and mox.conf; may be repeated")
	fs.StringVar(&c.program, "program", "", "`path` of the program to replace (default: that of the running server, or this one)")
	fs.BoolVar(&c.skip, "skip-rehearsal", false, "do not try the new program on a copy of the data")
	fs.BoolVar(&c.status, "status", false, "only tell how far an upgrade is, or what became of the last one")
	fs.DurationVar(&c.watch, "watch", 3*time.Minute, "`time` that the new program is watched")
	fs.DurationVar(&c.start, "start", 15*time.Minute, "`time` for it to get ready, with changes of schema")
	fs.BoolVar(&c.json, "json", false, "print the result as JSON; progress goes to standard error")
	return c.run
}

type upgradeCommand struct {
	binary, program string
	version         string
	downgrade       bool
	pubkeys         *[]string
	skip, status    bool
	watch, start    time.Duration
	json            bool
}

func (c *upgradeCommand) run(ctx context.Context, p *program, _ []string) error {
	if c.status {
		return c.printStatus(ctx, p)
	}
	if c.binary != "" && (c.version != "" || c.downgrade || len(*c.pubkeys) > 0) {
		return usagef("-version, -downgrade and -pubkey are about programs that are fetched, and not for -binary")
	}
	if c.downgrade && c.version == "" {
		return usagef("-downgrade needs -version")
	}
	ctx, stop := interruptible(ctx)
	defer stop()
	if len(hangup) > 0 { // none would be all
		signal.Ignore(hangup...) // a lost terminal must not end it half-way
	}
	o, err := c.options(ctx, p)
	if err != nil {
		return err
	}
	result, err := upgrade.Run(ctx, o)
	newest := errors.Is(err, upgrade.ErrNewest)
	if newest {
		err = nil
	}
	if c.json {
		if perr := printJSONLine(p.stdout, result); perr != nil {
			return errors.Join(err, perr)
		}
	} else if newest {
		fmt.Fprintf(p.stdout, "there is no newer version than %s\n", result.From)
	} else if err == nil {
		fmt.Fprintf(p.stdout, "upgraded from %s to %s\n", result.From, result.To)
	}
	return err
}

func (c *upgradeCommand) options(ctx context.Context, p *program) (upgrade.Options, error) {
	path, err := filepath.Abs(p.configPath)
	if err != nil {
		return upgrade.Options{}, err
	}
	snap, err := config.LoadOptions(path, config.Options{SkipFiles: true})
	if err != nil {
		return upgrade.Options{}, err
	}
	o := upgrade.Options{
		Source: upgrade.File(c.binary), Config: path, Data: snap.DataPath("."), SkipRehearsal: c.skip, Start: c.start, Watch: c.watch,
		Free: upgrade.FreeSpace, ID: strconv.FormatInt(time.Now().UnixNano(), 36),
		Tell: func(format string, args ...any) { fmt.Fprintf(p.stderr, format+"\n", args...) },
	}
	if c.binary == "" {
		if o.Source, err = p.feedSource(snap, c.version, c.downgrade, *c.pubkeys, o.Tell); err != nil {
			return o, err
		}
	}
	if o.As, o.Data, err = upgrade.DataUser(path, snap.Static.User, o.Data); err != nil {
		return o, err
	}
	running, err := p.control(ctx)
	if err != nil {
		return o, err
	}
	if running != nil {
		running.Close()
		o.Server = upgradeServer{p}
	} else {
		fmt.Fprintln(p.stderr, "no server runs: the program is only checked and replaced")
	}
	o.Program, err = c.inUse(ctx, p, running != nil)
	return o, err
}

// inUse is the program to replace: this one, unless -program or a server without root says
// otherwise. For root the server is not believed, since its worker might have been taken over, and
// the path has to be root's alone.
func (c *upgradeCommand) inUse(ctx context.Context, p *program, running bool) (string, error) {
	path, err := os.Executable()
	if err != nil {
		return "", err
	}
	if running {
		var h admin.Health
		if err := p.ask(ctx, &h, "health"); err != nil {
			return "", fmt.Errorf("asking the server for its program: %w", err)
		}
		switch {
		case c.program != "" || h.Program == "" || h.Program == path:
		case os.Geteuid() == 0:
			return "", fmt.Errorf("this is %s, the server says that it runs %s: run the server's, or give it as -program", path, h.Program)
		default:
			path = h.Program
		}
	}
	if c.program != "" {
		path = c.program
	}
	if path, err = filepath.EvalSymlinks(path); err != nil {
		return "", err
	}
	return path, upgrade.OnlyRoots(path)
}

func (c *upgradeCommand) printStatus(ctx context.Context, p *program) error {
	var st admin.UpgradeStatus
	if err := p.ask(ctx, &st, "upgradestatus"); err != nil {
		return err
	}
	if c.json {
		return printJSONLine(p.stdout, st)
	}
	if st.State == "" {
		st.State = "no upgrade since the start"
	}
	fmt.Fprintf(p.stdout, "%s: %s\n", st.Version, st.State)
	if st.Reason != "" {
		fmt.Fprintln(p.stdout, st.Reason)
	}
	return nil
}

// upgradeServer is the running server, through its control socket; programs come and go there.
type upgradeServer struct{ p *program }

func (s upgradeServer) Upgrade(ctx context.Context, r admin.UpgradeRequest) error {
	b, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return s.p.ask(ctx, nil, "upgrade", string(b))
}

func (s upgradeServer) Status(ctx context.Context) (st admin.UpgradeStatus, err error) {
	err = s.p.ask(ctx, &st, "upgradestatus")
	return st, err
}

func runCopyData(ctx context.Context, p *program, args []string) error {
	if err := checkOwner(args[0]); err != nil {
		return err
	}
	return upgrade.CopyData(ctx, args[0], args[1])
}
