package upkeep

import (
	"testing"
	"time"
)

func TestDue(t *testing.T) {
	now := time.Unix(1000, 0)
	at := map[string]time.Time{"a": now, "b": now.Add(time.Minute)}
	for _, want := range []struct {
		name string
		wait time.Duration
	}{{"a", 0}, {"", time.Minute}, {"", time.Minute}} {
		if name, wait := Due(at, now, time.Hour); name != want.name || wait != want.wait {
			t.Errorf("got %q, %v, want %+v", name, wait, want)
		}
	}
	if name, _ := Due(at, now.Add(time.Minute), time.Hour); name != "b" {
		t.Error(name)
	}
	if name, wait := Due(at, now, time.Hour); name != "" || wait != time.Hour {
		t.Error(name, wait)
	}
}
