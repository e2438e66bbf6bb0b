package deflate

import (
	"bytes"
	stdflate "compress/flate"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// sample is data as sessions have it: words, runs and noise.
func sample(seed uint64, size int) []byte {
	r := rand.New(rand.NewPCG(seed, 1))
	words := strings.Fields("* FETCH (UID FLAGS ENVELOPE BODYSTRUCTURE NIL \\Seen text plain From: Subject: fred@example.org 7bit")
	var b []byte
	for len(b) < size {
		switch r.IntN(20) {
		case 0:
			for range r.IntN(3000) {
				b = append(b, byte(r.Uint32()))
			}
		case 1:
			b = append(b, bytes.Repeat([]byte{byte(r.Uint32())}, r.IntN(2000))...)
		case 2:
			h := sha256.Sum256(b)
			b = append(b, hex.EncodeToString(h[:])...)
		default:
			b = append(append(b, words[r.IntN(len(words))]...), ' ')
		}
	}
	return b[:size]
}

// drip inflates src, giving in octets at a time and taking out of them.
func drip(f *inflater, src []byte, in, out int) (got []byte, err error) {
	buf := make([]byte, out)
	for {
		part := src[:min(in, len(src))]
		nd, ns, err := f.inflate(buf, part)
		got, src = append(got, buf[:nd]...), src[ns:]
		if err != nil {
			return got, err
		}
		if nd == 0 && (len(src) == 0 || ns == 0) {
			return got, nil
		}
	}
}

// TestInflate reads what other compressors make, whatever the pieces.
func TestInflate(t *testing.T) {
	for i, size := range []int{0, 1, 100, 5000, 70000} {
		want := sample(uint64(i), size)
		for _, level := range []int{stdflate.HuffmanOnly, 0, 1, 6, 9} {
			var b bytes.Buffer
			w, err := stdflate.NewWriter(&b, level)
			if err != nil {
				t.Fatal(err)
			}
			half := size / 2
			w.Write(want[:half])
			w.Flush()
			w.Write(want[half:])
			w.Close()
			for _, p := range [][2]int{{1, 1}, {1, 4096}, {3, 7}, {8192, 1}, {8192, 16384}} {
				f := &inflater{}
				got, err := drip(f, b.Bytes(), p[0], p[1])
				if err != nil || !bytes.Equal(got, want) || f.state != stateDone {
					t.Fatalf("%d octets, level %d, pieces %v: got %d octets, %v, state %d", size, level, p, len(got), err, f.state)
				}
				if len(f.window) > maxWindow || size == 100 && len(f.window) != firstWindow {
					t.Fatalf("window of %d", len(f.window))
				}
			}
		}
	}
}

// flushed is what zlib makes of three lines, each followed by a kind of flush.
var flushed = []struct {
	name  string
	level int
	parts []string
}{
	{"partial", 9, []string{"4a34540876f571750e51f0f473f28fe0e50208", "a044230537d710670f05432b2d058d504f1705371f47f7600557bf30571fff00574d5e2e8000", "4a3426a80420"}},
	{"partial, fixed codes", 9, []string{"4a34540876f571750e51f0f473f28fe0e50208", "a044230537d710670f05432b2d058d504f1705371f47f7600557bf30571fff00574d5e2e8000", "4a3426a80420"}},
	{"partial", 0, []string{"001100eeff61312053454c45435420494e424f580d0a02", "002300dcff613220464554434820313a2a202855494420464c41475320454e56454c4f5045290d0a02", "002300dcff613320464554434820313a2a202855494420464c41475320454e56454c4f5045290d0a02"}},
	{"sync", 9, []string{"4a34540876f571750e51f0f473f28fe0e502000000ffff", "4a345270730d71f65030b4d252d008f5745170f371740f5670f50b73f5f10f70d5e4e502000000ffff", "4a3426a804000000ffff"}},
	{"sync, fixed codes", 9, []string{"4a34540876f571750e51f0f473f28fe0e502000000ffff", "4a345270730d71f65030b4d252d008f5745170f371740f5670f50b73f5f10f70d5e4e502000000ffff", "4a3426a804000000ffff"}},
	{"sync", 0, []string{"001100eeff61312053454c45435420494e424f580d0a000000ffff", "002300dcff613220464554434820313a2a202855494420464c41475320454e56454c4f5045290d0a000000ffff", "002300dcff613320464554434820313a2a202855494420464c41475320454e56454c4f5045290d0a000000ffff"}},
	{"full", 9, []string{"4a34540876f571750e51f0f473f28fe0e502000000ffff", "4a345270730d71f65030b4d252d008f5745170f371740f5670f50b73f5f10f70d5e4e502000000ffff", "4a345670730d71f65030b4d252d008f5745170f371740f5670f50b73f5f10f70d5e4e502000000ffff"}},
	{"full, fixed codes", 9, []string{"4a34540876f571750e51f0f473f28fe0e502000000ffff", "4a345270730d71f65030b4d252d008f5745170f371740f5670f50b73f5f10f70d5e4e502000000ffff", "4a345670730d71f65030b4d252d008f5745170f371740f5670f50b73f5f10f70d5e4e502000000ffff"}},
	{"full", 0, []string{"001100eeff61312053454c45435420494e424f580d0a000000ffff", "002300dcff613220464554434820313a2a202855494420464c41475320454e56454c4f5045290d0a000000ffff", "002300dcff613320464554434820313a2a202855494420464c41475320454e56454c4f5045290d0a000000ffff"}},
}

// TestFlushes: each line can be read when it was sent, before anything follows.
// Z_PARTIAL_FLUSH holds back up to seven bits of the end of its block.
func TestFlushes(t *testing.T) {
	lines := []string{"a1 SELECT INBOX\r\n", "a2 FETCH 1:* (UID FLAGS ENVELOPE)\r\n", "a3 FETCH 1:* (UID FLAGS ENVELOPE)\r\n"}
	for _, tc := range flushed {
		for _, in := range []int{1, 1000} {
			f := &inflater{}
			for i, p := range tc.parts {
				raw, err := hex.DecodeString(p)
				if err != nil {
					t.Fatal(err)
				}
				got, err := drip(f, raw, in, 1000)
				if err != nil || string(got) != lines[i] {
					t.Errorf("%s, level %d, line %d: got %q, %v", tc.name, tc.level, i, got, err)
				}
			}
		}
	}
}

func TestCorrupt(t *testing.T) {
	for _, s := range []string{
		"07",                     // block type 3
		"0100000000",             // length without its complement
		"0302",                   // distance beyond the start
		"fdffffffffffffffffffff", // too many codes
	} {
		raw, _ := hex.DecodeString(s)
		if got, err := drip(&inflater{}, append(raw, make([]byte, 300)...), 1, 100); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: got %q, %v", s, got, err)
		}
	}
}

// counted counts what is written.
type counted struct {
	net.Conn
	n atomic.Int64
}

func (c *counted) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.n.Add(int64(n))
	return n, err
}

func TestConn(t *testing.T) {
	a, b := net.Pipe()
	w := &counted{Conn: a}
	ca, cb := New(w), New(b)
	data := sample(5, 300000)
	go func() {
		for p := data; len(p) > 0; {
			n := min(len(p), 1+len(p)%20000)
			if _, err := ca.Write(p[:n]); err != nil {
				t.Error(err)
				return
			}
			p = p[n:]
		}
	}()
	got := make([]byte, len(data))
	if _, err := io.ReadFull(cb, got); err != nil || !bytes.Equal(got, data) {
		t.Fatal("data differs", err)
	}
	t.Logf("%d octets became %d", len(data), w.n.Load())

	// A deadline while waiting spoils nothing, and no buffer is held meanwhile.
	cb.SetReadDeadline(time.Now().Add(5 * time.Millisecond))
	var one [1]byte
	if _, err := cb.Read(one[:]); !errors.Is(err, os.ErrDeadlineExceeded) || cb.raw != nil || cb.rawp != nil {
		t.Fatal(err)
	}
	cb.SetReadDeadline(time.Time{})
	go ca.Write([]byte("again\r\n"))
	if _, err := io.ReadFull(cb, got[:7]); err != nil || string(got[:7]) != "again\r\n" {
		t.Fatal(err)
	}
	go ca.Read(one[:])
	for end := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		ca.mu.Lock()
		n := cap(ca.tail)
		ca.mu.Unlock()
		if n <= idleTail {
			break
		} else if time.Now().After(end) {
			t.Fatalf("%d octets are kept while idle", n)
		}
	}
	a.Close()
	if _, err := cb.Read(got); err != io.EOF {
		t.Fatal(err)
	}
}

// heldBack is what zlib makes of [heldLine] of an index: by Z_PARTIAL_FLUSH, which holds back the
// bits that do not fill an octet, other ones each time, and what Z_FINISH adds.
var heldBack = [][2]string{
	{"5208f5730c0df170f50bf174760c71e5e50208", "3000"},
	{"5aa010eae7181ae2e1ea17e2e9ec18e2cacb0510", "6000"},
	{"5ab05021d4cf3134c4c3d52fc4d3d931c495970b20", "c000"},
	{"5ab0709142a89f63688887ab5f88a7b363882b2f1740", "800100"},
	{"5ab070d16285503fc7d0100f57bf104f67c710575e2e8000", "0300"},
	{"5ab070d1e2250aa17e8ea1211eae7e219ece8e21aebc5c0001", "0600"},
	{"5ab070d1e2254b1542fd1c43433c5cfd423c9d1d435c79b90002", "0c00"},
	{"5ab070d1e2254b972984fa39868678b8fa85783a3b86b8f2720104", "1800"},
}

// heldLine has codes of nine bits before a command.
func heldLine(n int) []byte {
	return append([]byte("\xa0\xa1\xa2\xa3\xa4\xa5\xa6")[:n:n], " UNAUTHENTICATE\r\n"...)
}

// TestEnd: after what was said last, plain text follows: at once, or behind a flush, whole or
// in pieces.
func TestEnd(t *testing.T) {
	line := []byte("a UNAUTHENTICATE\r\n")
	var first bytes.Buffer
	w, _ := stdflate.NewWriter(&first, 6)
	w.Write(line)
	w.Flush()
	testEnd(t, "flushed", first.Bytes(), line)
	w.Close()
	testEnd(t, "final", first.Bytes(), line)
	for i, held := range heldBack {
		raw, err := hex.DecodeString(held[0])
		if err != nil {
			t.Fatal(err)
		}
		testEnd(t, fmt.Sprint("partial flush ", i), raw, heldLine(i))
		final, err := hex.DecodeString(held[1])
		if err != nil {
			t.Fatal(err)
		}
		testEnd(t, fmt.Sprint("partial flush and final block ", i), append(raw, final...), heldLine(i))
	}
	// More of it is an error.
	a, b := net.Pipe()
	c := New(b)
	go func() { New(a).Write([]byte("x\r\ny\r\n")) }()
	got := make([]byte, 3)
	io.ReadFull(c, got)
	c.End()
	if _, err := c.Read(got); !errors.Is(err, ErrState) {
		t.Fatal(err)
	}
}

// testEnd lets a peer end its compression with raw, which is line, and go on with text, whose
// first octet could be one of a block.
func testEnd(t *testing.T, name string, raw, line []byte) {
	t.Helper()
	for _, text := range []string{"b LOGIN x y\r\n", "0 LOGIN x y\r\n", "`1 LOGIN x y\r\n"} {
		for _, piece := range []int{1, 1000} {
			for _, pipelined := range []bool{true, false} {
				a, b := net.Pipe()
				c := New(b)
				go func() {
					all := append(bytes.Clone(raw), text...)
					for len(all) > 0 {
						n := min(piece, len(all))
						if !pipelined && len(all) == len(text) {
							time.Sleep(time.Millisecond)
						}
						a.Write(all[:n])
						all = all[n:]
					}
				}()
				got := make([]byte, len(line))
				if _, err := io.ReadFull(c, got); err != nil {
					t.Fatal(err)
				}
				c.End()
				rest := make([]byte, len(text))
				if _, err := io.ReadFull(c, rest); err != nil || string(rest) != text {
					t.Fatalf("%s, pieces of %d: %q, %v", name, piece, rest, err)
				}
				go c.Write([]byte("plain"))
				if _, err := io.ReadFull(a, rest[:5]); err != nil || string(rest[:5]) != "plain" {
					t.Fatalf("%q, %v", rest[:5], err)
				}
				if err := c.Restart(); err != nil {
					t.Fatal(err)
				}
				go a.Write(raw)
				if _, err := io.ReadFull(c, got); err != nil || !bytes.Equal(got, line) {
					t.Fatal(err)
				}
			}
		}
	}
}

func FuzzInflate(f *testing.F) {
	for _, tc := range flushed {
		raw, _ := hex.DecodeString(strings.Join(tc.parts, ""))
		f.Add(raw)
	}
	var b bytes.Buffer
	w, _ := stdflate.NewWriter(&b, 9)
	w.Write(sample(1, 3000))
	w.Close()
	f.Add(b.Bytes())
	f.Fuzz(func(t *testing.T, raw []byte) {
		const most = 1 << 20
		want, wantErr := io.ReadAll(io.LimitReader(stdflate.NewReader(bytes.NewReader(raw)), most))
		in := &inflater{}
		got, err := drip(in, raw, 8192, 4096)
		if len(got) >= most {
			return
		}
		// Where the input is whole, both say the same; the other one gives out less of what is
		// not, and may be more tolerant of codes that are not used.
		if wantErr == nil && (err != nil || in.state != stateDone) {
			t.Fatalf("valid for another: %v, state %d", err, in.state)
		}
		if !bytes.HasPrefix(got, want) {
			t.Fatalf("got %q, want %q", got, want)
		}
		again, err2 := drip(&inflater{}, raw, 1, 1)
		if !bytes.Equal(again, got) || (err == nil) != (err2 == nil) {
			t.Fatalf("by pieces %q, %v, at once %q, %v", again, err2, got, err)
		}
	})
}

func BenchmarkInflate(b *testing.B) {
	data := sample(3, 1<<20)
	var z bytes.Buffer
	w, _ := stdflate.NewWriter(&z, 6)
	w.Write(data)
	w.Close()
	buf := make([]byte, 16<<10)
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		f := &inflater{}
		src := z.Bytes()
		for {
			nd, ns, err := f.inflate(buf, src)
			if src = src[ns:]; nd == 0 || err != nil {
				break
			}
		}
	}
}

func BenchmarkWrite(b *testing.B) {
	data := sample(3, 1<<20)
	a, z := net.Pipe()
	go io.Copy(io.Discard, z)
	c := New(a)
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		for i := 0; i < len(data); i += 16 << 10 {
			c.Write(data[i : i+16<<10])
		}
	}
}
