package main

// configCommands are those for the configuration, and for the accounts, addresses and domains in it.
func configCommands() []command {
	return []command{
		{words: "config test", short: "check mox.conf and domains.conf", max: 0, run: runConfigTest, help: "Prints OK, or every error found with its file, line and field."},
		{words: "config describe-static", short: "print mox.conf with every field and its documentation", max: 0, run: runDescribeStatic},
		{words: "config describe-domains", short: "print domains.conf with every field and its documentation", max: 0, run: runDescribeDynamic},
		{words: "config describe-dynamic", short: "same as config describe-domains", max: 0, run: runDescribeDynamic, unlisted: true},
		{words: "config example", args: "[name]", short: "print an example of a part of the configuration", max: 1, run: runConfigExample, help: "Without argument, lists the names of examples and the file that each is for."},

		{words: "config account list", short: "list accounts", max: 0, run: ctlOutput("accountlist")},
		{words: "config account addresses", args: "account", short: "list the addresses of an account", min: 1, max: 1, run: ctlOutput("accountaddresses")},
		{words: "config account add", args: "account address", short: "add an account with its first address", min: 2, max: 2, run: ctlSimple("accountadd"), help: accountAddHelp},
		{words: "config account rm", args: "account", short: "remove an account and all of its data", min: 1, max: 1, setup: setupAccountRemove, help: accountRemoveHelp},
		{words: "config account disable", args: "account message", short: "refuse logins to an account with a message", min: 2, max: 2, run: ctlSimple("accountdisabled"), help: "Mail to the account is still delivered."},
		{words: "config account enable", args: "account", short: "allow logins to an account again", min: 1, max: 1, run: ctlSimple("accountenable")},

		{words: "config address add", args: "address account", short: "give an account another address", min: 2, max: 2, run: ctlSimple("addressadd"), help: "The address @domain is the catchall of the domain: it gets all mail to addresses that do not exist."},
		{words: "config address rm", args: "address", short: "take an address from its account", min: 1, max: 1, run: ctlSimple("addressrm")},

		{words: "config domain add", args: "domain account [localpart]", short: "add a domain, with keys and report addresses", min: 2, max: 3, setup: setupDomainAdd, help: domainAddHelp},
		{words: "config domain rm", args: "domain", short: "remove a domain that no address uses any more", min: 1, max: 1, run: ctlSimple("domainrm"), help: "Its DKIM keys are moved to dkim/old."},
		{words: "config domain disable", args: "domain", short: "answer mail to and from a domain with temporary errors", min: 1, max: 1, run: ctlWith("domaindisabled", "true")},
		{words: "config domain enable", args: "domain", short: "use a disabled domain again", min: 1, max: 1, run: ctlWith("domaindisabled", "false")},
	}
}
