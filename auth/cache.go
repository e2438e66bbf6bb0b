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
	busy     map[[sha256.Size]byte]*verification
}

// verification is one under way, which others with the same password wait for.
type verification struct {
	done chan struct{} // closed at the end
	ok   bool
	err  error // why it is not known
}

func newPasswordCache() *passwordCache {
	c := &passwordCache{verified: map[[sha256.Size]byte]time.Time{}, busy: map[[sha256.Size]byte]*verification{}}
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

// begin returns the verification of a password. It is first who is to do it, and to call end.
func (c *passwordCache) begin(key [sha256.Size]byte) (v *verification, first bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if v := c.busy[key]; v != nil {
		return v, false
	}
	v = &verification{done: make(chan struct{})}
	c.busy[key] = v
	return v, true
}

// end tells those who wait, and remembers a password that was right.
func (c *passwordCache) end(key [sha256.Size]byte, v *verification, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.busy, key)
	close(v.done)
	if v.ok {
		c.add(key, now)
	}
}

// add remembers a password. mu is held.
func (c *passwordCache) add(key [sha256.Size]byte, now time.Time) {
	if len(c.verified) >= cacheMax {
		clear(c.verified)
	}
	c.verified[key] = now
}
