package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strings"

	"mox/sftp"
)

const backupSSHKeyHelp = `
Writes a new SSH key (Ed25519, without passphrase) to the file, if there is none yet, and prints
its public half: the line for the file .ssh/authorized_keys of the account in which backups are to
be kept. Name the file as SSHKeyFile of Backup in mox.conf. The key is not needed to restore a
backup elsewhere, where another one that is let in does as well. With -json, an object: File, Made,
Authorized and Fingerprint.
`

const backupHostKeysHelp = `
Asks an SSH server, host or host:port, or that of a URL sftp://user@host/directory, for its host keys,
and prints them, a line each, with their fingerprints at the end. Nothing is sent to it but the question. Anyone
between here and the server can answer: compare the fingerprints with what the operator of the server
says, or with what "ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub" prints there. Then put one line, or
all, below HostKeys of Backup in mox.conf. With -json, a line each: Key and Fingerprint.
`

func setupBackupSSHKey(fs *flag.FlagSet) runFunc {
	asJSON := fs.Bool("json", false, "print JSON")
	return func(_ context.Context, p *program, args []string) error {
		key, made, err := sshKey(args[0])
		if err != nil {
			return err
		}
		if *asJSON {
			return printJSONLine(p.stdout, struct {
				File                    string
				Made                    bool
				Authorized, Fingerprint string
			}{args[0], made, key.Authorized(), key.Fingerprint()})
		}
		if made {
			fmt.Fprintf(p.stderr, "%s is made. Add this line to the authorized_keys of the account at the other end:\n", args[0])
		}
		_, err = fmt.Fprintln(p.stdout, key.Authorized())
		return err
	}
}

// sshKey reads a key, which is made when there is none.
func sshKey(name string) (key sftp.Key, made bool, err error) {
	file, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		if file, err = sftp.NewKey("mox"); err != nil {
			return key, false, err
		}
		made = true
		err = writeKeyFile(name, string(file))
	}
	if err != nil {
		return key, false, err
	}
	if key, err = sftp.ParseKey(file); err != nil {
		err = fmt.Errorf("%s: %w", name, err)
	}
	return key, made, err
}

func setupBackupHostKeys(fs *flag.FlagSet) runFunc {
	asJSON := fs.Bool("json", false, "print a line of JSON for each key")
	return func(ctx context.Context, p *program, args []string) error {
		ctx, stop := interruptible(ctx)
		defer stop()
		addr, err := sshAddress(args[0])
		if err != nil {
			return usagef("%q %v", args[0], err)
		}
		keys, err := sftp.ServerKeys(ctx, addr)
		if err != nil {
			return err
		}
		for _, k := range keys {
			if *asJSON {
				err = printJSONLine(p.stdout, k)
			} else {
				_, err = fmt.Fprintf(p.stdout, "%s %s\n", k.Key, k.Fingerprint)
			}
			if err != nil {
				return err
			}
		}
		if !*asJSON {
			fmt.Fprintf(p.stderr, "Compare the fingerprints with what the operator of %s says, before you put them below HostKeys.\n", addr)
		}
		return nil
	}
}

// sshAddress is host:port of a server.
func sshAddress(s string) (string, error) {
	if strings.Contains(s, "://") {
		at, err := sftp.ParseURL(s)
		return at.Address(), err
	}
	if _, _, err := net.SplitHostPort(s); err == nil {
		return s, nil
	}
	host := strings.TrimSuffix(strings.TrimPrefix(s, "["), "]")
	if host == "" || strings.ContainsAny(host, "/@ []") {
		return "", errors.New("is no host, host:port or sftp:// URL")
	}
	return net.JoinHostPort(host, "22"), nil
}
