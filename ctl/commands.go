package ctl

import (
	"context"
	"fmt"
	"io"

	"mox/admin"
)

// commandFunc gets as many parameters as the command has at most; absent ones are empty.
type commandFunc func(ctx context.Context, a *admin.Admin, params []string, out io.Writer) error

// commandEntry is a word of the protocol: how many parameters it has, and what it does.
type commandEntry struct {
	min, max int
	run      commandFunc
}

// commands are the words of the protocol, each one call of package admin; those about the
// queue and about reports are in queueWords and reportWords.
var commands = map[string]commandEntry{
	"stop": {0, 0, func(ctx context.Context, a *admin.Admin, _ []string, _ io.Writer) error {
		a.Stop()
		return nil
	}},
	"backupstatus": {1, 1, backupStatus},
	"loglevels": {0, 1, func(ctx context.Context, a *admin.Admin, p []string, out io.Writer) error {
		return printLines(out, p[0], a.LogLevels(), func(l admin.PackageLevel) string { return l.Package + ": " + l.Level })
	}},
	"setloglevels": {1, 2, func(ctx context.Context, a *admin.Admin, p []string, _ io.Writer) error {
		return a.SetLogLevel(ctx, actor, p[1], p[0])
	}},
	"accountlist": {0, 1, func(ctx context.Context, a *admin.Admin, p []string, out io.Writer) error {
		return printLines(out, p[0], a.Accounts(), func(acc admin.Account) string { return acc.Name + disabledMark(acc.Disabled) })
	}},
	"accountaddresses": {1, 2, func(ctx context.Context, a *admin.Admin, p []string, out io.Writer) error {
		addresses, err := a.AccountAddresses(p[0])
		if err != nil {
			return err
		}
		return printLines(out, p[1], addresses, func(s string) string { return s })
	}},
	"addressaccount": {1, 2, func(ctx context.Context, a *admin.Admin, p []string, out io.Writer) error {
		owner, err := a.AddressOwner(p[0])
		if err != nil {
			return err
		}
		return printLines(out, p[1], []admin.AddressOwner{owner}, admin.AddressOwner.String)
	}},
	"domainlist": {0, 1, func(ctx context.Context, a *admin.Admin, p []string, out io.Writer) error {
		return printLines(out, p[0], a.Domains(), func(d admin.Domain) string { return d.Domain + disabledMark(d.Disabled) })
	}},
	"accountadd": {2, 2, func(ctx context.Context, a *admin.Admin, p []string, _ io.Writer) error {
		return a.AccountAdd(ctx, actor, p[0], p[1])
	}},
	"accountrm": {1, 1, func(ctx context.Context, a *admin.Admin, p []string, _ io.Writer) error {
		return a.AccountRemove(ctx, actor, p[0])
	}},
	"accountdisabled": {2, 2, func(ctx context.Context, a *admin.Admin, p []string, _ io.Writer) error {
		return a.AccountDisable(ctx, actor, p[0], p[1])
	}},
	"accountenable": {1, 1, func(ctx context.Context, a *admin.Admin, p []string, _ io.Writer) error {
		return a.AccountDisable(ctx, actor, p[0], "")
	}},
	"addressadd": {2, 2, func(ctx context.Context, a *admin.Admin, p []string, _ io.Writer) error {
		return a.AddressAdd(ctx, actor, p[0], p[1])
	}},
	"addressrm": {1, 1, func(ctx context.Context, a *admin.Admin, p []string, _ io.Writer) error {
		return a.AddressRemove(ctx, actor, p[0])
	}},
	"domainadd": {2, 4, func(ctx context.Context, a *admin.Admin, p []string, _ io.Writer) error {
		return a.DomainAdd(ctx, actor, admin.NewDomain{Domain: p[0], Account: p[1], Localpart: p[2], Disabled: p[3] == "true"})
	}},
	"domainrm": {1, 1, func(ctx context.Context, a *admin.Admin, p []string, _ io.Writer) error {
		return a.DomainRemove(ctx, actor, p[0])
	}},
	"domaindisabled": {2, 2, func(ctx context.Context, a *admin.Admin, p []string, _ io.Writer) error {
		return a.DomainDisable(ctx, actor, p[0], p[1] == "true")
	}},
	"setaccountpassword": {2, 2, func(ctx context.Context, a *admin.Admin, p []string, _ io.Writer) error {
		return a.SetAccountPassword(ctx, actor, p[0], p[1])
	}},
	"certificates":     {0, 1, listCertificates},
	"certificaterenew": {1, 2, renewCertificate},
	"tokenadd":         {3, 4, addToken},
	"tokenrm":          {2, 2, removeToken},
	"tokenlist":        {0, 2, listTokens},
	"acllist":          {0, 2, listACLs},
	"aclset":           {4, 4, setACL},
	"trace":            {1, 5, findTraces},
	"tlspubkeyadd":     {4, 4, addTLSKey},
	"tlspubkeyrm":      {1, 1, removeTLSKey},
	"tlspubkeyget":     {1, 2, getTLSKey},
	"tlspubkeylist":    {0, 2, listTLSKeys},
	"undelete":         {2, 2, undelete},
	"undeletelist":     {2, 4, listDeleted},
	// The last parameter is the message, given as input.
	"simulate": {2, 3, simulate},
	"maintain": {2, 3, maintain},
	"retrain": {0, 1, func(ctx context.Context, a *admin.Admin, p []string, out io.Writer) error {
		return a.Retrain(ctx, actor, p[0], func(account string) { fmt.Fprintf(out, "%s: retrained\n", account) })
	}},
}

// actor is who the audit lines name for what comes through the socket.
const actor = admin.Actor("ctl")

// printLines prints a line for each thing, of JSON if format says so.
func printLines[T any](out io.Writer, format string, l []T, line func(T) string) error {
	if format == "json" {
		return printJSON(out, l...)
	}
	for _, v := range l {
		if _, err := fmt.Fprintln(out, line(v)); err != nil {
			return err
		}
	}
	return nil
}

func disabledMark(disabled bool) string {
	if disabled {
		return "\t(disabled)"
	}
	return ""
}
