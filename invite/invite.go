package invite

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"sync"
	"time"

	"mox/atomicfile"
)

// FileName is that in the data directory.
const FileName = "invites.json"

// Bounds.
const (
	DefaultLife = 72 * time.Hour
	MaxLife     = 90 * 24 * time.Hour
	// Remembered is how long invitations are listed that were used, or have expired.
	Remembered = 30 * 24 * time.Hour
	maxOpen    = 10_000
)

// Errors.
var (
	// ErrInvalid is for a token that is of no use, whatever the reason: it is not known, was
	// used or revoked, or has expired.
	ErrInvalid = errors.New("the link is not valid, or not any more")
	// ErrNotFound is for an id that is of no invitation that waits.
	ErrNotFound = errors.New("no such invitation")
	// ErrFull is for too many that wait.
	ErrFull = errors.New("too many invitations wait")
)

// Invite is an invitation.
type Invite struct {
	ID      int
	Account string
	Address string // of the account, to log in with
	Created time.Time
	Expires time.Time
	Used    time.Time `json:",omitzero"`
	// Hash is the SHA-256 of the token in hex; empty when it is of no use any more.
	Hash string `json:",omitempty"`
}

// Open tells whether the invitation waits.
func (i *Invite) Open(now time.Time) bool { return i.Hash != "" && now.Before(i.Expires) }

// Book has the invitations of a server. It is safe for concurrent use.
type Book struct {
	path string
	now  func() time.Time

	mu   sync.Mutex
	last int // highest id
	list []Invite
	busy map[int]bool // invitations that are being used
}

// file is what is on disk.
type file struct {
	Last    int
	Invites []Invite
}

// Open reads the invitations at path, which need not exist.
func Open(path string, now func() time.Time) (*Book, error) {
	b := &Book{path: path, now: now, busy: map[int]bool{}}
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return b, nil
	} else if err != nil {
		return nil, fmt.Errorf("reading invitations: %w", err)
	}
	var f file
	if err := json.Unmarshal(data, &f); err != nil {
		return nil, fmt.Errorf("reading invitations: %s: %w (move it away: links that wait are lost, no more)", path, err)
	}
	b.last, b.list = f.Last, f.Invites
	return b, nil
}

func hashOf(token string) string {
	h := sha256.Sum256([]byte(token))
	return hex.EncodeToString(h[:])
}

// save writes the file with a changed list, and takes that over. It needs mu.
func (b *Book) save(last int, list []Invite) error {
	now := b.now()
	list = slices.DeleteFunc(list, func(i Invite) bool {
		end := i.Expires
		if !i.Used.IsZero() {
			end = i.Used
		}
		return now.Sub(end) > Remembered
	})
	data, err := json.MarshalIndent(file{last, list}, "", "\t")
	if err == nil {
		err = atomicfile.Write(b.path, append(data, '\n'), 0o600)
	}
	if err != nil {
		return fmt.Errorf("writing invitations: %w", err)
	}
	b.last, b.list = last, list
	return nil
}

// Add makes an invitation and returns the token of its link, which is known nowhere else.
// Others for the account end. Life is at most MaxLife; 0: DefaultLife.
func (b *Book) Add(account, address string, life time.Duration) (token string, _ Invite, _ error) {
	if life == 0 {
		life = DefaultLife
	}
	if life < 0 || life > MaxLife {
		return "", Invite{}, fmt.Errorf("an invitation works for at most %d days", MaxLife/(24*time.Hour))
	}
	var secret [24]byte
	rand.Read(secret[:]) // never fails
	token = base64.RawURLEncoding.EncodeToString(secret[:])
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now().UTC().Truncate(time.Second)
	list, open := slices.Clone(b.list), 0
	for i := range list {
		if list[i].Account == account {
			list[i].Hash = ""
		} else if list[i].Open(now) {
			open++
		}
	}
	if open >= maxOpen {
		return "", Invite{}, ErrFull
	}
	// Those that a newer one replaces are of no interest.
	list = slices.DeleteFunc(list, func(i Invite) bool { return i.Hash == "" && i.Used.IsZero() })
	inv := Invite{ID: b.last + 1, Account: account, Address: address, Created: now, Expires: now.Add(life), Hash: hashOf(token)}
	if err := b.save(inv.ID, append(list, inv)); err != nil {
		return "", Invite{}, err
	}
	inv.Hash = ""
	return token, inv, nil
}

// List returns all invitations that are known, the newest first, without hashes: of one that waits it
// is "open".
func (b *Book) List() []Invite {
	b.mu.Lock()
	defer b.mu.Unlock()
	list := slices.Clone(b.list)
	for i := range list {
		if list[i].Hash != "" {
			list[i].Hash = "open"
		}
	}
	slices.Reverse(list)
	return list
}

// find returns the invitation of a token, or ErrInvalid. It needs mu.
func (b *Book) find(token string) (Invite, error) {
	hash, now := hashOf(token), b.now()
	for _, i := range b.list {
		if i.Hash == hash && i.Open(now) && !b.busy[i.ID] {
			return i, nil
		}
	}
	return Invite{}, ErrInvalid
}

// Look returns the invitation of a token, and leaves it as it is. ErrInvalid: it is of no use.
func (b *Book) Look(token string) (Invite, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.find(token)
}

// Take uses an invitation: fn does what it is for, such as setting the password. If fn fails
// it can be used again. Only one Take of an invitation runs at a time; others get ErrInvalid.
func (b *Book) Take(token string, fn func(Invite) error) (Invite, error) {
	b.mu.Lock()
	inv, err := b.find(token)
	if err != nil {
		b.mu.Unlock()
		return inv, err
	}
	b.busy[inv.ID] = true
	b.mu.Unlock()
	err = fn(inv)
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.busy, inv.ID)
	if err != nil {
		return inv, err
	}
	return inv, b.end(func(i *Invite) bool { return i.ID == inv.ID }, b.now().UTC().Truncate(time.Second))
}

// end makes invitations useless, as used if that is not zero. It needs mu.
func (b *Book) end(which func(*Invite) bool, used time.Time) error {
	list := slices.Clone(b.list)
	for i := range list {
		if which(&list[i]) {
			list[i].Hash, list[i].Used = "", used
		}
	}
	if used.IsZero() {
		list = slices.DeleteFunc(list, func(i Invite) bool { return i.Hash == "" && i.Used.IsZero() })
	}
	return b.save(b.last, list)
}

// Revoke ends an invitation that waits, by its id, and returns it.
func (b *Book) Revoke(id int) (Invite, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	at := slices.IndexFunc(b.list, func(i Invite) bool { return i.ID == id && i.Open(now) })
	if at < 0 {
		return Invite{}, fmt.Errorf("%s: %w", strconv.Itoa(id), ErrNotFound)
	}
	inv := b.list[at]
	inv.Hash = ""
	return inv, b.end(func(i *Invite) bool { return i.ID == id }, time.Time{})
}

// Forget ends the invitations of an account that is removed.
func (b *Book) Forget(account string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !slices.ContainsFunc(b.list, func(i Invite) bool { return i.Account == account }) {
		return nil
	}
	list := slices.DeleteFunc(slices.Clone(b.list), func(i Invite) bool { return i.Account == account })
	return b.save(b.last, list)
}
