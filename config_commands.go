package main

// configCommands are those for the configuration, and for the accounts, addresses and domains in it.
func configCommands() []command {
	return []command{
		{words: "config test", short: "check mox.conf and domains.conf", max: 0, setup: setupConfigTest, help: configTestHelp},
		{words: "config describe-static", prints: printsText, short: "print mox.conf with every field and its documentation", max: 0, run: runDescribeStatic},
		{words: "config describe-domains", prints: printsText, short: "print domains.conf with every field and its documentation", max: 0, run: runDescribeDynamic},
		{words: "config describe-dynamic", prints: printsText, short: "same as config describe-domains", max: 0, run: runDescribeDynamic, unlisted: true},
		{words: "config example", args: "[name]", short: "print an example of a part of the configuration", max: 1, setup: setupConfigExample, help: configExampleHelp},

		{words: "config account list", short: "list accounts", max: 0, setup: queueFixed("accountlist"), help: accountListHelp},
		{words: "config account addresses", args: "account", short: "list the addresses of an account", min: 1, max: 1, setup: queueFixed("accountaddresses"), help: "The address @domain is a catchall. With -json, a line with a string for each."},
		{words: "config account add", args: "account address", prints: printsDone, short: "add an account with its first address", min: 2, max: 2, run: ctlSimple("accountadd"), help: accountAddHelp},
		{words: "config account rm", args: "account", prints: printsDone, short: "remove an account and all of its data", min: 1, max: 1, setup: setupAccountRemove, help: accountRemoveHelp},
		{words: "config account disable", args: "account message", prints: printsDone, short: "refuse logins to an account with a message", min: 2, max: 2, run: ctlSimple("accountdisabled"), help: "Mail to the account is still delivered."},
		{words: "config account enable", args: "account", prints: printsDone, short: "allow logins to an account again", min: 1, max: 1, run: ctlSimple("accountenable")},

		{words: "config address add", args: "address account", prints: printsDone, short: "give an account another address", min: 2, max: 2, run: ctlSimple("addressadd"), help: "The address @domain is the catchall of the domain: it gets all mail to addresses that do not exist."},
		{words: "config address rm", args: "address", prints: printsDone, short: "take an address from its account", min: 1, max: 1, run: ctlSimple("addressrm")},

		{words: "config address account", args: "address", short: "tell which account gets mail to an address", min: 1, max: 1, setup: queueFixed("addressaccount"), help: addressAccountHelp},

		{words: "config domain list", short: "list domains", max: 0, setup: queueFixed("domainlist"), help: "With -json, a line for each: Domain and Disabled."},
		{words: "config domain add", args: "domain account [localpart]", prints: printsDone, short: "add a domain, with keys and report addresses", min: 2, max: 3, setup: setupDomainAdd, help: domainAddHelp},
		{words: "config domain rm", args: "domain", prints: printsDone, short: "remove a domain that no address uses any more", min: 1, max: 1, run: ctlSimple("domainrm"), help: "Its DKIM keys are moved to dkim/old."},
		{words: "config domain disable", args: "domain", prints: printsDone, short: "answer mail to and from a domain with temporary errors", min: 1, max: 1, run: ctlWith("domaindisabled", "true")},
		{words: "config domain enable", args: "domain", prints: printsDone, short: "use a disabled domain again", min: 1, max: 1, run: ctlWith("domaindisabled", "false")},
	}
}

const configTestHelp = `
Prints OK, or every error found with its file, line and field, and exits with 1 then. With -json, one object: OK,
and the lists Errors and Warnings, of File, Line, Field and Text.`

const configExampleHelp = `
Without argument, lists the names of examples and the file that each is for. With -json, an object for
each, or for the one that is named: Name, File and Text.`

const accountListHelp = `
Accounts to which logins are refused are marked. With -json, a line for each: Name and Disabled.`

const addressAccountHelp = `
Prints the name of the account; for an address that is not configured itself also why: as the base, before the
separator, of a configured one, as postmaster, or by the catchall of the domain. For an alias, its address.
Exits with 1 when nobody gets such mail. With -json, an object: Address (as configured), Account, Mailbox, Alias and Via.`
