package message

import (
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"time"
)

func TestLimits(t *testing.T) {
	parts := "Content-Type: multipart/mixed; boundary=b\r\n\r\n" + strings.Repeat("--b\r\n\r\nx\r\n", 100) + "--b--\r\n"
	nested := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, "Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n", i, i)
		}
		return b.String()
	}
	messages := strings.Repeat("Content-Type: message/rfc822\r\n\r\n", 50)
	for _, test := range []struct {
		name, msg string
		l         Limits
		check     func(p *Part) bool
	}{
		{"parts", parts, Limits{Parts: 10}, func(p *Part) bool { return len(p.Parts) == 9 && p.Parts[8].BodySize() > 500 }},
		{"one part", parts, Limits{Parts: 1}, func(p *Part) bool { return p.Opaque() && p.MediaType() == "application/octet-stream" }},
		{"two parts", parts, Limits{Parts: 2}, func(p *Part) bool { return len(p.Parts) == 1 }},
		{"nested parts", nested(20), Limits{Parts: 5}, func(p *Part) bool { return p.Parts[0].Parts[0].Parts[0].Parts[0].Opaque() }},
		{"depth", nested(20), Limits{Depth: 3}, func(p *Part) bool { return p.Section([]int{1, 1}).Opaque() }},
		{"depth of messages", messages, Limits{Depth: 4}, func(p *Part) bool { return p.Message.Message.Message.Opaque() }},
		{"parts of messages", messages, Limits{Parts: 3}, func(p *Part) bool { return p.Message.Message.Opaque() }},
		{"header bytes", "A: b\r\nSubject: x\r\nTo: y@z\r\n\r\n", Limits{HeaderBytes: 10}, func(p *Part) bool { return p.Envelope.Subject == "x" && p.Envelope.To == nil }},
		{"header fields", "A: b\r\nSubject: x\r\nTo: y@z\r\n\r\n", Limits{HeaderFields: 2}, func(p *Part) bool { return p.Envelope.Subject == "x" && p.Envelope.To == nil }},
		{"field bytes", "Subject: 1234567890\r\n\r\n", Limits{FieldBytes: 5}, func(p *Part) bool { return p.Envelope.Subject == "1234" }},
		{"params", "Content-Type: a/b; a=1; b=2; c=3\r\n\r\n", Limits{Params: 2}, func(p *Part) bool { return len(p.Params) == 2 }},
		{"addresses", "To: a@b, c@d\r\nTo: e@f\r\n\r\n", Limits{Addresses: 2}, func(p *Part) bool { return len(p.Envelope.To) == 2 }},
		{"boundary", "Content-Type: multipart/mixed; boundary=123456\r\n\r\n--123456\r\n\r\nx\r\n--123456--", Limits{Boundary: 5}, func(p *Part) bool { return len(p.Parts) == 1 && p.Parts[0].BodySize() > 10 }},
		{"kept", "Subject: " + strings.Repeat("x", 100) + "\r\nContent-Type: multipart/mixed; boundary=123456\r\n\r\n--123456\r\n\r\nx\r\n--123456--", Limits{KeptBytes: 50}, func(p *Part) bool {
			return p.Envelope.Subject == "" && len(p.Params) == 0 && len(p.Parts) == 1 && p.Parts[0].BodySize() == 1
		}},
	} {
		p, err := Parse(strings.NewReader(test.msg), test.l)
		if err != nil {
			t.Fatal(err)
		}
		checkTree(t, p, int64(len(test.msg)), test.l)
		checkRendering(t, p)
		checkBinary(t, p)
		if !test.check(p) {
			t.Errorf("%s: %s", test.name, p.AppendBodyStructure(nil, true, false))
		}
	}
}

// hostile are messages of about n bytes made to cost much.
var hostile = map[string]func(n int) string{
	"parts": func(n int) string {
		return "Content-Type: multipart/mixed; boundary=b\r\n\r\n" + strings.Repeat("--b\r\n\r\n", n/7)
	},
	"open boundaries": func(n int) string {
		var b strings.Builder
		for i := range 98 {
			fmt.Fprintf(&b, "Content-Type: multipart/mixed; boundary=bbbbbbbbbbb%d\r\n\r\n--bbbbbbbbbbb%d\r\n", i, i)
		}
		b.WriteString("\r\n")
		return b.String() + strings.Repeat("--bbbbbbbbbbb\r\n--b\r\n", n/19)
	},
	"long delimiter lines": func(n int) string {
		return "Content-Type: multipart/mixed; boundary=b\r\n\r\n" + strings.Repeat("--"+strings.Repeat("x", 9000)+"\r\n", n/9004)
	},
	"one line": func(n int) string {
		return "Content-Type: multipart/mixed; boundary=b\r\n\r\n" + strings.Repeat("-", n)
	},
	"dashes": func(n int) string {
		return "Content-Type: multipart/mixed; boundary=b\r\n\r\n" + strings.Repeat("--\n", n/3)
	},
	"one field":     func(n int) string { return "Subject: " + strings.Repeat("x\r\n ", n/4) },
	"fields":        func(n int) string { return strings.Repeat("A:b\n", n/4) },
	"types":         func(n int) string { return "Content-Type: a/b" + strings.Repeat("; a*1=b", n/8) },
	"comments":      func(n int) string { return "To: " + strings.Repeat("(", n) },
	"comments type": func(n int) string { return "Content-Type: " + strings.Repeat("((a)", n/4) },
	"quotes":        func(n int) string { return "To: " + strings.Repeat("\"a\\", n/3) },
	"angles":        func(n int) string { return "To: " + strings.Repeat("<a@b", n/4) },
	"addresses":     func(n int) string { return "To: " + strings.Repeat("a,", n/2) },
	"names":         func(n int) string { return "To: " + strings.Repeat("a ", n/2) },
	"groups":        func(n int) string { return "To: " + strings.Repeat("g:;", n/3) },
	"encoded-words": func(n int) string { return "Subject: " + strings.Repeat("=?a?q?", n/6) },
	"ids":           func(n int) string { return "References: " + strings.Repeat("<a", n/2) },
	"blobs":         func(n int) string { return "Subject: " + strings.Repeat("[a]", n/3) },
	"forwards":      func(n int) string { return "Subject: " + strings.Repeat("[fwd:", n/6) + strings.Repeat("]", n/6) },
	"replies":       func(n int) string { return "Subject: " + strings.Repeat("re:", n/6) + strings.Repeat("(fwd)", n/10) },
	"messages":      func(n int) string { return strings.Repeat("Content-Type: message/rfc822\n\n", n/30) },
	"values":        func(n int) string { return "Content-Type: a/b; c=" + strings.Repeat("a ", n/2) },
	"html tags":     func(n int) string { return "Content-Type: text/html\n\n" + strings.Repeat("<a b", n/4) },
	"html hidden":   func(n int) string { return "Content-Type: text/html\n\n" + strings.Repeat("<p hidden>", n/10) },
	"html comments": func(n int) string { return "Content-Type: text/html\n\n" + strings.Repeat("<!--", n/4) },
	"html scripts":  func(n int) string { return "Content-Type: text/html\n\n<script>" + strings.Repeat("</scrip", n/7) },
	"html entities": func(n int) string { return "Content-Type: text/html\n\n" + strings.Repeat("&a", n/2) },
	"quoted": func(n int) string {
		return "Content-Transfer-Encoding: quoted-printable\n\n" + strings.Repeat("= ", n/2)
	},
	"base64":   func(n int) string { return "Content-Transfer-Encoding: base64\n\n" + strings.Repeat("=", n) },
	"uuencode": func(n int) string { return "Content-Transfer-Encoding: x-uuencode\n\n" + strings.Repeat("begin ", n/6) },
}

// useAll does with a message all that a server does.
func useAll(t testing.TB, msg string) {
	p, err := Parse(strings.NewReader(msg), Limits{})
	if err != nil {
		t.Fatal(err)
	}
	ra := strings.NewReader(msg)
	p.AppendEnvelope(nil, false)
	p.AppendBodyStructure(nil, true, true)
	if _, err := DecodePart(p.AppendBinary(nil)); err != nil {
		t.Error(err)
	}
	p.SortKeys(timeZero)
	Preview(p, ra)
	if _, err := io.Copy(io.Discard, p.VisibleText(ra)); err != nil {
		t.Error(err)
	}
	AppendHeaderFields(nil, []byte(msg[:p.BodyStart]), []string{"subject", "x"}, true)
	DecodeWords(p.Envelope.Subject)
	ParseMessageIDs(p.Envelope.References, 0)
}

func TestHostile(t *testing.T) {
	const small, factor = 100_000, 8
	for name, make := range hostile {
		t.Run(name, func(t *testing.T) {
			a, b := make(small), make(small*factor)
			var da, db time.Duration
			// Other work on the machine disturbs: it is enough to be linear once.
			for range 5 {
				da, db = timeOf(t, a), timeOf(t, b)
				// Linear is 8 times; quadratic would be 64. Some milliseconds are noise.
				if db <= da*factor*3 || db < 50*time.Millisecond {
					return
				}
			}
			t.Errorf("%d bytes take %v, %d times as much takes %v", small, da, factor, db)
		})
	}
}

// timeOf is the best time of a few.
func timeOf(t *testing.T, msg string) time.Duration {
	d := time.Hour
	for range 2 {
		start := time.Now()
		useAll(t, msg)
		d = min(d, time.Since(start))
	}
	return d
}

func TestHostileMemory(t *testing.T) {
	for name, make := range hostile {
		msg := make(8 << 20)
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		p, err := Parse(strings.NewReader(msg), Limits{})
		if err != nil {
			t.Fatal(err)
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		if kept, total := int64(after.HeapAlloc)-int64(before.HeapAlloc), after.TotalAlloc-before.TotalAlloc; kept > 16<<20 || total > 64<<20 {
			t.Errorf("%s: keeps %d bytes, allocated %d", name, kept, total)
		}
		runtime.KeepAlive(p)
	}
}
