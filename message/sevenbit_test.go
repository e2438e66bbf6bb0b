package message

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func to7Bit(t testing.TB, msg string) (string, error) {
	p, err := Parse(strings.NewReader(msg), Limits{})
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	err = To7Bit(&b, p, strings.NewReader(msg))
	return b.String(), err
}

// contents lists the leaves of a message with their decoded content.
func contents(t testing.TB, msg string) []string {
	p, err := Parse(strings.NewReader(msg), Limits{})
	if err != nil {
		t.Fatal(err)
	}
	var l []string
	p.Walk(func(path []int, p *Part) bool {
		s := fmt.Sprint(path, " ", p.MediaType(), " ", p.Filename())
		if !p.IsMultipart() && p.Message == nil {
			r, err := p.Decoded(strings.NewReader(msg))
			if err != nil {
				r = p.Body(strings.NewReader(msg))
			}
			b, err := io.ReadAll(r)
			if err != nil {
				t.Fatal(err)
			}
			s += " " + string(b)
		}
		l = append(l, s)
		return true
	})
	return l
}

func TestTo7Bit(t *testing.T) {
	for _, tc := range []struct{ name, in, want string }{
		{"ascii", "Subject: x\n\nhi\n", "Subject: x\n\nhi\n"},
		{"label", "Content-Transfer-Encoding: 8bit\nMIME-Version: 1.0\n\nhi\n", "Content-Transfer-Encoding: 7bit\nMIME-Version: 1.0\n\nhi\n"},
		{"text", "MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\nGrüße = \nfrom here\n", "MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n\nGr=C3=BC=C3=9Fe =3D=20\nfrom here\n"},
		// RFC 1428 3: content without a label.
		{"no mime", "Subject: x\n\nGrüße aus aller Welt, und so weiter.", "Subject: x\nMIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n\nGr=C3=BC=C3=9Fe aus aller Welt, und so weiter."},
		{"no mime, no utf-8", "Subject: x\n\nGr\xfc\xdfe aus aller Welt", "Subject: x\nMIME-Version: 1.0\nContent-Type: text/plain; charset=unknown-8bit\nContent-Transfer-Encoding: quoted-printable\n\nGr=FC=DFe aus aller Welt"},
		{"much", "Content-Type: text/plain; charset=utf-8\n\nпривет\n", "Content-Type: text/plain; charset=utf-8\nMIME-Version: 1.0\nContent-Transfer-Encoding: base64\n\n0L/RgNC40LLQtdGCDQo=\n"},
		{"binary", "MIME-Version: 1.0\nContent-Type: image/png\nContent-Transfer-Encoding: binary\n\n\x89PNG\x00", "MIME-Version: 1.0\nContent-Type: image/png\nContent-Transfer-Encoding: base64\n\niVBORwA=\n"},
		{"multipart", "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\nContent-Transfer-Encoding: 8bit\n\npreämble\n--b\n\nplain text with one ü\n--b\nContent-Type: image/png\nContent-Transfer-Encoding: base64\n\niVBORwA=\n--b\nContent-Type: image/x; name=y\nContent-Transfer-Encoding: 8bit\n\n\xff\n--b--\nepilogü\n",
			"MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\nContent-Transfer-Encoding: 7bit\n\npre??mble\n--b\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n\nplain text with one =C3=BC\n--b\nContent-Type: image/png\nContent-Transfer-Encoding: base64\n\niVBORwA=\n--b\nContent-Type: image/x; name=y\nContent-Transfer-Encoding: base64\n\n/w==\n\n--b--\nepilog??\n"},
		{"message", "MIME-Version: 1.0\nContent-Type: message/rfc822\nContent-Transfer-Encoding: 8bit\n\nSubject: inner\nMIME-Version: 1.0\nContent-Type: text/html; charset=iso-8859-1\nContent-Transfer-Encoding: 8bit\n\n<p>something \xfc\n",
			"MIME-Version: 1.0\nContent-Type: message/rfc822\nContent-Transfer-Encoding: 7bit\n\nSubject: inner\nMIME-Version: 1.0\nContent-Type: text/html; charset=iso-8859-1\nContent-Transfer-Encoding: quoted-printable\n\n<p>something =FC\n"},
		{"signed and clean", "Content-Type: multipart/signed; boundary=b\nContent-Transfer-Encoding: 8bit\nMIME-Version: 1.0\n\n--b\nContent-Transfer-Encoding: 8bit\n\nhi\n--b\n\nsig\n--b--\n", "Content-Type: multipart/signed; boundary=b\nContent-Transfer-Encoding: 7bit\nMIME-Version: 1.0\n\n--b\nContent-Transfer-Encoding: 8bit\n\nhi\n--b\n\nsig\n--b--\n"},
		{"damaged base64", "MIME-Version: 1.0\nContent-Type: image/png\nContent-Transfer-Encoding: base64\n\niVBO\xffRwA=\n", "MIME-Version: 1.0\nContent-Type: image/png\nContent-Transfer-Encoding: base64\n\niVBORwA=\n"},
		// A soft line break must not make a delimiter line.
		{"boundary", "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/plain; charset=utf-8\n\n" + strings.Repeat("x", 69) + "ü--b\n--b--\n",
			"MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n\n" + strings.Repeat("x", 69) + "=C3=BC=\n=2D-b\n--b--\n"},
	} {
		in, want := crlfed(tc.in), crlfed(tc.want)
		got, err := to7Bit(t, in)
		if err != nil {
			t.Errorf("%s: %v", tc.name, err)
			continue
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", tc.name, diff)
		}
		check7Bit(t, in, got)
	}
}

func TestTo7BitErrors(t *testing.T) {
	for name, in := range map[string]string{
		"signed":           "Content-Type: multipart/signed; boundary=b\n\n--b\n\nü\n--b\n\nsig\n--b--\n",
		"within signed":    "Content-Type: multipart/signed; boundary=b\n\n--b\nContent-Type: multipart/mixed; boundary=c\n\n--c\nX: ü\n\n--c--\n--b\n\nsig\n--b--\n",
		"header":           "Subject: ü\n\nhi\n",
		"part header":      "Content-Type: multipart/mixed; boundary=b\n\n--b\nX: ü\n\nhi\n--b--\n",
		"embedded header":  "Content-Type: message/rfc822\n\nSubject: ü\n\nhi\n",
		"no parts":         "Content-Type: multipart/mixed; boundary=b\n\nü\n",
		"partial":          "Content-Type: message/partial\n\nü\n",
		"unknown encoding": "Content-Type: text/plain\nContent-Transfer-Encoding: x-zip\n\nü\n",
	} {
		if got, err := to7Bit(t, crlfed(in)); !errors.Is(err, Err7Bit) {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	if _, err := to7Bit(t, "Subject: x\r\rü\r"); !errors.Is(err, Err7Bit) {
		t.Error(err)
	}
}

// check7Bit: the structure is as it was, and so is the content.
func check7Bit(t testing.TB, in, out string) {
	t.Helper()
	if ok, err := Is7Bit(strings.NewReader(out)); !ok || err != nil {
		t.Errorf("%q: not 7 bit: %q, %v", in, out, err)
	}
	if diff := cmp.Diff(contents(t, in), contents(t, out)); diff != "" {
		t.Errorf("%q\n%q\n%s", in, out, diff)
	}
	if again, err := to7Bit(t, out); err != nil || again != out {
		t.Errorf("converted again: %q, %v", again, err)
	}
}

func FuzzTo7Bit(f *testing.F) {
	for _, msg := range vectors(f) {
		if len(msg) < 20_000 {
			f.Add(msg)
		}
	}
	f.Add([]byte(crlfed("MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\nContent-Transfer-Encoding: 8bit\n\npreämble\n--b\n\nplain text with one ü\n--b\nContent-Type: message/rfc822\n\nContent-Transfer-Encoding: binary\n\n\xff\n--b--\nepilogü\n")))
	f.Fuzz(func(t *testing.T, msg []byte) {
		// Messages on their way have lines that end with CRLF.
		in := strings.ReplaceAll(strings.ReplaceAll(string(msg), "\r", ""), "\n", "\r\n")
		out, err := to7Bit(t, in)
		if err != nil {
			if !errors.Is(err, Err7Bit) {
				t.Fatal(err)
			}
			return
		}
		if len(out) > 3*len(in)+1000*(1+strings.Count(in, "\n")) {
			t.Errorf("%d bytes of %d", len(out), len(in))
		}
		check7Bit(t, in, out)
	})
}

func TestIsASCII(t *testing.T) {
	for n := range 20 {
		b := bytes.Repeat([]byte{0x7f}, n)
		if !IsASCII(b) {
			t.Errorf("%d octets: not ASCII", n)
		}
		for i := range b {
			b[i] = 0x80
			if IsASCII(b) {
				t.Errorf("octet %d of %d is not seen", i, n)
			}
			b[i] = 0
		}
	}
}
