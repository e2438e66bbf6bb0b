package search

import (
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mox/message"
	"mox/store"
)

// benchWords are words of a language: few are frequent, most are rare.
func benchWord(r *rand.Rand) string {
	n := int(rand.NewZipf(r, 1.08, 2, 400_000).Uint64())
	w := rand.New(rand.NewPCG(uint64(n), 7))
	const consonants, vowels = "bcdfghklmnprstvwz", "aeiou"
	var b strings.Builder
	for range 1 + w.IntN(4) {
		b.WriteByte(consonants[w.IntN(len(consonants))])
		b.WriteByte(vowels[w.IntN(len(vowels))])
		if w.IntN(3) == 0 {
			b.WriteByte(consonants[w.IntN(len(consonants))])
		}
	}
	return b.String()
}

func benchText(r *rand.Rand, words int) string {
	var b strings.Builder
	for i := range words {
		b.WriteString(benchWord(r))
		switch {
		case i%12 == 11:
			b.WriteString(".\r\n")
		default:
			b.WriteByte(' ')
		}
	}
	return b.String()
}

func blob(r *rand.Rand, n int) string {
	x := make([]byte, n)
	for i := range x {
		x[i] = byte(r.Uint32())
	}
	return base64.StdEncoding.EncodeToString(x)
}

// benchMail has the header of a message that came through two servers.
func benchMail(r *rand.Rand, i, words int) string {
	from := benchWord(r)
	var b strings.Builder
	fmt.Fprintf(&b, "Return-Path: <%s@%s.example>\r\nReceived: from mx%d.%s.example (mx%d.%s.example [192.0.2.%d])\r\n\tby mx.example.org with ESMTPS id %x for <alice@example.org>;\r\n\tMon, %d Mar 2026 %02d:%02d:%02d +0000\r\n",
		from, from, r.IntN(9), from, r.IntN(9), from, r.IntN(255), r.Uint64(), 1+r.IntN(28), r.IntN(24), r.IntN(60), r.IntN(60))
	fmt.Fprintf(&b, "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=%s.example; s=2026;\r\n\th=from:to:subject:date; bh=%s;\r\n\tb=%s\r\n", from, blob(r, 32), blob(r, 256))
	fmt.Fprintf(&b, "From: %s <%s@%s.example>\r\nTo: alice@example.org\r\nSubject: %s\r\nMessage-ID: <%x.%d@%s.example>\r\nDate: Mon, 2 Mar 2026 10:00:00 +0000\r\n",
		benchWord(r), from, from, strings.TrimSpace(strings.ReplaceAll(benchText(r, 5), "\r\n", " ")), r.Uint64(), i, from)
	fmt.Fprintf(&b, "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n%s\r\n", benchText(r, words))
	return b.String()
}

// TestMeasure indexes a mailbox and prints speed and size; MOX_MEASURE=20000 sets how many.
func TestMeasure(t *testing.T) {
	n := 0
	fmt.Sscan(os.Getenv("MOX_MEASURE"), &n)
	if n == 0 {
		t.Skip("MOX_MEASURE is not set")
	}
	r := rand.New(rand.NewPCG(1, 1))
	f := newFixture(t, Config{NoCatchUp: true, Linger: time.Hour})
	size := 0
	for i := 0; i < n; {
		var batch []string
		for ; len(batch) < 100 && i < n; i++ {
			batch = append(batch, benchMail(r, i, 100+r.IntN(500)))
			size += len(batch[len(batch)-1])
		}
		f.add(batch...)
	}
	start := time.Now()
	a, err := f.m.acquire(f.ctx, "alice")
	if err != nil {
		t.Fatal(err)
	}
	for {
		more, err := f.m.stepBatch(f.ctx, a)
		if err != nil {
			t.Fatal(err)
		}
		if !more {
			break
		}
	}
	took := time.Since(start)
	t.Logf("%d messages, %d MB; taken in %v: %.0f/s", n, size>>20, took, float64(n)/took.Seconds())
	for more := true; more; {
		if more, err = f.m.stepMerge(f.ctx, a); err != nil {
			t.Fatal(err)
		}
	}
	took = time.Since(start)
	a.index.db.Checkpoint()
	f.m.release(a)
	fi, _ := os.Stat(filepath.Join(f.acc.Dir(), FileName))
	p, _ := f.m.Progress(f.ctx, "alice")
	s := f.m.Stats()
	t.Logf("with merges %v: %.0f/s; file %d KB, blocks %d KB = %.1f %% of %d KB text; %d segments", took, float64(n)/took.Seconds(), fi.Size()>>10, p.Bytes>>10, 100*float64(p.Bytes)/float64(s.Text), s.Text>>10, p.Segments)
	rare := "zovitapuk"
	f.add(mail("x", "a needle "+rare+" here"))
	for more := true; more; {
		a, _ := f.m.acquire(f.ctx, "alice")
		more, _ = f.m.stepBatch(f.ctx, a)
		f.m.release(a)
	}
	for _, q := range []Query{{FieldBody, "", rare}, {FieldText, "", rare}, {FieldText, "", "vitapu"}, {FieldSubject, "", "zovi"}, {FieldBody, "", "in"}, {FieldText, "", "e"}, {FieldText, "", "mon, 2 mar"}, {FieldBody, "", "ba do"}, {FieldText, "", "no such text anywhere"}} {
		f.m.cache.drop(f.m.stats.opened.Load())
		var res Result
		var times [4]time.Duration
		for i := range times {
			start := time.Now()
			res, _ = f.m.Candidates(f.ctx, f.acc, q)
			times[i] = time.Since(start)
		}
		t.Logf("%-40q %6d certain, %6d to look at; cold %v, warm %v", q, len(res.Matches), len(res.Candidates), times[0], min(times[1], times[2], times[3]))
	}
	f.scan(t, Query{FieldBody, "", rare})
	f.scan(t, Query{FieldText, "", rare})
}

// scan looks through all messages as a server without an index does.
func (f *fixture) scan(t *testing.T, q Query) {
	start := time.Now()
	ids, err := f.acc.NewBodies(f.ctx, 0, 1<<30)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for r, err := range f.acc.Rendered(f.ctx, asMessages(ids), store.FieldParts, false) {
		if err != nil {
			t.Fatal(err)
		}
		p, err := message.DecodePart(r.Parts)
		if err != nil {
			t.Fatal(err)
		}
		body, err := f.acc.OpenBody(f.ctx, r.Body)
		if err != nil {
			t.Fatal(err)
		}
		ok, err := Match(Source{p, body}, []Query{q})
		if err != nil {
			t.Fatal(err)
		}
		if ok[0] {
			n++
		}
		body.Close()
	}
	took := time.Since(start)
	t.Logf("looking through all for %q: %d found in %v, %v a message", q, n, took, took/time.Duration(len(ids)))
}
