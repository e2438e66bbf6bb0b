package main

// retrainCommands are those for what the junk filters of accounts have learned.
func retrainCommands() []command {
	return []command{
		{words: "retrain", args: "[account]", prints: printsDone, short: "learn anew, from their messages, what the junk filters of accounts know", max: 1, run: ctlSimple("retrain"), help: retrainHelp},
	}
}

const retrainHelp = `
Messages flagged $Junk or $NotJunk are gone through again, of one account or of all. There
is rarely need for it: filters follow the flags, and learn anew on their own when their
parameters change. Mail is judged and delivered meanwhile. Prints a line for each account
when it is done; ended before, the account under way is finished in the background.`
