package ctl

import (
	"context"
	"encoding/json"
	"fmt"
	"io"

	"mox/admin"
)

// processWords are about the server as a process. Answers are JSON: types Health and UpgradeStatus
// of package admin, and Report of package status; unlike the rest of the protocol, they are read by other versions too.
var processWords = map[string]commandEntry{
	"health": {0, 0, func(ctx context.Context, a *admin.Admin, _ []string, out io.Writer) error {
		h, err := a.Health(ctx)
		if err != nil {
			return err
		}
		return json.NewEncoder(out).Encode(h)
	}},
	// With parameter "all", nothing is left out.
	"status": {0, 1, func(ctx context.Context, a *admin.Admin, p []string, out io.Writer) error {
		r, err := a.Status(ctx, p[0] == "all")
		if err != nil {
			return err
		}
		return json.NewEncoder(out).Encode(r)
	}},
	"upgrade": {1, 1, func(ctx context.Context, a *admin.Admin, p []string, _ io.Writer) error {
		var r admin.UpgradeRequest
		if err := json.Unmarshal([]byte(p[0]), &r); err != nil {
			return fmt.Errorf("upgrade: %w", err)
		}
		return a.Upgrade(ctx, actor, r)
	}},
	"upgradestatus": {0, 0, func(ctx context.Context, a *admin.Admin, _ []string, out io.Writer) error {
		st, err := a.UpgradeStatus()
		if err != nil {
			return err
		}
		return json.NewEncoder(out).Encode(st)
	}},
}
