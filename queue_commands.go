package main

import (
	"context"
	"encoding/json"
	"flag"
	"strconv"
	"strings"
	"time"

	"mox/admin"
	"mox/queue"
)

// queueCommands look at and change the outgoing queue of the running server.
func queueCommands() []command {
	return []command{
		{words: "queue holdrules list", short: "list the rules by which new messages are put on hold", max: 0, setup: queueFixed("queueholdruleslist")},
		{words: "queue holdrules add", short: "put new messages on hold, and those in the queue that match", max: 0, setup: setupHoldRulesAdd, help: holdRulesHelp},
		{words: "queue holdrules remove", args: "id", short: "remove a hold rule", min: 1, max: 1, setup: queueFixed("queueholdrulesremove"), help: "Messages that are on hold stay so, see \"mox queue unhold\"."},

		{words: "queue list", short: "list messages in the queue", max: 0, setup: queueListing("queuelist", messageFilter, "nextattempt"), help: queueListHelp},
		{words: "queue hold", short: "put messages on hold", max: 0, setup: queueChanging("queueholdset", messageFilter, "true"), help: filterHelp},
		{words: "queue unhold", short: "release messages that are on hold", max: 0, setup: queueChanging("queueholdset", messageFilter, "false"), help: filterHelp},
		{words: "queue schedule", args: "duration", short: "change when delivery is attempted next", min: 1, max: 1, setup: queueScheduling("queueschedule", messageFilter), help: scheduleHelp},
		{words: "queue transport", args: "name", short: "set the transport for messages", min: 1, max: 1, setup: queueChanging("queuetransport", messageFilter), help: "An empty name is that of the routes.\n" + filterHelp},
		{words: "queue priority", args: "number", short: "set the priority of messages", min: 1, max: 1, setup: queueChanging("queuepriority", messageFilter), help: priorityHelp},
		{words: "queue requiretls", args: "yes|no|default", short: "set what messages require of TLS", min: 1, max: 1, setup: queueChanging("queuerequiretls", messageFilter), help: requireTLSHelp},
		{words: "queue fail", short: "give up on messages, and notify their senders", max: 0, setup: queueChanging("queuefail", messageFilter), help: filterHelp},
		{words: "queue drop", short: "remove messages without notifying their senders", max: 0, setup: queueChanging("queuedrop", messageFilter), help: filterHelp},
		{words: "queue dump", args: "id", short: "print a message in the queue", min: 1, max: 1, setup: queueFixed("queuedump"), help: "With -json, its state and the message in base64."},
		{words: "queue retired list", short: "list messages that were delivered or have failed", max: 0, setup: queueListing("queueretiredlist", retiredFilter, "lastactivity"), help: retiredHelp},
		{words: "queue retired print", args: "id", short: "print all about a message that was delivered or has failed, as JSON", min: 1, max: 1, setup: queueFixed("queueretiredprint")},

		{words: "queue suppress list", short: "list addresses that are not sent to", max: 0, setup: setupSuppressList, help: suppressHelp},
		{words: "queue suppress add", args: "account address", short: "do not send to an address", min: 2, max: 2, setup: queueFixed("queuesuppressadd"), help: suppressHelp},
		{words: "queue suppress remove", args: "account address", short: "send to an address again", min: 2, max: 2, setup: queueFixed("queuesuppressremove"), help: suppressHelp},
		{words: "queue suppress lookup", args: "address", short: "tell whether an address is not sent to", min: 1, max: 1, setup: setupSuppressLookup, help: suppressHelp},

		{words: "queue webhook list", short: "list webhook calls that wait", max: 0, setup: queueListing("queuehooklist", hookFilter, "nextattempt"), help: filterHelp},
		{words: "queue webhook schedule", args: "duration", short: "change when webhook calls are made next", min: 1, max: 1, setup: queueScheduling("queuehookschedule", hookFilter), help: scheduleHelp},
		{words: "queue webhook cancel", short: "remove webhook calls that wait", max: 0, setup: queueChanging("queuehookcancel", hookFilter), help: filterHelp},
		{words: "queue webhook print", args: "id", short: "print all about a webhook call that waits, as JSON", min: 1, max: 1, setup: queueFixed("queuehookprint")},
		{words: "queue webhook retired list", short: "list webhook calls that are done", max: 0, setup: queueListing("queuehookretiredlist", retiredHookFilter, "lastactivity"), help: filterHelp},
		{words: "queue webhook retired print", args: "id", short: "print all about a webhook call that is done, as JSON", min: 1, max: 1, setup: queueFixed("queuehookretiredprint")},
	}
}

// filterKind says which flags a filter has.
type filterKind int

const (
	messageFilter filterKind = iota
	retiredFilter
	hookFilter
	retiredHookFilter
)

// hookEvents are the values of -event.
var hookEvents = []string{"incoming", "delivered", "suppressed", "delayed", "failed", "relayed", "expanded", "canceled", "unrecognized", "complained"}

// queueFilterFlags defines the flags of a filter.
func queueFilterFlags(fs *flag.FlagSet, kind filterKind) *admin.QueueFilter {
	f := &admin.QueueFilter{}
	fs.Func("ids", "only those with these `ids`, separated by commas", func(s string) error { return parseIDs(s, &f.IDs) })
	fs.Func("n", "at most `number`", func(s string) error {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 {
			return usagef("%q is not a positive number", s)
		}
		f.Max = n
		return nil
	})
	fs.StringVar(&f.Account, "account", "", "only those of this `account`")
	boundVar(fs, &f.Submitted, "submitted", "only those submitted before or after a `time`, such as <-1h")
	if kind == messageFilter || kind == retiredFilter {
		fs.StringVar(&f.From, "from", "", "only those whose sender has this `text`, or @domain")
		fs.StringVar(&f.To, "to", "", "only those whose recipient has this `text`, or @domain; with -from, one of both is enough")
		fs.Func("transport", "only those with this transport `name`, empty for the default", func(s string) error {
			f.Transport = &s
			return nil
		})
	}
	switch kind {
	case messageFilter:
		boundVar(fs, &f.NextAttempt, "nextattempt", "only those with the next attempt before or after a `time`, such as <now")
		boolVar(fs, &f.Hold, "hold", "only those on hold, or not: `true|false`", "true", "false")
	case retiredFilter:
		boundVar(fs, &f.LastActivity, "lastactivity", "only those with the last attempt before or after a `time`, such as >-1h")
		boolVar(fs, &f.Success, "result", "only those with this result: `success|failure`", "success", "failure")
	case hookFilter:
		boundVar(fs, &f.NextAttempt, "nextattempt", "only those with the next attempt before or after a `time`, such as <now")
		eventVar(fs, &f.Event)
	case retiredHookFilter:
		boundVar(fs, &f.LastActivity, "lastactivity", "only those with the last attempt before or after a `time`, such as >-1h")
		eventVar(fs, &f.Event)
	}
	return f
}

func parseIDs(s string, ids *[]int64) error {
	*ids = []int64{}
	for word := range strings.SplitSeq(s, ",") {
		id, err := strconv.ParseInt(strings.TrimSpace(word), 10, 64)
		if err != nil || id < 1 {
			return usagef("%q is not an id", word)
		}
		*ids = append(*ids, id)
	}
	return nil
}

func boundVar(fs *flag.FlagSet, p *string, name, usage string) {
	fs.Func(name, usage, func(s string) error {
		*p = s
		_, err := queue.ParseBound(s, time.Time{})
		return err
	})
}

func boolVar(fs *flag.FlagSet, p **bool, name, usage, yes, no string) {
	fs.Func(name, usage, func(s string) error {
		b := s == yes
		if !b && s != no {
			return usagef("%q is neither %s nor %s", s, yes, no)
		}
		*p = &b
		return nil
	})
}

func eventVar(fs *flag.FlagSet, p *string) {
	fs.Func("event", "only calls about this `event`: "+strings.Join(hookEvents, ", "), func(s string) error {
		for _, e := range hookEvents {
			if s == e {
				*p = s
				return nil
			}
		}
		return usagef("there is no event %q", s)
	})
}

func jsonFlag(fs *flag.FlagSet) func() string {
	b := fs.Bool("json", false, "print JSON, each thing on a line")
	return func() string {
		if *b {
			return "json"
		}
		return ""
	}
}

// param is a value as a parameter of a request.
func param(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // the values are of types that have JSON
	}
	return string(b)
}

// queueFixed passes its arguments on.
func queueFixed(word string) func(fs *flag.FlagSet) runFunc {
	return func(fs *flag.FlagSet) runFunc {
		asJSON := jsonFlag(fs)
		return func(ctx context.Context, p *program, args []string) error {
			return p.request(ctx, word, append(args, asJSON())...)
		}
	}
}

// queueChanging passes a filter on, with its arguments and more.
func queueChanging(word string, kind filterKind, more ...string) func(fs *flag.FlagSet) runFunc {
	return func(fs *flag.FlagSet) runFunc {
		f, asJSON := queueFilterFlags(fs, kind), jsonFlag(fs)
		return func(ctx context.Context, p *program, args []string) error {
			params := append([]string{param(f)}, args...)
			return p.request(ctx, word, append(append(params, more...), asJSON())...)
		}
	}
}

func queueScheduling(word string, kind filterKind) func(fs *flag.FlagSet) runFunc {
	return func(fs *flag.FlagSet) runFunc {
		f, asJSON := queueFilterFlags(fs, kind), jsonFlag(fs)
		now := fs.Bool("now", false, "count from now, not from the time that is set")
		return func(ctx context.Context, p *program, args []string) error {
			if _, err := admin.ParseShift(args[0], *now); err != nil {
				return usageError{err.Error()}
			}
			from := ""
			if *now {
				from = "now"
			}
			return p.request(ctx, word, param(f), args[0], from, asJSON())
		}
	}
}

// queueListing passes a filter and an order on; field is the default order.
func queueListing(word string, kind filterKind, field string) func(fs *flag.FlagSet) runFunc {
	return func(fs *flag.FlagSet) runFunc {
		f, asJSON := queueFilterFlags(fs, kind), jsonFlag(fs)
		s := queue.Sort{}
		fs.StringVar(&s.Field, "sort", field, "order by `field`: "+field+" or queued")
		fs.BoolVar(&s.Asc, "asc", false, "list in ascending order")
		return func(ctx context.Context, p *program, args []string) error {
			if s.Field != field && s.Field != "queued" {
				return usagef("-sort must be %s or queued", field)
			}
			return p.request(ctx, word, param(f), param(s), asJSON())
		}
	}
}

func setupHoldRulesAdd(fs *flag.FlagSet) runFunc {
	asJSON := jsonFlag(fs)
	account := fs.String("account", "", "messages of this `account`")
	sender := fs.String("senderdom", "", "messages from this `domain`")
	recipient := fs.String("recipientdom", "", "messages to this `domain`")
	return func(ctx context.Context, p *program, args []string) error {
		return p.request(ctx, "queueholdrulesadd", *account, *sender, *recipient, asJSON())
	}
}

func setupSuppressList(fs *flag.FlagSet) runFunc {
	asJSON := jsonFlag(fs)
	account := fs.String("account", "", "only those of this `account`")
	return func(ctx context.Context, p *program, args []string) error {
		return p.request(ctx, "queuesuppresslist", *account, asJSON())
	}
}

func setupSuppressLookup(fs *flag.FlagSet) runFunc {
	asJSON := jsonFlag(fs)
	account := fs.String("account", "", "only in the list of this `account`")
	return func(ctx context.Context, p *program, args []string) error {
		return p.request(ctx, "queuesuppresslookup", *account, args[0], asJSON())
	}
}

const holdRulesHelp = `
A message is put on hold when it matches any of the flags that are given; without flags,
all messages are. It stays so until "mox queue unhold" releases it.`

const filterHelp = `
Without flags it is about all. Prints how many there were. Times are given as <duration
(before now plus that duration) or >duration (after), with "now" for 0: "-submitted <-1h" is
what was submitted more than an hour ago.`

const queueListHelp = `
Each line has id, time of submission, sender, recipient, the time until the next attempt
and since the last one, and the error of that. Times are given as <duration (before now
plus that duration) or >duration (after), with "now" for 0: "-nextattempt <now" is what is
due.`

const scheduleHelp = `
The duration is added to the time of the next attempt, or with -now to the present time:
"-now 0s" is at once. Write "-- -1h" for one that is negative.
` + filterHelp

const priorityHelp = `
Of what is due, messages with the highest priority are sent first. It is a number from -9 to 9: 0 for
mail of users, -1 for reports of this server.
` + filterHelp

const requireTLSHelp = `
With yes, messages are only sent to servers with verified TLS that promise to do the same
(REQUIRETLS). With no, failures of TLS policies are ignored. The default is what the
policies of the recipients' domains say.
` + filterHelp

const retiredHelp = `
Messages are kept as long as KeepRetiredMessagePeriod of their account says.
` + filterHelp

const suppressHelp = `
Each account has a list of addresses that messages are not sent to: such messages fail
at once. Addresses are added by hand and when delivery has failed in a way that says that
it always will, or three times. Addresses are compared by their base: in lower case, the
part before "@" without dots and up to the first "+" or "-".`
