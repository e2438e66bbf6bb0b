package ctl

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"

	"mox/admin"
)

// listACLs prints access control lists of mailboxes. Parameters: account or empty, and "json"
// for a line of JSON for each mailbox.
func listACLs(ctx context.Context, a *admin.Admin, p []string, out io.Writer) error {
	list, err := a.ACLs(ctx, p[0])
	if err != nil {
		return err
	}
	if p[1] == "json" {
		enc := json.NewEncoder(out)
		for _, m := range list {
			if err := enc.Encode(m); err != nil {
				return err
			}
		}
		return nil
	}
	if len(list) == 0 {
		fmt.Fprintln(out, "(none)")
		return nil
	}
	w := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "account\tmailbox\tidentifier\trights")
	for _, m := range list {
		for _, e := range m.Entries {
			fmt.Fprintf(w, "%s\t%q\t%s\t%s\n", m.Account, m.Mailbox, e.Identifier, e.Rights)
		}
	}
	return w.Flush()
}

// setACL parameters: account, mailbox, identifier, rights.
func setACL(ctx context.Context, a *admin.Admin, p []string, _ io.Writer) error {
	return a.SetACL(ctx, actor, p[0], p[1], p[2], p[3])
}
