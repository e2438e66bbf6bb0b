package message

import (
	"bytes"
	"strings"
	"testing"
)

func BenchmarkParse(b *testing.B) {
	for name, msg := range map[string][]byte{
		"small":     []byte("From: a@example.org\r\nTo: b@example.org\r\nSubject: hi\r\nDate: Mon, 1 Jan 2024 11:00:00 +0100\r\nMessage-ID: <a@b>\r\n\r\nHello\r\n"),
		"typical4k": []byte(bigMessage(4 << 10)),
		"attach1M":  []byte(bigMessage(1 << 20)),
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(msg)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Parse(bytes.NewReader(msg), Limits{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkRender(b *testing.B) {
	p, _ := Parse(strings.NewReader(bigMessage(4<<10)), Limits{})
	for name, f := range map[string]func([]byte) []byte{
		"envelope":      func(dst []byte) []byte { return p.AppendEnvelope(dst, false) },
		"bodystructure": func(dst []byte) []byte { return p.AppendBodyStructure(dst, true, false) },
		"binary":        p.AppendBinary,
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			var dst []byte
			for b.Loop() {
				dst = f(dst[:0])
			}
			b.ReportMetric(float64(len(dst)), "bytes")
		})
	}
	bin := p.AppendBinary(nil)
	b.Run("decode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := DecodePart(bin); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkHeaderFields(b *testing.B) {
	msg := bigMessage(4 << 10)
	header := []byte(msg[:strings.Index(msg, "\r\n\r\n")+4])
	names := []string{"From", "To", "Subject", "Date", "Message-ID", "References"}
	b.SetBytes(int64(len(header)))
	b.ReportAllocs()
	var dst []byte
	for b.Loop() {
		dst = AppendHeaderFields(dst[:0], header, names, false)
	}
}

func BenchmarkDecoded(b *testing.B) {
	msg := bigMessage(1 << 20)
	p, _ := Parse(strings.NewReader(msg), Limits{})
	part := p.Section([]int{2})
	b.SetBytes(part.BodySize())
	for b.Loop() {
		if _, err := part.DecodedSize(strings.NewReader(msg)); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkPreview(b *testing.B) {
	msg := bigMessage(4 << 10)
	p, _ := Parse(strings.NewReader(msg), Limits{})
	for b.Loop() {
		Preview(p, strings.NewReader(msg))
	}
}

func BenchmarkHTMLText(b *testing.B) {
	doc := strings.Repeat(`<tr><td class="a" style="color:red">Some text &amp; more of it in a cell</td></tr>`+"\n", 1000)
	b.SetBytes(int64(len(doc)))
	for b.Loop() {
		if _, err := HTMLText(strings.NewReader(doc)).(*htmlScanner).drain(); err != nil {
			b.Fatal(err)
		}
	}
}

func (h *htmlScanner) drain() (n int, err error) {
	var buf [4096]byte
	for {
		m, err := h.Read(buf[:])
		n += m
		if err != nil {
			return n, nil
		}
	}
}
