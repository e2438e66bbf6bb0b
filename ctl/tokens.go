package ctl

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"mox/admin"
	"mox/auth"
)

// addToken makes a token. Parameters: address, name, scopes, and how long it works as a duration
// or empty.
func addToken(ctx context.Context, a *admin.Admin, p []string, out io.Writer) error {
	scopes, err := auth.ParseScopes(p[2])
	if err != nil {
		return err
	}
	var life time.Duration
	if p[3] != "" {
		if life, err = time.ParseDuration(p[3]); err != nil {
			return fmt.Errorf("%q is not a duration, such as 8760h", p[3])
		}
	}
	token, _, err := a.TokenAdd(ctx, actor, p[0], p[1], scopes, life)
	if err != nil {
		return err
	}
	fmt.Fprintln(out, token)
	return nil
}

func removeToken(ctx context.Context, a *admin.Admin, p []string, _ io.Writer) error {
	id, err := strconv.Atoi(p[1])
	if err != nil {
		return fmt.Errorf("%q is not the id of a token", p[1])
	}
	return a.TokenRemove(ctx, actor, p[0], id)
}

// tokenLine is a token as a line of JSON, without its hash.
type tokenLine struct {
	Account string `json:"account"`
	auth.Token
	Hash []byte `json:"hash,omitempty"` // never set
}

func printTokens(out io.Writer, l []admin.AccountTokens) error {
	var lines []tokenLine
	for _, acc := range l {
		for _, t := range acc.Tokens {
			lines = append(lines, tokenLine{Account: acc.Account, Token: t})
		}
	}
	return printJSON(out, lines...)
}

// listTokens parameters: account or empty for all, and "json" for a line of JSON for each token.
func listTokens(ctx context.Context, a *admin.Admin, p []string, out io.Writer) error {
	l, err := a.Tokens(ctx, p[0])
	if err != nil {
		return err
	}
	if p[1] == "json" {
		return printTokens(out, l)
	} else if len(l) == 0 {
		fmt.Fprintln(out, "(none)")
		return nil
	}
	when := func(t time.Time, zero string) string {
		if t.IsZero() {
			return zero
		}
		return t.UTC().Format(time.RFC3339)
	}
	w := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "account\tid\tname\tlogin\tscopes\tcreated\texpires\tlast used")
	for _, acc := range l {
		for _, t := range acc.Tokens {
			var scopes []string
			for _, s := range t.Scopes {
				scopes = append(scopes, string(s))
			}
			fmt.Fprintf(w, "%s\t%d\t%q\t%s\t%s\t%s\t%s\t%s\n", acc.Account, t.ID, t.Name, t.Login, strings.Join(scopes, ","),
				when(t.Created, ""), when(t.Expires, "never"), when(t.LastUsed, "never"))
		}
	}
	return w.Flush()
}
