package main

import (
	"context"
	"flag"
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
)

func runHelp(_ context.Context, p *program, args []string) error {
	if len(args) == 0 {
		p.usage(p.stdout)
		return nil
	}
	found := p.withPrefix(args)
	for _, c := range found {
		if c.words == strings.Join(args, " ") {
			found = []*command{c}
			break
		}
	}
	switch len(found) {
	case 0:
		p.unknown(args)
		return exitStatus(2)
	case 1:
		p.printHelp(p.stdout, found[0])
	default:
		for _, c := range found {
			fmt.Fprintf(p.stdout, "%s\n\t%s\n", c.usageLine(), c.short)
		}
	}
	return nil
}

func runHelpAll(_ context.Context, p *program, _ []string) error {
	for i := range p.commands {
		c := &p.commands[i]
		fmt.Fprintf(p.stdout, "# mox %s\n\n", c.words)
		p.printHelp(p.stdout, c)
		fmt.Fprintln(p.stdout)
	}
	return nil
}

func setupVersion(fs *flag.FlagSet) runFunc {
	asJSON := fs.Bool("json", false, "print JSON")
	return func(_ context.Context, p *program, _ []string) error {
		if *asJSON {
			return printJSONLine(p.stdout, struct{ Version, OS, Arch string }{version(), runtime.GOOS, runtime.GOARCH})
		}
		_, err := fmt.Fprintf(p.stdout, "%s\n%s/%s\n", version(), runtime.GOOS, runtime.GOARCH)
		return err
	}
}

// release is the version of a release, set when it is built (packaging/release.sh).
var release string

// version is the module's version as built, with the Go release: "v0.1.0 go1.26.1".
// A build from a checkout is "(devel)" with its commit.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "(devel) " + runtime.Version()
	}
	v := info.Main.Version
	if release != "" {
		v = release
	}
	if v == "" {
		v = "(devel)"
	}
	setting := func(key string) string {
		i := slices.IndexFunc(info.Settings, func(s debug.BuildSetting) bool { return s.Key == key })
		if i < 0 {
			return ""
		}
		return info.Settings[i].Value
	}
	if rev := setting("vcs.revision"); rev != "" && release == "" && !strings.Contains(v, rev[:min(12, len(rev))]) {
		v += " " + rev[:min(12, len(rev))]
		if setting("vcs.modified") == "true" {
			v += "+dirty"
		}
	}
	return v + " " + info.GoVersion
}
