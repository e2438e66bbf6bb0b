package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"

	"mox/admin"
	"mox/config"
	"mox/ctl"
	"mox/sconf"
	"mox/serve"
)

// runDocumentReader is what the server starts for DocumentText in mox.conf.
func runDocumentReader(ctx context.Context, p *program, _ []string) error {
	return serve.DocumentReader(ctx, p.stdin, p.stdout)
}

func runServe(ctx context.Context, p *program, _ []string) error {
	feed, err := releaseFeed()
	if err != nil {
		return fmt.Errorf("this program was built with a feed of updates that is not valid: %w", err)
	}
	status, err := serve.Main(ctx, serve.MainOptions{
		ConfigPath:       p.configPath,
		LogLevel:         p.loglevel,
		Pedantic:         p.pedantic,
		CheckConsistency: p.checkConsistency,
		Log:              p.stderr,
		Version:          version(),
		Feed:             feed,
	})
	if _, serr := os.Stat(p.configPath); errors.Is(err, fs.ErrNotExist) && errors.Is(serr, fs.ErrNotExist) {
		return fmt.Errorf("%w; \"mox quickstart you@example.org\" makes an installation in the working directory", err)
	}
	if err != nil {
		return err
	}
	if status != 0 {
		return exitStatus(status)
	}
	return nil
}

func setupLocalserve(fs *flag.FlagSet) runFunc {
	var o serve.LocalOptions
	fs.StringVar(&o.Dir, "dir", "", "`directory` for configuration and data (default mox-localserve in the user configuration directory)")
	fs.BoolVar(&o.InitOnly, "initonly", false, "write the files and exit")
	fs.StringVar(&o.IP, "ip", "", "`address` to listen on instead of 127.0.0.1 and ::1, when the files are first written")
	return func(ctx context.Context, p *program, _ []string) error {
		o.MainOptions = serve.MainOptions{
			LogLevel:         p.loglevel,
			Pedantic:         p.pedantic,
			CheckConsistency: p.checkConsistency,
			Log:              p.stderr,
			Version:          version(),
		}
		o.Out = p.stdout
		status, err := serve.Local(ctx, o)
		if err != nil {
			return err
		}
		if status != 0 {
			return exitStatus(status)
		}
		return nil
	}
}

// dial connects to the running server of the configuration.
func (p *program) dial(ctx context.Context) (*ctl.Client, error) {
	path, err := serve.ControlPath(p.configPath)
	if err != nil {
		return nil, err
	}
	return ctl.Dial(ctx, path)
}

// request sends one command to the running server and copies its output.
func (p *program) request(ctx context.Context, command string, params ...string) error {
	c, err := p.dial(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.Do(ctl.Request{Command: command, Params: params}, p.stdout); err != nil {
		return err
	}
	if command != "stop" {
		return nil
	}
	if err := c.WaitClosed(30 * time.Second); err != nil {
		return err
	}
	fmt.Fprintln(p.stdout, "mox stopped")
	return nil
}

// ctlSimple is a command that passes its arguments on and prints nothing of its own.
func ctlSimple(command string) runFunc {
	return func(ctx context.Context, p *program, args []string) error { return p.request(ctx, command, args...) }
}

// ctlWith passes its arguments on with more behind them.
func ctlWith(command string, more ...string) runFunc {
	return func(ctx context.Context, p *program, args []string) error {
		return p.request(ctx, command, append(args, more...)...)
	}
}

func setupLogLevels(fs *flag.FlagSet) runFunc {
	asJSON := jsonFlag(fs)
	return func(ctx context.Context, p *program, args []string) error {
		if len(args) == 0 {
			return p.request(ctx, "loglevels", asJSON())
		}
		return p.request(ctx, "setloglevels", args...)
	}
}

func setupAccountRemove(fs *flag.FlagSet) runFunc {
	yes := fs.Bool("yes", false, "do not ask")
	return func(ctx context.Context, p *program, args []string) error {
		if !*yes {
			fmt.Fprintf(p.stderr, "Remove account %s and all of its mail? Type its name to confirm: ", args[0])
			if line, err := readLine(p.stdin); err != nil || line != args[0] {
				return errors.New("not confirmed, nothing was removed")
			}
		}
		return p.request(ctx, "accountrm", args...)
	}
}

func setupDomainAdd(fs *flag.FlagSet) runFunc {
	disabled := fs.Bool("disabled", false, "add it switched off")
	return func(ctx context.Context, p *program, args []string) error {
		params := append(args, make([]string, 3-len(args))...)
		return p.request(ctx, "domainadd", append(params, fmt.Sprint(*disabled))...)
	}
}

// readLine reads one line, at most 4 KiB, without its ending.
func readLine(r io.Reader) (string, error) {
	line, err := bufio.NewReader(io.LimitReader(r, 4096)).ReadString('\n')
	if err != nil && line == "" {
		return "", err
	}
	return strings.TrimRight(line, "\r\n"), nil
}

func readPassword(p *program) (string, error) {
	pw, err := readLine(p.stdin)
	if err != nil {
		return "", fmt.Errorf("reading the password, one line on standard input: %w", err)
	}
	return pw, nil
}

func runSetAccountPassword(ctx context.Context, p *program, args []string) error {
	pw, err := readPassword(p)
	if err != nil {
		return err
	}
	return p.request(ctx, "setaccountpassword", args[0], pw)
}

func runSetAdminPassword(_ context.Context, p *program, _ []string) error {
	snap, err := config.LoadOptions(p.configPath, config.Options{SkipFiles: true})
	if err != nil {
		return err
	}
	if snap.Static.AdminPasswordFile == "" {
		return errors.New("mox.conf has no AdminPasswordFile")
	}
	pw, err := readPassword(p)
	if err != nil {
		return err
	}
	return admin.SetAdminPassword(snap.ConfigPath(snap.Static.AdminPasswordFile), pw)
}

func runCID(_ context.Context, p *program, args []string) error {
	snap, err := config.LoadOptions(p.configPath, config.Options{SkipFiles: true})
	if err != nil {
		return err
	}
	ids, err := serve.OpenReceivedID(snap)
	if err != nil {
		return err
	}
	cid, err := ids.Decode(args[0])
	if err != nil {
		return err
	}
	fmt.Fprintf(p.stdout, "%x\n", cid)
	return nil
}

// configProblem is an error or warning about the configuration.
type configProblem struct {
	File  string `json:",omitempty"`
	Line  int    `json:",omitempty"`
	Field string `json:",omitempty"`
	Text  string
}

// configProblems are those of an error.
func configProblems(err error) []configProblem {
	errs, ok := errors.AsType[sconf.Errors](err)
	if !ok {
		if one, ok := errors.AsType[*sconf.Error](err); ok {
			errs = sconf.Errors{one}
		} else if err != nil {
			return []configProblem{{Text: err.Error()}}
		}
	}
	var l []configProblem
	for _, e := range errs {
		l = append(l, configProblem{e.File, e.Line, e.Path.String(), e.Msg})
	}
	return l
}

func setupConfigTest(fs *flag.FlagSet) runFunc {
	asJSON := fs.Bool("json", false, "print JSON")
	return func(_ context.Context, p *program, _ []string) error {
		if !*asJSON {
			return runConfigTest(p)
		}
		var r struct {
			OK               bool
			Errors, Warnings []configProblem `json:",omitempty"`
		}
		snap, err := config.Load(p.configPath)
		r.OK, r.Errors = err == nil, configProblems(err)
		if snap != nil {
			r.Warnings = configProblems(snap.Warnings)
		}
		if err := printJSONLine(p.stdout, r); err != nil || r.OK {
			return err
		}
		return exitStatus(1)
	}
}

func runConfigTest(p *program) error {
	snap, err := config.Load(p.configPath)
	if err != nil {
		return err
	}
	for _, w := range snap.Warnings {
		fmt.Fprintf(p.stderr, "warning: %v\n", w)
	}
	if err := serve.CheckPlace(snap); err != nil {
		fmt.Fprintf(p.stderr, "warning: %v\n", err)
	}
	fmt.Fprintln(p.stdout, "config OK")
	return nil
}

func runDescribeStatic(_ context.Context, p *program, _ []string) error {
	return config.DescribeStatic(p.stdout)
}

func runDescribeDynamic(_ context.Context, p *program, _ []string) error {
	return config.DescribeDynamic(p.stdout)
}
