package dmarcrpt

import (
	"fmt"
	"io"
	"strings"

	"mox/message"
)

// maxTries is how many parts of a message are taken for a report.
const maxTries = 5

// ParseMessage finds the report in a message and reads it. The error is [ErrNone] when
// nothing looks like one, or that of [Parse] for the first part that does.
func ParseMessage(r io.ReaderAt, root *message.Part) (*Feedback, error) {
	if root.Size() > MaxPacked {
		return nil, fmt.Errorf("%w: message of more than %d octets", ErrTooLarge, MaxPacked)
	}
	rep, found, err := message.Find(root, maxTries, candidate, func(p *message.Part) (*Feedback, error) { return parsePart(r, p) })
	if found || err != nil {
		return rep, err
	}
	return nil, ErrNone
}

// types are those that reports come with. RFC 7489 7.2.1.1 has application/gzip and text/xml.
var types = map[string]bool{
	"application/gzip": true, "application/x-gzip": true, "application/gzip-compressed": true, "application/x-gzip-compressed": true, "application/gzipped": true,
	"application/zip": true, "application/x-zip": true, "application/x-zip-compressed": true, "multipart/x-zip": true,
	"text/xml": true, "application/xml": true, "application/dmarc+xml": true,
}

// candidate tells whether a part may be a report, by its type or, since those are often
// wrong, its name.
func candidate(p *message.Part) bool {
	if types[p.MediaType()] {
		return true
	}
	if p.IsMultipart() || p.IsMessage() {
		return false
	}
	name := strings.ToLower(p.Filename())
	for _, ext := range []string{".xml", ".gz", ".zip"} {
		if strings.HasSuffix(name, ext) {
			return true
		}
	}
	return p.MediaType() == "application/octet-stream" && strings.Count(name, "!") >= 3
}

func parsePart(r io.ReaderAt, p *message.Part) (*Feedback, error) {
	d, err := p.Decoded(r)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrReport, err)
	}
	return Parse(d)
}
