package main

import (
	"context"
	"errors"
	"flag"

	"mox/ctl"
	"mox/status"
)

// statusCommands tell how the server is.
func statusCommands() []command {
	return []command{
		{words: "status", short: "tell in five sentences at most how the server is", max: 0, setup: setupStatus, help: statusHelp},
	}
}

const statusHelp = `
The worst comes first. Below each sentence is the command to run next: it fixes what is told, or
shows more about it. Told of are the server's check of itself ("mox health"), space on the disk,
TLS certificates, messages that could not be stored or wait in the queue, outgoing connections,
backups, blocklists, upgrades, bugs and errors, searches and the configuration. Hints are no
problems.

Nothing is asked over the network for it: "mox config dnscheck" looks at the DNS records of a domain.

Exits with 0 when all is well, and with 1 when there are problems or no server runs.`

func setupStatus(fs *flag.FlagSet) runFunc {
	asJSON := fs.Bool("json", false, "print JSON")
	return func(ctx context.Context, p *program, _ []string) error {
		var r status.Report
		if err := p.ask(ctx, &r, "status"); errors.Is(err, ctl.ErrNotRunning) {
			r = status.NotRunning()
		} else if err != nil {
			return err
		}
		var err error
		if *asJSON {
			err = printJSONLine(p.stdout, r)
		} else {
			err = r.Print(p.stdout)
		}
		if err == nil && !r.OK {
			err = exitStatus(1)
		}
		return err
	}
}
