package store

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"testing"
)

// resident is the process's resident memory in bytes, 0 where it cannot be known.
func resident() int64 {
	b, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	f := bytes.Fields(b)
	n, _ := strconv.ParseInt(string(f[1]), 10, 64)
	return n * int64(os.Getpagesize())
}

// BenchmarkIdleAccount measures the memory of an open account to which one message was
// delivered, and which nobody uses at the moment.
func BenchmarkIdleAccount(b *testing.B) {
	ctx := context.Background()
	s := newStore(b, b.TempDir(), Options{IdleAccounts: 1 << 30})
	names := make([]string, b.N)
	for i := range names {
		names[i] = fmt.Sprint("a", i)
		if err := s.Create(ctx, names[i], InitialMailboxes{}); err != nil {
			b.Fatal(err)
		}
	}
	runtime.GC()
	before := resident()
	b.ResetTimer()
	for _, n := range names {
		a, err := s.Account(ctx, n)
		if err != nil {
			b.Fatal(err)
		}
		add(b, a, inbox(b, a), realistic(1, 8000))
		box, err := a.OpenBox(ctx, inbox(b, a))
		if err != nil {
			b.Fatal(err)
		}
		box.Close()
		a.db.Trim()
		a.Release()
	}
	b.StopTimer()
	runtime.GC()
	b.ReportMetric(float64(resident()-before)/1024/float64(b.N), "KiB/account")
}
