package backup

import (
	"bytes"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/chacha20poly1305"
)

// Key is the secret of an encrypted repository, as its file has it: 32 random octets, or a
// passphrase. The zero value is none.
type Key struct {
	secret     []byte
	passphrase []byte
}

const (
	keyPrefix        = "mox-backup-key:"
	passphrasePrefix = "mox-backup-passphrase:"
)

// NewKey returns the content of a new key file.
func NewKey() string {
	b := make([]byte, 32)
	rand.Read(b) // never fails
	return keyPrefix + base64.StdEncoding.EncodeToString(b) + "\n"
}

// PassphraseFile returns the content of a key file with a passphrase.
func PassphraseFile(passphrase string) (string, error) {
	if len(passphrase) < 12 || strings.ContainsAny(passphrase, "\r\n") {
		return "", errors.New("a passphrase needs at least 12 characters, on one line")
	}
	return passphrasePrefix + passphrase + "\n", nil
}

// ParseKey reads the content of a key file.
func ParseKey(text string) (Key, error) {
	text = strings.TrimSpace(text)
	if p, ok := strings.CutPrefix(text, passphrasePrefix); ok && p != "" {
		return Key{passphrase: []byte(p)}, nil
	}
	if k, ok := strings.CutPrefix(text, keyPrefix); ok {
		if b, err := base64.StdEncoding.DecodeString(k); err == nil && len(b) == 32 {
			return Key{secret: b}, nil
		}
	}
	return Key{}, errors.New("not a key of mox backups: make one with \"mox backup key\"")
}

// ReadKey reads a key file; an empty path gives no key.
func ReadKey(path string) (Key, error) {
	if path == "" {
		return Key{}, nil
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return Key{}, fmt.Errorf("backup key: %w", err)
	}
	k, err := ParseKey(string(b))
	if err != nil {
		return Key{}, fmt.Errorf("backup key %s: %w", path, err)
	}
	return k, nil
}

func (k Key) none() bool { return k.secret == nil && k.passphrase == nil }

// sealer seals objects and names content; without key it only adds checksums.
type sealer struct {
	aead interface {
		Seal(dst, nonce, plaintext, additionalData []byte) []byte
		Open(dst, nonce, ciphertext, additionalData []byte) ([]byte, error)
	}
	id []byte // key of content's names; nil: none
}

// Costs of argon2id (RFC 9106 4, second recommendation).
const (
	argonTime    = 3
	argonMemory  = 64 << 10 // KiB
	argonThreads = 4
)

// newSealer derives the keys of a repository, whose salt is public.
func newSealer(k Key, salt []byte) (*sealer, error) {
	if k.none() {
		return &sealer{}, nil
	}
	master := k.secret
	if master == nil {
		master = argon2.IDKey(k.passphrase, salt, argonTime, argonMemory, argonThreads, 32)
	}
	// RFC 5869: one key for each purpose.
	seal, err := hkdf.Key(sha256.New, master, salt, "mox backup seal", chacha20poly1305.KeySize)
	if err != nil {
		return nil, err
	}
	id, err := hkdf.Key(sha256.New, master, salt, "mox backup name", 32)
	if err != nil {
		return nil, err
	}
	aead, err := chacha20poly1305.NewX(seal)
	if err != nil {
		return nil, err
	}
	return &sealer{aead: aead, id: id}, nil
}

// ID is the name of content. With a key it tells nothing to those who do not have it.
type ID [32]byte

func (s *sealer) name(content []byte) ID {
	if s.id == nil {
		return sha256.Sum256(content)
	}
	m := hmac.New(sha256.New, s.id)
	m.Write(content)
	return ID(m.Sum(nil))
}

// sumSize is the size of a checksum where there is no key.
const sumSize = 16

// seal protects data, which belongs to what is called what.
func (s *sealer) seal(what string, data []byte) []byte {
	if s.aead == nil {
		sum := checksum(what, data)
		return append(data[:len(data):len(data)], sum...)
	}
	out := make([]byte, chacha20poly1305.NonceSizeX, chacha20poly1305.NonceSizeX+len(data)+chacha20poly1305.Overhead)
	rand.Read(out) // never fails
	return s.aead.Seal(out, out, data, []byte(what))
}

func checksum(what string, data []byte) []byte {
	h := sha256.New()
	h.Write([]byte(what))
	h.Write([]byte{0})
	h.Write(data)
	return h.Sum(nil)[:sumSize]
}

// ErrDamaged is that something is not what was stored, or was stored with another key.
var ErrDamaged = errors.New("damaged")

// open undoes seal.
func (s *sealer) open(what string, b []byte) ([]byte, error) {
	if s.aead == nil {
		if len(b) < sumSize {
			return nil, fmt.Errorf("%s: %w: too short", what, ErrDamaged)
		}
		data, sum := b[:len(b)-sumSize], b[len(b)-sumSize:]
		if !bytes.Equal(sum, checksum(what, data)) {
			return nil, fmt.Errorf("%s: %w: checksum differs", what, ErrDamaged)
		}
		return data, nil
	}
	if len(b) < chacha20poly1305.NonceSizeX {
		return nil, fmt.Errorf("%s: %w: too short", what, ErrDamaged)
	}
	nonce, sealed := b[:chacha20poly1305.NonceSizeX], b[chacha20poly1305.NonceSizeX:]
	data, err := s.aead.Open(nil, nonce, sealed, []byte(what))
	if err != nil {
		return nil, fmt.Errorf("%s: %w: it does not open with this key", what, ErrDamaged)
	}
	return data, nil
}
