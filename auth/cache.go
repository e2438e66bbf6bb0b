package auth

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"sync"
	"time"
)

const (
	cacheTTL = 15 * time.Minute
	cacheMax = 10000 // entries; at the bound the whole cache is forgotten
)

// passwordCache remembers passwords that were verified, as keyed hashes.
type passwordCache struct {
	secret [32]byte

	mu       sync.Mutex // guards the below
	verified map[[sha256.Size]byte]time.Time
}

func newPasswordCache() *passwordCache {
	c := &passwordCache{verified: map[[sha256.Size]byte]time.Time{}}
	rand.Read(c.secret[:]) // never fails
	return c
}

// key binds a password to the stored hash that it was verified against. The stored hash
// has a random salt, so it also names the account and the version of its password.
func (c *passwordCache) key(stored, password string) [sha256.Size]byte {
	h := hmac.New(sha256.New, c.secret[:])
	h.Write([]byte(stored))
	h.Write([]byte{0})
	h.Write([]byte(password))
	var k [sha256.Size]byte
	h.Sum(k[:0])
	return k
}

func (c *passwordCache) has(key [sha256.Size]byte, now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	at, ok := c.verified[key]
	if ok && now.Sub(at) > cacheTTL {
		delete(c.verified, key)
		return false
	}
	return ok
}

func (c *passwordCache) add(key [sha256.Size]byte, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.verified) >= cacheMax {
		clear(c.verified)
	}
	c.verified[key] = now
}
