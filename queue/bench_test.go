package queue

import (
	"context"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// BenchmarkAdd adds messages of 4 KB durably.
func BenchmarkAdd(b *testing.B) {
	for _, n := range []int{1, 10, 50} {
		b.Run(fmt.Sprintf("concurrent=%d", n), func(b *testing.B) {
			q := newQueue(b, Options{Limits: Limits{Messages: -1, Size: -1}})
			p := path(b, "x@there.example")
			body := "Subject: test\r\n\r\n" + strings.Repeat("some text of a message that is ordinary\r\n", 100)
			var next atomic.Int64
			var wg sync.WaitGroup
			b.ResetTimer()
			for range n {
				wg.Go(func() {
					for i := next.Add(1); i <= int64(b.N); i = next.Add(1) {
						m := Message{Account: "a", Sender: p, Recipient: p}
						if _, err := q.Add(context.Background(), text(body), []Message{m}); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "messages/s")
		})
	}
}

// fillQueue queues messages to many destinations, some of which have many.
func fillQueue(b *testing.B, q *Queue, n int) {
	from := path(b, "x@own.example")
	for i := 0; i < n; i += 500 {
		var msgs []Message
		for k := i; k < min(i+500, n); k++ {
			dest := fmt.Sprintf("u%d@large.example", k)
			if k%2 == 0 {
				dest = fmt.Sprintf("u@d%d.example", k)
			}
			msgs = append(msgs, Message{Account: "a", Sender: from, Recipient: path(b, dest)})
		}
		if _, err := q.Add(context.Background(), text("Subject: x\r\n\r\n"), msgs); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkDueRecord takes one message that is due and records a temporary failure, so
// that the queue keeps its size.
func BenchmarkDueRecord(b *testing.B) {
	for _, n := range []int{1000, 100_000} {
		b.Run(fmt.Sprintf("queued=%d", n), func(b *testing.B) {
			q := newQueue(b, Options{Limits: Limits{Messages: -1}})
			fillQueue(b, q, n)
			ctx := context.Background()
			now := time.Now()
			var dueTime time.Duration
			var after runtime.MemStats
			b.ResetTimer()
			for range b.N {
				start := time.Now()
				l, err := q.Due(ctx, now, DueOptions{Max: 1})
				dueTime += time.Since(start)
				if err != nil || len(l) != 1 {
					b.Fatal(len(l), err)
				}
				now = now.Add(time.Millisecond)
				if err := q.Record(ctx, []Outcome{{ID: l[0].ID, Action: Delayed, Next: now, Result: Result{Code: 451, Error: "later"}}}, nil); err != nil {
					b.Fatal(err)
				}
			}
			b.StopTimer()
			runtime.GC()
			runtime.ReadMemStats(&after)
			b.ReportMetric(float64(dueTime.Microseconds())/float64(b.N), "µs-due/op")
			b.ReportMetric(float64(after.HeapAlloc)/1e6, "MB-heap")
			b.ReportMetric(residentMB(), "MB-rss")
		})
	}
}

// residentMB is the memory of the process, that of the database included; 0 where it is not known.
func residentMB() float64 {
	b, _ := os.ReadFile("/proc/self/statm")
	var size, resident float64
	fmt.Sscan(string(b), &size, &resident)
	return resident * float64(os.Getpagesize()) / 1e6
}

// BenchmarkDueManyRecipients is a submission to 1000 domains being sent off.
func BenchmarkDueManyRecipients(b *testing.B) {
	for range b.N {
		q := newQueue(b, Options{})
		var msgs []Message
		for i := range 1000 {
			msgs = append(msgs, Message{Sender: path(b, "x@own.example"), Recipient: path(b, fmt.Sprintf("x@d%d.example", i))})
		}
		if _, err := q.Add(context.Background(), text("x"), msgs); err != nil {
			b.Fatal(err)
		}
		for {
			l, err := q.Due(context.Background(), time.Now(), DueOptions{Max: 10})
			if err != nil {
				b.Fatal(err)
			}
			if len(l) == 0 {
				break
			}
			var o []Outcome
			for _, m := range l {
				o = append(o, Outcome{ID: m.ID, Action: Delivered})
			}
			if err := q.Record(context.Background(), o, nil); err != nil {
				b.Fatal(err)
			}
		}
	}
}

// BenchmarkThrough takes messages through the queue, as when all are delivered at the first
// attempt: eight submit at a time, and four deliver.
func BenchmarkThrough(b *testing.B) {
	for _, size := range []int{4 << 10, 40 << 10} {
		b.Run(fmt.Sprintf("bytes=%d", size), func(b *testing.B) {
			q := newQueue(b, Options{})
			ctx := context.Background()
			content := "Subject: test\r\n\r\n" + benchText(size)
			var next, done atomic.Int64
			work := make(chan Message, 4)
			var adding, delivering sync.WaitGroup
			cpu := cpuTime()
			b.ResetTimer()
			for range 8 {
				adding.Go(func() {
					for i := next.Add(1); i <= int64(b.N); i = next.Add(1) {
						m := Message{Account: "a", MessageID: fmt.Sprintf("%x@own.example", i*7919), Subject: "test", Sender: path(b, "x@own.example"), Recipient: path(b, fmt.Sprintf("u%d@d%d.example", i, i%50))}
						if _, err := q.Add(ctx, text(content), []Message{m}); err != nil {
							b.Error(err)
						}
					}
				})
			}
			for range 4 {
				delivering.Go(func() {
					for m := range work {
						c, err := q.Content(ctx, m.ID)
						if err != nil {
							b.Error(err)
							continue
						}
						if n, err := c.WriteTo(io.Discard); err != nil || n != int64(len(content)) {
							b.Error(n, err)
						}
						c.Close()
						if err := q.Record(ctx, []Outcome{{ID: m.ID, Action: Delivered, Result: Result{Code: 250}}}, nil); err != nil {
							b.Error(err)
						}
						done.Add(1)
					}
				})
			}
			under := map[int64]bool{}
			for int(done.Load()) < b.N && !b.Failed() {
				l, err := q.Due(ctx, time.Now().Add(time.Second), DueOptions{PerDestination: 10, Skip: func(id int64) bool { return under[id] }})
				if err != nil {
					b.Fatal(err)
				}
				for _, m := range l {
					under[m.ID] = true
					work <- m
				}
				if len(l) == 0 {
					time.Sleep(time.Millisecond)
				}
			}
			close(work)
			adding.Wait()
			delivering.Wait()
			b.ReportMetric(float64((cpuTime()-cpu).Microseconds())/float64(b.N), "µs-cpu/op")
		})
	}
}

// benchText is text as it compresses in mail: to less than half.
func benchText(n int) string {
	var s strings.Builder
	for i := 0; s.Len() < n; i++ {
		fmt.Fprintf(&s, "%x words of a message that is %d\r\n", i*i*7919, i)
	}
	return s.String()[:n]
}
