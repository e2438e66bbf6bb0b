package websession

import (
	"context"
	"sync"
)

// Memory keeps sessions until the process ends.
type Memory struct {
	// Password returns what sessions are bound to, see [Keep.Mark].
	Password func(ctx context.Context) ([]byte, error)

	mu       sync.Mutex
	sessions map[string][]byte // by account
}

var _ Keep = (*Memory)(nil)

// Load implements Keep.
func (m *Memory) Load(_ context.Context, account string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.sessions[account], nil
}

// Save implements Keep.
func (m *Memory) Save(_ context.Context, account string, b []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.sessions == nil {
		m.sessions = map[string][]byte{}
	}
	m.sessions[account] = b
	return nil
}

// Mark implements Keep.
func (m *Memory) Mark(ctx context.Context, _, _ string) ([]byte, error) { return m.Password(ctx) }
