package chunk

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// lines is base64 in lines of a width.
func lines(b []byte, width int, eol string) string {
	s := base64.StdEncoding.EncodeToString(b)
	var out strings.Builder
	for len(s) > width {
		out.WriteString(s[:width] + eol)
		s = s[width:]
	}
	return out.String() + s + eol
}

func random(r *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.IntN(256))
	}
	return b
}

// loosened decodes a chunk in two steps.
func loosened(c *Codec, stored []byte) ([]byte, error) {
	b, woven, err := c.Loosen(nil, stored)
	if err != nil || woven {
		return b, err
	}
	return c.Decode(nil, b)
}

// TestPacked keeps base64 in fewer bytes than it stands for, whatever is around it.
func TestPacked(t *testing.T) {
	c := codec(t)
	r := rand.New(rand.NewPCG(1, 2))
	noise := random(r, 60_000)
	text := strings.Repeat("Some text, and more of it.\r\n", 100)
	for name, tc := range map[string]struct {
		content string
		most    int // bytes stored
	}{
		"attachment":      {text + lines(noise, 76, "\r\n") + "--boundary--\r\n", 61_000},
		"LF":              {text + lines(noise, 72, "\n"), 61_000},
		"two":             {lines(noise[:30_000], 76, "\r\n") + text + lines(noise[30_000:], 60, "\r\n") + text, 61_000},
		"compressible":    {lines([]byte(strings.Repeat("all the same ", 5000)), 76, "\r\n"), 1500},
		"in the middle":   {lines(noise, 76, "\r\n")[33:], 61_000},
		"one odd line":    {lines(noise[:28_500], 76, "\r\n") + "x" + lines(noise[28_500:], 76, "\r\n"), 61_000},
		"odd width":       {lines(noise[:30_000], 75, "\r\n"), 42_000},
		"wide":            {lines(noise, 1000, "\r\n"), 61_000},
		"too wide":        {lines(noise[:30_000], 1004, "\r\n"), 42_000},
		"no line":         {base64.StdEncoding.EncodeToString(noise[:30_000]), 41_000},
		"few lines":       {text + lines(noise[:100], 76, "\r\n"), 500},
		"mixed ends":      {lines(noise[:30_000], 76, "\r\n") + lines(noise[30_000:], 76, "\n"), 61_000},
		"padding between": {strings.Repeat(lines(noise[:56], 76, "\r\n"), 100), 3000},
		"URL alphabet":    {strings.ReplaceAll(lines(noise[:30_000], 76, "\r\n"), "/", "_"), 42_000},
	} {
		stored := c.Encode([]byte(tc.content))
		got, err := c.Decode(nil, stored)
		if err != nil || string(got) != tc.content {
			t.Errorf("%s: %d bytes came back as %d, %v", name, len(tc.content), len(got), err)
		}
		if loose, err := loosened(c, stored); err != nil || string(loose) != tc.content {
			t.Errorf("%s: %d bytes are %d when loosened first, %v", name, len(tc.content), len(loose), err)
		}
		if len(stored) > tc.most {
			t.Errorf("%s: %d bytes take %d, want at most %d", name, len(tc.content), len(stored), tc.most)
		}
	}
}

// TestPackedDamaged decodes chunks with any one byte changed, or cut: an error or wrong bytes, never more than a chunk.
func TestPackedDamaged(t *testing.T) {
	c := codec(t)
	good := c.Encode([]byte("text\r\n" + lines(random(rand.New(rand.NewPCG(1, 2)), 600), 76, "\r\n") + "end"))
	if good[0] != packed {
		t.Fatal("it is of kind", good[0])
	}
	for i := range good {
		b := bytes.Clone(good)
		for _, v := range []byte{b[i] + 1, b[i] ^ 0x80, 0xff} {
			b[i] = v
			if got, _ := c.Decode(nil, b); len(got) > Size {
				t.Error(i, v, len(got))
			}
		}
		if got, err := c.Decode(nil, good[:i]); err == nil {
			t.Errorf("cut at %d: %d bytes and no error", i, len(got))
		}
		if got, err := loosened(c, good[:i]); err == nil {
			t.Errorf("cut at %d: %d bytes and no error when loosened first", i, len(got))
		}
	}
}

func FuzzRoundTrip(f *testing.F) {
	c := codec(f)
	f.Add([]byte(lines([]byte(strings.Repeat("abc", 300)), 76, "\r\n")))
	f.Add([]byte("x\n" + lines([]byte(strings.Repeat("abc", 300)), 40, "\n") + "y"))
	f.Fuzz(func(t *testing.T, b []byte) {
		b = b[:min(len(b), Size)]
		got, err := c.Decode(nil, c.Encode(b))
		if err != nil || !bytes.Equal(got, b) {
			t.Errorf("%d bytes came back as %d, %v", len(b), len(got), err)
		}
		if got, err := loosened(c, c.Encode(b)); err != nil || !bytes.Equal(got, b) {
			t.Errorf("%d bytes came back as %d when loosened first, %v", len(b), len(got), err)
		}
	})
}

func BenchmarkChunk(b *testing.B) {
	c := codec(b)
	r := rand.New(rand.NewPCG(1, 2))
	for _, name := range []string{"text", "base64"} {
		content := []byte(lines(random(r, 90_000), 76, "\r\n"))
		if name == "text" {
			var t strings.Builder
			for t.Len() < 120_000 {
				fmt.Fprintf(&t, "line %d of words%d and %d more\r\n", r.IntN(1000), r.IntN(50), r.IntN(100_000))
			}
			content = []byte(t.String())
		}
		stored := c.Encode(content)
		b.Run(name+"/encode", func(b *testing.B) {
			b.SetBytes(int64(len(content)))
			for b.Loop() {
				c.Encode(content)
			}
		})
		b.Run(name+"/decode", func(b *testing.B) {
			b.SetBytes(int64(len(content)))
			dst := make([]byte, 0, Size+Slack)
			for b.Loop() {
				c.Decode(dst, stored)
			}
		})
	}
}
