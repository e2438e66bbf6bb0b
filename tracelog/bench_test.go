package tracelog

import (
	"context"
	"os"
	"testing"
)

// BenchmarkAdd is what a delivery pays.
func BenchmarkAdd(b *testing.B) {
	l := newLog(b, Options{})
	t := sample(1)
	b.ReportAllocs()
	for b.Loop() {
		l.Add(t)
	}
}

// BenchmarkWrite is what the goroutine does for each entry, with a full log that has as
// much to remove as to add.
func BenchmarkWrite(b *testing.B) {
	l := newLog(b, Options{Max: 2 * spanSize})
	fill(b, l, 0, 3*spanSize)
	b.ReportAllocs()
	b.ResetTimer()
	fill(b, l, 3*spanSize, 3*spanSize+b.N)
	b.StopTimer()
	if l.Dropped() != 0 {
		b.Errorf("%d dropped", l.Dropped())
	}
}

// BenchmarkFind searches 100,000 entries.
func BenchmarkFind(b *testing.B) {
	const n = 100_000
	l := newLog(b, Options{Max: n})
	fill(b, l, 0, n)
	if err := l.db.Checkpoint(); err != nil {
		b.Fatal(err)
	}
	fi, err := os.Stat(l.path)
	if err != nil {
		b.Fatal(err)
	}
	for _, q := range []struct {
		name string
		Query
	}{
		{"newest", Query{Text: sample(n - 1).ID}},
		{"oldest", Query{Text: sample(1).ID}},
		{"none", Query{Text: "nobody@example.org"}},
		{"everywhere", Query{Text: "recipient.example"}},
		{"account", Query{Text: "recipient.example", Account: "user7"}},
		{"otheraccount", Query{Text: "recipient.example", Account: "nobody"}},
		{"sender", Query{Text: "sender5.example", Limit: 1000}},
	} {
		b.Run(q.name, func(b *testing.B) {
			for b.Loop() {
				if _, err := l.Find(context.Background(), q.Query); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(fi.Size())/n, "fileB/entry")
		})
	}
}
