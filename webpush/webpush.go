package webpush

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
)

// Sizes in octets.
const (
	authSize   = 16
	saltSize   = 16
	publicSize = 65   // of an uncompressed point of P-256
	recordSize = 4096 // RFC 8291: there is one record, of at most this
	headerSize = saltSize + 4 + 1 + publicSize
	// MaxPlain is the longest text: with its delimiter, the tag of AES-GCM and the header it makes 4096 octets, which push services take.
	MaxPlain = recordSize - headerSize - 16 - 1
)

// Keys are those of a receiver, in URL-safe base64 (RFC 4648 5) with or without padding.
type Keys struct {
	P256DH string `json:"p256dh"` // public key, an uncompressed point of P-256
	Auth   string `json:"auth"`   // secret of 16 octets
}

// ErrTooLong is returned for texts above MaxPlain.
var ErrTooLong = errors.New("text is too long to be pushed")

// parse returns the public key and the secret.
func (k *Keys) parse() (*ecdh.PublicKey, []byte, error) {
	point, err := decode(k.P256DH, publicSize)
	if err != nil {
		return nil, nil, fmt.Errorf("p256dh: %w", err)
	}
	public, err := ecdh.P256().NewPublicKey(point)
	if err != nil {
		return nil, nil, errors.New("p256dh: not a point of P-256")
	}
	auth, err := decode(k.Auth, authSize)
	if err != nil {
		return nil, nil, fmt.Errorf("auth: %w", err)
	}
	return public, auth, nil
}

// decode decodes a value that has a fixed size.
func decode(s string, size int) ([]byte, error) {
	if len(s) > 2*size+2 {
		return nil, fmt.Errorf("not %d octets in URL-safe base64", size)
	}
	b, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(s, "="))
	if err != nil || len(b) != size {
		return nil, fmt.Errorf("not %d octets in URL-safe base64", size)
	}
	return b, nil
}

// Check tells what is wrong with the keys.
func (k *Keys) Check() error {
	_, _, err := k.parse()
	return err
}

// Encrypt encrypts a text for the receiver. An error is that of the keys, or ErrTooLong.
func Encrypt(k *Keys, plain []byte) ([]byte, error) {
	public, auth, err := k.parse()
	if err != nil {
		return nil, err
	}
	sender, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	salt := make([]byte, saltSize)
	rand.Read(salt) // never fails
	return seal(public, auth, sender, salt, plain)
}

// seal is Encrypt with the key of the sender and the salt, which must never be used again.
func seal(receiver *ecdh.PublicKey, auth []byte, sender *ecdh.PrivateKey, salt, plain []byte) ([]byte, error) {
	if len(plain) > MaxPlain {
		return nil, ErrTooLong
	}
	shared, err := sender.ECDH(receiver)
	if err != nil {
		return nil, err
	}
	gcm, nonce, err := derive(shared, auth, salt, receiver.Bytes(), sender.PublicKey().Bytes())
	if err != nil {
		return nil, err
	}
	// RFC 8188: salt, record size, length of the key id and the key id, which is the public key of the sender.
	b := make([]byte, 0, recordSize)
	b = append(b, salt...)
	b = binary.BigEndian.AppendUint32(b, recordSize)
	b = append(b, publicSize)
	b = append(b, sender.PublicKey().Bytes()...)
	// The delimiter of the last record, and no padding.
	return gcm.Seal(b, nonce, append(plain[:len(plain):len(plain)], 2), nil), nil
}

// derive makes the cipher and its nonce of the shared secret.
func derive(shared, auth, salt, receiver, sender []byte) (cipher.AEAD, []byte, error) {
	info := "WebPush: info\x00" + string(receiver) + string(sender)
	secret, err := hkdf.Key(sha256.New, shared, auth, info, 32)
	if err != nil {
		return nil, nil, err
	}
	key, err := hkdf.Key(sha256.New, secret, salt, "Content-Encoding: aes128gcm\x00", 16)
	if err != nil {
		return nil, nil, err
	}
	nonce, err := hkdf.Key(sha256.New, secret, salt, "Content-Encoding: nonce\x00", 12)
	if err != nil {
		return nil, nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, nil, err
	}
	gcm, err := cipher.NewGCM(block)
	return gcm, nonce, err
}
