package main

import (
	"context"
	"flag"
	"strconv"
	"time"

	"mox/tracelog"
)

// traceCommands tell about messages that came, or did not.
func traceCommands() []command {
	return []command{
		{words: "trace", args: "[message-id|address|domain|ip|id]", short: "tell what happened to messages, and why", max: 1, setup: setupTrace, help: traceHelp},
	}
}

func setupTrace(fs *flag.FlagSet) runFunc {
	account := fs.String("account", "", "only messages for this `account`")
	since := fs.Duration("since", 0, "only as far back as this `duration`, such as 36h")
	n := fs.Int("n", tracelog.DefaultLimit, "at most so many `messages`, the newest")
	asJSON := fs.Bool("json", false, "print a line of JSON for each message")
	return func(ctx context.Context, p *program, args []string) error {
		params := make([]string, 5)
		copy(params, args)
		if params[0] == "" && *account == "" {
			return usagef("an argument or -account is needed")
		}
		if *n < 1 || *n > tracelog.MaxLimit {
			return usagef("-n must be from 1 to %d", tracelog.MaxLimit)
		}
		if *since < 0 {
			return usagef("-since must not be negative")
		}
		params[1], params[3] = *account, strconv.Itoa(*n)
		if *since > 0 {
			params[2] = since.Round(time.Microsecond).String()
		}
		if *asJSON {
			params[4] = "json"
		}
		return p.request(ctx, "trace", params...)
	}
}

const traceHelp = `
Looks in the running server's log of decisions, which has the messages of the last 30
days that were accepted or refused, at most 100,000. It finds them by Message-ID, with or
without angle brackets; by address of sender or recipient, or its domain; by address of the
client; by the id that error texts and Received header fields show; with -account alone,
all for an account. The newest are printed first: what was decided and by which
checks, and what was known of the message. The exit status is 1 when nothing is found.`
