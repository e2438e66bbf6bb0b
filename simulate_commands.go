package main

import (
	"context"
	"encoding/json"
	"flag"
	"io"
	"os"
	"strings"

	"mox/admin"
	"mox/ctl"
)

// simulateCommands tell what would happen to messages.
func simulateCommands() []command {
	return []command{
		{words: "simulate", args: "from to", short: "tell what would happen to a message right now, and why", min: 2, max: 2, setup: setupSimulate, help: simulateHelp},
	}
}

func setupSimulate(fs *flag.FlagSet) runFunc {
	s := admin.Simulation{}
	fs.StringVar(&s.Remote, "ip", "", "`address` of the client (default one that the domain of the sender gets mail at)")
	fs.StringVar(&s.Hello, "ehlo", "", "`name` that the client gives (default the domain of the sender)")
	noTLS := fs.Bool("notls", false, "the message comes without TLS")
	dkim := fs.String("dkim", "", "`domains`, separated by commas, whose DKIM signatures are taken to be valid")
	file := fs.String("message", "", "`file` with the message, - for standard input (default one with From and To only, whose words are not judged)")
	asJSON := fs.Bool("json", false, "print a line of JSON for each decision")
	return func(ctx context.Context, p *program, args []string) error {
		s.From, s.To, s.TLS = strings.Trim(args[0], "<>"), strings.Trim(args[1], "<>"), !*noTLS
		if *dkim != "" {
			s.DKIM = strings.Split(*dkim, ",")
		}
		b, err := json.Marshal(s)
		if err != nil {
			return err
		}
		params := []string{string(b), ""}
		if *asJSON {
			params[1] = "json"
		}
		in, err := p.open(*file)
		if err != nil {
			return err
		}
		defer in.Close()
		c, err := p.dial(ctx)
		if err != nil {
			return err
		}
		defer c.Close()
		return c.DoInput(ctl.Request{Command: "simulate", Params: params}, in, p.stdout)
	}
}

// open opens a file, or standard input for "-"; without a name it is empty.
func (p *program) open(name string) (io.ReadCloser, error) {
	switch name {
	case "":
		return io.NopCloser(strings.NewReader("")), nil
	case "-":
		return io.NopCloser(p.stdin), nil
	}
	return os.Open(name)
}

const simulateHelp = `
Asks the running server. A message goes through the same checks as a real one, against
what is in DNS and in the account now: SPF, DMARC, reputation, words, rules, block lists,
quota. Nothing is delivered, counted or learned. For an alias there is a decision for each
member. An empty sender, or <>, is that of notifications.

Since nobody can sign for another domain, a message made up here has no DKIM signature;
-dkim takes those of some domains as given.

	mox simulate -dkim example.com alice@example.com you@example.org`
