package store

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// realistic is a message of about n bytes, with the header that mail through a few
// servers has.
func realistic(i, n int) string {
	r := rand.New(rand.NewPCG(1, uint64(i)))
	var b strings.Builder
	for j := range 3 {
		fmt.Fprintf(&b, "Received: from mx%d.example.net (mx%d.example.net [192.0.2.%d])\r\n\tby mail.example.org with ESMTPS id %x\r\n\tfor <bob@example.org>; Mon, 02 Jan 2006 15:04:%02d +0000\r\n", j, j, r.IntN(250), r.Uint64(), j)
	}
	fmt.Fprintf(&b, "DKIM-Signature: v=1; a=rsa-sha256; d=example.net; s=s1; h=from:to:subject:date;\r\n\tbh=%x%x; b=%x%x%x%x\r\n", r.Uint64(), r.Uint64(), r.Uint64(), r.Uint64(), r.Uint64(), r.Uint64())
	fmt.Fprintf(&b, "From: \"Person %d\" <person%d@example.net>\r\nTo: Bob <bob@example.org>, carol@example.com\r\nCc: list%d@lists.example.org\r\nSubject: Re: [list] Subject number %d of many\r\n", r.IntN(500), r.IntN(500), r.IntN(20), r.IntN(3000))
	fmt.Fprintf(&b, "Date: Mon, %02d Jan 2006 15:04:05 +0000\r\nMessage-ID: <%x.%d@example.net>\r\nReferences: <%x@example.net> <%x@example.net>\r\nMIME-Version: 1.0\r\nContent-Type: multipart/alternative; boundary=\"b%d\"\r\n\r\n", 1+i%28, r.Uint64(), i, r.Uint64(), r.Uint64(), i)
	fmt.Fprintf(&b, "--b%d\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n", i)
	for b.Len() < n {
		fmt.Fprintf(&b, "Some words %x that make a line of text in the message body, %d.\r\n", r.Uint32(), r.IntN(1000))
	}
	fmt.Fprintf(&b, "--b%d\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<p>Some words</p>\r\n--b%d--\r\n", i, i)
	return b.String()
}

// fill adds n messages to a mailbox.
func fill(b testing.TB, a *Account, box MailboxID, n, size int) {
	b.Helper()
	for at := 0; at < n; {
		var msgs []NewMessage
		for len(msgs) < 500 && at < n {
			sp := a.s.NewSpool()
			io.WriteString(sp, realistic(at, size))
			if err := sp.Finish(); err != nil {
				b.Fatal(err)
			}
			flags := Flags(0)
			if at%3 == 0 {
				flags = FlagSeen
			}
			msgs = append(msgs, NewMessage{Spool: sp, Flags: flags})
			at++
		}
		if _, err := a.Add(context.Background(), box, msgs); err != nil {
			b.Fatal(err)
		}
		for _, m := range msgs {
			m.Spool.Close()
		}
	}
}

func benchDeliver(b *testing.B, conc int) {
	s := newStore(b, b.TempDir(), Options{})
	a := testAccount(b, s, "bench")
	var n atomic.Int64
	msgs := make([]string, 200)
	for i := range msgs {
		msgs[i] = realistic(i, 8000)
	}
	b.ResetTimer()
	var wg sync.WaitGroup
	for range conc {
		wg.Go(func() {
			for i := n.Add(1); i <= int64(b.N); i = n.Add(1) {
				sp := s.NewSpool()
				io.WriteString(sp, msgs[i%200])
				if err := sp.Finish(); err != nil {
					b.Error(err)
				}
				if _, err := a.Deliver(context.Background(), "Inbox", NewMessage{Spool: sp, Prefix: []byte(fmt.Sprintf("Received: x%d\r\n", i))}); err != nil {
					b.Error(err)
				}
				sp.Close()
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msg/s")
}

func BenchmarkDeliver1(b *testing.B)  { benchDeliver(b, 1) }
func BenchmarkDeliver10(b *testing.B) { benchDeliver(b, 10) }

// BenchmarkMailbox measures what IMAP commands on a whole mailbox cost, each once a run.
func BenchmarkMailbox(b *testing.B) {
	for _, n := range []int{10_000, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) { benchMailbox(b, n) })
	}
}

func benchMailbox(b *testing.B, n int) {
	ctx := context.Background()
	s := newStore(b, b.TempDir(), Options{})
	a := testAccount(b, s, "bench")
	in := inbox(b, a)
	start := time.Now()
	fill(b, a, in, n, 3000)
	b.Logf("filled in %v, %.0f msg/s", time.Since(start), float64(n)/time.Since(start).Seconds())
	dst, _ := a.MailboxByName("Archive")
	total := map[string]time.Duration{}
	timed := func(what string, f func() error) {
		t := time.Now()
		if err := f(); err != nil {
			b.Fatal(what, err)
		}
		total[what] += time.Since(t)
	}
	for range b.N {
		a.mu.Lock()
		a.evict(0)
		a.mu.Unlock()
		var box *Box
		timed("select-cold", func() (err error) { box, err = a.OpenBox(ctx, in); return err })
		timed("select-warm", func() error {
			box, err := a.OpenBox(ctx, in)
			box.Close()
			return err
		})
		var msgs []*Message
		for _, m := range box.View().All() {
			msgs = append(msgs, m)
		}
		for name, f := range map[string]Fields{"envelope": FieldEnvelope, "structure": FieldBodyStructure, "list": FieldEnvelope | FieldBodyStructure, "headers": FieldHeaders, "text": FieldText} {
			timed(name, func() error {
				for _, err := range a.Rendered(ctx, msgs, f, false) {
					if err != nil {
						return err
					}
				}
				return nil
			})
		}
		bytes := int64(0)
		timed("bodies", func() error {
			for _, m := range msgs {
				r, err := a.OpenBody(ctx, m.Body)
				if err != nil {
					return err
				}
				k, err := r.WriteTo(io.Discard)
				if err != nil {
					return err
				}
				bytes += k
				r.Close()
			}
			return nil
		})
		all := UIDSet{{1, ^UID(0)}}
		timed("store", func() error {
			_, err := a.SetFlags(ctx, in, all, FlagChange{Flags: FlagFlagged})
			return err
		})
		timed("store-undo", func() error {
			_, err := a.SetFlags(ctx, in, all, FlagChange{Op: FlagsRemove, Flags: FlagFlagged})
			return err
		})
		timed("copy", func() error { _, err := a.Copy(ctx, in, all, dst.ID); return err })
		timed("move", func() error { _, err := a.Move(ctx, in, all, dst.ID); return err })
		timed("move-back", func() error {
			m, _ := a.MailboxByID(dst.ID)
			_, err := a.Move(ctx, dst.ID, UIDSet{{m.UIDNext - UID(n), ^UID(0)}}, in)
			return err
		})
		if _, err := a.SetFlags(ctx, dst.ID, all, FlagChange{Flags: FlagDeleted}); err != nil {
			b.Fatal(err)
		}
		timed("expunge", func() error { _, _, err := a.Expunge(ctx, dst.ID, nil); return err })
		b.ReportMetric(float64(bytes)/(1<<20)/total["bodies"].Seconds(), "MB/s")
		box.Close()
	}
	for what, d := range total {
		b.ReportMetric(float64(d.Microseconds())/1000/float64(b.N), what+"-ms")
	}
}

func BenchmarkSpool(b *testing.B) {
	s := newStore(b, b.TempDir(), Options{})
	msg := realistic(1, 50000)
	b.SetBytes(int64(len(msg)))
	for b.Loop() {
		sp := s.NewSpool()
		io.WriteString(sp, msg)
		if err := sp.Finish(); err != nil {
			b.Fatal(err)
		}
		sp.Close()
	}
}
