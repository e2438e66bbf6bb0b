package main

import (
	"context"
	"flag"
)

// tokenCommands are those for tokens with which programs use the HTTP API.
func tokenCommands() []command {
	return []command{
		{words: "token add", args: "address [name]", prints: printsText, short: "make a token for the HTTP API or JMAP, and print it", min: 1, max: 2, setup: setupTokenAdd, help: tokenAddHelp},
		{words: "token list", args: "[account]", short: "list tokens for the HTTP API and JMAP", max: 1, setup: withOptional("tokenlist"), help: "Of one account, or of all. The tokens themselves are not kept and cannot be shown.\nWith -json, a line for each: account, id, name, login, scopes, created, expires and lastUsed."},
		{words: "token rm", args: "account id", prints: printsDone, short: "remove a token, which works no more", min: 2, max: 2, run: ctlSimple("tokenrm")},
	}
}

func setupTokenAdd(fs *flag.FlagSet) runFunc {
	scopes := fs.String("scopes", "send", "what it allows: `list` of send, read, write, suppress, separated by commas, or all")
	expires := fs.Duration("expires", 0, "how long it works, as a `duration` such as 8760h; 0 is until it is removed")
	return func(ctx context.Context, p *program, args []string) error {
		if *expires < 0 {
			return usagef("-expires must not be negative")
		}
		params := []string{args[0], "", *scopes, ""}
		if len(args) > 1 {
			params[1] = args[1]
		}
		if *expires > 0 {
			params[3] = expires.String()
		}
		return p.request(ctx, "tokenadd", params...)
	}
}

const tokenAddHelp = `
A program that has the token uses the account of the address through the HTTP API, or with all scopes but suppress through JMAP, within
the scopes: send messages; read them; write, which is to flag, move and delete them; suppress, to see
and change to whom nothing is sent any more. From of its messages is the address, unless
it gives another of the account. The token is printed only now; its hash is kept. The name
is for the list of tokens.`
