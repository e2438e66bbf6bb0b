package search

import (
	"sync"
	"time"
)

// lag knows since when accounts have messages that are not in their index.
type lag struct {
	mu    sync.Mutex
	since map[string]time.Time
}

// begin notes that an account has something new.
func (l *lag) begin(name string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.since == nil {
		l.since = map[string]time.Time{}
	}
	if _, ok := l.since[name]; !ok {
		l.since[name] = time.Now()
	}
}

// end notes that all of an account is in its index, or that the account is gone.
func (l *lag) end(name string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.since, name)
}

// longest returns how long the oldest of them waits.
func (l *lag) longest() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	var max time.Duration
	for _, t := range l.since {
		if d := time.Since(t); d > max {
			max = d
		}
	}
	return max
}
