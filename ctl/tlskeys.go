package ctl

import (
	"context"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"

	"mox/admin"
	"mox/auth"
)

// addTLSKey parameters: address, name or empty, the certificate as base64 of DER, and "true"
// for keys that do not log in before the greeting of IMAP. Prints the fingerprint.
func addTLSKey(ctx context.Context, a *admin.Admin, p []string, out io.Writer) error {
	der, err := base64.StdEncoding.DecodeString(p[2])
	if err != nil {
		return fmt.Errorf("malformed base64: %w", err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return fmt.Errorf("malformed certificate: %w", err)
	}
	k, err := a.TLSKeyAdd(ctx, actor, auth.TLSKey{Login: p[0], Name: p[1], NoIMAPPreauth: p[3] == "true"}, cert)
	if err != nil {
		return err
	}
	fmt.Fprintln(out, k.Fingerprint)
	return nil
}

func removeTLSKey(ctx context.Context, a *admin.Admin, p []string, _ io.Writer) error {
	return a.TLSKeyRemove(ctx, actor, p[0])
}

// getTLSKey parameters: fingerprint, and "json" or empty.
func getTLSKey(ctx context.Context, a *admin.Admin, p []string, out io.Writer) error {
	k, err := a.TLSKey(ctx, p[0])
	if err != nil {
		return err
	}
	if p[1] == "json" {
		return json.NewEncoder(out).Encode(k)
	}
	printTLSKeys(out, []auth.TLSKey{k})
	return pem.Encode(out, &pem.Block{Type: "CERTIFICATE", Bytes: k.Certificate})
}

// listTLSKeys parameters: account or empty, and "json" for a line of JSON for each key.
func listTLSKeys(ctx context.Context, a *admin.Admin, p []string, out io.Writer) error {
	l, err := a.TLSKeys(ctx, p[0])
	if err != nil {
		return err
	}
	if p[1] != "json" {
		printTLSKeys(out, l)
		return nil
	}
	enc := json.NewEncoder(out)
	for _, k := range l {
		if err := enc.Encode(k); err != nil {
			return err
		}
	}
	return nil
}

func printTLSKeys(out io.Writer, l []auth.TLSKey) {
	fmt.Fprintf(out, "# fingerprint, type, name, account, address, no-imap-preauth (%d)\n", len(l))
	for _, k := range l {
		fmt.Fprintf(out, "%s\t%s\t%q\t%s\t%s\t%v\n", k.Fingerprint, k.Type, k.Name, k.Account, k.Login, k.NoIMAPPreauth)
	}
}
