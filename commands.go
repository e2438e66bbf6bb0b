package main

import "slices"

// commands is the table of subcommands. Usage, help, completion and the reference in
// docs/commands.txt are made from it.
func commands() []command {
	return slices.Concat([]command{
		{words: "serve", prints: printsDone, short: "run the mail server", max: 0, run: runServe, help: serveHelp},
		{words: "localserve", prints: printsDone, short: "run a mail server for testing, on this machine, with throwaway data", max: 0, setup: setupLocalserve, help: localserveHelp},
		{words: "stop", prints: printsDone, short: "stop the running server and wait until it is gone", max: 0, run: ctlSimple("stop")},
		{words: "loglevels", args: "[level [package]]", short: "show or change log levels of the running server", max: 2, setup: setupLogLevels, help: loglevelsHelp},
		{words: "cid", args: "id", prints: printsText, short: "turn an id of a Received header or reply into the connection id of log lines", min: 1, max: 1, run: runCID, help: cidHelp},
		{words: "setaccountpassword", args: "account", prints: printsDone, short: "set the password of an account", min: 1, max: 1, run: runSetAccountPassword, help: passwordHelp},
		{words: "setadminpassword", prints: printsDone, short: "set the password for administration", max: 0, run: runSetAdminPassword, help: passwordHelp},

		{words: "completion", args: "bash|zsh|fish", prints: printsText, short: "print a completion script for a shell", min: 1, max: 1, run: runCompletion, help: completionHelp},
		{words: "complete", args: "words ...", prints: printsText, short: "print candidates for the last of the words", max: -1, run: runComplete, unlisted: true},
		{words: "version", short: "print version, operating system and architecture", max: 0, setup: setupVersion, help: "With -json, an object: Version, OS and Arch."},
		{words: "licenses", prints: printsText, short: "print the licenses of mox and of all that is compiled into it", max: 0, run: runLicenses},
		{words: "help", args: "[command]", prints: printsText, short: "tell about a command", max: -1, run: runHelp},
		{words: "doctext", prints: printsText, short: "take the text out of documents, for the server that starts this", max: 0, run: runDocumentReader, unlisted: true},
		{words: "helpall", prints: printsText, short: "print the help of all commands", max: 0, run: runHelpAll, unlisted: true},
	},
		aclCommands(),
		addReportCommands(),
		aliasCommands(),
		backupCommands(),
		banCommands(),
		certificatesCommands(),
		clientConfCommands(),
		configCommands(),
		daneCommands(),
		deliverCommands(),
		dkimCommands(),
		dmarcCommands(),
		dnsCommands(),
		doctorCommands(),
		imapImportCommands(),
		imapServeCommands(),
		junkCommands(),
		logsCommands(),
		maintainCommands(),
		manCommands(),
		messageCommands(),
		mtastsCommands(),
		publicSuffixCommands(),
		queueCommands(),
		quickstartCommands(),
		reportCommands(),
		restoreCommands(),
		retrainCommands(),
		sampleCommands(),
		sendCommands(),
		sendmailCommands(),
		serviceCommands(),
		setupCommands(),
		simulateCommands(),
		smtpCommands(),
		spfCommands(),
		statusCommands(),
		storedReportCommands(),
		tlspubkeyCommands(),
		tokenCommands(),
		traceCommands(),
		transferCommands(),
		undeleteCommands(),
		updatesCommands(),
		upgradeCommands(),
		userCommands(),
		webapiCommands(),
	)
}

const serveHelp = `
Started as root, it binds its ports, opens the TLS key files, and runs the server as the
user that mox.conf names, confined to its own directories. Started as another user it
needs CAP_NET_BIND_SERVICE, sockets from systemd, or ports above 1023. "mox config
printservice" prints files for service managers.

domains.conf is read again within seconds of a change; a change of mox.conf needs a
restart. SIGTERM, SIGINT and "mox stop" let open connections finish for three seconds.
SIGHUP reads domains.conf at once. SIGUSR2 goes over to the program that is at the path of this one
now, which may be the same, without refused connections; better is "mox upgrade".`

const localserveHelp = `
Serves on 127.0.0.1 and ::1: SMTP 1025, submission 1587 and 1465, IMAP 1143 and 1993,
HTTP 1080, metrics 1081. The account is mox@localhost with password moxmoxmox. Any sender
and any recipient at any domain is accepted without DNS; all mail arrives in that
account.

The outcome of a delivery can be asked for by the localpart of sender or recipient: with
suffix temperror the answer is 451, with permerror 550, with timeout there is none for an
hour, and three last digits from 400 to 599 are the code. With prefix mailfrom (sender) or
rcptto (recipient) it is the answer to MAIL or RCPT, otherwise to the data. A message that is
submitted to several recipients of which only some fail so is accepted, and a notification
(DSN) tells of those.`

const loglevelsHelp = `
Without arguments, prints the default level and those of packages with their own. With a
level, sets the default, or that of a package; an empty level clears that of a package.
Changes last until the next start. Levels: error, info, debug, trace, traceauth (with
credentials), tracedata (with message contents). With -json and no level, a line for each: Package and Level.`

const cidHelp = `
Error texts to other servers and Received headers of incoming messages ("id ...") show
connection ids encrypted, so that strangers cannot count connections. The key is in the
data directory; the server need not run.`

const passwordHelp = `
Reads the new password as one line from standard input, at least 8 characters. It is
used for the next login.`

const accountAddHelp = `
The domain of the address must be configured. The account has no password until "mox
setaccountpassword account" sets one.`

const accountRemoveHelp = `
Asks for confirmation on standard input unless -yes is given: all mail of the account is
deleted. It is refused while mox.conf or a domain's reports name the account.`

const domainAddHelp = `
The account gets the reports about the domain. If it does not exist, it is added with the
address localpart@domain.`

const completionHelp = `
	bash: source <(mox completion bash)
	zsh:  source <(mox completion zsh)
	fish: mox completion fish | source`
