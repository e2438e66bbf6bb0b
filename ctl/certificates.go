package ctl

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"mox/admin"
	"mox/autotls"
)

// listCertificates prints the TLS certificates. Parameter: "json", or empty.
func listCertificates(_ context.Context, a *admin.Admin, p []string, out io.Writer) error {
	l := a.CertificateList()
	if p[0] == "json" {
		if l == nil {
			l = []autotls.CertStatus{}
		}
		enc := json.NewEncoder(out)
		enc.SetIndent("", "\t")
		return enc.Encode(l)
	}
	if len(l) == 0 {
		fmt.Fprintln(out, "(none)")
		return nil
	}
	w := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "name\tkind\tfrom\tends\trenewal\tstate")
	for _, c := range l {
		from := c.Provider
		if c.Source == "file" {
			from = c.File
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", strings.Join(c.Names, ","), c.Kind, from, day(c.NotAfter), day(c.NextRenewal), certificateState(c))
	}
	return w.Flush()
}

func day(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format(time.DateOnly)
}

// certificateState says what is with a certificate.
func certificateState(c autotls.CertStatus) string {
	var l []string
	if c.NotAfter.IsZero() && c.LastError == "" {
		l = append(l, "to be gotten")
	}
	if c.Soon {
		l = append(l, "ends soon")
	}
	if c.HostKey == "other" {
		l = append(l, "not with the host's key")
	}
	if c.NextKey != "" {
		since := "waits for its TLSA record in DNS"
		if !c.NextKeySince.IsZero() {
			since = "in DNS since " + day(c.NextKeySince)
		}
		l = append(l, "next key "+since)
	}
	if c.LastError != "" {
		l = append(l, "failed at "+c.LastErrorTime.UTC().Format(time.RFC3339)+": "+c.LastError)
		if !c.NextAttempt.IsZero() {
			l = append(l, "next attempt "+c.NextAttempt.UTC().Format(time.RFC3339))
		}
	}
	if len(l) == 0 {
		return "ok"
	}
	return strings.Join(l, "; ")
}

// renewCertificate asks for a certificate anew. Parameters: name, and "force" or empty.
func renewCertificate(ctx context.Context, a *admin.Admin, p []string, _ io.Writer) error {
	return a.CertificateRenew(ctx, actor, p[0], p[1] == "force")
}
