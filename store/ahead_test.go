package store

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
)

// TestReadAhead: what is read ahead is what OpenBody reads, in all of what follows.
func TestReadAhead(t *testing.T) {
	ctx := context.Background()
	s := newStore(t, t.TempDir(), Options{})
	a := testAccount(t, s, "a")
	in := inbox(t, a)
	r := rand.New(rand.NewPCG(1, 2))
	var ids []BodyID
	want := map[BodyID]string{}
	for i := range 150 {
		size := r.IntN(3000)
		if i%9 == 0 {
			size = r.IntN(3 * chunkSize)
		}
		text := "Subject: x\r\n\r\n" + string(noise(r, size)) + strings.Repeat("text ", size/5)
		if i == 70 {
			text = ""
		}
		prefix := strings.Repeat("X-Prefix: y\r\n", i%3)
		got, err := a.Add(ctx, in, []NewMessage{{Spool: spool(t, s, text), Prefix: []byte(prefix)}})
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, got.Bodies[0])
		want[got.Bodies[0]] = prefix + text
		if i%40 == 0 {
			ids = append(ids, 1<<40, got.Bodies[0]) // one that is gone, one twice
		}
	}
	rand.Shuffle(len(ids), func(i, j int) { ids[i], ids[j] = ids[j], ids[i] })
	for _, whole := range []bool{false, true} {
		for _, skip := range []int{1, 3, 50} {
			h := a.ReadAhead(ctx, ids, whole)
			for i := 0; i < len(ids); i += 1 + r.IntN(skip) {
				checkAhead(t, r, h, i, want[ids[i]])
			}
			h.Close()
		}
	}
	a.ReadAhead(ctx, nil, true).Close()
	h := a.ReadAhead(ctx, ids, true)
	if b, err := h.Open(0); err == nil {
		b.Close()
	}
	h.Close() // in the middle

	ended, cancel := context.WithCancel(ctx)
	cancel()
	h = a.ReadAhead(ended, ids, true)
	defer h.Close()
	if _, err := h.Open(0); !errors.Is(err, context.Canceled) {
		t.Error("of a context that has ended:", err)
	}
}

// checkAhead reads body i, wholly or from somewhere.
func checkAhead(t *testing.T, r *rand.Rand, h *ReadAhead, i int, want string) {
	t.Helper()
	b, err := h.Open(i)
	if h.ids[i] == 1<<40 {
		if !errors.Is(err, ErrNoBody) {
			t.Error("gone:", err)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if b.Size() != int64(len(want)) {
		t.Fatalf("body %d: size %d, want %d", h.ids[i], b.Size(), len(want))
	}
	off, n := 0, len(want)
	if r.IntN(3) == 0 {
		off = r.IntN(len(want) + 1)
		n = r.IntN(len(want) - off + 1)
	}
	var got bytes.Buffer
	if _, err := b.CopyRange(&got, int64(off), int64(n)); err != nil || got.String() != want[off:off+n] {
		t.Fatalf("body %d, %d from %d: %d bytes, %v", h.ids[i], n, off, got.Len(), err)
	}
	got.Reset()
	if _, err := b.WriteTo(&got); err != nil || got.String() != want { // once more: not what comes next
		t.Fatalf("body %d again: %d bytes, %v", h.ids[i], got.Len(), err)
	}
}
