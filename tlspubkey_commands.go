package main

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"flag"
	"fmt"
	"io"
	"math/big"
	"os"
	"strconv"
	"time"

	"mox/auth"
)

// tlspubkeyCommands are those for logins by the key of a TLS client certificate.
func tlspubkeyCommands() []command {
	return []command{
		{words: "config tlspubkey list", args: "[account]", short: "list TLS public keys that log in without a password", max: 1, setup: setupTLSKeyCtl("tlspubkeylist"), help: "Of one account, or of all, with columns separated by tabs."},
		{words: "config tlspubkey get", args: "fingerprint", short: "show a TLS public key, with its certificate", min: 1, max: 1, setup: setupTLSKeyCtl("tlspubkeyget")},
		{words: "config tlspubkey add", args: "address [name]", prints: printsDone, short: "let the key of a TLS certificate, on standard input, log in", min: 1, max: 2, setup: setupTLSKeyAdd, help: tlsKeyAddHelp},
		{words: "config tlspubkey rm", args: "fingerprint", prints: printsDone, short: "remove a TLS public key, which logs in no more", min: 1, max: 1, run: ctlSimple("tlspubkeyrm")},
		{words: "config tlspubkey gen", args: "stem", prints: printsDone, short: "make a private key and certificate for a TLS client", min: 1, max: 1, run: runTLSKeyGen, help: tlsKeyGenHelp},
	}
}

func setupTLSKeyCtl(word string) func(fs *flag.FlagSet) runFunc {
	return func(fs *flag.FlagSet) runFunc {
		asJSON := fs.Bool("json", false, "print JSON, a line for each key")
		return func(ctx context.Context, p *program, args []string) error {
			params := []string{"", ""}
			copy(params, args)
			if *asJSON {
				params[1] = "json"
			}
			return p.request(ctx, word, params...)
		}
	}
}

// maxPEM bounds what is read of a certificate.
const maxPEM = 1 << 20

func setupTLSKeyAdd(fs *flag.FlagSet) runFunc {
	noPreauth := fs.Bool("no-imap-preauth", false, "IMAP sessions with the key begin without being logged in")
	return func(ctx context.Context, p *program, args []string) error {
		b, err := io.ReadAll(io.LimitReader(p.stdin, maxPEM))
		if err != nil {
			return fmt.Errorf("reading certificate: %w", err)
		}
		der, err := auth.CertificatePEM(b)
		if err != nil {
			return fmt.Errorf("standard input: %w", err)
		}
		name := ""
		if len(args) > 1 {
			name = args[1]
		}
		return p.request(ctx, "tlspubkeyadd", args[0], name, base64.StdEncoding.EncodeToString(der), strconv.FormatBool(*noPreauth))
	}
}

// keyLifetime is that of certificates made here: only their key counts.
const keyLifetime = 100 * 365 * 24 * time.Hour

func runTLSKeyGen(_ context.Context, p *program, args []string) error {
	now := time.Now()
	seed := make([]byte, ed25519.SeedSize)
	rand.Read(seed) // never fails
	key := ed25519.NewKeyFromSeed(seed)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()),
		Subject:      pkix.Name{CommonName: "mox client key"},
		NotBefore:    now.Add(-time.Hour), NotAfter: now.Add(keyLifetime),
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return fmt.Errorf("making certificate: %w", err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return fmt.Errorf("parsing certificate: %w", err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return fmt.Errorf("encoding private key: %w", err)
	}
	keyPEM := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	stem := args[0] + "." + now.UTC().Format("200601021504")
	for _, f := range []struct {
		name string
		data []byte
	}{
		{stem + ".ed25519privatekey.pkcs8.pem", keyPEM},
		{stem + ".certificate.pem", certPEM},
		{stem + ".ed25519privatekey-certificate.pem", append(keyPEM, certPEM...)},
	} {
		if err := writeNew(f.name, f.data); err != nil {
			return err
		}
		fmt.Fprintf(p.stdout, "wrote %s\n", f.name)
	}
	fmt.Fprintf(p.stderr, "seed: %s\nfingerprint: %s\n", base64.RawURLEncoding.EncodeToString(seed), auth.Fingerprint(cert))
	return nil
}

// writeNew writes a file that only its owner may read, and that is not there yet.
func writeNew(path string, data []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if _, err := f.Write(data); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}

const tlsKeyAddHelp = `
The certificate is PEM on standard input; anything else in it is not looked at. Who has its
private key then logs in without a password: with the mechanism EXTERNAL for submission and IMAP, and
in IMAP with TLS from the start without logging in at all (PREAUTH), unless -no-imap-preauth is
given. Names and dates in the certificate do not matter, only its key does. The address is the
one that From of messages is by default; the key works while it is an address of the account.
Prints the fingerprint of the key: the SHA-256 of its SubjectPublicKeyInfo, in base64url.`

const tlsKeyGenHelp = `
Writes the private key, a certificate, and both in one file, with the stem, the time and what it is
in their names, readable only for you. The certificate is for "mox config tlspubkey add"; the file
with both for mail programs, curl and ClientAuthCertPrivateKeyPEMFile of "mox sendmail". The seed, which is
the private key in short for ClientAuthEd25519PrivateKey, and the fingerprint are printed on standard error.`
