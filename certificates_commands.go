package main

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"mox/atomicfile"
	"mox/autotls"
	"mox/config"
	"mox/serve"
)

// certificatesCommands are those for TLS certificates.
func certificatesCommands() []command {
	return []command{
		{words: "certificates list", short: "list the TLS certificates of the running server", max: 0, setup: setupCertificatesList, help: certificatesListHelp},
		{words: "certificates renew", args: "name", prints: printsDone, short: "ask for the certificates of a name anew", min: 1, max: 1, setup: setupCertificatesRenew, help: certificatesRenewHelp},
		{words: "config ensureacmehostprivatekeys", prints: printsText, short: "make missing private keys of hosts, for certificates by ACME", max: 0, setup: setupEnsureHostKeys, help: ensureHostKeysHelp},
		{words: "acmecommand", args: "program [args]", prints: printsDone, short: "run a program for DNS records, for the server that starts this", min: 1, max: -1, run: runACMECommand, unlisted: true},
	}
}

func setupCertificatesList(fs *flag.FlagSet) runFunc {
	asJSON := fs.Bool("json", false, "print JSON")
	return func(ctx context.Context, p *program, _ []string) error {
		if *asJSON {
			return p.request(ctx, "certificates", "json")
		}
		return p.request(ctx, "certificates")
	}
}

func setupCertificatesRenew(fs *flag.FlagSet) runFunc {
	force := fs.Bool("force", false, "also when certificates were gotten three times within a week")
	return func(ctx context.Context, p *program, args []string) error {
		if *force {
			args = append(args, "force")
		}
		return p.request(ctx, "certificaterenew", args...)
	}
}

func runACMECommand(ctx context.Context, p *program, args []string) error {
	return serve.CommandRunner(ctx, args, p.stdin, p.stdout)
}

func setupEnsureHostKeys(fs *flag.FlagSet) runFunc {
	next := fs.Bool("next", false, "make keys that are to replace those in use, for NextHostPrivateKeyFiles")
	return func(_ context.Context, p *program, _ []string) error {
		return ensureHostKeys(p, *next)
	}
}

// ensureHostKeys makes keys for listeners with ACME that have none, and tells what to configure.
func ensureHostKeys(p *program, next bool) error {
	snap, err := config.Load(p.configPath)
	if err != nil {
		return err
	}
	stamp := time.Now().UTC().Format("20060102T150405")
	made := map[string]string{} // by host and kind: listeners with one name have one key
	nothing := true
	for _, name := range slices.Sorted(maps.Keys(snap.Listeners)) {
		l := snap.Listeners[name]
		if l.TLS == nil || l.TLS.ACME == "" {
			continue
		}
		var files []string
		for _, kind := range []autotls.Kind{autotls.RSA, autotls.ECDSA} {
			if hasHostKey(l, kind, next) {
				continue
			}
			path, err := makeHostKey(snap, l, kind, next, stamp, made)
			if err != nil {
				return err
			}
			files = append(files, path)
		}
		if len(files) > 0 {
			nothing = false
			printHostKeys(p, l, next, files)
		}
	}
	if nothing {
		fmt.Fprintln(p.stdout, "All listeners with ACME have keys.")
	}
	return nil
}

func hasHostKey(l *config.ListenerInfo, kind autotls.Kind, next bool) bool {
	switch {
	case next && kind == autotls.RSA:
		return l.NextHostRSAKey != nil
	case next:
		return l.NextHostECDSAKey != nil
	case kind == autotls.RSA:
		return l.HostRSAKey != nil
	}
	return l.HostECDSAKey != nil
}

// makeHostKey writes a key, unless there is one of this host already, and returns its path
// relative to the configuration.
func makeHostKey(snap *config.Snapshot, l *config.ListenerInfo, kind autotls.Kind, next bool, stamp string, made map[string]string) (string, error) {
	algorithm := map[autotls.Kind]string{autotls.RSA: "rsa2048", autotls.ECDSA: "ecdsap256"}[kind]
	if path := made[l.Hostname.ASCII+" "+algorithm]; path != "" {
		return path, nil
	}
	what := ""
	if next {
		what = "next."
	}
	path := filepath.Join("hostkeys", fmt.Sprintf("%s.%s.%s%s.privatekey.pkcs8.pem", l.Hostname.Name(), stamp, what, algorithm))
	made[l.Hostname.ASCII+" "+algorithm] = path
	data, err := autotls.NewHostKey(kind)
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(snap.ConfigPath("hostkeys"), 0o750); err != nil {
		return "", err
	}
	return path, atomicfile.Write(snap.ConfigPath(path), data, 0o600)
}

func printHostKeys(p *program, l *config.ListenerInfo, next bool, files []string) {
	field := "HostPrivateKeyFiles"
	if next {
		field = "NextHostPrivateKeyFiles"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "Keys for listener %s were made. Add to section TLS of that listener in mox.conf, and restart:\n\n\t\t\t%s:\n", l.Name, field)
	for _, f := range files {
		fmt.Fprintf(&b, "\t\t\t\t- %s\n", filepath.ToSlash(f))
	}
	fmt.Fprintln(p.stdout, b.String())
}

const certificatesListHelp = `
Those gotten by ACME, also such as could not be gotten yet, with the last error and when the
next attempt is, and those from files.`

const certificatesRenewHelp = `
In the background; "mox certificates list" tells what came of it. What the provider said about
when it may be asked again counts nevertheless.`

const ensureHostKeysHelp = `
For listeners with TLS.ACME, RSA keys of 2048 bits and ECDSA P-256 keys that are missing in
HostPrivateKeyFiles are made in directory hostkeys, and what is to be added to mox.conf is
printed. With such keys, TLSA records for DANE stay valid when certificates are renewed.

With -next, keys are made for NextHostPrivateKeyFiles, which replace the others once their TLSA
records have been in DNS long enough.`
