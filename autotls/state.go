package autotls

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"time"

	"mox/atomicfile"
)

// state is what is known about a provider, in <provider>.json. Times are zero when there is
// nothing to tell.
type state struct {
	Directory string // URL that the account is of
	Account   string // URL of the account
	Key       string // hash of the account's key
	Contact   string // that the account was told

	// The provider did not answer.
	Failures      int       `json:",omitzero"` // in a row
	NotBefore     time.Time `json:",omitzero"` // of the next request
	LastError     string    `json:",omitzero"`
	LastErrorTime time.Time `json:",omitzero"`

	Certificates map[string]*certState // by certKey.String()
}

// certState is what is known about one certificate, or the lack of it.
type certState struct {
	Failures      int       `json:",omitzero"` // in a row, the attempt that is under way included
	NotBefore     time.Time `json:",omitzero"` // of the next attempt
	RetryAfter    time.Time `json:",omitzero"` // before which the provider wants none
	LastError     string    `json:",omitzero"` // of the last attempt; empty if it worked
	LastErrorTime time.Time `json:",omitzero"`
	Checks        int       `json:",omitzero"` // times in a row that addresses were wrong

	Directory string      `json:",omitzero"` // that the certificate is from
	Issued    []time.Time `json:",omitempty"`

	Renewal *renewalState `json:",omitempty"`

	// Published is since when DNS has a TLSA record for a key, by its hash.
	Published map[string]time.Time `json:",omitempty"`
	// Alarmed is the hash of the certificate about whose end postmaster got mail.
	Alarmed string `json:",omitzero"`
}

// renewalState is what the provider said about the renewal of a certificate (RFC 9773).
type renewalState struct {
	ID         string    // of the certificate
	Start, End time.Time `json:",omitzero"` // window
	At         time.Time `json:",omitzero"` // chosen of it
	Next       time.Time // when to ask again
	URL        string    `json:",omitzero"` // why
	Failures   int       `json:",omitzero"`
}

// maxState bounds the file.
const maxState = 64 << 20

// parseState parses the file of a state.
func parseState(data []byte) (*state, error) {
	s := &state{}
	if err := json.Unmarshal(data, s); err != nil {
		return nil, fmt.Errorf("state of provider: %w", err)
	}
	for k, c := range s.Certificates {
		if c == nil {
			return nil, fmt.Errorf("state of provider: nothing for %q", k)
		}
		c.Failures, c.Checks = max(c.Failures, 0), max(c.Checks, 0)
	}
	if s.Certificates == nil {
		s.Certificates = map[string]*certState{}
	}
	s.Failures = max(s.Failures, 0)
	return s, nil
}

// loadState reads the state of a provider, a new one if there is none.
func (p *provider) loadState() (*state, error) {
	empty := &state{Certificates: map[string]*certState{}}
	data, err := readFile(p.statePath(), maxState)
	if errors.Is(err, fs.ErrNotExist) {
		return empty, nil
	} else if err != nil {
		return nil, err
	}
	s, err := parseState(data)
	if err != nil {
		return empty, p.m.setAside(p.statePath(), err)
	}
	now := p.m.o.Now()
	s.NotBefore = sane(s.NotBefore, now)
	for _, c := range s.Certificates {
		c.NotBefore, c.RetryAfter = sane(c.NotBefore, now), sane(c.RetryAfter, now)
	}
	return s, nil
}

// sane bounds a time that was written when the clock may have been wrong.
func sane(t, now time.Time) time.Time {
	if t.After(now.Add(maxRetryAfter)) {
		return now.Add(maxRetryAfter)
	}
	return t
}

func (p *provider) statePath() string { return filepath.Join(p.m.dir, p.Name+".json") }

// save writes the state. For the provider's goroutine only.
func (p *provider) save() error {
	data, err := p.encodeState()
	if err != nil {
		return err
	}
	return atomicfile.Write(p.statePath(), data, 0o600)
}

func (p *provider) encodeState() ([]byte, error) {
	p.m.mu.Lock()
	defer p.m.mu.Unlock()
	now := p.m.o.Now()
	// What nobody asks about any more.
	maps.DeleteFunc(p.state.Certificates, func(k string, c *certState) bool {
		return p.configured[k] == nil && now.Sub(c.LastErrorTime) > keepState && now.After(c.NotBefore) && recent(c.Issued, now) == 0
	})
	data, err := json.MarshalIndent(p.state, "", "\t")
	if err != nil {
		return nil, fmt.Errorf("state of provider: %w", err)
	}
	return append(data, '\n'), nil
}

// keepState is how long the failures of a name that is not configured any more are known.
const keepState = 30 * 24 * time.Hour

// of returns the state of a certificate, made if there is none. It needs the lock.
func (s *state) of(k certKey) *certState {
	c := s.Certificates[k.String()]
	if c == nil {
		c = &certState{}
		s.Certificates[k.String()] = c
	}
	return c
}

// week is what limits of authorities count in.
const week = 7 * 24 * time.Hour

// recent is how many times are within the last week.
func recent(times []time.Time, now time.Time) int {
	n := 0
	for _, t := range times {
		if now.Sub(t) < week {
			n++
		}
	}
	return n
}

// setAside renames a file that is not what it should be. The error is that of renaming.
func (m *Manager) setAside(path string, reason error) error {
	aside := path + ".corrupt-" + m.o.Now().UTC().Format("20060102T150405Z")
	m.log.Error("file is damaged, putting it aside", "err", reason, "path", path, "aside", filepath.Base(aside))
	if err := os.Rename(path, aside); err != nil {
		return fmt.Errorf("putting damaged file aside: %w", err)
	}
	return nil
}

// readFile reads a file of at most that size.
func readFile(path string, size int64) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Size() > size {
		return nil, fmt.Errorf("%s is too large", path)
	}
	return os.ReadFile(path)
}
