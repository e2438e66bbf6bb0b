package sftp

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"
)

// Key is a private key by which a server knows us.
type Key struct{ signer ssh.Signer }

// NewKey makes an Ed25519 key. It returns the content of a file for [ParseKey], in OpenSSH's form.
func NewKey(comment string) ([]byte, error) {
	_, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		return nil, err
	}
	block, err := ssh.MarshalPrivateKey(private, comment)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(block), nil
}

// ParseKey reads the content of a file with a private key, as ssh-keygen and "mox backup sshkey" make it.
func ParseKey(file []byte) (Key, error) {
	signer, err := ssh.ParsePrivateKey(file)
	var locked *ssh.PassphraseMissingError
	switch {
	case errors.As(err, &locked):
		return Key{}, errors.New("the SSH key is protected by a passphrase, which nobody is here to type: make one without, by \"mox backup sshkey\"")
	case err != nil && bytes.HasPrefix(file, []byte("ssh-")):
		return Key{}, errors.New("this is the public half of an SSH key: the private one is needed")
	case err != nil:
		return Key{}, fmt.Errorf("no private SSH key: %w", err)
	}
	return Key{signer}, nil
}

// Authorized is the public half, as a line of the server's file authorized_keys without its end.
func (k Key) Authorized() string { return line(k.signer.PublicKey()) }

// Fingerprint is that of the public half, as ssh-keygen -l prints it.
func (k Key) Fingerprint() string { return ssh.FingerprintSHA256(k.signer.PublicKey()) }

func line(k ssh.PublicKey) string {
	return strings.TrimSuffix(string(ssh.MarshalAuthorizedKey(k)), "\n")
}

// HostKeys are the keys of a server, one of which it must show.
type HostKeys struct {
	keys   []ssh.PublicKey
	prints []string // fingerprints, where nothing else is known
}

// ParseHostKeys reads keys in any of these forms: "ssh-ed25519 AAAA...", as in the files
// /etc/ssh/ssh_host_*_key.pub; a line of a file known_hosts, whose names are not looked at; and
// "SHA256:...", a fingerprint, as ssh-keygen -l prints it.
func ParseHostKeys(l []string) (HostKeys, error) {
	var h HostKeys
	for _, s := range l {
		s = strings.TrimSpace(s)
		if text, ok := strings.CutPrefix(s, "SHA256:"); ok {
			if b, err := base64.RawStdEncoding.DecodeString(text); err != nil || len(b) != 32 {
				return h, fmt.Errorf("host key %q: a fingerprint is SHA256: and 43 characters", s)
			}
			h.prints = append(h.prints, s)
			continue
		}
		key, err := parseHostKey(s)
		if err != nil {
			return h, fmt.Errorf("host key %q: %w", s, err)
		}
		h.keys = append(h.keys, key)
	}
	return h, nil
}

func parseHostKey(s string) (ssh.PublicKey, error) {
	if strings.ContainsAny(s, "\r\n") {
		return nil, errors.New("must be one line")
	}
	// Not ssh.ParseAuthorizedKey alone: it takes names of hosts for options.
	if f := strings.Fields(s); len(f) >= 2 {
		if b, err := base64.StdEncoding.DecodeString(f[1]); err == nil {
			key, err := ssh.ParsePublicKey(b)
			if err == nil && key.Type() != f[0] {
				err = fmt.Errorf("it is one of type %s", key.Type())
			}
			return plain(key, err)
		}
	}
	marker, _, key, _, _, err := ssh.ParseKnownHosts([]byte(s))
	if err != nil {
		return nil, errors.New("must be like \"ssh-ed25519 AAAA...\", a line of known_hosts, or \"SHA256:...\"")
	}
	if marker != "" {
		return nil, fmt.Errorf("@%s is not supported: give the key itself", marker)
	}
	return plain(key, nil)
}

// plain refuses certificates.
func plain(key ssh.PublicKey, err error) (ssh.PublicKey, error) {
	if err != nil {
		return nil, err
	}
	if len(algorithms(key.Type())) == 0 {
		return nil, fmt.Errorf("keys of type %s are not supported", key.Type())
	}
	return key, nil
}

// Empty tells whether there is none.
func (h HostKeys) Empty() bool { return len(h.keys) == 0 && len(h.prints) == 0 }

// has tells whether a key is one of these.
func (h HostKeys) has(key ssh.PublicKey) bool {
	for _, k := range h.keys {
		if bytes.Equal(k.Marshal(), key.Marshal()) {
			return true
		}
	}
	return slices.Contains(h.prints, ssh.FingerprintSHA256(key))
}

// keyTypes are those of host keys that are used, best first, by kind.
var keyTypes = [][]string{
	{ssh.KeyAlgoED25519},
	{ssh.KeyAlgoECDSA256, ssh.KeyAlgoECDSA384, ssh.KeyAlgoECDSA521},
	{ssh.KeyAlgoRSA},
}

// algorithms are those of signatures by a type of key; none: it is not supported.
func algorithms(keyType string) []string {
	switch keyType {
	case ssh.KeyAlgoRSA:
		return []string{ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256} // not with SHA-1
	case ssh.KeyAlgoED25519, ssh.KeyAlgoECDSA256, ssh.KeyAlgoECDSA384, ssh.KeyAlgoECDSA521:
		return []string{keyType}
	}
	return nil
}

// rounds are the algorithms to ask a server for, in one connection after the other until it shows a key
// that is right: a server shows one key in a connection, and that of one kind may be right where another
// one is not. Of a fingerprint it is not known what kind of key it is of.
func (h HostKeys) rounds() [][]string {
	var l [][]string
	for _, types := range keyTypes {
		var round []string
		for _, t := range types {
			if len(h.prints) > 0 || slices.ContainsFunc(h.keys, func(k ssh.PublicKey) bool { return k.Type() == t }) {
				round = append(round, algorithms(t)...)
			}
		}
		if len(round) > 0 {
			l = append(l, round)
		}
	}
	return l
}

// allRounds are those where nothing is known.
func allRounds() [][]string { return HostKeys{prints: []string{""}}.rounds() }

// HostKey is a key that a server has shown.
type HostKey struct {
	Key         string // "ssh-ed25519 AAAA..."
	Fingerprint string // "SHA256:..."
}

// ServerKeys asks a server for its host keys. Anyone between here and there can answer, so that they
// have to be compared with what the server's operator says. addr is host:port.
func ServerKeys(ctx context.Context, addr string) ([]HostKey, error) {
	var l []HostKey
	var failed error
	for _, round := range allRounds() {
		key, err := serverKey(ctx, addr, round)
		var none *ssh.AlgorithmNegotiationError
		if key != nil {
			l = append(l, HostKey{line(key), ssh.FingerprintSHA256(key)})
		} else if !errors.As(err, &none) {
			return nil, fmt.Errorf("asking %s for its host keys: %w", addr, err)
		} else {
			failed = err
		}
	}
	if len(l) == 0 {
		return nil, fmt.Errorf("asking %s for its host keys: %w", addr, failed)
	}
	return l, nil
}

var errSeen = errors.New("the key was seen")

func serverKey(ctx context.Context, addr string, round []string) (key ssh.PublicKey, err error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	config := &ssh.ClientConfig{User: "mox", ClientVersion: clientVersion, HostKeyAlgorithms: round, HostKeyCallback: func(_ string, _ net.Addr, k ssh.PublicKey) error {
		key = k
		return errSeen
	}}
	_, _, _, err = ssh.NewClientConn(conn, addr, config)
	if key == nil && ctx.Err() != nil {
		err = errors.New("no answer")
	}
	return key, err
}
