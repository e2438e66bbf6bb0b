package backup

import (
	"testing"
	"time"
)

// TestNames: of snapshots of one second, the last by name is the newest.
func TestNames(t *testing.T) {
	now := time.Now().UTC()
	last := &Snapshot{Name: nameAfter(now, nil)}
	for range 5 {
		name := nameAfter(now, last)
		if name <= last.Name {
			t.Fatalf("%s after %s", name, last.Name)
		}
		last.Name = name
	}
	// A clock that was set back makes no loop.
	if name := nameAfter(now.Add(-time.Hour), last); name >= last.Name {
		t.Error(name)
	}
}
