package ctl

import (
	"context"
	"fmt"
	"io"
	"time"

	"mox/admin"
	"mox/ban"
)

// listBans parameters: "json" or empty.
func listBans(_ context.Context, a *admin.Admin, p []string, out io.Writer) error {
	l, err := a.BanList()
	if err != nil {
		return err
	}
	return printBans(out, p[0] == "json", l)
}

// banDoors are the values of what a ban is for.
var banDoors = map[string][]ban.Door{"mail": {ban.Mail}, "logins": {ban.Logins}, "all": {ban.Mail, ban.Logins}}

// addBan parameters: network, what for, duration or empty, comment, and "json" or empty.
func addBan(ctx context.Context, a *admin.Admin, p []string, out io.Writer) error {
	doors := banDoors[p[1]]
	if doors == nil {
		return fmt.Errorf("a ban is for mail, logins or all, not %q", p[1])
	}
	var d time.Duration
	if p[2] != "" {
		var err error
		if d, err = time.ParseDuration(p[2]); err != nil || d < time.Second {
			return fmt.Errorf("%q is no duration of a second or more, such as 24h", p[2])
		}
	}
	l, err := a.BanAdd(ctx, actor, p[0], doors, d, p[3])
	if err != nil {
		return err
	}
	return printBans(out, p[4] == "json", l)
}

// removeBan parameters: network or address, and "json" or empty.
func removeBan(ctx context.Context, a *admin.Admin, p []string, out io.Writer) error {
	l, err := a.BanRemove(ctx, actor, p[0])
	if err != nil {
		return err
	}
	return printBans(out, p[1] == "json", l)
}

func printBans(out io.Writer, asJSON bool, l []ban.Ban) error {
	return printList(out, "bans (network, for, reason, since, until, times, events, comment)", asJSON, l, banLine)
}

func banLine(b *ban.Ban) string {
	until := "forever"
	if !b.Expires.IsZero() {
		until = b.Expires.UTC().Format(time.RFC3339)
	}
	return fmt.Sprintf("%s\t%s\t%s\t%s\t%s\t%d\t%d\t%q", b.Network, b.Door, b.Reason, b.Since.UTC().Format(time.RFC3339), until, b.Times, b.Events, b.Comment)
}

// testBan parameters: address, and "json" or empty.
func testBan(_ context.Context, a *admin.Admin, p []string, out io.Writer) error {
	v, err := a.BanTest(p[0])
	switch {
	case err != nil:
		return err
	case p[1] == "json":
		return printJSON(out, v)
	case v.Allowed != "":
		fmt.Fprintf(out, "%s is never banned: it is in %s\n", v.Address, v.Allowed)
	case len(v.Bans) == 0:
		fmt.Fprintf(out, "%s is not banned\n", v.Address)
	default:
		fmt.Fprintf(out, "%s is banned\n", v.Address)
	}
	for i := range v.Bans {
		fmt.Fprintf(out, "ban: %s\n", banLine(&v.Bans[i]))
	}
	if !v.Login.IsZero() {
		fmt.Fprintf(out, "last login from its network: %s\n", v.Login.UTC().Format(time.RFC3339))
	}
	if !v.Mail.IsZero() {
		fmt.Fprintf(out, "last mail of a verified sender from its network: %s\n", v.Mail.UTC().Format(time.RFC3339))
	}
	for _, c := range v.Counts {
		fmt.Fprintf(out, "offences of %s for %s: %s, %d of %d\n", c.Network, c.Door, c.Reason, c.Events, c.Limit)
	}
	return nil
}
