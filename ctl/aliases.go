package ctl

import (
	"context"
	"encoding/json"
	"fmt"
	"io"

	"mox/admin"
)

// aliasWords are those about aliases. Lists of members are lists of JSON, in one parameter.
var aliasWords = map[string]commandEntry{
	"aliaslist":  {1, 2, listAliases},
	"aliasprint": {1, 2, printAlias},
	"aliasadd": {2, 2, func(ctx context.Context, a *admin.Admin, p []string, _ io.Writer) error {
		return withMembers(p[1], func(m []string) error { return a.AliasAdd(ctx, actor, p[0], m) })
	}},
	"aliasupdate": {2, 2, func(ctx context.Context, a *admin.Admin, p []string, _ io.Writer) error {
		var s admin.AliasSettings
		if err := json.Unmarshal([]byte(p[1]), &s); err != nil {
			return fmt.Errorf("settings: %w", err)
		}
		return a.AliasUpdate(ctx, actor, p[0], s)
	}},
	"aliasrm": {1, 1, func(ctx context.Context, a *admin.Admin, p []string, _ io.Writer) error {
		return a.AliasRemove(ctx, actor, p[0])
	}},
	"aliasaddaddr": {2, 2, func(ctx context.Context, a *admin.Admin, p []string, _ io.Writer) error {
		return withMembers(p[1], func(m []string) error { return a.AliasAddressesAdd(ctx, actor, p[0], m) })
	}},
	"aliasrmaddr": {2, 2, func(ctx context.Context, a *admin.Admin, p []string, _ io.Writer) error {
		return withMembers(p[1], func(m []string) error { return a.AliasAddressesRemove(ctx, actor, p[0], m) })
	}},
}

func withMembers(param string, do func([]string) error) error {
	var members []string
	if err := json.Unmarshal([]byte(param), &members); err != nil {
		return fmt.Errorf("members: %w", err)
	}
	return do(members)
}

// listAliases parameters: domain, and "json" for a line of JSON for each alias.
func listAliases(ctx context.Context, a *admin.Admin, p []string, out io.Writer) error {
	all, err := a.Aliases(p[0])
	if err != nil {
		return err
	}
	enc := json.NewEncoder(out)
	for _, alias := range all {
		if p[1] != "json" {
			fmt.Fprintln(out, alias.Address)
		} else if err := enc.Encode(alias); err != nil {
			return err
		}
	}
	return nil
}

// printAlias parameters: address, and "json".
func printAlias(ctx context.Context, a *admin.Admin, p []string, out io.Writer) error {
	alias, err := a.Alias(p[0])
	if err != nil {
		return err
	}
	if p[1] == "json" {
		return json.NewEncoder(out).Encode(alias)
	}
	fmt.Fprintf(out, "# postpublic %v\n# listmembers %v\n# allowmsgfrom %v\n", alias.PostPublic, alias.ListMembers, alias.AllowMsgFrom)
	for _, m := range alias.Addresses {
		fmt.Fprintln(out, m)
	}
	return nil
}
