package ctl

import (
	"context"
	"encoding/json"
	"fmt"
	"io"

	"mox/admin"
)

// simulate prints what would happen to a message. Parameters: an admin.Simulation as
// JSON, "json" for a line of JSON for each decision or empty, and the message, which may
// be missing.
func simulate(ctx context.Context, a *admin.Admin, p []string, out io.Writer) error {
	var s admin.Simulation
	if err := json.Unmarshal([]byte(p[0]), &s); err != nil {
		return fmt.Errorf("%w: simulation: %w", ErrProtocol, err)
	}
	s.Message = p[2]
	found, err := a.Simulate(ctx, s)
	if err != nil {
		return err
	}
	return printTraces(out, found, p[1] == "json")
}
