package message

import (
	"bufio"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	// previewChars is the length of a preview. RFC 8970 3.1: characters, not bytes.
	previewChars = 200
	// previewBytes is how much decoded text of one part is looked at.
	previewBytes = 128 << 10
	// previewParts is how many parts are tried.
	previewParts = 10
)

// Preview returns at most 200 characters of what a reader would see first of the
// message (RFC 8970): white space collapsed to single spaces, quoted text and
// signatures left out where there is anything else. It is "" where there is no text. It
// reads a bounded amount of ra; where ra fails the preview is shorter.
func Preview(p *Part, ra io.ReaderAt) string {
	w := previewWalk{ra: ra, left: previewParts}
	if s := w.part(p, 0); s != "" {
		return s
	}
	// Nothing but quotes: better than nothing.
	w = previewWalk{ra: ra, left: previewParts, quotes: true}
	return w.part(p, 0)
}

type previewWalk struct {
	ra     io.ReaderAt
	left   int
	quotes bool
}

// part returns the preview of a part, "" if it has none.
func (w *previewWalk) part(p *Part, depth int) string {
	if depth > 20 {
		return ""
	}
	switch {
	case p.IsMultipart() && p.Subtype == "encrypted":
		return ""
	case p.IsMultipart():
		return w.children(p, depth)
	case p.Message != nil:
		return w.part(p.Message, depth+1)
	case p.IsText() && (p.Subtype == "plain" || p.Subtype == "enriched" || p.isHTML()) && p.Disposition != "attachment":
		if w.left == 0 || p.BodySize() == 0 {
			return ""
		}
		w.left--
		return w.text(p)
	}
	return ""
}

// children tries the parts in order; what is not a message before what is.
func (w *previewWalk) children(p *Part, depth int) string {
	for _, messages := range []bool{false, true} {
		for i, c := range p.Parts {
			if i >= 100 {
				break
			}
			if c.IsMessage() != messages {
				continue
			}
			if s := w.part(c, depth+1); s != "" {
				return s
			}
		}
	}
	return ""
}

func (w *previewWalk) text(p *Part) string {
	r := io.LimitReader(p.Text(w.ra), previewBytes)
	var b previewBuilder
	if p.isHTML() {
		b.copyFrom(newHTMLScanner(r, !w.quotes))
		return b.String()
	}
	previewPlain(&b, r, w.quotes)
	return b.String()
}

// previewPlain adds lines of plain text, skipping quotes and all after a signature.
func previewPlain(b *previewBuilder, r io.Reader, quotes bool) {
	lines := bufio.NewReaderSize(r, 4<<10)
	pending := "" // a line that may introduce a quote
	for !b.full() {
		line, isPrefix, err := lines.ReadLine()
		if err != nil {
			break
		}
		s := string(line)
		if !quotes && !isPrefix {
			trimmed := strings.TrimSpace(s)
			switch {
			case s == "-- " || s == "--" || strings.HasPrefix(trimmed, "-----Original Message") || strings.HasPrefix(trimmed, "-----BEGIN PGP SIGNATURE"):
				b.add(pending)
				return
			case strings.HasPrefix(s, ">"):
				pending = ""
				continue
			case isRule(trimmed) || strings.HasPrefix(trimmed, "-----BEGIN PGP SIGNED") || strings.HasPrefix(s, "Hash: ") && !b.any():
				continue
			case trimmed == "":
				// An introduction may be followed by an empty line.
				continue
			}
			if strings.HasSuffix(trimmed, ":") {
				b.add(pending)
				pending = s
				continue
			}
		}
		b.add(pending)
		pending = ""
		b.add(s)
		for isPrefix && err == nil && !b.full() {
			line, isPrefix, err = lines.ReadLine()
			b.text(string(line))
		}
	}
	b.add(pending)
}

// isRule reports whether the line is drawn, such as "=======".
func isRule(s string) bool {
	return len(s) > 2 && strings.Trim(s, "-=_*~#+.· ") == ""
}

// previewBuilder collects characters, white space collapsed.
type previewBuilder struct {
	b      strings.Builder
	n      int
	space  bool
	joiner rune // seen since the last character
}

func (b *previewBuilder) full() bool     { return b.n >= previewChars }
func (b *previewBuilder) any() bool      { return b.n > 0 }
func (b *previewBuilder) String() string { return b.b.String() }

// add adds a line.
func (b *previewBuilder) add(s string) {
	if s != "" {
		b.space = true
		b.text(s)
	}
}

func (b *previewBuilder) text(s string) {
	for _, r := range s {
		if b.full() {
			return
		}
		b.char(r)
	}
}

func (b *previewBuilder) char(r rune) {
	switch {
	case unicode.IsSpace(r) || unicode.IsControl(r):
		b.space = true
		return
	case isFiller(r):
		return
	case r == 0x200c || r == 0x200d:
		// Joiners matter between letters of some scripts and in emoji, elsewhere they
		// are filler too.
		b.joiner = r
		return
	}
	if b.joiner != 0 && !b.space && b.n > 0 && b.n+1 < previewChars && (unicode.IsLetter(r) || unicode.Is(unicode.So, r)) {
		b.b.WriteRune(b.joiner)
		b.n++
	}
	b.joiner = 0
	if b.space && b.n > 0 {
		if b.n+1 >= previewChars {
			b.n = previewChars // no room for a character after the space
			return
		}
		b.b.WriteByte(' ')
		b.n++
	}
	b.space = false
	b.b.WriteRune(r)
	b.n++
}

// isFiller reports whether the character is one of those that senders put behind the
// text they want to be the preview, to keep out what follows.
func isFiller(r rune) bool {
	switch r {
	case 0x034f, 0x00ad, 0x061c, 0x115f, 0x1160, 0x17b4, 0x17b5, 0x180e, 0x3164, 0xfeff, 0xffa0, 0x200b, 0x200e, 0x200f, 0x2007, 0x2800:
		return true
	}
	return 0x202a <= r && r <= 0x202e || 0x2060 <= r && r <= 0x206f
}

func (b *previewBuilder) copyFrom(r io.Reader) {
	br := bufio.NewReader(r)
	for !b.full() {
		c, size, err := br.ReadRune()
		if err != nil {
			return
		}
		if c != utf8.RuneError || size > 1 {
			b.char(c)
		}
	}
}
