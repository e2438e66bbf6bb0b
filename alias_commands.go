package main

import (
	"context"
	"encoding/json"
	"flag"
	"strconv"

	"mox/admin"
)

// aliasCommands are those for addresses that deliver to several accounts.
func aliasCommands() []command {
	return []command{
		{words: "config alias list", args: "domain", short: "list the aliases of a domain", min: 1, max: 1, setup: setupAliasJSON("aliaslist")},
		{words: "config alias print", args: "alias", short: "print settings and members of an alias", min: 1, max: 1, setup: setupAliasJSON("aliasprint")},
		{words: "config alias add", args: "alias address ...", prints: printsDone, short: "add an alias with its members", min: 2, max: -1, run: runAliasMembers("aliasadd"), help: aliasAddHelp},
		{words: "config alias update", args: "alias", prints: printsDone, short: "change settings of an alias", min: 1, max: 1, setup: setupAliasUpdate, help: "Settings without a flag stay as they are."},
		{words: "config alias rm", args: "alias", prints: printsDone, short: "remove an alias", min: 1, max: 1, run: ctlSimple("aliasrm"), help: "The addresses of its members stay."},
		{words: "config alias addaddr", args: "alias address ...", prints: printsDone, short: "add members to an alias", min: 2, max: -1, run: runAliasMembers("aliasaddaddr")},
		{words: "config alias rmaddr", args: "alias address ...", prints: printsDone, short: "remove members from an alias", min: 2, max: -1, run: runAliasMembers("aliasrmaddr")},
	}
}

const aliasAddHelp = `
What is sent to the alias is delivered to each of its members, which are addresses of accounts of this
server. At first anyone may write to it; "mox config alias update" changes that.`

func setupAliasJSON(command string) func(fs *flag.FlagSet) runFunc {
	return func(fs *flag.FlagSet) runFunc {
		asJSON := fs.Bool("json", false, "print JSON, a line for each alias")
		return func(ctx context.Context, p *program, args []string) error {
			if *asJSON {
				args = append(args, "json")
			}
			return p.request(ctx, command, args...)
		}
	}
}

func runAliasMembers(command string) runFunc {
	return func(ctx context.Context, p *program, args []string) error {
		members, err := json.Marshal(args[1:])
		if err != nil {
			return err
		}
		return p.request(ctx, command, args[0], string(members))
	}
}

func setupAliasUpdate(fs *flag.FlagSet) runFunc {
	var s admin.AliasSettings
	// These take a value, as "-postpublic false", which flags of bool do not.
	setting := func(name, usage string, v **bool) {
		fs.Func(name, usage, func(text string) error {
			b, err := strconv.ParseBool(text)
			*v = &b
			return err
		})
	}
	setting("postpublic", "anyone may write to it: `true|false`", &s.PostPublic)
	setting("listmembers", "members may see who the members are: `true|false`", &s.ListMembers)
	setting("allowmsgfrom", "members may send with the alias as From address: `true|false`", &s.AllowMsgFrom)
	return func(ctx context.Context, p *program, args []string) error {
		if s == (admin.AliasSettings{}) {
			return usagef("nothing to change: give a setting")
		}
		settings, err := json.Marshal(s)
		if err != nil {
			return err
		}
		return p.request(ctx, "aliasupdate", args[0], string(settings))
	}
}
