package dkim

import (
	"encoding/base64"
	"strings"
)

// maxLine is how long a line of a field is made, as far as there is where to fold (RFC
// 5322 2.1.1).
const maxLine = 76

// FormatField returns a field with a tag-list as its value, folded, with CRLF at its end:
// between tags, at the colons of h=, and anywhere in the base64 of b= and bh=. A last tag
// b with no value is what signing is done over; see [FormatSignature].
func FormatField(name string, tags Tags) string {
	w := fieldWriter{}
	w.b.WriteString(name + ":")
	w.col = len(name) + 1
	for i, t := range tags {
		end := ";"
		if i == len(tags)-1 {
			end = ""
		}
		switch t.Name {
		case "h":
			w.names(t.Value, end)
		case "b", "bh":
			w.base64(t.Name, t.Value, end)
		default:
			w.token(" ", t.Name+"="+t.Value+end)
		}
	}
	w.b.WriteString("\r\n")
	return w.b.String()
}

// FormatSignature puts a signature into the field that FormatField made, whose last tag
// is an empty b.
func FormatSignature(field string, signature []byte) string {
	w := fieldWriter{}
	w.b.WriteString(strings.TrimSuffix(field, "\r\n"))
	w.col = maxLine // b= is on a line of its own
	if i := strings.LastIndexByte(field, '\t'); i >= 0 {
		w.col = w.b.Len() - i
	}
	w.chunks(base64.StdEncoding.EncodeToString(signature))
	w.b.WriteString("\r\n")
	return w.b.String()
}

type fieldWriter struct {
	b   strings.Builder
	col int // of the current line
}

func (w *fieldWriter) fold() {
	w.b.WriteString("\r\n\t")
	w.col = 1
}

func (w *fieldWriter) write(s string) {
	w.b.WriteString(s)
	w.col += len(s)
}

// token writes text that is not to be folded, on a new line if it has no room.
func (w *fieldWriter) token(sep, s string) {
	if w.col+len(sep)+len(s) > maxLine && w.col > 1 {
		w.fold()
	} else {
		w.write(sep)
	}
	w.write(s)
}

func (w *fieldWriter) names(value, end string) {
	w.token(" ", "h=")
	l := strings.Split(value, ":")
	for i, name := range l {
		if i < len(l)-1 {
			name += ":"
		} else {
			name += end
		}
		if w.col+len(name) > maxLine && i > 0 {
			w.fold()
		}
		w.write(name)
	}
}

// base64 begins on a line of its own, so that the rest does not depend on the length.
func (w *fieldWriter) base64(name, value, end string) {
	w.fold()
	w.write(name + "=")
	w.chunks(value)
	w.write(end)
}

func (w *fieldWriter) chunks(s string) {
	for len(s) > 0 {
		n := min(len(s), max(maxLine-1-w.col, 0))
		w.write(s[:n])
		if s = s[n:]; s != "" {
			w.fold()
		}
	}
}
