package main

import (
	"context"
	"errors"
	"flag"
	"io"
)

// imapServeCommands is the one for an IMAP session without a login.
func imapServeCommands() []command {
	return []command{
		{words: "admin imapserve", args: "address", prints: printsText, short: "be an IMAP server for an account, on standard input and output", min: 1, max: 1, setup: setupIMAPServe, help: imapServeHelp},
	}
}

const imapServeHelp = `
The session begins as that of the account's user, without a login (PREAUTH), through the running
server, for programs that move mail and have a command in place of an address, such as over ssh: tunnel
"ssh host mox admin imapserve user@example.org". Logins that are disabled for the account make no difference. It ends with
LOGOUT, or after what was asked before standard input ended. Exit status 1 when there is no such address, or no server runs.`

func setupIMAPServe(fs *flag.FlagSet) runFunc {
	fd0 := fs.Bool("fd0", false, "also write to standard input, which is a socket then")
	return func(ctx context.Context, p *program, args []string) error {
		ctx, stop := interruptible(ctx)
		defer stop()
		out := p.stdout
		if *fd0 {
			w, ok := p.stdin.(io.Writer)
			if !ok {
				return errors.New("standard input cannot be written to")
			}
			out = w
		}
		c, err := p.dial(ctx)
		if err != nil {
			return err
		}
		defer c.Close()
		return c.IMAP(ctx, args[0], p.stdin, out)
	}
}
