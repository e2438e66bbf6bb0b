package main

import (
	"context"
	"flag"
	"slices"
	"time"
)

// banCommands are about the networks that the running server refuses.
func banCommands() []command {
	return []command{
		{words: "ban list", short: "list the networks that are banned", max: 0, setup: queueFixed("banlist"), help: banListHelp},
		{words: "ban add", args: "network", short: "ban a network", min: 1, max: 1, setup: setupBanAdd, help: banAddHelp},
		{words: "ban remove", args: "network", short: "end the ban of a network", min: 1, max: 1, setup: queueFixed("banremove"), help: banRemoveHelp},
		{words: "ban test", args: "address", short: "tell whether an address is banned, and what it did", min: 1, max: 1, setup: queueFixed("bantest"), help: banTestHelp},
	}
}

func setupBanAdd(fs *flag.FlagSet) runFunc {
	asJSON := jsonFlag(fs)
	door := "all"
	fs.Func("for", "what it is banned from: `mail|logins|all`; default all", func(s string) error {
		if !slices.Contains([]string{"mail", "logins", "all"}, s) {
			return usagef("%q is not mail, logins or all", s)
		}
		door = s
		return nil
	})
	duration := fs.Duration("duration", 0, "end the ban after this `time`, such as 24h; 0: never")
	comment := fs.String("comment", "", "a `text` to keep with it")
	return func(ctx context.Context, p *program, args []string) error {
		d := ""
		switch {
		case *duration >= time.Second:
			d = duration.String()
		case *duration != 0:
			return usagef("a ban lasts a second or more")
		}
		return p.request(ctx, "banadd", args[0], door, d, *comment, asJSON())
	}
}

const banHelp = `
A network is banned from mail (port 25), from logins (submission, IMAP, HTTP), or both. AutoBan in
mox.conf has the settings, docs/ban.md the rules.`

const banListHelp = `
Each line has the network, what it is banned from, the reason, since when, until when, how often it
was banned, for how many events, and the comment. Reasons: authentication (wrong passwords), recipients (that do not
exist), protocol (sessions full of errors), scan (requests for holes of web programs), manual.
` + banHelp

const banAddHelp = `
The network is an address (which stands for its /32, or the /64 of IPv6) or one such as 192.0.2.0/24. Its
mail is then refused for good (554), not for now. A ban of the same network is replaced.
Connections that are open go on, but cannot log in.
` + banHelp

const banRemoveHelp = `
That the network was banned is forgotten too. With an address, all bans that it is in end.`

const banTestHelp = `
Also tells when somebody has last logged in or sent verified mail from its network, and what counts
towards a ban.
` + banHelp
