package chunk

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
)

func codec(t testing.TB) *Codec {
	c, err := New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func TestRoundTrip(t *testing.T) {
	c := codec(t)
	noise := make([]byte, 3*Size+17)
	for i := range noise {
		noise[i] = byte(rand.IntN(256))
	}
	for _, b := range [][]byte{nil, {1}, []byte(strings.Repeat("text ", 100_000)), noise, noise[:Size], noise[:Size+1]} {
		chunks, n, err := c.EncodeFrom(bytes.NewReader(b), Max*Size)
		if err != nil || n != int64(len(b)) || len(chunks) != (len(b)+Size-1)/Size {
			t.Fatalf("%d bytes: %d read, %d chunks, %v", len(b), n, len(chunks), err)
		}
		var got []byte
		stored := 0
		for _, data := range chunks {
			stored += len(data)
			part, err := c.Decode(nil, data)
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, part...)
		}
		if !bytes.Equal(got, b) || stored > len(b)+len(chunks) {
			t.Errorf("%d bytes: %d came back from %d", len(b), len(got), stored)
		}
	}
	// As much as wanted, and the rest later.
	r := bytes.NewReader(noise)
	if chunks, n, err := c.EncodeFrom(r, 2*Size); len(chunks) != 2 || n != 2*Size || err != nil || r.Len() != Size+17 {
		t.Error(len(chunks), n, err)
	}
}

func FuzzDecode(f *testing.F) {
	c := codec(f)
	f.Add(c.Encode([]byte(strings.Repeat("x", 1000))))
	f.Add([]byte{})
	f.Add([]byte{raw, 1, 2})
	f.Add([]byte{7})
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := c.Decode(nil, b)
		if err != nil && !errors.Is(err, ErrCorrupt) || len(got) > max(Size+1024, len(b)) {
			t.Error(len(got), err)
		}
		if loose, lerr := loosened(c, b); (lerr == nil) != (err == nil) || err == nil && !bytes.Equal(loose, got) {
			t.Errorf("%d bytes, %v; loosened first %d, %v", len(got), err, len(loose), lerr)
		}
	})
}
