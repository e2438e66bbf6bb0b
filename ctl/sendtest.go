package ctl

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strconv"

	"mox/admin"
)

// sendWords are for test messages. Answers are JSON, of types of package admin.
var sendWords = map[string]commandEntry{
	"sendtest": {1, 1, func(ctx context.Context, a *admin.Admin, p []string, out io.Writer) error {
		var t admin.TestMail
		if err := decode(p[0], &t); err != nil {
			return err
		}
		sent, err := a.SendTest(ctx, actor, t)
		if err != nil {
			return err
		}
		return json.NewEncoder(out).Encode(sent)
	}},
	"sendstate": {1, 1, func(ctx context.Context, a *admin.Admin, p []string, out io.Writer) error {
		id, err := strconv.ParseInt(p[0], 10, 64)
		if err != nil {
			return fmt.Errorf("%q is not an id", p[0])
		}
		st, err := a.SendState(ctx, id)
		if err != nil {
			return err
		}
		return json.NewEncoder(out).Encode(st)
	}},
	// The answer is null while the message is not there.
	"arrived": {2, 2, func(ctx context.Context, a *admin.Admin, p []string, out io.Writer) error {
		r, err := a.Arrived(ctx, p[0], p[1])
		if err != nil {
			return err
		}
		return json.NewEncoder(out).Encode(r)
	}},
}
