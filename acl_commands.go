package main

import (
	"context"
	"flag"
)

// aclCommands are those for mailboxes that users share.
func aclCommands() []command {
	return []command{
		{words: "acl list", args: "[account]", short: "list mailboxes that are shared, and with whom", max: 1, setup: setupACLList, help: "Of one account, or of all. Who has the account has all rights, without being listed."},
		{words: "acl set", args: "account mailbox identifier rights", prints: printsDone, short: "share a mailbox, or change what others may do with it", min: 4, max: 4, run: ctlSimple("aclset"), help: aclSetHelp},
		{words: "acl delete", args: "account mailbox identifier", prints: printsDone, short: "remove an entry from the access control list of a mailbox", min: 3, max: 3, run: ctlWith("aclset", ""), help: "As \"acl set\" without rights. An entry of negative rights has an identifier with \"-\" before it."},
	}
}

func setupACLList(fs *flag.FlagSet) runFunc {
	asJSON := fs.Bool("json", false, "print JSON, a line for each mailbox")
	return func(ctx context.Context, p *program, args []string) error {
		params := []string{"", ""}
		copy(params, args)
		if *asJSON {
			params[1] = "json"
		}
		return p.request(ctx, "acllist", params...)
	}
}

const aclSetHelp = `
The identifier is the name of an account or one of its addresses, "$" and the address of an
alias for its members, or anyone for all users. Rights are letters: l (see it in lists), r (read), s
(mark as seen), w (change other flags), i (add messages), k (make mailboxes below), x (delete it), t
(flag as deleted), e (expunge), a (change the list), n (change annotations that all see); p (post) has no effect. They replace those that the
identifier has; with + or - before them, they are added or taken away. Rights of an
identifier with "-" before it are those that it does not have whatever else gives them.

Users do the same with their mail programs (IMAP ACL, RFC 4314), and find mailboxes of others below
"Other Users". Mailboxes that are made below a shared one are shared like it.`
