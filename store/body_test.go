package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"

	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"mox/message"
)

// noise is bytes that do not compress.
func noise(r *rand.Rand, n int) []byte {
	b := make([]byte, 0, n+8)
	for len(b) < n {
		b = binary.LittleEndian.AppendUint64(b, r.Uint64())
	}
	return b[:n]
}

// TestBodyRanges reads random ranges of bodies of many sizes, with and without prefix.
func TestBodyRanges(t *testing.T) {
	ctx := context.Background()
	s := newStore(t, t.TempDir(), Options{})
	a := testAccount(t, s, "a")
	in := inbox(t, a)
	r := rand.New(rand.NewPCG(1, 1))
	random := noise(r, 5<<20)
	text := []byte(strings.Repeat("This compresses well. ", 400_000))
	for _, src := range [][]byte{random, text} {
		for _, n := range []int{0, 1, chunkSize - 1, chunkSize, chunkSize + 1, 3*chunkSize + 77, stageSize + 1, stageSlice + chunkSize + 5} {
			for _, prefix := range []string{"", "Received: by mx.example.org\r\n" + strings.Repeat("X: y\r\n", 40)} {
				sp := spool(t, s, string(src[:n]))
				res, err := a.Add(ctx, in, []NewMessage{{Spool: sp, Prefix: []byte(prefix)}})
				if err != nil {
					t.Fatal(err)
				}
				want := append([]byte(prefix), src[:n]...)
				b, err := a.OpenBody(ctx, res.Bodies[0])
				if err != nil {
					t.Fatal(err)
				}
				if b.Size() != int64(len(want)) {
					t.Fatalf("size %d, want %d", b.Size(), len(want))
				}
				if n == 1 {
					if err := iotest.TestReader(io.NewSectionReader(b, 0, b.Size()), want); err != nil {
						t.Fatal(err)
					}
				}
				for range 8 {
					off, k := r.IntN(len(want)+2), r.IntN(300_000)
					var buf bytes.Buffer
					m, err := b.CopyRange(&buf, int64(off), int64(k))
					end := min(len(want), off+k)
					if off > end {
						end = off
					}
					if err != nil || m != int64(buf.Len()) || !bytes.Equal(buf.Bytes(), want[min(off, len(want)):min(end, len(want))]) {
						t.Fatalf("range %d+%d of %d: %d bytes, %v", off, k, len(want), m, err)
					}
				}
				b.Close()
				if _, err := b.ReadAt(make([]byte, 1), 0); len(want) > 0 && err == nil {
					t.Fatal("read after Close")
				}
			}
		}
	}
	if problems, err := a.CheckDeep(ctx); err != nil || problems != nil {
		t.Fatal(problems, err)
	}
	if _, err := a.OpenBody(ctx, 1<<40); !errors.Is(err, ErrNoBody) {
		t.Fatal(err)
	}
}

// TestCheckFinds damages rows in many ways: each must be found.
func TestCheckFinds(t *testing.T) {
	for _, sql := range []string{
		"UPDATE mailbox SET messages=messages+1 WHERE name='Inbox'",
		"UPDATE mailbox SET size=size-1 WHERE name='Inbox'",
		"UPDATE mailbox SET uidnext=1 WHERE name='Inbox'",
		"UPDATE mailbox SET modseq=1 WHERE name='Inbox'",
		"UPDATE mailbox SET uidvalidity=1",
		"UPDATE mailbox SET name='a//b' WHERE name='Sent'",
		"DELETE FROM mailbox WHERE name='Inbox'",
		"UPDATE message SET flags=flags|8 WHERE uid=1",
		"UPDATE message SET flags=flags|2 WHERE uid=1", // seen in memory only
		"UPDATE message SET keywords=99 WHERE uid=1",
		"UPDATE message SET id=2 WHERE uid=1",
		"DELETE FROM message WHERE uid=1",
		"UPDATE body SET refs=refs+1 WHERE id=1",
		"UPDATE body SET hash=x'00' WHERE id=1",
		"DELETE FROM body WHERE id=1",
		"DELETE FROM chunk WHERE id=65537",
		"INSERT INTO chunk (id, data) VALUES (65539, x'00')",
		"INSERT INTO chunk (id, data) VALUES (6553900, x'00')",
		"UPDATE chunk SET data=x'0041' WHERE id=65537",
		"DELETE FROM body_env WHERE id=1",
		"DELETE FROM body_key WHERE id=1",
		"INSERT INTO lookup (hash, body_id) VALUES (5, 999)",
		"UPDATE account SET modseq=1",
		"UPDATE account SET next_body=1",
		"INSERT INTO expunge (mailbox_id, modseq, uids) VALUES (1, 5, x'0100')",
	} {
		s := newStore(t, t.TempDir(), Options{})
		if err := s.Create(context.Background(), "a", InitialMailboxes{}); err != nil {
			t.Fatal(err)
		}
		a, err := s.Account(context.Background(), "a")
		if err != nil {
			t.Fatal(err)
		}
		box, err := a.OpenBox(context.Background(), inbox(t, a))
		if err != nil {
			t.Fatal(err)
		}
		add(t, a, inbox(t, a), mail(1), mail(2))
		if problems, err := a.CheckDeep(context.Background()); err != nil || problems != nil {
			t.Fatal(problems, err)
		}
		if err := a.db.Write(context.Background(), func(c *dbConn) error { return c.Script(sql) }); err != nil {
			t.Fatal(err)
		}
		problems, err := a.CheckDeep(context.Background())
		if err != nil || len(problems) == 0 {
			t.Errorf("%s: nothing found (%v)", sql, err)
		}
		box.Close()
		a.Release()
	}
}

func TestRendered(t *testing.T) {
	ctx := context.Background()
	s := newStore(t, t.TempDir(), Options{})
	a := testAccount(t, s, "a")
	in := inbox(t, a)
	var texts []string
	for i := range 600 {
		texts = append(texts, mail(i))
	}
	texts[5] = "Subject: =?utf-8?q?caf=C3=A9?=\r\nFrom: =?utf-8?q?Ren=C3=A9?= <r@example.org>\r\n\r\nx"
	texts[6] = "Subject: caf\u00e9\r\nX-Other: y\r\n\r\nx"
	texts[7] = "Subject: outer\r\nContent-Type: message/rfc822\r\n\r\nSubject: inner\r\nFrom: i@example.org\r\n\r\nx\r\n"
	texts[8] = "Subject: " + strings.Repeat("long ", 20_000) + "\r\n\r\nx"
	texts[9] = "\r\nno header\r\n"
	add(t, a, in, texts...)
	if _, err := a.Add(ctx, in, []NewMessage{{Spool: spool(t, s, mail(999)), Prefix: []byte("Return-Path: <x@example.org>\r\nX-Y: z\r\n"), Trace: []byte("{trace}")}}); err != nil {
		t.Fatal(err)
	}
	texts = append(texts, "Return-Path: <x@example.org>\r\nX-Y: z\r\n"+mail(999))
	box, err := a.OpenBox(ctx, in)
	if err != nil {
		t.Fatal(err)
	}
	defer box.Close()
	var msgs []*Message
	for _, m := range box.View().All() {
		msgs = append(msgs, m)
	}
	reversed := slices.Clone(msgs)
	slices.Reverse(reversed)
	sparse := []*Message{msgs[0], msgs[300], {Body: 1 << 40}, msgs[599]}
	shuffled := slices.Clone(msgs)
	rand.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
	large := slices.Concat(reversed[580:], []*Message{{Body: 1 << 40}}, slices.Repeat(msgs[8:9], 40), msgs[:20], msgs[10:15])
	last := slices.Concat(msgs[40:41], slices.Repeat(msgs[8:9], 40), msgs[:4])
	for _, list := range [][]*Message{msgs, reversed, shuffled, sparse, large, large[:20], large[21:], last, nil} {
		for _, utf8 := range []bool{false, true} {
			n := 0
			for r, err := range a.Rendered(ctx, list, ^Fields(0), utf8) {
				if err != nil {
					t.Fatal(err)
				}
				if r.Index != n || r.Body != list[n].Body || r.Gone != (r.Body == 1<<40) {
					t.Fatalf("row %d: %+v", n, r)
				}
				if !r.Gone {
					compareRendered(t, texts[r.Body-1], r, utf8)
				}
				n++
			}
			if n != len(list) {
				t.Fatalf("%d rows, want %d", n, len(list))
			}
		}
	}
	for range a.Rendered(ctx, msgs, FieldEnvelope, false) {
		break // leaving early is fine
	}
}

func compareRendered(t *testing.T, text string, r *Rendered, utf8 bool) {
	t.Helper()
	p, err := message.Parse(strings.NewReader(text), message.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	same := func(what string, got []byte, want string) {
		t.Helper()
		if string(got) != want {
			t.Errorf("body %d: %s is %q, want %q", r.Body, what, got, want)
		}
	}
	same("ENVELOPE", r.Envelope, string(p.AppendEnvelope(nil, utf8)))
	same("BODYSTRUCTURE", r.BodyStructure, string(p.AppendBodyStructure(nil, true, utf8)))
	same("BODY", r.BodyPlain, string(p.AppendBodyStructure(nil, false, utf8)))
	same("preview", r.Preview, message.Preview(p, strings.NewReader(text)))
	same("parts", r.Parts, string(p.AppendBinaryStructure(nil)))
	if long := len(text) > 50_000; r.HasHeaders == long {
		t.Errorf("body %d: headers kept: %v", r.Body, r.HasHeaders)
	} else if !long {
		same("headers", r.Headers, string(commonFields([]byte(text[:p.HeaderSize()]))))
	}
	k := p.SortKeys(time.Time{})
	same("sort key", r.Keys.From, k.From)
	same("base subject", r.Keys.Subject, cut(k.Subject))
	if r.Thread == 0 || r.Keys.Date == 0 {
		t.Errorf("body %d: thread %d, date %d", r.Body, r.Thread, r.Keys.Date)
	}
	if strings.HasPrefix(text, "Return-Path") {
		same("trace", r.Trace, "{trace}")
	}
}

func TestCommonHeader(t *testing.T) {
	if !CommonHeader("from") || !CommonHeader("MESSAGE-ID") || CommonHeader("Received") {
		t.Fail()
	}
}

func TestUIDSet(t *testing.T) {
	s := NewUIDSet(5, 1, 2, 3, 9, 5, 10)
	if s.String() != "1:3,5,9:10" || s.Len() != 6 || !s.Contains(9) || s.Contains(4) || s.Contains(0) || s.Contains(11) {
		t.Error(s)
	}
	var all []UID
	for u := range s.All() {
		all = append(all, u)
	}
	if !slices.Equal(all, []UID{1, 2, 3, 5, 9, 10}) {
		t.Error(all)
	}
	const last = ^UID(0)
	for in, want := range map[string]UIDSet{
		"1:5":          {{3, 5}, {1, 2}},
		"1:6":          {{1, 4}, {2, 6}, {5, 5}},
		"2:4":          {{4, 2}},
		"1:4294967295": {{last, 1}},
		"7,4294967295": {{last, last}, {7, 7}},
		"":             {},
	} {
		if got := want.Normal().String(); got != in {
			t.Errorf("normal of %v is %s, want %s", want, got, in)
		}
	}
}

func FuzzPacked(f *testing.F) {
	f.Add(appendUIDs(nil, UIDSet{{1, 3}, {7, 7}, {1 << 31, ^UID(0)}}))
	f.Add(appendBodies(nil, []BodyID{5, 6, 3}))
	f.Add(appendMessages(nil, []Message{{ID: 1, Body: 2, UID: 3, Size: 4, Received: 5, Saved: 6, Keywords: 7, Flags: 8}, {ID: 9}}))
	f.Fuzz(func(t *testing.T, b []byte) {
		if set, err := unpackUIDs(nil, b); err == nil {
			last := uint64(0)
			for _, r := range set {
				if uint64(r.Start) <= last || r.End < r.Start {
					t.Fatalf("%v", set)
				}
				last = uint64(r.End)
			}
			again, err := unpackUIDs(nil, appendUIDs(nil, set))
			if err != nil || !slices.Equal(again, set) {
				t.Fatalf("%v becomes %v, %v", set, again, err)
			}
		}
		if ids, err := unpackBodies(b); err == nil {
			if again, err := unpackBodies(appendBodies(nil, ids)); err != nil || !slices.Equal(again, ids) {
				t.Fatalf("%v becomes %v, %v", ids, again, err)
			}
		}
		if msgs, err := unpackMessages(b); err == nil {
			if again, err := unpackMessages(appendMessages(nil, msgs)); err != nil || !slices.Equal(again, msgs) {
				t.Fatalf("%v becomes %v, %v", msgs, again, err)
			}
		}
	})
}

// TestPacked packs what is in use.
func TestPacked(t *testing.T) {
	msgs := []Message{{ID: 1 << 40, Body: 7, UID: ^UID(0), Size: 1 << 31, Received: 1 << 31, Saved: 1, Keywords: 1 << 30, Flags: FlagsAll}, {ID: 3, Body: 1 << 50, UID: 1}}
	got, err := unpackMessages(appendMessages(nil, msgs))
	if err != nil || !slices.Equal(got, msgs) {
		t.Fatal(got, err)
	}
	set := UIDSet{{1, 1}, {3, ^UID(0)}}
	uids, err := unpackUIDs(nil, appendUIDs(nil, set))
	if err != nil || !slices.Equal(uids, set) {
		t.Fatal(uids, err)
	}
	if _, err := unpackUIDs(nil, []byte{1, 0x80}); !errors.Is(err, ErrCorrupt) {
		t.Fatal(err)
	}
}

// TestAddMany adds more in one operation than fits in a commit.
func TestAddMany(t *testing.T) {
	ctx := context.Background()
	s := newStore(t, t.TempDir(), Options{})
	a := testAccount(t, s, "a")
	in := inbox(t, a)
	r := rand.New(rand.NewPCG(5, 5))
	var texts []string
	for i := range 200 {
		texts = append(texts, mail(i)+string(noise(r, 60_000)))
	}
	texts = append(texts, "")
	res := add(t, a, in, texts...)
	for i := range texts {
		if body(t, a, res.Bodies[i]) != texts[i] {
			t.Fatalf("message %d differs", i)
		}
	}
	if problems, err := a.CheckDeep(ctx); err != nil || problems != nil {
		t.Fatal(problems, err)
	}
	if _, err := a.reapAt(ctx, time.Now().Add(3*time.Hour)); err != nil {
		t.Fatal(err)
	}
	if body(t, a, res.Bodies[0]) != texts[0] {
		t.Fatal("freed while in use")
	}
}
