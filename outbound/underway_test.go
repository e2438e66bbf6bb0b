package outbound

import "testing"

// TestUnderWayBefore: what was under way when the queue began to be read stays so for that
// reading.
func TestUnderWayBefore(t *testing.T) {
	o := &Outbound{under: map[int64]bool{1: true}}
	skip := o.underWayBefore()
	delete(o.under, 1)
	o.under[2] = true
	if !skip(1) || skip(2) {
		t.Error("what is under way changes while the queue is read")
	}
}
