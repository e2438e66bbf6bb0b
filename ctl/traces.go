package ctl

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"mox/admin"
	"mox/trace"
	"mox/tracelog"
)

// findTraces prints decisions about messages. Parameters: the text to look for, an account, how
// far back as a duration, how many, and "json" for a line of JSON each; empty ones are
// the defaults.
func findTraces(ctx context.Context, a *admin.Admin, p []string, out io.Writer) error {
	q := tracelog.Query{Text: p[0], Account: p[1]}
	if p[2] != "" {
		d, err := time.ParseDuration(p[2])
		if err != nil || d <= 0 {
			return fmt.Errorf("%q is not how far back to look, such as 36h", p[2])
		}
		q.Since = a.Now().Add(-d)
	}
	if p[3] != "" {
		n, err := strconv.Atoi(p[3])
		if err != nil || n < 1 || n > tracelog.MaxLimit {
			return fmt.Errorf("%q is not a number from 1 to %d", p[3], tracelog.MaxLimit)
		}
		q.Limit = n
	}
	if p[4] != "" && p[4] != "json" {
		return fmt.Errorf("unknown output format %q", p[4])
	}
	found, err := a.Decisions(ctx, q)
	if errors.Is(err, admin.ErrNotFound) {
		return nothingFound(a.Traces.Dropped())
	} else if err != nil {
		return err
	}
	return printTraces(out, found, p[4] == "json")
}

// printTraces prints decisions in words, or as a line of JSON each.
func printTraces(out io.Writer, l []*trace.Trace, asJSON bool) error {
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	for i, t := range l {
		var err error
		switch {
		case asJSON:
			err = enc.Encode(t)
		case i > 0:
			fmt.Fprintln(out)
			err = t.Explain(out)
		default:
			err = t.Explain(out)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// nothingFound does not hide that some decisions cannot be found.
func nothingFound(dropped int64) error {
	if dropped == 0 {
		return errors.New("nothing found")
	}
	return fmt.Errorf("nothing found; decisions that were not logged since the start of the server: %d", dropped)
}
