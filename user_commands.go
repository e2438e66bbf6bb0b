package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"mox/admin"
	"mox/invite"
)

func userCommands() []command {
	return []command{
		{words: "user invite", args: "address", short: "make an account, with a link by which its user chooses a password", min: 1, max: 1, setup: setupUserInvite, help: userInviteHelp},
		{words: "user list", short: "list accounts, their addresses, and whether they can be used", max: 0, setup: setupUserList, help: userListHelp},
		{words: "user invites", short: "list invitations", max: 0, setup: setupUserInvites, help: userInvitesHelp},
		{words: "user revoke", args: "id", short: "end an invitation", min: 1, max: 1, prints: printsDone, run: ctlSimple("inviterevoke"), help: "The id is that of \"mox user invites\". The account stays as it is."},
	}
}

const userInviteHelp = `
Prints a link to give to the person. It leads to a page of this server on which the person
chooses a password, and then sees the settings for mail programs and a profile for Apple devices. The
link works once, until it expires; nobody else sees the password.

If no account has the address one is made, named as the part before the @ unless -account says
otherwise. For an address that exists, the link sets a new password: for people who have forgotten
theirs. The password they have works until then. A new link ends earlier ones of the account.

The page is served with the automatic configuration of mail programs: AutoconfigHTTPS of a
listener in mox.conf, at the name that mail programs use.`

const userListHelp = `
The state is active; invited, while a link waits; "no password", when nobody can log in yet; or
disabled.`

const userInvitesHelp = `
The newest first, with those of the last 30 days that were used or have expired. Links cannot be
shown again: make another by "mox user invite".`

func setupUserInvite(fs *flag.FlagSet) runFunc {
	account := fs.String("account", "", "`name` of the account to make")
	expires := fs.Duration("expires", invite.DefaultLife, "how long the link works")
	asJSON := fs.Bool("json", false, "print JSON")
	return func(ctx context.Context, p *program, args []string) error {
		if *expires <= 0 || *expires > invite.MaxLife {
			return usagef("-expires must be more than 0 and at most %v", invite.MaxLife)
		}
		var inv admin.Invited
		if err := p.ask(ctx, &inv, "userinvite", args[0], *account, expires.String()); err != nil {
			return err
		}
		if *asJSON {
			return printJSONLine(p.stdout, inv)
		}
		made := "has that address"
		if inv.Created {
			made = "was made"
		}
		_, err := fmt.Fprintf(p.stdout, "Account %s %s. Give this link to %s; it works once, until %s:\n\n%s\n", inv.Account, made, inv.Address, inv.Expires.UTC().Format(time.RFC3339), inv.URL)
		return err
	}
}

func setupUserList(fs *flag.FlagSet) runFunc {
	return listFlags(fs, "userlist", "account\tstate\taddresses", func(w io.Writer, u admin.User) {
		state := u.State
		if state == "invited" {
			state += " until " + u.Expires.UTC().Format(time.RFC3339)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\n", u.Account, state, strings.Join(u.Addresses, " "))
	})
}

func setupUserInvites(fs *flag.FlagSet) runFunc {
	return listFlags(fs, "invitelist", "id\taccount\taddress\tstate\tcreated\texpires", func(w io.Writer, i admin.InviteState) {
		fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\t%s\n", i.ID, i.Account, i.Address, i.State, i.Created.UTC().Format(time.RFC3339), i.Expires.UTC().Format(time.RFC3339))
	})
}

// listFlags is a command that prints what the server answers, a list, as a table or, with -json, a line of JSON for each.
func listFlags[T any](fs *flag.FlagSet, command, head string, row func(w io.Writer, v T)) runFunc {
	asJSON := fs.Bool("json", false, "print a line of JSON for each")
	return func(ctx context.Context, p *program, _ []string) error {
		var l []T
		if err := p.ask(ctx, &l, command); err != nil {
			return err
		}
		if *asJSON {
			for _, v := range l {
				if err := printJSONLine(p.stdout, v); err != nil {
					return err
				}
			}
			return nil
		}
		if len(l) == 0 {
			_, err := fmt.Fprintln(p.stdout, "(none)")
			return err
		}
		w := tabwriter.NewWriter(p.stdout, 0, 4, 2, ' ', 0)
		fmt.Fprintln(w, head)
		for _, v := range l {
			row(w, v)
		}
		return w.Flush()
	}
}
