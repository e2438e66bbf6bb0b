package main

import (
	"context"
	"io"

	"mox/ctl"
)

// deliverCommands is the one for putting a message into an account.
func deliverCommands() []command {
	return []command{
		{words: "deliver", args: "address <message", prints: printsDone, short: "put a message into the account of an address, without checks", min: 1, max: 1, run: runDeliver, unlisted: true, help: deliverHelp},
	}
}

const deliverHelp = `
The message is read from standard input. It is delivered as if it had come in by SMTP and been accepted:
rules of the address apply, and aliases deliver to their members. "mox import" adds many messages at once,
with their dates and flags.`

func runDeliver(ctx context.Context, p *program, args []string) error {
	c, err := p.dial(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	return c.Stream(ctx, ctl.Request{Command: "deliver", Params: args}, func(w io.Writer) error {
		_, err := io.Copy(w, p.stdin)
		return err
	}, p.stdout)
}
