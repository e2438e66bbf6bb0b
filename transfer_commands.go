package main

import (
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

	"mox/config"
	"mox/ctl"
	"mox/lineio"
	"mox/mbox"
	"mox/serve"
	"mox/store"
	"mox/transfer"
)

// transferCommands take mail into accounts and out of them.
func transferCommands() []command {
	var l []command
	for _, format := range []transfer.Format{transfer.Maildir, transfer.Mbox} {
		what := "a Maildir with its folders"
		if format == transfer.Mbox {
			what = "an mbox file, or a directory of them"
		}
		l = append(l,
			command{words: "import " + string(format), args: "account mailbox path", short: "add the mail of " + what + " to an account", min: 3, max: 3, setup: setupImport(format, false), help: importHelp(format)},
			command{words: "export " + string(format), args: "dstdir accountpath [mailbox]", short: "write mail of an account to files: " + string(format), min: 2, max: 3, setup: setupExport(format), help: exportHelp},
			command{words: "ximport " + string(format), args: "accountdir mailbox path", short: "import without server and configuration", min: 3, max: 3, setup: setupImport(format, true), unlisted: true,
				help: "Like \"mox import\", into the account of which the directory is given. No server may use it."},
		)
	}
	return l
}

func importHelp(format transfer.Format) string {
	path := `
The path is a Maildir, also with folders as .Work.Sub or Work/Sub, such as "mox export
maildir" wrote; or a zip, tar or tgz file of it.`
	if format == transfer.Mbox {
		path = `
The path is an mbox file; a directory of mbox files, as Work/Sub.mbox such as "mox export
mbox" wrote, or of Thunderbird or Apple Mail; or a zip, tar or tgz file of any of these.`
	}
	return path + `

Its own mail goes to the mailbox, folders to mailboxes below it; with mailbox / folders go to
mailboxes of their names, and mail of the path itself to Inbox. Flags, keywords, times, and
subscriptions of new mailboxes are kept.

Messages that a mailbox has already are left out, so that an import that was interrupted, or
one of which the source has grown, can be run again: it goes on where it ended. Batches of
messages are durable as they are added, not all at once. The quota is kept. The files are
read by this command, which must be allowed to; the server need not be.

Without running server, the account's files are used directly. Progress and what is left
out are told on standard error; the exit status is 0 also when something was left out.`
}

const exportHelp = `
Writes a Maildir for each mailbox, dstdir/Work/Sub/{cur,new,tmp}, with the file
dovecot-keywords, or an mbox, dstdir/Work/Sub.mbox (mboxrd, with Status, X-Status and
X-Keywords). Nothing that exists is overwritten. Of a mailbox, those below it are written
too. "mox import" with mailbox / makes of it what there was: flags, keywords, times,
mailboxes, subscriptions.

The accountpath is the directory of the account, as data/accounts/NAME, also of a backup;
or the name of an account of the configuration. A server may be running. Messages that
cannot be read are listed in dstdir/errors.txt, and the exit status is 1 then.`

func setupImport(format transfer.Format, direct bool) func(fs *flag.FlagSet) runFunc {
	return func(fs *flag.FlagSet) runFunc {
		c := importCommand{format: format, direct: direct}
		fs.BoolVar(&c.single, "single", false, "only the mail of the path itself, not of folders below it")
		fs.BoolVar(&c.o.SpecialUse, "specialuse", false, "put folders such as \"Sent Items\" into the account's mailbox for sent mail, and so on")
		fs.BoolVar(&c.o.Duplicates, "duplicates", false, "add messages also where the mailbox has them already")
		fs.BoolVar(&c.json, "json", false, "print the result as JSON")
		if format == transfer.Mbox {
			fs.StringVar(&c.variant, "variant", "auto", "how lines are quoted: `name` of auto, mboxo, mboxrd, mboxcl, mboxcl2")
		}
		return c.run
	}
}

// importCommand is one run of import.
type importCommand struct {
	format  transfer.Format
	direct  bool // the argument is an account's directory
	single  bool
	json    bool
	variant string
	o       ctl.ImportOptions

	p     *program
	shown int // messages told of
	last  transfer.Result
}

func (c *importCommand) run(ctx context.Context, p *program, args []string) error {
	ctx, stop := interruptible(ctx)
	defer stop()
	c.p = p
	variant, err := mbox.ParseVariant(c.variant)
	if err != nil {
		return usagef("%v", err)
	}
	c.o.Mailbox = args[1]
	src, err := transfer.Open(args[2], transfer.SourceOptions{Format: c.format, Variant: variant, Single: c.single, Named: strings.Trim(args[1], "/") == ""})
	if err != nil {
		return err
	}
	defer src.Close()
	account := args[0]
	if c.direct {
		dir, name, err := accountDir(account)
		if err != nil {
			return err
		}
		err = c.into(ctx, dir, name, nil, src)
		return c.end(err)
	}
	client, err := p.dial(ctx)
	if errors.Is(err, ctl.ErrNotRunning) {
		snap, lerr := config.LoadOptions(p.configPath, config.Options{SkipFiles: true})
		if lerr != nil {
			return lerr
		}
		if snap.Accounts[account] == nil {
			return fmt.Errorf("account %q: not found", account)
		}
		return c.end(c.into(ctx, snap.DataPath(""), account, snap, src))
	} else if err != nil {
		return err
	}
	defer client.Close()
	return c.end(c.through(ctx, client, account, src))
}

// through sends the mail to the running server.
func (c *importCommand) through(ctx context.Context, client *ctl.Client, account string, src transfer.Source) error {
	o, err := json.Marshal(c.o)
	if err != nil {
		return err
	}
	out := &lineio.LineFunc{Line: func(b []byte) error {
		var l ctl.ImportLine
		if err := json.Unmarshal(b, &l); err != nil {
			return fmt.Errorf("output of the server: %w", err)
		}
		switch {
		case l.Progress != nil:
			c.progress(*l.Progress)
		case l.Result != nil:
			c.last = *l.Result
		default:
			c.problem(l.Problem)
		}
		return nil
	}}
	return client.Stream(ctx, ctl.Request{Command: "import", Params: []string{account, string(o)}}, func(w io.Writer) error {
		e := transfer.NewEncoder(w)
		if err := src.Send(ctx, e); err != nil {
			return err
		}
		return e.Close()
	}, out)
}

// into adds to an account whose files nobody uses.
func (c *importCommand) into(ctx context.Context, dataDir, account string, snap *config.Snapshot, src transfer.Source) error {
	return c.p.withAccount(ctx, dataDir, account, snap, func(acc *store.Account) (err error) {
		c.last, err = transfer.Import(ctx, acc, src, transfer.Options{
			Mailbox: c.o.Mailbox, SpecialUse: c.o.SpecialUse, Duplicates: c.o.Duplicates, Progress: c.progress, Problem: c.problem,
		})
		return err
	})
}

func (c *importCommand) problem(text string) { fmt.Fprintf(c.p.stderr, "%s\n", text) }

// progress tells of each 1000 messages.
func (c *importCommand) progress(r transfer.Result) {
	c.last = r
	if n := r.Added + r.Duplicates; n/1000 > c.shown/1000 {
		c.shown = n
		fmt.Fprintf(c.p.stderr, "%d messages\n", n)
	}
}

// end prints what was done.
func (c *importCommand) end(err error) error {
	r := c.last
	if err != nil && r.Added > 0 {
		return fmt.Errorf("%w\n%d messages were added before; the same import once more goes on from there", err, r.Added)
	} else if err != nil {
		return err
	}
	if c.json {
		return printJSONLine(c.p.stdout, r)
	}
	fmt.Fprintf(c.p.stdout, "%d messages imported", r.Added)
	if r.Duplicates > 0 {
		fmt.Fprintf(c.p.stdout, ", %d were there already", r.Duplicates)
	}
	if r.Problems > 0 {
		fmt.Fprintf(c.p.stdout, ", %d problems", r.Problems)
	}
	fmt.Fprintln(c.p.stdout)
	return nil
}

func printJSONLine(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

func setupExport(format transfer.Format) func(fs *flag.FlagSet) runFunc {
	return func(fs *flag.FlagSet) runFunc {
		c := exportCommand{format: format}
		fs.BoolVar(&c.sel.Single, "single", false, "only the mailbox itself, not those below it")
		fs.StringVar(&c.archive, "archive", "", "write an archive in place of a directory: `kind` zip, tar or tgz; dstdir is then its file")
		fs.BoolVar(&c.json, "json", false, "print the result as JSON")
		return c.run
	}
}

// exportCommand is one run of export.
type exportCommand struct {
	format  transfer.Format
	archive string
	json    bool
	sel     transfer.Selection
}

func (c *exportCommand) run(ctx context.Context, p *program, args []string) error {
	ctx, stop := interruptible(ctx)
	defer stop()
	if len(args) > 2 {
		c.sel.Mailbox = args[2]
	} else if c.sel.Single {
		return usagef("-single needs a mailbox")
	}
	dataDir, account, err := p.findAccount(args[1])
	if err != nil {
		return err
	}
	client, err := ctl.Dial(ctx, filepath.Join(dataDir, "ctl"))
	if err != nil && !errors.Is(err, ctl.ErrNotRunning) {
		return err
	}
	if client != nil {
		defer client.Close()
	}
	out, err := c.output(args[0])
	if err != nil {
		return err
	}
	files := transfer.NewFiles(out, transfer.FilesOptions{Format: c.format, Progress: func(n int) { fmt.Fprintf(p.stderr, "%d messages\n", n) }})
	if client != nil {
		err = c.through(ctx, client, account, files)
	} else {
		err = p.withAccount(ctx, dataDir, account, nil, func(acc *store.Account) error {
			return transfer.FromAccount(acc, c.sel).Send(ctx, files)
		})
	}
	if err != nil && files.Begun() {
		files.Problem(fmt.Sprintf("the export is not complete: %v", err))
	}
	if err = errors.Join(err, files.Close()); err != nil {
		return err
	}
	if c.json {
		err = printJSONLine(p.stdout, struct{ Messages, Problems int }{files.Messages(), files.Problems()})
	} else {
		_, err = fmt.Fprintf(p.stdout, "%d messages exported\n", files.Messages())
	}
	if n := files.Problems(); n > 0 {
		return fmt.Errorf("%d problems, see errors.txt", n)
	}
	return err
}

// through gets the mail from the running server.
func (c *exportCommand) through(ctx context.Context, client *ctl.Client, account string, files *transfer.Files) error {
	sel, err := json.Marshal(c.sel)
	if err != nil {
		return err
	}
	pr, pw := io.Pipe()
	got := make(chan error, 1)
	go func() {
		err := transfer.Decode(pr).Send(ctx, files)
		pr.CloseWithError(err)
		got <- err
	}()
	err = client.Stream(ctx, ctl.Request{Command: "export", Params: []string{account, string(sel)}}, nil, pw)
	pw.CloseWithError(err)
	// An error of writing files is the reason for all others, and a stream that was cut the
	// consequence of the server's.
	if gerr := <-got; gerr != nil && (err == nil || !errors.Is(gerr, transfer.ErrWire)) {
		return gerr
	}
	return err
}

// output is where the files go.
func (c *exportCommand) output(dst string) (transfer.Output, error) {
	if c.archive == "" {
		return transfer.Directory(dst)
	}
	if c.archive != "zip" && c.archive != "tar" && c.archive != "tgz" {
		return nil, usagef("unknown kind of archive %q, it is zip, tar or tgz", c.archive)
	}
	f, err := os.OpenFile(dst, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	if c.archive == "zip" {
		return fileOutput{transfer.Zip(f), f}, nil
	}
	return fileOutput{transfer.Tar(f, c.archive == "tgz"), f}, nil
}

// fileOutput closes the archive's file too.
type fileOutput struct {
	transfer.Output
	f *os.File
}

func (o fileOutput) Close() error { return errors.Join(o.Output.Close(), o.f.Close()) }

// findAccount returns the data directory and the account of a path or name.
func (p *program) findAccount(path string) (dataDir, account string, err error) {
	if !strings.ContainsAny(path, `/\`) {
		if _, err := os.Stat(filepath.Join(path, "account.db")); errors.Is(err, fs.ErrNotExist) {
			control, err := serve.ControlPath(p.configPath)
			return filepath.Dir(control), path, err
		}
	}
	return accountDir(path)
}

// accountDir takes the directory of an account apart.
func accountDir(path string) (dataDir, account string, err error) {
	path, err = filepath.Abs(path)
	if err != nil {
		return "", "", err
	}
	if filepath.Base(filepath.Dir(path)) != "accounts" {
		return "", "", fmt.Errorf("%s is no directory of an account, such as data/accounts/NAME", path)
	}
	return filepath.Dir(filepath.Dir(path)), filepath.Base(path), nil
}
