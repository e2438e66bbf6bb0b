package mbox

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"mox/lineio"
)

// Meta is what an mbox says of a message besides its content.
type Meta struct {
	Sender   string    // empty: MAILER-DAEMON
	Received time.Time // to the second
	Flags    []string  // by their names in IMAP
}

// Writer writes mboxrd. It is not safe for concurrent use.
type Writer struct{ w *bufio.Writer }

// NewWriter returns a Writer to w, which Flush must be called of at the end.
func NewWriter(w io.Writer) *Writer { return &Writer{bufio.NewWriterSize(w, 64<<10)} }

// Flush writes what is buffered.
func (w *Writer) Flush() error { return w.w.Flush() }

// Write writes a message, lines of which end in CRLF. It is read twice.
func (w *Writer) Write(m Meta, r io.ReadSeeker) error {
	endings, err := lineio.ScanLineEndings(r)
	if err == nil {
		_, err = r.Seek(0, io.SeekStart)
	}
	if err != nil {
		return fmt.Errorf("reading message: %w", err)
	}
	sender := strings.Join(strings.Fields(m.Sender), "")
	if sender == "" {
		sender = "MAILER-DAEMON"
	}
	fmt.Fprintf(w.w, "From %s %s\n", sender, m.Received.UTC().Format(time.ANSIC))
	q := &quoter{w: w.w, eol: "\n", header: true, bol: true}
	if !endings.LF && endings.CRLF {
		q.eol = "\r\n"
	}
	q.meta(m.Flags)
	dst := io.Writer(q)
	var lf *lineio.LFWriter
	if q.eol == "\n" {
		lf = &lineio.LFWriter{W: q}
		dst = lf
	}
	if _, err := io.Copy(dst, struct{ io.Reader }{r}); err != nil {
		return fmt.Errorf("writing message: %w", err)
	}
	if lf != nil {
		if err := lf.Close(); err != nil {
			return err
		}
	}
	return q.close()
}

// statusLetters are those of the fields Status and X-Status.
var statusLetters = []struct {
	flag   string
	letter byte
}{{`\Answered`, 'A'}, {`\Flagged`, 'F'}, {`\Deleted`, 'T'}, {`\Draft`, 'D'}}

// quoter writes a message with lines quoted and fields renamed.
type quoter struct {
	w      *bufio.Writer
	eol    string
	header bool
	bol    bool
	line   []byte // the beginning of a line, until it is known what is to be done with it
	rest   bool   // the line goes through
	last   byte
}

// meta writes the flags.
func (q *quoter) meta(flags []string) {
	status, xstatus, keywords := "O", []byte(nil), []string(nil)
	for _, f := range flags {
		i := slices.IndexFunc(statusLetters, func(s struct {
			flag   string
			letter byte
		}) bool {
			return strings.EqualFold(s.flag, f)
		})
		switch {
		case strings.EqualFold(f, `\Seen`):
			status = "RO"
		case i >= 0:
			xstatus = append(xstatus, statusLetters[i].letter)
		default:
			keywords = append(keywords, f)
		}
	}
	fmt.Fprintf(q.w, "Status: %s%s", status, q.eol)
	if len(xstatus) > 0 {
		fmt.Fprintf(q.w, "X-Status: %s%s", xstatus, q.eol)
	}
	if len(keywords) > 0 {
		fmt.Fprintf(q.w, "X-Keywords: %s%s", strings.Join(keywords, " "), q.eol)
	}
}

// maxFieldName is how much of a line is held back to see what field it is.
const maxFieldName = 200

// Write implements [io.Writer]. Errors of the buffer stay with it.
func (q *quoter) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		i := bytes.IndexByte(p, '\n')
		piece := p
		if i >= 0 {
			piece = p[:i+1]
		}
		p = p[len(piece):]
		q.piece(piece, i >= 0)
	}
	return n, nil
}

// piece takes part of a line, which ended tells whether it ends.
func (q *quoter) piece(b []byte, ended bool) {
	if q.rest {
		q.put(b)
		q.rest = !ended
		return
	}
	q.line = append(q.line, b...)
	if !ended && (len(q.line) < maxFieldName || len(q.line) < bufferSize && allGreater(q.line)) {
		return
	}
	q.begin()
	q.rest = !ended
}

// begin writes the beginning of a line.
func (q *quoter) begin() {
	line := q.line
	q.line = q.line[:0]
	if q.header {
		text := bytes.TrimRight(line, "\r\n")
		if len(text) == 0 && len(line) > 0 && line[len(line)-1] == '\n' {
			q.header = false
		} else if i := bytes.IndexByte(line, ':'); i > 0 && isMeta(strings.TrimRight(string(line[:i]), " \t")) {
			q.w.WriteString(originalPrefix)
		}
	}
	if quoted(line) >= 0 {
		q.w.WriteByte('>')
	}
	q.put(line)
}

func allGreater(b []byte) bool {
	for _, c := range b {
		if c != '>' {
			return false
		}
	}
	return len(b) > 0
}

func (q *quoter) put(b []byte) {
	if len(b) > 0 {
		q.last = b[len(b)-1]
		q.w.Write(b)
	}
}

// close ends the message: with a line ending where it has none, and an empty line.
func (q *quoter) close() error {
	if len(q.line) > 0 {
		q.begin()
	}
	if q.header {
		// A header that has no end gets one: else the next message would be part of it.
		if q.last != '\n' && q.last != 0 {
			q.w.WriteString(q.eol)
		}
		q.w.WriteString(q.eol)
	} else if q.last != '\n' {
		q.w.WriteString(q.eol)
	}
	// The line that belongs to the format is as the separator is.
	_, err := q.w.WriteString("\n")
	return err
}
