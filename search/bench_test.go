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

	"mox/db"
	"mox/message"
	"mox/store"
)

// seedWords are words whose letter sequences [benchWord] imitates.
const seedWords = `
mtview negative succeeds value download generic retrieving command unstructured delivered periods header 
observed back iterations document confidential validity individuals property robust never excessive internet 
finding objects constructs other robert basis actors will maintenance resolvers started status certification 
appears modes smtp producing urls initiate specified homme prior generates body anycast caldav enforcement 
ietf relevancy instances convenient using larry management american than developed copied warn dkim whereby 
recursive ttls described realm zones stamp result gender expunged redirected search clarifies supplied 
problematic servers simultaneous white multiline might logo helo likelihood format dickinson jenkins goals 
signature turner portion corporation considerations productions indicated comparing required hide feature 
associate host baker receives achieved encoding temporarily transmitted satisfies include indirect frame 
national commands developers forwarding imposed characters atoms flagged google rights thirdparty obsolete 
essential line observance minimum decides order east redirect confusion calendar unspecified mtas behaviour 
records modules overview team report fairly edns setmetadata both cdata statement relatively where toward 
image outlined form recommend buffer monitoring owner macintosh obtain insufficient specific deliveries 
prepared employed base arch vacation candidate given texts answered alice into protects alternative subj 
identifier inherent lower phishing those constant interpretation mappings path yakushev annotation htmlbody 
editor schedule reasons going registry kurt along exchanges about decided know critical original yang your 
comply cache savedate meeting belongs abnf magic primary viewed author getquotaroot rrsets tentative 
collection chunking variables runs group wrap qname repeating based rewritten resnick operates november 
noting checks leaves associated exchanger rejected increases update capitalized carefully directed december 
including abuse confirm indicates mechanisms subset challenges above jmap preference approval defines 
receiver expiration textbody application rrset silent semi token common extensible registries identity july 
closing noerror examples second timezone maintaining purpose lines multistatus former processing hash comma 
department supported done subdomain band https authenticate direct valued even cause potentially signeddata 
uses priority easily reston many append principals rationale otherwise updates designated overridden were 
filtering obsoletes manually allows perform assumed increasing specify just prodid efficiency argument rfcs 
potential continuing created occur correctly combinations transport internal relating avoiding well abstract 
gives xtext principal adsp eastlake succeeded found implied calendaring scott documents unsigned sufficient 
nodata words labels implementing manage over takes temporary incremented expunge practice parse hyphen 
multipart proxy consensus expands arpa cookie properly descriptive range receivers diagnostic column read 
printable persons assumption followed successfully dsns untrusted newman position relaxed translated appear 
desruisseaux knowledge slow semantics purposes consistent safely mailing members something quarantine options 
gulbrandsen starts ping private follow listing ordinary able product reduce maintains literal unlimited 
fitness julian except features annotate fresh unique completion preserve exceeds corresponding
`

// nextLetters maps two letters to those that may follow, as often as they do; a space
// begins and ends words.
var nextLetters = func() map[string]string {
	next := map[string]string{}
	for _, w := range strings.Fields(seedWords) {
		w = "  " + w + " "
		for i := 2; i < len(w); i++ {
			next[w[i-2:i]] += w[i : i+1]
		}
	}
	return next
}()

// benchWord is a word of a language in which few are frequent and most are rare.
func benchWord(r *rand.Rand) string {
	n := int(rand.NewZipf(r, 1.1, 2, 300_000).Uint64())
	w := rand.New(rand.NewPCG(uint64(n), 7))
	b := []byte("  ")
	for len(b) < 20 {
		next := nextLetters[string(b[len(b)-2:])]
		c := next[w.IntN(len(next))]
		if c == ' ' {
			break
		}
		b = append(b, c)
	}
	return string(b[2:])
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
	f.m.keeper.Stop() // no worker beside the steps below
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
	f.breakdown(t)
	rare := "zeitgeisty"
	f.add(mail("x", "a needle "+rare+" here"))
	for more := true; more; {
		a, _ := f.m.acquire(f.ctx, "alice")
		more, _ = f.m.stepBatch(f.ctx, a)
		f.m.release(a)
	}
	for _, q := range []Query{{FieldBody, "", rare}, {FieldText, "", rare}, {FieldText, "", "tgeis"}, {FieldSubject, "", "zeit"}, {FieldBody, "", "in"}, {FieldText, "", "e"}, {FieldText, "", "mon, 2 mar"}, {FieldBody, "", "ing to"}, {FieldText, "", "no such text anywhere"}} {
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
	for _, needle := range []string{"zeitgeist", "zietgeisty", "meting", "confirm december", "in"} {
		f.m.cache.drop(f.m.stats.opened.Load())
		var res FuzzyResult
		var times [4]time.Duration
		for i := range times {
			start := time.Now()
			res, _ = f.m.Fuzzy(f.ctx, f.acc, NewFuzzy(Query{Field: FieldText, Needle: needle}))
			times[i] = time.Since(start)
		}
		t.Logf("fuzzy %-34q %6d found, %6d to look at; cold %v, warm %v", needle, len(res.Bodies), len(res.Candidates), times[0], min(times[1], times[2], times[3]))
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
		ok, err := Match(Source{Part: p, Body: body}, []Query{q})
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

// breakdown prints what the index is made of.
func (f *fixture) breakdown(t *testing.T) {
	a, err := f.m.acquire(f.ctx, "alice")
	if err != nil {
		t.Fatal(err)
	}
	defer f.m.release(a)
	type sums struct{ terms, raw, packedTerms, lists, packed int }
	by := map[byte]*sums{}
	err = a.index.db.Read(f.ctx, func(c *db.Conn) error {
		list, err := segments(c)
		if err != nil {
			return err
		}
		r := &reader{c, a.index.id, newCache(0), a.index.codec}
		for i := range list {
			for n := range list[i].blocks {
				terms, err := r.terms(&list[i], n)
				if err != nil {
					return err
				}
				lists, _ := r.blob(kindPostings, "SELECT data FROM posting WHERE id=?", list[i].id, n)
				s := by[terms[1]]
				if s == nil {
					s = &sums{}
					by[terms[1]] = s
				}
				s.terms += strings.Count(string(terms), "\n") - 1
				s.raw += len(terms)
				s.packedTerms += len(r.codec.pack(terms))
				s.lists += len(lists)
				s.packed += len(r.codec.pack(lists))
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for k, s := range by {
		t.Logf("%#x: %d terms, %d KB, packed %d KB; lists %d KB, packed %d KB", k, s.terms, s.raw>>10, s.packedTerms>>10, s.lists>>10, s.packed>>10)
	}
}
