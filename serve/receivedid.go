package serve

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"mox/atomicfile"
	"mox/config"
)

// receivedIDFile is in the data directory: 16 bytes AES-128 key and 8 bytes that fill
// the block beside a connection id.
const receivedIDFile = "receivedid.key"

// ReceivedID turns connection ids into what error texts and Received headers show, and
// back: encrypted, so that strangers cannot count our connections.
type ReceivedID struct {
	block cipher.Block
	fill  [8]byte
}

// OpenReceivedID reads the key that the server of a configuration has made.
func OpenReceivedID(snap *config.Snapshot) (*ReceivedID, error) {
	path := snap.DataPath(receivedIDFile)
	key, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("received id key: %w", err)
	}
	return newReceivedID(path, key)
}

// loadReceivedID reads the key, making one when there is none.
func loadReceivedID(path string) (*ReceivedID, error) {
	key, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		key = make([]byte, 24)
		rand.Read(key) // never fails
		err = atomicfile.Write(path, key, 0o640)
	}
	if err != nil {
		return nil, fmt.Errorf("received id key: %w", err)
	}
	return newReceivedID(path, key)
}

func newReceivedID(path string, key []byte) (*ReceivedID, error) {
	if len(key) != 24 {
		return nil, fmt.Errorf("received id key %s has %d bytes instead of 24", path, len(key))
	}
	block, err := aes.NewCipher(key[:16])
	if err != nil {
		return nil, fmt.Errorf("received id key: %w", err)
	}
	return &ReceivedID{block, [8]byte(key[16:])}, nil
}

// Encode returns the id to show for a connection id, 22 characters.
func (r *ReceivedID) Encode(cid int64) string {
	var b [aes.BlockSize]byte
	binary.BigEndian.PutUint64(b[:8], uint64(cid))
	copy(b[8:], r.fill[:])
	r.block.Encrypt(b[:], b[:])
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// Decode reverses Encode.
func (r *ReceivedID) Decode(s string) (int64, error) {
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil || len(b) != aes.BlockSize {
		return 0, fmt.Errorf("%q is not an id of a Received header", s)
	}
	r.block.Decrypt(b, b)
	if [8]byte(b[8:]) != r.fill {
		return 0, fmt.Errorf("id %q was not made with this server's key", s)
	}
	return int64(binary.BigEndian.Uint64(b[:8])), nil
}
