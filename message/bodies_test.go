package message

import (
	"strings"
	"testing"
)

// The example of RFC 8621 4.1.4: names of files are the letters of the RFC.
func TestBodiesExample(t *testing.T) {
	leaf := func(typ, disposition, letter string) string {
		d := ""
		if disposition != "" {
			d = "Content-Disposition: " + disposition + "\r\n"
		}
		return "Content-Type: " + typ + "\r\n" + d + "Content-Description: " + letter + "\r\n\r\nx\r\n"
	}
	multi := func(sub, boundary string, parts ...string) string {
		s := "Content-Type: multipart/" + sub + "; boundary=" + boundary + "\r\n\r\n"
		for _, p := range parts {
			s += "--" + boundary + "\r\n" + p + "\r\n"
		}
		return s + "--" + boundary + "--\r\n"
	}
	for name, c := range map[string]struct{ msg, text, html, attachments string }{
		"RFC 8621 4.1.4": {
			multi("mixed", "b1", leaf("text/plain", "inline", "A"),
				multi("mixed", "b2",
					multi("alternative", "b3",
						multi("mixed", "b4", leaf("text/plain", "inline", "B"), leaf("image/jpeg", "inline", "C"), leaf("text/plain", "inline", "D")),
						multi("related", "b5", leaf("text/html", "", "E"), leaf("image/jpeg", "", "F"))),
					leaf("image/jpeg", "attachment", "G"), leaf("application/x-excel", "", "H"), leaf("message/rfc822", "", "J")),
				leaf("text/plain", "inline", "K")),
			"ABCDK", "AEK", "CFGHJ",
		},
		"plain":                    {leaf("text/plain", "", "A"), "A", "A", ""},
		"html":                     {leaf("text/html", "", "A"), "A", "A", ""},
		"pdf":                      {leaf("application/pdf", "", "A"), "", "", "A"},
		"only html in alternative": {multi("alternative", "b", leaf("text/html", "", "A")), "A", "A", ""},
		"calendar":                 {multi("alternative", "b", leaf("text/plain", "", "A"), leaf("text/html", "", "B"), leaf("text/calendar", "", "C")), "A", "B", "C"},
		"named text":               {multi("mixed", "b", leaf("text/plain; name=a.txt", "", "A"), leaf("text/plain; name=b.txt", "", "B")), "A", "A", "B"},
		"attachment":               {leaf("text/plain", "attachment", "A"), "", "", "A"},
	} {
		p, err := Parse(strings.NewReader(c.msg), Limits{})
		if err != nil {
			t.Fatal(err)
		}
		letters := func(l []*Part) (s string) {
			for _, p := range l {
				s += p.Description
			}
			return s
		}
		b := p.Bodies()
		if letters(b.Text) != c.text || letters(b.HTML) != c.html || letters(b.Attachments) != c.attachments {
			t.Errorf("%s: got text %s, html %s, attachments %s", name, letters(b.Text), letters(b.HTML), letters(b.Attachments))
		}
	}
}
