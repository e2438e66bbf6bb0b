package main

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"

	"mox/dns"
	"mox/quickstart"
	"mox/sconf"
)

// command is one subcommand: a row of the table in commands.go. Help, usage,
// completion and suggestions are all made from it.
type command struct {
	words    string // "config account add"
	args     string // positional arguments as usage shows them: "account address"
	short    string // one line
	help     string // further paragraphs, may be empty
	unlisted bool   // left out of lists; still found by name
	prints   output // what is on standard output

	// raw commands get their arguments as they are: flags are theirs to parse.
	raw bool

	// nargs bounds the number of positional arguments; max < 0 is no bound.
	min, max int

	// setup, if set, defines flags on fs and returns run; otherwise run is used.
	setup func(fs *flag.FlagSet) runFunc
	run   runFunc
}

// output is what a command prints. Those that print data have flag -json.
type output int

const (
	printsData output = iota // lists or facts, which programs read too: with -json
	printsDone               // nothing, questions, or what was done
	printsText               // a value, or text in a format of its own such as a file
	printsJSON               // JSON in any case
)

// runFunc runs a subcommand. A usageError exits with 2, an exitStatus with its
// own number, any other error with 1 and its text on standard error.
type runFunc func(ctx context.Context, p *program, args []string) error

// usageError is a wrong use of a command; its usage is printed with it.
type usageError struct{ text string }

func (e usageError) Error() string { return e.text }

func usagef(format string, args ...any) error { return usageError{fmt.Sprintf(format, args...)} }

// exitStatus ends the program with that status, silently.
type exitStatus int

func (e exitStatus) Error() string { return fmt.Sprintf("exit status %d", int(e)) }

// program is one invocation: the table, the streams and the global flags.
type program struct {
	commands       []command
	stdin          io.Reader
	stdout, stderr io.Writer
	getenv         func(string) string
	dns            dns.Resolver // nil: the system's
	// connect makes the connections of diagnostic commands; nil: a net.Dialer. roots are
	// the authorities that they trust; nil: the system's.
	connect    func(ctx context.Context, network, address string) (net.Conn, error)
	roots      *x509.CertPool
	submitConf string              // of sendmail
	machine    *quickstart.Machine // what quickstart looks at; nil: this one

	json bool // flag -json of the command, see withJSON

	// Global flags, given before the subcommand.
	configPath       string
	loglevel         string
	pedantic         bool
	checkConsistency bool
	profile          profileFlags
}

// main runs the program and returns its exit status: 0 success, 1 an error while
// running, 2 wrong use.
func (p *program) main(args []string) int {
	fs := p.globalFlags()
	if err := fs.Parse(args); errors.Is(err, flag.ErrHelp) {
		p.usage(p.stdout)
		return 0
	} else if err != nil {
		fmt.Fprintf(p.stderr, "mox: %v\nRun \"mox help\" for usage.\n", err)
		return 2
	}
	words := fs.Args()
	if len(words) == 0 {
		p.usage(p.stderr)
		return 2
	}
	cmd, rest := p.find(words)
	if cmd == nil {
		p.unknown(words)
		return 2
	}
	err := p.profile.around(func() error { return p.invoke(cmd, rest) })
	return p.status(cmd, err)
}

func (p *program) globalFlags() *flag.FlagSet {
	fs := flag.NewFlagSet("mox", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	path := p.getenv("MOXCONF")
	if path == "" {
		path = "config/mox.conf"
	}
	fs.StringVar(&p.configPath, "config", path, "static configuration `file`; domains.conf is beside it (default from $MOXCONF)")
	fs.StringVar(&p.loglevel, "loglevel", "", "log `level`, over the configured one: error, info, debug, trace, traceauth, tracedata")
	fs.BoolVar(&p.pedantic, "pedantic", false, "refuse protocol deviations that are tolerated otherwise")
	fs.BoolVar(&p.checkConsistency, "checkconsistency", false, "check the consistency of all accounts when a server stops")
	p.profile.define(fs)
	return fs
}

// invoke parses the flags of a subcommand and runs it.
func (p *program) invoke(cmd *command, args []string) error {
	fs := flag.NewFlagSet(cmd.words, flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	run := cmd.run
	if cmd.setup != nil {
		run = cmd.setup(fs)
	}
	if cmd.raw {
		return run(context.Background(), p, args)
	}
	if err := parseFlags(fs, args); errors.Is(err, flag.ErrHelp) {
		p.printHelp(p.stdout, cmd)
		return nil
	} else if err != nil {
		return usageError{err.Error()}
	}
	if n := fs.NArg(); n < cmd.min || cmd.max >= 0 && n > cmd.max {
		return usagef("wrong number of arguments")
	}
	return run(context.Background(), p, fs.Args())
}

// parseFlags is fs.Parse, for which a negative number is an argument and no unknown flag.
func parseFlags(fs *flag.FlagSet, args []string) error {
	err := fs.Parse(args)
	at := len(args) - fs.NArg() - 1 // what it stopped at
	if err == nil || at < 0 || err.Error() != "flag provided but not defined: "+args[at] {
		return err
	}
	if n, nerr := strconv.Atoi(args[at]); nerr != nil || n >= 0 {
		return err
	}
	return fs.Parse(append([]string{"--"}, args[at:]...))
}

// status reports err and turns it into an exit status.
func (p *program) status(cmd *command, err error) int {
	var usage usageError
	var exit exitStatus
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit):
		return int(exit)
	case errors.As(err, &usage):
		fmt.Fprintf(p.stderr, "mox %s: %s\n", cmd.words, usage.text)
		fmt.Fprintf(p.stderr, "usage: %s\n", cmd.usageLine())
		return 2
	}
	text := err.Error()
	if errors.Is(err, context.Canceled) {
		text = strings.Replace(text, context.Canceled.Error(), "interrupted", 1)
	}
	fmt.Fprintf(p.stderr, "mox %s: %s\n", cmd.words, text)
	return 1
}

// find returns the command whose words begin the arguments, the longest match
// first, and what follows them.
func (p *program) find(args []string) (*command, []string) {
	var best *command
	n := 0
	for i := range p.commands {
		words := strings.Fields(p.commands[i].words)
		if len(words) > n && len(args) >= len(words) && slices.Equal(words, args[:len(words)]) {
			best, n = &p.commands[i], len(words)
		}
	}
	return best, args[n:]
}

// unknown says what may have been meant: the commands below an incomplete one, or
// those with nearly that name.
func (p *program) unknown(args []string) {
	words := leadingWords(args)
	if below := p.withPrefix(words); len(below) > 0 {
		fmt.Fprintf(p.stderr, "mox: %q needs one more word:\n", strings.Join(words, " "))
		for _, c := range below {
			fmt.Fprintf(p.stderr, "\t%s\n", c.usageLine())
		}
		return
	}
	fmt.Fprintf(p.stderr, "mox: unknown command %q\n", strings.Join(words, " "))
	if near := p.suggest(words); near != "" {
		fmt.Fprintf(p.stderr, "Did you mean \"mox %s\"?\n", near)
	}
	fmt.Fprintf(p.stderr, "Run \"mox help\" for the list of commands.\n")
}

// leadingWords is what of the arguments can be words of a command: all before the
// first flag, at most four.
func leadingWords(args []string) []string {
	for i, a := range args {
		if strings.HasPrefix(a, "-") || i == 4 {
			return args[:i]
		}
	}
	return args
}

// withPrefix returns the commands whose first words are the given ones.
func (p *program) withPrefix(words []string) []*command {
	if len(words) == 0 {
		return nil
	}
	var found []*command
	for i := range p.commands {
		w := strings.Fields(p.commands[i].words)
		if len(w) >= len(words) && slices.Equal(w[:len(words)], words) {
			found = append(found, &p.commands[i])
		}
	}
	return found
}

// suggest returns the command that the words, or the first of them, were probably meant
// to be, or "".
func (p *program) suggest(words []string) string {
	var all []string
	for _, c := range p.commands {
		all = append(all, c.words)
	}
	for n := len(words); n > 0; n-- {
		if s := sconf.Suggest(strings.Join(words[:n], " "), all); s != "" {
			return s
		}
	}
	return ""
}

// flagSet returns the command's flags, for help and completion.
func (c *command) flagSet() *flag.FlagSet {
	fs := flag.NewFlagSet(c.words, flag.ContinueOnError)
	if c.setup != nil {
		c.setup(fs)
	}
	return fs
}

// usageLine is "mox words [-flag value] args".
func (c *command) usageLine() string {
	var b strings.Builder
	b.WriteString("mox " + c.words)
	c.flagSet().VisitAll(func(f *flag.Flag) {
		name, _ := flag.UnquoteUsage(f)
		b.WriteString(" [-" + f.Name)
		if name != "" {
			b.WriteString(" " + name)
		}
		b.WriteString("]")
	})
	if c.args != "" {
		b.WriteString(" " + c.args)
	}
	return b.String()
}

// printHelp writes a command's usage, description and flags.
func (p *program) printHelp(w io.Writer, c *command) {
	fmt.Fprintf(w, "usage: %s\n\n%s\n", c.usageLine(), c.short)
	if help := c.fullHelp(); help != "" {
		fmt.Fprintf(w, "\n%s\n", help)
	}
	var flags bytes.Buffer
	fs := c.flagSet()
	fs.SetOutput(&flags)
	fs.PrintDefaults()
	if flags.Len() > 0 {
		fmt.Fprintf(w, "\nFlags:\n%s", flags.String())
	}
}

// usage writes the list of commands and global flags.
func (p *program) usage(w io.Writer) {
	fmt.Fprintf(w, "mox is a complete mail server.\n\nusage: mox [flags] command ...\n\nCommands:\n")
	for _, c := range p.commands {
		if !c.unlisted {
			fmt.Fprintf(w, "  %-28s %s\n", c.words, c.short)
		}
	}
	fmt.Fprintf(w, "\n\"mox help command\" tells more about one.\n\nFlags, before the command:\n")
	fs := (&program{getenv: p.getenv}).globalFlags()
	fs.SetOutput(w)
	fs.PrintDefaults()
}
