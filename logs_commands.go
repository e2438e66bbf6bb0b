package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"mox/config"
	"mox/ctl"
	"mox/dns"
	"mox/logfile"
	"mox/mlog"
	"mox/serve"
)

func logsCommands() []command {
	return []command{
		{words: "logs", short: "show lines of the server's log, and follow them", max: 0, setup: setupLogs, help: logsHelp},
	}
}

const logsHelp = `
Reads the newest lines, which the server keeps in directory log below its data directory (LogFileSize
in mox.conf); it need not run. Without filters the last 100 lines are shown. Filters can be
combined.

-msg shows the life of one message: its reception or submission, what was decided about it and
why (as "mox trace" does, if the server runs), deliveries, and attempts to send it. It is given by its
Message-ID, the id in the queue, or the id that error texts and Received header fields show. -cid
shows a connection, by the id of log lines; "mox cid" finds those of Received fields.

With -scrub, lines can be given to others: what is before the @ of addresses, accounts and public IP addresses
are short hashes, the same for the same thing within one run; subjects and lines of protocols are left
out. Domains and names of hosts stay. Read them before you give them away all the same.

With -json, each line is an object with t (time), l (level), m (message), err, pkg (a list), and the
other fields of the line by their names, as text.

-file reads lines from elsewhere, - from standard input:

	journalctl -u mox -o cat | mox logs -file - -scrub -since 0`

// logsCommand is a run of "mox logs".
type logsCommand struct {
	filter       logfile.Filter
	follow       bool
	msg, level   string
	domain       string
	since        string
	n            int
	file         string
	json, scrub  bool
	filtered     bool
	thread       *logfile.Thread
	scrubber     *logfile.Scrubber
	out          io.Writer
	kept         []string // the last n lines, while what was there is read
	caught       bool     // it is through
	snap         *config.Snapshot
	decisionText string
}

func setupLogs(fs *flag.FlagSet) runFunc {
	c := logsCommand{}
	fs.BoolVar(&c.follow, "f", false, "go on with lines as they come")
	fs.StringVar(&c.msg, "msg", "", "only lines about a message: Message-ID, `id` in the queue or of a Received field")
	fs.StringVar(&c.filter.CID, "cid", "", "only lines of the connection with this `id`")
	fs.StringVar(&c.filter.Account, "account", "", "only lines about this `account`")
	fs.StringVar(&c.domain, "domain", "", "only lines with an address or host of this `domain`")
	fs.StringVar(&c.since, "since", "", "only as far back as this `duration` or time, such as 2h or 2026-03-04T10:00:00Z")
	fs.StringVar(&c.level, "level", "", "only lines of at least this `level`, such as error")
	fs.StringVar(&c.filter.Pkg, "pkg", "", "only lines of this `package`, such as smtpserver")
	fs.IntVar(&c.n, "n", -1, "at most the last `lines`; 0: all (default 100 without filters, all with)")
	fs.StringVar(&c.file, "file", "", "read this `file`, - for standard input, in place of the server's")
	fs.BoolVar(&c.json, "json", false, "print lines as JSON")
	fs.BoolVar(&c.scrub, "scrub", false, "without what is about people")
	return func(ctx context.Context, p *program, _ []string) error {
		ctx, stop := interruptible(ctx)
		defer stop()
		if err := c.complete(time.Now()); err != nil {
			return err
		}
		return c.run(ctx, p)
	}
}

// complete checks the flags.
func (c *logsCommand) complete(now time.Time) error {
	c.filtered = c.msg != "" || c.filter != (logfile.Filter{}) || c.domain != "" || c.since != "" || c.level != ""
	c.filter.Level = mlog.LevelTracedata
	if c.level != "" {
		level, err := mlog.ParseLevel(c.level)
		if err != nil {
			return usageError{err.Error()}
		}
		c.filter.Level = level
	}
	if c.domain != "" {
		d, err := dns.ParseDomain(c.domain)
		if err != nil {
			return usageError{fmt.Sprintf("domain %q: %v", c.domain, err)}
		}
		c.filter.Domain = d.ASCII
	}
	switch d, derr := time.ParseDuration(c.since); {
	case c.since == "" || c.since == "0":
	case derr == nil && d > 0:
		c.filter.Since = now.Add(-d)
	default:
		t, err := time.Parse(time.RFC3339, c.since)
		if err != nil {
			return usagef("-since must be a duration such as 2h, or a time such as 2026-03-04T10:00:00Z")
		}
		c.filter.Since = t
	}
	if c.n < -1 {
		return usagef("-n must not be negative")
	}
	if c.n == -1 {
		c.n = 100
		if c.filtered {
			c.n = 0
		}
	}
	if c.follow && c.file != "" {
		return usagef("-f is for the server's log, and not for -file")
	}
	if c.scrub {
		c.scrubber = logfile.NewScrubber()
	}
	return nil
}

func (c *logsCommand) run(ctx context.Context, p *program) error {
	c.out = p.stdout
	dir := ""
	if c.file == "" {
		var err error
		if c.snap, err = config.LoadOptions(p.configPath, config.Options{SkipFiles: true}); err != nil {
			// The log says what is wrong with a server whose domains.conf has errors.
			static, _, serr := config.CheckStatic(p.configPath, config.Options{SkipFiles: true})
			if serr != nil {
				return err
			}
			c.snap = &config.Snapshot{Path: p.configPath, Static: static}
		}
		dir = c.snap.DataPath(serve.LogDir)
	}
	read, err := c.source(p, dir)
	if err != nil {
		return err
	}
	if err := c.find(read); err != nil {
		return none(err, c.snap)
	}
	if err := c.decisions(ctx, p); err != nil {
		return err
	}
	if c.follow {
		return none(logfile.Follow(ctx, dir, c.flush, c.line), c.snap)
	}
	if err := read(c.line); err != nil {
		return none(err, c.snap)
	}
	if c.msg != "" && len(c.kept) == 0 && c.decisionText == "" {
		return errors.New("nothing found: the log has the newest lines only")
	}
	return c.flush()
}

// none says what to do where there is no log.
func none(err error, snap *config.Snapshot) error {
	if errors.Is(err, logfile.ErrNone) && snap != nil && snap.Static.LogFileSize < 0 {
		return fmt.Errorf("%w: LogFileSize of mox.conf says so; the journal may have it: journalctl -u mox -o cat | mox logs -file -", err)
	} else if errors.Is(err, logfile.ErrNone) {
		return fmt.Errorf("%w: the server has not run with this version, or this is another installation", err)
	}
	return err
}

// maxInput bounds what is read with -file.
const maxInput = 1 << 30

// source returns what reads all lines, as often as it is called.
func (c *logsCommand) source(p *program, dir string) (func(func(*logfile.Line) error) error, error) {
	if c.file == "" {
		return func(f func(*logfile.Line) error) error { return logfile.Files(dir, f) }, nil
	}
	if c.file != "-" || c.msg == "" {
		return func(f func(*logfile.Line) error) error {
			in, err := p.open(c.file)
			if err != nil {
				return err
			}
			defer in.Close()
			return logfile.Lines(io.LimitReader(in, maxInput), f)
		}, nil
	}
	// It is gone through more than once.
	b, err := io.ReadAll(io.LimitReader(p.stdin, maxInput/4))
	return func(f func(*logfile.Line) error) error { return logfile.Lines(bytes.NewReader(b), f) }, err
}

// maxRounds bounds how often lines are gone through to find all about a message.
const maxRounds = 5

// find learns which lines are about the message.
func (c *logsCommand) find(read func(func(*logfile.Line) error) error) error {
	if c.msg == "" {
		return nil
	}
	messageID, queueID, cid := strings.Trim(c.msg, "<>"), "", ""
	switch {
	case logfile.QueueID(c.msg):
		messageID, queueID = "", c.msg
	case !strings.Contains(messageID, "@") && c.snap != nil:
		ids, err := serve.OpenReceivedID(c.snap)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		} else if err == nil {
			if n, err := ids.Decode(messageID); err == nil {
				messageID, cid = "", fmt.Sprintf("%x", n)
			}
		}
	}
	c.thread = logfile.NewThread(messageID, queueID, cid)
	for range maxRounds {
		more := false
		if err := read(func(l *logfile.Line) error {
			more = c.thread.Learn(l) || more
			return nil
		}); err != nil {
			return err
		}
		if !more {
			return nil
		}
	}
	return nil
}

// decisions prints what was decided about the message, if a server can be asked.
func (c *logsCommand) decisions(ctx context.Context, p *program) error {
	if c.thread == nil || c.json || c.scrub || c.file != "" || logfile.QueueID(c.msg) {
		return nil
	}
	client, err := p.dial(ctx)
	if err != nil {
		return nil // the log is there without
	}
	defer client.Close()
	defer context.AfterFunc(ctx, func() { client.Close() })()
	var b bytes.Buffer
	if client.Do(ctl.Request{Command: "trace", Params: []string{c.msg, "", "", "", ""}}, &b) != nil {
		return nil // nothing is known of it
	}
	c.decisionText = b.String()
	_, err = fmt.Fprintf(c.out, "Decided:\n%s\nLogged:\n", c.decisionText)
	return err
}

// line prints a line if it is selected; before flush it is kept, as only the last may be wanted.
func (c *logsCommand) line(l *logfile.Line) error {
	if c.thread != nil {
		c.thread.Learn(l)
		if !c.thread.Match(l) {
			return nil
		}
	}
	if !c.filter.Match(l) {
		return nil
	}
	if c.scrubber != nil {
		l = c.scrubber.Line(l)
	}
	text := terminalText(l.String())
	if c.json {
		b, err := l.JSON()
		if err != nil {
			return err
		}
		text = string(b)
	}
	if c.caught || c.n == 0 {
		if c.n == 0 {
			c.kept = append(c.kept[:0], text)
		}
		_, err := fmt.Fprintln(c.out, text)
		return err
	}
	if len(c.kept) == c.n {
		copy(c.kept, c.kept[1:])
		c.kept = c.kept[:c.n-1]
	}
	c.kept = append(c.kept, text)
	return nil
}

// flush prints what was kept.
func (c *logsCommand) flush() error {
	c.caught = true
	if c.n == 0 {
		return nil
	}
	var b strings.Builder
	for _, text := range c.kept {
		b.WriteString(text + "\n")
	}
	_, err := io.WriteString(c.out, b.String())
	return err
}
