package ctl

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"time"

	"mox/admin"
)

// userWords are about users and their invitations. Answers are JSON, of types of package admin.
var userWords = map[string]commandEntry{
	// Parameters: address, account or empty, and how long it works as a duration or empty.
	"userinvite": {3, 3, func(ctx context.Context, a *admin.Admin, p []string, out io.Writer) error {
		var life time.Duration
		if p[2] != "" {
			var err error
			if life, err = time.ParseDuration(p[2]); err != nil {
				return fmt.Errorf("%q is not a duration, such as 72h", p[2])
			}
		}
		inv, err := a.UserInvite(ctx, actor, p[1], p[0], life)
		if err != nil {
			return err
		}
		return json.NewEncoder(out).Encode(inv)
	}},
	"userlist": {0, 0, func(ctx context.Context, a *admin.Admin, _ []string, out io.Writer) error {
		l, err := a.Users(ctx)
		if err != nil {
			return err
		}
		return json.NewEncoder(out).Encode(l)
	}},
	"invitelist": {0, 0, func(_ context.Context, a *admin.Admin, _ []string, out io.Writer) error {
		l, err := a.InviteList()
		if err != nil {
			return err
		}
		return json.NewEncoder(out).Encode(l)
	}},
	"inviterevoke": {1, 1, func(ctx context.Context, a *admin.Admin, p []string, _ io.Writer) error {
		id, err := strconv.Atoi(p[0])
		if err != nil {
			return fmt.Errorf("%q is not the id of an invitation", p[0])
		}
		return a.InviteRevoke(ctx, actor, id)
	}},
}
