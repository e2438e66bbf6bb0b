package outbound

import (
	"context"
	"io"
	"strings"
	"testing"
	"testing/synctest"

	"mox/dns"
	"mox/queue"
)

// TestForms: what servers cannot take is converted, or returned with a reason.
func TestForms(t *testing.T) {
	const (
		ascii  = "From: <mjl@mx.example>\r\nSubject: x\r\n\r\nabc\r\n"
		eight  = "From: <mjl@mx.example>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\na longer line of text with one café\r\n"
		seven  = "From: <mjl@mx.example>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\na longer line of text with one caf=C3=A9\r\n"
		header = "From: <mjl@mx.example>\r\nSubject: café\r\n\r\nabc\r\n"
		signed = "X-Signed: mx.example\r\n"
	)
	has8, hasUTF8 := []string{"8BITMIME"}, []string{"8BITMIME", "SMTPUTF8"}
	for name, tc := range map[string]struct {
		text string
		m    queue.Message
		from string // default: mjl@mx.example
		to   string // likewise
		ext  []string
		want string
		got  string
		mail string // part of MAIL FROM
	}{
		"8 bit":                  {text: eight, m: queue.Message{EightBit: true}, ext: has8, want: "delivered", got: eight, mail: "BODY=8BITMIME"},
		"8 bit, converted":       {text: eight, m: queue.Message{EightBit: true}, want: "delivered", got: signed + seven},
		"8 bit only said":        {text: ascii, m: queue.Message{EightBit: true}, want: "delivered", got: ascii},
		"8 bit in header":        {text: header, m: queue.Message{EightBit: true}, want: "failed 5.6.3"},
		"UTF-8":                  {text: header, m: queue.Message{EightBit: true, SMTPUTF8: true}, ext: hasUTF8, want: "delivered", got: header, mail: "SMTPUTF8"},
		"UTF-8, not supported":   {text: header, m: queue.Message{EightBit: true, SMTPUTF8: true}, ext: has8, want: "failed 5.6.7"},
		"UTF-8 only said":        {text: eight, m: queue.Message{EightBit: true, SMTPUTF8: true}, ext: has8, want: "delivered", got: eight},
		"UTF-8 sender":           {text: ascii, m: queue.Message{SMTPUTF8: true}, from: "é@mx.example", ext: has8, want: "failed 5.6.7"},
		"UTF-8 recipient":        {text: ascii, m: queue.Message{SMTPUTF8: true}, to: "é@dest.test", ext: has8, want: "failed 5.6.7"},
		"UTF-8 recipient, taken": {text: ascii, m: queue.Message{SMTPUTF8: true}, to: "é@dest.test", ext: hasUTF8, want: "delivered", got: ascii},
		"binary, converted":      {text: eight, m: queue.Message{EightBit: true, BinaryMIME: true}, want: "delivered", got: signed + seven},
		"too large":              {text: ascii, ext: []string{"SIZE 20"}, want: "failed 5.3.4"},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				b := setup(t, "", func(b *bench) {
					b.c.Limits.Memory = 200 // one of the texts is larger
					b.c.Sign = func(_ context.Context, from dns.Domain, _ bool, content io.ReaderAt) (string, error) {
						return "X-Signed: " + from.ASCII + "\r\n", nil
					}
				})
				b.server("192.0.2.1").ext = tc.ext
				m := tc.m
				m.Sender, m.Recipient, m.Account = path("mjl@mx.example"), path("a@dest.test"), "mjl"
				if tc.from != "" {
					m.Sender = path(tc.from)
				}
				if tc.to != "" {
					m.Recipient = path(tc.to)
				}
				id := b.q.add(tc.text, m)[0]
				synctest.Wait()
				b.want(id, tc.want)
				got := b.server("192.0.2.1").messages()
				if tc.got == "" {
					if len(got) != 0 {
						t.Errorf("got %+v", got)
					}
					return
				}
				if len(got) != 1 || got[0].text != tc.got || !strings.Contains(got[0].from, tc.mail) {
					t.Errorf("got %+v", got)
				}
				if tc.mail == "" && strings.Contains(got[0].from, "BODY=") != (len(tc.ext) > 0 && tc.m.EightBit) {
					t.Errorf("MAIL %s", got[0].from)
				}
			})
		})
	}
}

func TestASCIIHeader(t *testing.T) {
	long := strings.Repeat("X: y\r\n", 3000)
	for s, want := range map[string]bool{
		"": true, "A: b\r\n\r\né": true, "A: é\r\n\r\n": false, "A: b": true, "A: é": false,
		long + "\r\né": true, long + "A: é\r\n\r\n": false,
	} {
		if got, err := asciiHeader(strings.NewReader(s)); got != want || err != nil {
			t.Errorf("%.20q: %v, %v", s, got, err)
		}
	}
}
