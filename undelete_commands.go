package main

import (
	"context"
	"flag"
	"strconv"
	"time"

	"mox/ctl"
	"mox/store"
)

// undeleteCommands bring back messages that were deleted for good.
func undeleteCommands() []command {
	return []command{
		{words: "undelete", args: "account [id ...]", short: "bring back messages that were deleted for good", min: 1, max: -1, setup: setupUndelete, help: undeleteHelp},
		{words: "undelete list", args: "account", short: "list messages that were deleted for good and can be brought back", min: 1, max: 1, setup: setupUndeleteList, help: undeleteListHelp},
	}
}

func setupUndelete(fs *flag.FlagSet) runFunc {
	var r ctl.UndeleteRequest
	fs.DurationVar(&r.Since, "since", 0, "all that was deleted within this `duration`, such as 2h, in place of ids")
	fs.StringVar(&r.To, "to", "", "into this `mailbox`, made when it is not there (default where they were)")
	asJSON := jsonFlag(fs)
	return func(ctx context.Context, p *program, args []string) error {
		r.Account = args[0]
		for _, s := range args[1:] {
			id, err := strconv.ParseUint(s, 10, 63)
			if err != nil || id == 0 {
				return usagef("%q is no id of \"mox undelete list\"", s)
			}
			r.IDs = append(r.IDs, store.ModSeq(id))
		}
		if r.Since < 0 || (r.Since > 0) == (len(r.IDs) > 0) {
			return usagef("ids are needed, or -since, and not both")
		}
		return p.request(ctx, "undelete", param(r), asJSON())
	}
}

func setupUndeleteList(fs *flag.FlagSet) runFunc {
	since := fs.Duration("since", 0, "only what was deleted within this `duration`, such as 48h; the default is all")
	n := fs.Int("n", 100, "at most so many `deletions`, the newest; 0 is all")
	asJSON := jsonFlag(fs)
	return func(ctx context.Context, p *program, args []string) error {
		if *since < 0 || *n < 0 {
			return usagef("-since and -n must not be negative")
		}
		params := []string{args[0], asJSON(), "", strconv.Itoa(*n)}
		if *since > 0 {
			params[2] = since.Round(time.Second).String()
		}
		return p.request(ctx, "undeletelist", params...)
	}
}

const undeleteHelp = `
Ids are those of "mox undelete list". Messages come to where they were, in mailboxes that were
deleted meanwhile to a mailbox Undeleted, or all to the one that -to names. They have their flags, but
not \Deleted, and new UIDs. What was deleted in a mailbox of the queue was canceled and cannot be
brought back, and nothing can be brought back into one. Messages are kept for that time after they
were deleted for good that KeepExpunged in mox.conf says, and somewhat longer.`

const undeleteListHelp = `
A line for each operation that has deleted messages for good: its id for "mox undelete", when it was, the
mailbox, how many messages there are and their size in bytes, and the first subjects. Moving to the
mailbox for deleted messages is not deletion for good.`
