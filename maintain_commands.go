package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"mox/admin"
	"mox/backup"
	"mox/ban"
	"mox/config"
	"mox/ctl"
	"mox/db"
	"mox/junk"
	"mox/loginlog"
	"mox/mtastsdb"
	"mox/queue"
	"mox/reportdb"
	"mox/search"
	"mox/store"
	"mox/tracelog"
)

// maintainCommands check accounts, and repair what is wrong with them.
func maintainCommands() []command {
	one := func(words, args, short string, min, max int, help string) command {
		return command{words: words, args: args, short: short, min: min, max: max, setup: setupMaintain(words), help: help + maintainHelp}
	}
	return []command{
		one("check", "[account]", "look for anything wrong in the data of accounts", 0, 1, checkHelp),
		one("recalculatemailboxcounts", "account", "count the messages of mailboxes again", 1, 1, ""),
		one("fixmsgsize", "[account]", "correct the sizes noted of messages", 0, 1, "All content is read for it.\n"),
		one("fixuidmeta", "account", "repair UIDNEXT, UIDVALIDITY and mod-sequences", 1, 1, ""),
		one("bumpuidvalidity", "account [mailbox]", "make IMAP clients forget what they know of a mailbox, or of all", 1, 2, "Gives it a new UIDVALIDITY.\n"),
		one("reassignuids", "account [mailboxid]", "number the messages of a mailbox, or of all, from 1 again", 1, 2, "In their order, with a new UIDVALIDITY.\n"),
		one("ensureparsed", "account", "parse messages whose parsed form is missing", 1, 1, ""),
		one("reparse", "[account]", "parse all messages again, and keep their parsed form", 0, 1, ""),
		one("reassignthreads", "[account]", "find the threads of all messages anew", 0, 1, "As if they came again in the order in which they came.\n"),
		one("reindex", "[account]", "make the index for searches anew", 0, 1, "It is filled in the background; a search meanwhile looks through messages, or fills it first.\n"),
		{words: "verifydata", args: "datadir", short: "check all of a data directory or backup that no server uses", min: 1, max: 1, setup: setupVerifyData, help: verifyDataHelp},
	}
}

const maintainHelp = `
Prints what was changed, a line each, or OK. It runs in the server, while mail comes in and
is read; IMAP sessions end for which messages would have other UIDs now. Without running server,
the account's files are used directly.`

const checkHelp = `
Of one account or of all: the file's structure, totals, references, UIDs, mod-sequences,
chunks of content, and, unless -quick, that content is what was stored. With -fix, what is wrong
is repaired first: see "fixes" in docs/maintenance.md. Exit status 1 when something is wrong still.
`

const verifyDataHelp = `
Prints a line "error: path: ..." for each problem, and exits with 1 then, or "datadir: OK". With
-fix, lines "repaired: path: ..." tell what was repaired.
Accounts are checked as by "mox check", other databases for the integrity of their files. The
files of a backup, with manifest.json beside the directory, are compared with their checksums
first, so that a single byte that is wrong is found, wherever it is. The
files are brought to the version of this program: use it on a copy or backup.`

// setupMaintain defines the flags of a command.
func setupMaintain(words string) func(fs *flag.FlagSet) runFunc {
	return func(fs *flag.FlagSet) runFunc {
		c := maintainCommand{m: admin.Maintenance{Command: words}}
		fs.BoolVar(&c.json, "json", false, "print a line of JSON for each account")
		switch words {
		case "check":
			fs.BoolVar(&c.m.Fix, "fix", false, "repair what is wrong")
			fs.BoolVar(&c.m.Quick, "quick", false, "do not read content")
		case "ensureparsed":
			fs.BoolVar(&c.m.All, "all", false, "parse all messages")
		}
		return c.run
	}
}

// maintainCommand is one run of maintenance.
type maintainCommand struct {
	m    admin.Maintenance
	json bool
}

func (c *maintainCommand) run(ctx context.Context, p *program, args []string) error {
	ctx, stop := interruptible(ctx)
	defer stop()
	account := ""
	if len(args) > 0 {
		account = args[0]
	}
	if len(args) > 1 {
		c.m.Mailbox = args[1]
	}
	var out bytes.Buffer
	err := c.maintain(ctx, p, account, &out)
	if _, werr := p.stdout.Write(out.Bytes()); err == nil {
		err = werr
	}
	if err == nil && c.m.Command == "check" && c.found(out.Bytes()) {
		return exitStatus(1)
	}
	return err
}

// found tells whether a check's output has problems.
func (c *maintainCommand) found(out []byte) bool {
	if c.json {
		return bytes.Contains(out, []byte(`"Problems":[`))
	}
	return bytes.Contains(out, []byte(": problem: "))
}

func (c *maintainCommand) maintain(ctx context.Context, p *program, account string, out io.Writer) error {
	client, err := p.dial(ctx)
	if errors.Is(err, ctl.ErrNotRunning) {
		return c.offline(ctx, p, account, out)
	} else if err != nil {
		return err
	}
	defer client.Close()
	m, err := json.Marshal(c.m)
	if err != nil {
		return err
	}
	format := ""
	if c.json {
		format = "json"
	}
	return client.Do(ctl.Request{Command: "maintain", Params: []string{string(m), account, format}}, out)
}

// offline works on the files.
func (c *maintainCommand) offline(ctx context.Context, p *program, account string, out io.Writer) error {
	snap, err := config.LoadOptions(p.configPath, config.Options{SkipFiles: true})
	if err != nil {
		return err
	}
	return p.withStore(snap.DataPath(""), snap, func(s *store.Store) error {
		names, err := s.Names()
		if err != nil {
			return err
		}
		if account != "" {
			names = []string{account}
		}
		return ctl.PrintMaintained(out, c.json, func(done func(admin.Maintained)) error {
			var failed []error
			for _, name := range names {
				r, err := c.maintainFiles(ctx, s, name)
				if err == nil || len(r.Fixes) > 0 {
					done(r)
				}
				if err != nil {
					failed = append(failed, fmt.Errorf("account %q: %w", name, err))
				}
			}
			return errors.Join(failed...)
		})
	})
}

func (c *maintainCommand) maintainFiles(ctx context.Context, s *store.Store, name string) (admin.Maintained, error) {
	acc, err := s.Account(ctx, name)
	if err != nil {
		return admin.Maintained{}, err
	}
	defer acc.Release()
	if c.m.Command == "reindex" {
		r := admin.Maintained{Account: name, Fixes: []store.Problem{{Area: "search", Text: "the index is removed; the server makes it anew"}}}
		return r, db.Remove(filepath.Join(acc.Dir(), search.FileName))
	}
	r, _, err := admin.MaintainAccount(ctx, acc, c.m)
	return r, err
}

func setupVerifyData(fs *flag.FlagSet) runFunc {
	c := verifyCommand{}
	fs.BoolVar(&c.fix, "fix", false, "repair what is wrong with accounts")
	fs.BoolVar(&c.quick, "skip-size-check", false, "do not read content")
	fs.BoolVar(&c.json, "json", false, "print a line of JSON for each problem and each repair")
	return c.run
}

type verifyCommand struct {
	fix, quick, json bool
	errors           int
	failed           error // of writing
}

// tell prints a problem, or what was repaired.
func (c *verifyCommand) tell(p *program, path, text string, repaired bool) {
	kind := "error"
	if repaired {
		kind = "repaired"
	} else {
		c.errors++
	}
	var err error
	if c.json {
		err = printJSONLine(p.stdout, struct {
			Path, Text string
			Repaired   bool
		}{path, text, repaired})
	} else {
		_, err = fmt.Fprintf(p.stdout, "%s: %s: %s\n", kind, path, text)
	}
	c.failed = errors.Join(c.failed, err)
}

func (c *verifyCommand) run(ctx context.Context, p *program, args []string) error {
	ctx, stop := interruptible(ctx)
	defer stop()
	dir, err := dataDirectory(args[0])
	if err != nil {
		return err
	}
	problem := func(path, text string) {
		c.tell(p, path, text, false)
	}
	manifest, err := c.checksums(dir, problem)
	if err != nil {
		return err
	}
	if err := p.withStore(dir, nil, func(s *store.Store) error { return c.accounts(ctx, p, s, problem) }); err != nil {
		return err
	}
	if err := errors.Join(checkDatabases(ctx, dir, problem), c.failed); err != nil {
		return err
	}
	if c.errors > 0 {
		return exitStatus(1)
	}
	if manifest != nil {
		// Opening databases may have changed them.
		if err := backup.RefreshDir(filepath.Join(dir, ".."), manifest); err != nil {
			return err
		}
	}
	if c.json {
		return nil
	}
	_, err = fmt.Fprintf(p.stdout, "%s: OK\n", dir)
	return err
}

// dataDirectory returns dir if it is a data directory.
func dataDirectory(dir string) (string, error) {
	if _, err := os.Stat(filepath.Join(dir, "accounts")); err != nil {
		return "", fmt.Errorf("%s is no data directory: %w", dir, err)
	}
	return dir, nil
}

// checksums compares the files of a backup with its manifest, which it returns; nil: dir is not
// of a backup.
func (c *verifyCommand) checksums(dir string, problem func(path, text string)) (*backup.DirManifest, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	root, name := filepath.Split(abs)
	m, err := backup.ReadManifest(root)
	if errors.Is(err, fs.ErrNotExist) || err == nil && name != "data" {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	backup.CheckDir(root, "", m, func(x backup.Problem) { problem(filepath.Join(root, x.Path), x.Text) })
	return m, nil
}

func (c *verifyCommand) accounts(ctx context.Context, p *program, s *store.Store, problem func(path, text string)) error {
	names, err := s.Names()
	if err != nil {
		return err
	}
	for _, name := range names {
		path := filepath.Join(s.Dir(), "accounts", name)
		acc, err := s.Account(ctx, name)
		if err != nil {
			problem(path, err.Error())
			continue
		}
		r, _, err := admin.MaintainAccount(ctx, acc, admin.Maintenance{Command: "check", Fix: c.fix, Quick: c.quick})
		acc.Release()
		for _, f := range r.Fixes {
			c.tell(p, path, f.String(), true)
		}
		for _, f := range r.Problems {
			problem(path, f.String())
		}
		if ctx.Err() != nil {
			return ctx.Err()
		} else if err != nil {
			problem(path, err.Error())
		}
	}
	return nil
}

// schemas are those of databases that one program upgrades, and another may not know. An index
// for searches is made anew in that case.
var schemas = map[string]fs.FS{
	junk.FileName: junk.Schema(), queue.FileName: queue.Schema(), reportdb.FileName: reportdb.Schema(),
	mtastsdb.FileName: mtastsdb.Schema(), tracelog.FileName: tracelog.Schema(), ban.FileName: ban.Schema(), loginlog.FileName: loginlog.Schema(),
}

// checkDatabases checks the files of databases other than accounts, and brings them to the version of
// this program.
func checkDatabases(ctx context.Context, dir string, problem func(path, text string)) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || ctx.Err() != nil {
			return errors.Join(err, ctx.Err())
		}
		if d.IsDir() || !strings.HasSuffix(path, ".db") || d.Name() == "account.db" {
			return nil
		}
		x, err := db.Open(path, db.Options{Migrations: schemas[d.Name()]})
		if err != nil {
			problem(path, err.Error())
			return nil
		}
		defer x.Close()
		lines, err := x.IntegrityCheck(ctx, 20)
		if err != nil {
			problem(path, err.Error())
		}
		for _, l := range lines {
			problem(path, l)
		}
		return nil
	})
}
