package doctor

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"

	"mox/admin"
	"mox/dns"
	"mox/quickstart"
	"mox/status"
)

// askServer finds out whether a server runs, and how it is.
func (x *examination) askServer(ctx context.Context) {
	if x.dataDir == "" {
		return
	}
	r, err := x.Tools.Status(ctx, x.dataDir)
	switch {
	case err == nil:
		x.running, x.server = true, r
	case !errors.Is(err, ErrNotRunning):
		x.add(Finding{Check: "server", Level: Problem, Text: "The server could not be asked: " + sentence(err.Error()), Remedy: "Run this as root, or as the user of the server; if the server hangs, restart it: systemctl restart mox"})
		x.running = true // something is there
	}
}

// kinds has the check that each kind of sentence of package status belongs to; other kinds belong to "server".
var kinds = map[string]string{
	"disk": "disk", "certificate": "certificates", "port25": "port25", "backup": "backup", "drill": "backup", "nodrill": "backup",
	"replica": "backup", "nobackup": "backup", "late": "queue", "destination": "queue", "held": "queue", "search": "databases",
	"storing": "databases", "configuration": "config", "blocklist": "blocklists",
}

// fromServer takes over what package status says, of the running server or of its files.
func (x *examination) fromServer(ctx context.Context) {
	r := x.server
	var failed error
	if !x.running {
		f := status.NotRunning().Sentences[0]
		x.add(Finding{Check: "server", Level: Urgent, Text: f.Text, Remedy: "If there is a service: systemctl start mox. Otherwise " + run(f.Command)})
		if x.snap == nil {
			return
		}
		r, failed = x.stopped(ctx)
	}
	if failed != nil {
		x.add(Finding{Check: "databases", Level: Problem, Text: sentence(failed.Error()), Remedy: "If it is not the user that is wrong, restore what is damaged from a backup: mox backup list, then mox restore all"})
	}
	said := map[string]bool{}
	for _, s := range r.Sentences {
		check := kinds[s.Kind]
		if check == "" {
			check = "server"
		}
		// Asked now, by other means.
		if s.Kind == "configuration" || s.Kind == "blocklist" && x.has("blocklists") {
			continue
		}
		said[check] = true
		x.add(Finding{Check: check, Level: Level(s.Level), Text: s.Text, Remedy: run(s.Command)})
	}
	if failed != nil || x.running && r.Sentences == nil && r.Summary == "" {
		return
	}
	for check, text := range map[string]string{"queue": "No outgoing mail waits for longer than a day.", "certificates": "Certificates are good.", "backup": "Backups are made, and were proven.", "disk": "There is room on the disk."} {
		if !said[check] && !x.has(check) {
			x.add(Finding{Check: check, Level: OK, Text: text})
		}
	}
	if x.running && !said["server"] {
		x.add(Finding{Check: "server", Level: OK, Text: "The server runs, and its check of itself succeeds."})
	}
}

// stopped judges the files of a server that does not run.
func (x *examination) stopped(ctx context.Context) (status.Report, error) {
	seen := maps.Clone(x.faulty) // of what cannot be opened, that is told
	f, err := x.Tools.Stopped(ctx, x.snap, x.Now(), func(path, text string) {
		if seen[path] {
			return
		}
		seen[path] = true
		x.add(Finding{Check: "databases", Level: Urgent, Text: fmt.Sprintf("%s: %s", path, sentence(text)), Remedy: databaseRemedy(path)})
	})
	return f.All(), err
}

// databaseRemedy is what to do about a damaged database that is not of an account.
func databaseRemedy(path string) string {
	switch {
	case strings.HasSuffix(path, "junk.db"):
		return run("rm "+quote(path)+" && mox retrain") + " (what was sent today is forgotten, all else is made again)"
	case strings.HasSuffix(path, "search.db"):
		return run("rm "+quote(path)) + " (it is made anew)"
	case strings.HasSuffix(path, "queue.db"):
		return "Restore it from a backup (mox backup list, then mox restore all), or save what can be read: sqlite3 " + quote(path) + " .recover"
	}
	return "Restore it from a backup: mox backup list, then mox restore all"
}

// has tells whether something was found by a check.
func (x *examination) has(check string) bool {
	return slices.ContainsFunc(x.found, func(f Finding) bool { return f.Check == check })
}

// maxProblems bounds problems of one account that are told.
const maxProblems = 10

// accounts checks those, and repairs them.
func (x *examination) accounts(ctx context.Context) {
	n, bad := 0, false
	err := x.Tools.Accounts(ctx, x.snap, admin.Maintenance{Command: "check", Quick: !x.Deep, Fix: x.Fix}, func(m admin.Maintained) {
		n++
		if len(m.Fixes) > 0 {
			bad = true
			x.add(Finding{Check: "databases", Level: Problem, Text: fmt.Sprintf("Something was wrong with the data of account %s.", m.Account), CanFix: true, Fixed: problems(m.Fixes, m.More)})
		}
		if len(m.Problems) > 0 {
			bad = true
			remedy, can := run("mox doctor -fix"), !x.Fix
			if x.Fix {
				remedy = "Restore the account from a backup: mox backup list, then mox restore account " + quote(m.Account)
			}
			x.add(Finding{Check: "databases", Level: Urgent, Text: fmt.Sprintf("Account %s: %s", m.Account, problems(m.Problems, 0)), Remedy: remedy, CanFix: can})
		}
	})
	switch {
	case err != nil:
		x.add(Finding{Check: "databases", Level: Problem, Text: "Not all accounts could be checked: " + sentence(err.Error()), Remedy: run("mox check -quick")})
	case !bad && n > 0:
		x.add(Finding{Check: "databases", Level: OK, Text: fmt.Sprintf("%d %s in order.", n, plural(n, "account is", "accounts are"))})
	}
}

func plural(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

// problems are those of an account in one line.
func problems[T fmt.Stringer](l []T, more int) string {
	var all []string
	for _, p := range l[:min(len(l), maxProblems)] {
		all = append(all, p.String())
	}
	if more += len(l) - len(all); more > 0 {
		all = append(all, fmt.Sprintf("and %d more", more))
	}
	return sentence(strings.Join(all, "; "))
}

// junk looks for accounts whose junk is not filtered.
func (x *examination) junk() {
	var without []string
	for name, a := range x.snap.Accounts {
		if a.Config.JunkFilter == nil {
			without = append(without, name)
		}
	}
	slices.Sort(without)
	if len(without) > 0 {
		x.add(Finding{Check: "junk", Level: Hint, Text: fmt.Sprintf("Without junk filter: %s.", strings.Join(without, ", ")), Remedy: "Add JunkFilter to the account in domains.conf, as printed by: mox config describe-domains"})
		return
	}
	x.add(Finding{Check: "junk", Level: OK, Text: "All accounts have a junk filter."})
}

// examined has the check for each of package quickstart.
var examined = map[string]string{
	"resolver": "resolver", "host-dns": "host", "reverse-dns": "reversedns", "ports": "ports", "port25": "port25", "blocklists": "blocklists",
	"clock": "clock", "memory": "memory", "disk": "disk", "files": "openfiles", "user": "user",
}

// machine looks at the machine and its place in the network.
func (x *examination) machine(ctx context.Context) {
	o := quickstart.Options{SkipDial: x.SkipDial, Offline: x.Offline, Dir: x.dataDir, Resolver: x.Resolver, Machine: x.Machine, Now: x.Now}
	var in quickstart.Installed
	if x.static != nil {
		o.User = x.static.User
	}
	if x.snap != nil {
		in = x.installed()
	}
	for _, f := range quickstart.Examine(ctx, o, in) {
		switch {
		case x.snap == nil && slices.Contains([]string{"host-dns", "reverse-dns", "ports", "blocklists", "user"}, f.Check):
			continue // nothing is known to look for
		case x.running && f.Check == "ports":
			continue // it has them
		case f.Check == "disk" && f.Level == quickstart.Warning && x.snap != nil:
			continue // package status says it, with the same bound
		}
		x.add(Finding{Check: examined[f.Check], Level: machineLevel(f), Text: f.Text, Remedy: f.Remedy})
	}
}

func machineLevel(f quickstart.Finding) Level {
	switch f.Level {
	case quickstart.Note:
		return Hint
	case quickstart.OK:
		return OK
	case quickstart.Warning:
		return Warning
	}
	return Problem
}

// installed is what the configuration says.
func (x *examination) installed() quickstart.Installed {
	in := quickstart.Installed{Config: filepath.Dir(x.snap.Path), Hostname: x.snap.Hostname, Lists: x.snap.MonitorDNSBLs}
	for ip := range x.snap.OwnIPs {
		if ip.IsGlobalUnicast() && !ip.IsPrivate() {
			in.IPs = append(in.IPs, ip)
		}
	}
	slices.SortFunc(in.IPs, netip.Addr.Compare)
	if !x.running {
		in.Listen = x.Tools.Listen(x.snap)
	}
	for _, d := range x.snap.Domains {
		if in.Domain == (dns.Domain{}) || d.Domain.ASCII < in.Domain.ASCII {
			in.Domain = d.Domain
		}
	}
	return in
}
