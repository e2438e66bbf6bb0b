package dsn

// format is how a program writes notifications. All texts are in lower case.
type format struct {
	name    string
	phrases []string // one of them is in its text
	header  string   // a field with the addresses that failed; it alone is enough; "": none
	starts  []start  // before the lines with recipients; none: they are anywhere
	ends    []string // behind them
	// colon: recipients are as in "<address>: reason".
	colon bool
	// paragraph: a reason ends with an empty line.
	paragraph bool
	// sure: a recipient counts only with a status code, or words that say one.
	sure bool
}

// start is a phrase before recipients. Without action, it is that of the message.
type start struct {
	phrase string
	action Action
}

// delays are phrases of warnings: delivery is still tried.
var delays = []string{
	"this is a warning message only", "this is a warning only", "you do not need to resend your message", "has not yet been delivered", "have not yet been delivered",
	"not been delivered yet", "hasn't been delivered yet", "delivery is delayed", "has been delayed", "will continue to be attempted", "will be retried for", "will keep trying",
	"no action is required on your part",
}

// formats are tried in this order.
var formats = []format{
	{
		name: "qmail", phrases: []string{"hi. this is the "}, // QSBMF: the first paragraph begins so
		colon: true, paragraph: true,
	},
	{
		name: "postfix", phrases: []string{"this is the postfix program at host", "this is the mail system at host", "this is the postfix mail system"},
		colon: true, paragraph: true,
	},
	{
		name: "sendmail", phrases: []string{"the following addresses had ", "----- transcript of session follows -----"},
		starts: []start{
			{"addresses had permanent fatal errors", Failed},
			{"addresses had permanent delivery errors", Failed},
			{"addresses had delivery problems", ""},
			{"addresses had transient non-fatal errors", Delayed},
			{"addresses had transient delivery problems", Delayed},
			{"addresses had successful delivery notifications", Delivered},
		},
		ends: []string{"transcript of session follows"}, paragraph: true,
	},
	{
		name: "exim", phrases: []string{"this message was created automatically by mail delivery software", "this message was created automatically by the mail system"}, header: "X-Failed-Recipients",
		starts: []start{
			{"address(es) failed", Failed},
			{"addresses failed", Failed},
			{"address failed", Failed},
			{"not yet been delivered is", Delayed},
			{"not yet been delivered are", Delayed},
			{"not been delivered to", ""},
			{"could not be delivered to", Failed},
		},
		ends: []string{"no action is required on your part", "reporting-mta:"}, paragraph: true,
	},
	{
		name: "exchange",
		phrases: []string{
			"did not reach some or all of the intended recipients", "delivery has failed to these recipients", "delivery is delayed to these recipients", "diagnostic information for administrators",
			"the e-mail system was unable to deliver the message", "this message was created automatically by microsoft", "office 365",
		},
		starts: []start{
			{"following recipient(s) could not be reached", Failed},
			{"following recipient(s) cannot be reached", Failed},
			{"could not be delivered to the following recipients", Failed},
			{"delivery has failed to these recipients", Failed},
			{"delivery is delayed to these recipients", Delayed},
			{"wasn't found at", Failed},
			{"couldn't be delivered", ""},
			{"diagnostic information for administrators", ""},
		},
		ends: []string{"original message headers", "for email administrators"},
	},
	{
		name: "domino", phrases: []string{"was not delivered to:", "domino directory", "domino mail"},
		starts: []start{{"was not delivered to:", Failed}, {"has not been delivered to", Delayed}},
		ends:   []string{"routing path", "what should you do?"},
	},
	{
		name: "unknown",
		phrases: []string{
			"could not be delivered", "couldn't be delivered", "cannot be delivered", "can't be delivered", "was not delivered", "wasn't delivered", "undeliverable", "undelivered", "failed permanently",
			"delivery failed", "delivery failure", "delivery has failed", "failed to deliver", "unable to deliver", "not able to deliver", "returned to sender", "delivery to the following", "permanent error",
			"not yet been delivered", "delivery is delayed", "has been delayed",
		},
		sure: true,
	},
}
