package ctl

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"text/tabwriter"
	"time"

	"mox/admin"
	"mox/store"
)

// UndeleteRequest is the parameter of "undelete", as JSON. Since is how far back: 0 with IDs.
type UndeleteRequest struct {
	Account string
	IDs     []store.ModSeq
	Since   time.Duration
	To      string
}

// undelete parameters: an UndeleteRequest as JSON, and "json" for a line of JSON for each
// deletion or empty.
func undelete(ctx context.Context, a *admin.Admin, p []string, out io.Writer) error {
	var r UndeleteRequest
	if err := decode(p[0], &r); err != nil {
		return err
	}
	u := admin.Undelete{IDs: r.IDs, To: r.To, Since: a.Now().Add(-r.Since)}
	total := 0
	var failed error
	err := a.Undelete(ctx, actor, r.Account, u, func(d admin.Undeleted) {
		total += d.Messages
		if p[1] == "json" {
			failed = printJSON(out, d)
			return
		}
		fmt.Fprintf(out, "%d: %d messages are in %q again\n", d.ID, d.Messages, d.Mailbox)
	})
	if err == nil {
		err = failed
	}
	if err == nil && total == 0 && p[1] != "json" {
		fmt.Fprintln(out, "(none)")
	}
	return err
}

// listDeleted parameters: account, "json" or empty, how far back as a duration or empty, and how
// many at most or empty.
func listDeleted(ctx context.Context, a *admin.Admin, p []string, out io.Writer) error {
	var since time.Time
	var limit int
	if p[2] != "" {
		d, err := time.ParseDuration(p[2])
		if err != nil {
			return fmt.Errorf("%q is not a duration", p[2])
		}
		since = a.Now().Add(-d)
	}
	if p[3] != "" {
		var err error
		if limit, err = strconv.Atoi(p[3]); err != nil {
			return fmt.Errorf("%q is not a number", p[3])
		}
	}
	list, err := a.Deleted(ctx, p[0], since, limit)
	if err != nil {
		return err
	}
	if p[1] == "json" {
		for _, d := range list {
			if err := printJSON(out, d); err != nil {
				return err
			}
		}
		return nil
	}
	return printDeleted(out, list)
}

func printDeleted(out io.Writer, list []admin.Deleted) error {
	if len(list) == 0 {
		fmt.Fprintln(out, "(none)")
		return nil
	}
	w := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "id\tdeleted\tmailbox\tmessages\tsize\tsubjects")
	for _, d := range list {
		mailbox := strconv.Quote(d.Mailbox)
		switch {
		case d.Mailbox == "":
			mailbox = "(deleted)"
		case d.Reserved:
			mailbox += " (cannot be brought back)"
		}
		fmt.Fprintf(w, "%d\t%s\t%s\t%d\t%d\t%q\n", d.ID, d.Time.UTC().Format(time.RFC3339), mailbox, d.Messages, d.Size, d.Subjects)
	}
	return w.Flush()
}
