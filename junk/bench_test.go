package junk

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"mox/store"
)

// vocabulary is words as frequent as in text: few are in most messages.
type vocabulary struct {
	z *rand.Zipf
}

func (v vocabulary) text(n int) string {
	var b strings.Builder
	for b.Len() < n {
		for range 12 {
			b.WriteString(word(int(v.z.Uint64())))
			b.WriteByte(' ')
		}
		b.WriteString("\r\n")
	}
	return b.String()
}

func benchFixture(b *testing.B, messages int) (*fixture, vocabulary) {
	f := newFixture(b, Config{Linger: time.Hour})
	v := vocabulary{rand.NewZipf(rand.New(rand.NewPCG(1, 2)), 1.1, 20, 40_000)}
	for i := range messages {
		facts := sender(i % 50)
		f.deliver("Inbox", "From: x@example.org\r\nSubject: "+word(i)+"\r\n\r\n"+v.text(3000), &facts, someFlags[1+i%2], time.Now())
	}
	f.settled()
	return f, v
}

func bench(b *testing.B, f *fixture, fn func(x *Filter) error) {
	x := f.filter()
	defer x.Release()
	must(b, fn(x))
	must(b, fn(x))
	f.settled()
	stats, err := x.Stats(f.ctx)
	must(b, err)
	b.ReportAllocs()
	b.ReportMetric(float64(stats.Words), "words")
	for b.Loop() {
		must(b, fn(x))
	}
	b.ReportMetric(float64(stats.Words), "words")
}

// BenchmarkJudge is what a delivery of a 10 KB mail costs: reputation, words.
func BenchmarkJudge(b *testing.B) {
	f, v := benchFixture(b, 300)
	sp := f.spool("From: x@example.org\r\nTo: alice@example.com\r\nSubject: benchmark\r\n\r\n" + v.text(10_000))
	defer sp.Close()
	unknown := sender(200)
	unknown.Remote, unknown.DKIM, unknown.From, unknown.OrgDomain = ip("10.0.0.200").Remote, nil, "x@unknown.test", "unknown.test"
	b.Run("reputation", func(b *testing.B) {
		s := sender(1)
		bench(b, f, func(x *Filter) error {
			_, err := x.Reputation(f.ctx, "Inbox", s.Sender())
			return err
		})
	})
	b.Run("reputation of a stranger", func(b *testing.B) {
		bench(b, f, func(x *Filter) error {
			_, err := x.Reputation(f.ctx, "Inbox", unknown.Sender())
			return err
		})
	})
	words := func(x *Filter) error {
		_, err := x.Words(f.ctx, sp.Part(), sp)
		return err
	}
	b.Run("words", func(b *testing.B) { bench(b, f, words) })
	b.Run("words from file", func(b *testing.B) {
		x := f.filter()
		x.a.words.drop(&f.m.memory)
		x.a.words.refused.Store(true)
		x.Release()
		bench(b, f, words)
	})
	b.Run("open", func(b *testing.B) {
		for b.Loop() {
			x := f.filter()
			_, err := x.Reputation(f.ctx, "Inbox", unknown.Sender())
			must(b, err)
			x.Release()
			f.m.Detach("alice")
		}
	})
}

// BenchmarkTrain is a message that the user classifies, until the next is judged by it.
func BenchmarkTrain(b *testing.B) {
	f, _ := benchFixture(b, 100)
	s := sender(1)
	i := 0
	bench(b, f, func(x *Filter) error {
		i++
		f.setFlags("Inbox", store.UID(1+i%100), store.FlagsReplace, someFlags[1+i/100%2])
		_, err := x.Reputation(f.ctx, "Inbox", s.Sender())
		return err
	})
}

// BenchmarkFeed is what messages that nobody classifies cost: delivered one by one and each
// followed at once, as when each is judged, and followed many at a time.
func BenchmarkFeed(b *testing.B) {
	for _, every := range []int{1, 100} {
		b.Run(fmt.Sprint(every), func(b *testing.B) {
			f := newFixture(b, Config{Linger: time.Hour})
			sp := f.spool(f.mail())
			defer sp.Close()
			x := f.filter()
			defer x.Release()
			n := 0
			b.ReportAllocs()
			b.ResetTimer()
			for n < b.N {
				b.StopTimer()
				for range every {
					_, err := f.acc.Deliver(f.ctx, "Inbox", store.NewMessage{Spool: sp})
					must(b, err)
					n++
				}
				b.StartTimer()
				must(b, x.a.catchUp(f.ctx))
			}
		})
	}
}
