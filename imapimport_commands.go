package main

import (
	"context"
	"crypto/tls"
	"encoding/csv"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"mox/config"
	"mox/ctl"
	"mox/imapclient"
	"mox/imapimport"
	"mox/store"
	"mox/transfer"
)

// imapImportCommands take over mail of other IMAP servers.
func imapImportCommands() []command {
	return []command{{words: "import imap", args: "[account]", short: "take over the mail of an account of another IMAP server", max: 1, setup: setupIMAPImport, help: imapImportHelp}}
}

const imapImportHelp = `
Takes over mailboxes with their messages, flags, keywords, times and subscriptions into an
account of this server. Run it again as often as wanted, until the other server is switched
off: then new messages are added, and flags changed that were changed there, and with
-delete what was deleted there is deleted here. Nothing is there twice, also after an
interruption, and what was deleted or moved here stays so.

The password is the first line of -passwordfile, or the environment variable
MOX_IMAP_PASSWORD, or the first line of standard input. With -tokenfile a token of OAuth 2
is used (OAUTHBEARER or XOAUTH2); the file is read for each connection.

Mailboxes with a special use (Sent, Drafts, Trash, Junk, Archive) go to the account's of that
use, others to those of their names, without the prefix that all have on some servers
("INBOX."). Patterns of -include and -exclude are for such names: * is anything, % anything
but /. Mailboxes of other users are left out, and those that show messages of others: \All
and \Flagged. Of "All Mail" of Gmail, what is in no other mailbox goes to Archive.

For many accounts, -accounts names a CSV file, with a first line of column names: host, user,
password, account, and optionally tls, tokenfile, passwordfile. Those absent are as flags say.

The exit status is 0 when all was taken over, and with -verify is here. A connection that is
lost is made again. Without running server, the account's files are used directly.`

// listFlag is a flag that can be given several times.
type listFlag []string

func (l *listFlag) String() string     { return strings.Join(*l, ",") }
func (l *listFlag) Set(s string) error { *l = append(*l, s); return nil }

// imapImportCommand is one run of import imap.
type imapImportCommand struct {
	job              imapJob // by flags
	accounts         string
	parallel         int
	json, insecure   bool
	include, exclude listFlag
	names            listFlag
	o                imapimport.Options

	p    *program
	snap *config.Snapshot // without running server
	mu   sync.Mutex       // held for output
}

// imapJob is an account to be taken over.
type imapJob struct {
	host, user, password, passwordFile, tokenFile, tls, account string
}

func setupIMAPImport(fs *flag.FlagSet) runFunc {
	c := &imapImportCommand{}
	j := &c.job
	fs.StringVar(&j.host, "host", "", "`host` or host:port of the other server")
	fs.StringVar(&j.user, "user", "", "`name` to log in with there")
	fs.StringVar(&j.passwordFile, "passwordfile", "", "`file` with the password in its first line")
	fs.StringVar(&j.tokenFile, "tokenfile", "", "`file` with a token of OAuth 2, in place of a password")
	fs.StringVar(&j.tls, "tls", "implicit", "how the connection is private: `mode` implicit, starttls or none")
	fs.BoolVar(&c.insecure, "insecure", false, "do not check the certificate of the other server")
	fs.StringVar(&c.o.Login.Mechanism, "mechanism", "", "SASL mechanism `name` in place of the best there is")
	fs.StringVar(&c.accounts, "accounts", "", "CSV `file` of accounts")
	fs.IntVar(&c.parallel, "parallel", 4, "`number` of accounts at a time")
	fs.Var(&c.include, "include", "only mailboxes that match a `pattern`; may be repeated")
	fs.Var(&c.exclude, "exclude", "not mailboxes that match a `pattern`; may be repeated")
	fs.Var(&c.names, "map", "`there=here`: the mailbox for one of the other server; may be repeated")
	fs.StringVar(&c.o.Mapping.Root, "mailbox", "", "`mailbox` below which all go")
	fs.StringVar(&c.o.Mapping.Prefix, "prefix", "", "`prefix` of names there, if it is not as the server says")
	fs.BoolVar(&c.o.Mapping.NoSpecialUse, "nospecialuse", false, "mailboxes go to those of their names, whatever their use")
	fs.BoolVar(&c.o.Delete, "delete", false, "delete here what was taken over and is deleted there since")
	fs.BoolVar(&c.o.Verify, "verify", false, "compare all messages at the end")
	fs.BoolVar(&c.json, "json", false, "print results as JSON, a line for each account")
	return c.run
}

func (c *imapImportCommand) run(ctx context.Context, p *program, args []string) error {
	ctx, stop := interruptible(ctx)
	defer stop()
	c.p = p
	c.o.Mapping.Include, c.o.Mapping.Exclude, c.o.Mapping.Names = c.include, c.exclude, map[string]string{}
	for _, n := range c.names {
		there, here, ok := strings.Cut(n, "=")
		if !ok || there == "" || here == "" {
			return usagef("-map %q is not there=here", n)
		}
		name, err := transfer.MailboxName(there)
		if err != nil {
			return usagef("-map %q: %v", n, err)
		}
		c.o.Mapping.Names[name] = here
	}
	jobs, err := c.jobs(args)
	if err != nil {
		return err
	}
	if client, derr := p.dial(ctx); derr == nil {
		client.Close()
		return c.all(jobs, func(j *imapJob) error { return c.through(ctx, j) })
	} else if !errors.Is(derr, ctl.ErrNotRunning) {
		return derr
	}
	snap, err := config.LoadOptions(p.configPath, config.Options{SkipFiles: true})
	if err != nil {
		return err
	}
	c.snap = snap
	return p.withStore(snap.DataPath(""), snap, func(s *store.Store) error {
		return c.all(jobs, func(j *imapJob) error { return c.into(ctx, s, j) })
	})
}

// jobs are the accounts, by flags or by file.
func (c *imapImportCommand) jobs(args []string) ([]*imapJob, error) {
	if c.accounts != "" {
		if len(args) > 0 || c.job.user != "" {
			return nil, usagef("with -accounts, accounts are in the file only")
		}
		f, err := os.Open(c.accounts)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		jobs, err := readIMAPJobs(f, c.job)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", c.accounts, err)
		}
		for _, j := range jobs {
			if err := j.readPassword(nil); err != nil {
				return nil, err
			}
		}
		return jobs, nil
	}
	if len(args) != 1 || c.job.host == "" || c.job.user == "" {
		return nil, usagef("an account, -host and -user are needed, or -accounts")
	}
	j := c.job
	j.account = args[0]
	if err := j.check(); err != nil {
		return nil, usagef("%v", err)
	}
	return []*imapJob{&j}, j.readPassword(c.p)
}

// readIMAPJobs reads a CSV file; what it does not have is as in base.
func readIMAPJobs(r io.Reader, base imapJob) ([]*imapJob, error) {
	cr := csv.NewReader(r)
	cr.Comment, cr.TrimLeadingSpace = '#', true
	head, err := cr.Read()
	if err != nil {
		return nil, fmt.Errorf("first line: %w", err)
	}
	var jobs []*imapJob
	for {
		row, err := cr.Read()
		if err == io.EOF {
			return jobs, nil
		} else if err != nil {
			return nil, err
		}
		j := base
		fields := map[string]*string{"host": &j.host, "user": &j.user, "password": &j.password, "account": &j.account, "tls": &j.tls, "tokenfile": &j.tokenFile, "passwordfile": &j.passwordFile}
		for i, name := range head {
			f := fields[strings.ToLower(strings.TrimSpace(name))]
			if f == nil {
				return nil, fmt.Errorf("unknown column %q, there are host, user, password, account, tls, tokenfile, passwordfile", name)
			}
			if row[i] != "" {
				*f = row[i]
			}
		}
		line, _ := cr.FieldPos(0)
		if err := j.check(); err != nil {
			return nil, fmt.Errorf("line %d: %w", line, err)
		}
		if slices.ContainsFunc(jobs, func(o *imapJob) bool { return o.account == j.account && o.user == j.user && o.host == j.host }) {
			return nil, fmt.Errorf("line %d: %q of %s is there twice", line, j.user, j.host)
		}
		jobs = append(jobs, &j)
	}
}

func (j *imapJob) check() error {
	for _, f := range []struct{ name, value string }{{"host", j.host}, {"user", j.user}, {"account", j.account}} {
		if f.value == "" {
			return fmt.Errorf("no %s", f.name)
		}
	}
	_, err := j.mode()
	return err
}

func (j *imapJob) mode() (imapclient.TLSMode, error) {
	switch j.tls {
	case "implicit":
		return imapclient.Implicit, nil
	case "starttls":
		return imapclient.StartTLS, nil
	case "none":
		return imapclient.Plain, nil
	}
	return 0, fmt.Errorf("unknown mode %q of TLS, it is implicit, starttls or none", j.tls)
}

// readPassword finds the password, which without p is not asked for.
func (j *imapJob) readPassword(p *program) error {
	switch {
	case j.tokenFile != "" || j.password != "":
		return nil
	case j.passwordFile != "":
		f, err := os.Open(j.passwordFile)
		if err != nil {
			return err
		}
		defer f.Close()
		if j.password, err = readLine(f); err != nil {
			return fmt.Errorf("reading %s: %w", j.passwordFile, err)
		}
		return nil
	case p == nil:
		return fmt.Errorf("no password of %q of %s", j.user, j.host)
	}
	if j.password = p.getenv("MOX_IMAP_PASSWORD"); j.password != "" {
		return nil
	}
	fmt.Fprintf(p.stderr, "password of %s at %s: ", j.user, j.host)
	var err error
	j.password, err = readPassword(p)
	return err
}

// all runs some accounts at a time.
func (c *imapImportCommand) all(jobs []*imapJob, run func(*imapJob) error) error {
	var wg sync.WaitGroup
	some := make(chan struct{}, max(1, c.parallel))
	failed := 0
	for _, j := range jobs {
		some <- struct{}{}
		wg.Go(func() {
			defer func() { <-some }()
			if err := run(j); err != nil {
				c.mu.Lock()
				defer c.mu.Unlock()
				failed++
				fmt.Fprintf(c.p.stderr, "%s: %v\n", j.account, err)
			}
		})
	}
	wg.Wait()
	if failed > 0 {
		return fmt.Errorf("%d of %d accounts are not complete; the same import once more goes on from there", failed, len(jobs))
	}
	return nil
}

// through uses the running server.
func (c *imapImportCommand) through(ctx context.Context, j *imapJob) error {
	client, err := c.p.dial(ctx)
	if err != nil {
		return err
	}
	defer client.Close()
	return c.one(ctx, j, ctl.ImportTarget{Client: client, Account: j.account})
}

// into uses the store of no server.
func (c *imapImportCommand) into(ctx context.Context, s *store.Store, j *imapJob) error {
	if c.snap.Accounts[j.account] == nil {
		return fmt.Errorf("account %q: not found", j.account)
	}
	acc, err := s.Account(ctx, j.account)
	if err != nil {
		return err
	}
	defer acc.Release()
	return c.one(ctx, j, imapimport.Local{Account: acc})
}

// one takes over an account, and tells what was done.
func (c *imapImportCommand) one(ctx context.Context, j *imapJob, target imapimport.Target) error {
	o := c.o
	mode, err := j.mode()
	if err != nil {
		return err
	}
	o.Login.Host, o.Login.User, o.Login.Password, o.Login.TokenFile, o.Login.TLS = j.host, j.user, j.password, j.tokenFile, mode
	o.Login.TLSConfig = &tls.Config{RootCAs: c.p.roots, InsecureSkipVerify: c.insecure}
	o.Problem = func(text string) {
		c.mu.Lock()
		defer c.mu.Unlock()
		fmt.Fprintf(c.p.stderr, "%s: %s\n", j.account, text)
	}
	last := time.Now()
	o.Progress = func(p imapimport.Progress) {
		if time.Since(last) < 5*time.Second {
			return
		}
		last = time.Now()
		o.Problem(fmt.Sprintf("%s: %d of %d messages", p.Mailbox, p.Done, p.Total))
	}
	res, err := imapimport.Run(ctx, target, o)
	c.mu.Lock()
	defer c.mu.Unlock()
	if perr := c.print(j, res, err); err == nil {
		err = perr
	}
	if err != nil {
		return err
	}
	switch {
	case res.Failed > 0:
		return fmt.Errorf("%d mailboxes failed", res.Failed)
	case res.Problems > 0:
		return fmt.Errorf("%d messages were left out", res.Problems)
	case res.Missing+res.Differing > 0:
		return fmt.Errorf("%d messages are missing, flags of %d differ", res.Missing, res.Differing)
	}
	return nil
}

// print prints the result for an account.
func (c *imapImportCommand) print(j *imapJob, res imapimport.Result, err error) error {
	if c.json {
		line := struct {
			Account, Host, User string
			imapimport.Result
			Error string `json:",omitempty"`
		}{j.account, j.host, j.user, res, ""}
		if err != nil {
			line.Error = err.Error()
		}
		return printJSONLine(c.p.stdout, line)
	}
	out := c.p.stdout
	fmt.Fprintf(out, "%s: %d messages in %d mailboxes, %d added (%d bytes), %d were there, flags of %d changed, %d deleted, %d left out\n",
		j.account, res.Messages, len(res.Mailboxes), res.Added, res.Bytes, res.Present, res.Flags, res.Deleted, res.Problems)
	for _, m := range res.Mailboxes {
		v := m.Verified
		if v == nil {
			continue
		}
		fmt.Fprintf(out, "%s: %s -> %s: %d messages of %d bytes there, %d of %d here, %d missing, flags of %d differ\n",
			j.account, m.Source, m.Mailbox, v.SourceMessages, v.SourceBytes, v.Messages, v.Bytes, v.Missing, v.FlagsDiffer)
		for _, id := range v.MissingIDs {
			fmt.Fprintf(out, "\tmissing: %s\n", id)
		}
	}
	return nil
}
