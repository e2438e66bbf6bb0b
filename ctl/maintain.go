package ctl

import (
	"context"
	"errors"
	"fmt"
	"io"

	"mox/admin"
)

// maintain checks or repairs accounts. Parameters: an admin.Maintenance as JSON, an account
// or empty for all, and "json" for a line of JSON for each account or empty.
func maintain(ctx context.Context, a *admin.Admin, p []string, out io.Writer) error {
	var m admin.Maintenance
	if err := decode(p[0], &m); err != nil {
		return err
	}
	return PrintMaintained(out, p[2] == "json", func(done func(admin.Maintained)) error {
		return a.Maintain(ctx, actor, p[1], m, done)
	})
}

// PrintMaintained prints what maintenance says it has found and done.
func PrintMaintained(out io.Writer, asJSON bool, run func(done func(admin.Maintained)) error) error {
	var failed error
	err := run(func(r admin.Maintained) {
		if asJSON {
			failed = errors.Join(failed, printJSON(out, r))
			return
		}
		for _, f := range r.Fixes {
			fmt.Fprintf(out, "%s: %s: %s\n", r.Account, f.Area, f.Text)
		}
		if r.More > 0 {
			fmt.Fprintf(out, "%s: and %d more\n", r.Account, r.More)
		}
		for _, f := range r.Problems {
			fmt.Fprintf(out, "%s: problem: %s: %s\n", r.Account, f.Area, f.Text)
		}
		if len(r.Fixes)+r.More+len(r.Problems) == 0 {
			fmt.Fprintf(out, "%s: OK\n", r.Account)
		}
	})
	return errors.Join(err, failed)
}
