package dsn

import (
	"errors"
	"fmt"
	"io"

	"mox/message"
)

// ErrNone: the message is not a delivery status notification.
var ErrNone = errors.New("not a delivery status notification")

// Report is a notification that was received. Parts are of the message given to Parse.
type Report struct {
	Status *Status
	Text   *message.Part // for people; nil if there is none
	// Returned is the part with the original message (Full) or its header; nil if there
	// is none.
	Returned *message.Part
	Full     bool
	// MessageID is that of the original, without angle brackets, as far as returned.
	MessageID string
}

// limits bound the structure of a notification: no real one has more.
var limits = message.Limits{Parts: 1000, Depth: 10}

// Parse reads a notification. The error is ErrNone, ErrStatus, or that of r.
func Parse(r io.ReaderAt, size int64) (*Report, error) {
	root, err := message.Parse(io.NewSectionReader(r, 0, size), limits)
	if err != nil {
		return nil, fmt.Errorf("reading notification: %w", err)
	}
	return ParsePart(r, root)
}

// ParsePart is Parse for a message that was parsed already.
func ParsePart(r io.ReaderAt, root *message.Part) (*Report, error) {
	report := find(root, 0)
	if report == nil {
		return nil, ErrNone
	}
	var rep Report
	for i, p := range report.Parts {
		switch typ := p.MediaType(); {
		case isStatus(p):
			if rep.Status != nil {
				continue
			}
			dr, err := p.Decoded(r)
			if err != nil {
				return nil, fmt.Errorf("%w: %w", ErrStatus, err)
			}
			b, err := io.ReadAll(io.LimitReader(dr, maxStatus+1))
			if err != nil {
				return nil, fmt.Errorf("reading status: %w", err)
			}
			if rep.Status, err = ParseStatus(b); err != nil {
				return nil, err
			}
		case typ == "message/rfc822" || typ == "message/global":
			rep.Returned, rep.Full = p, true
		case typ == "text/rfc822-headers" || typ == "message/global-headers":
			rep.Returned, rep.Full = p, false
		case i == 0:
			rep.Text = p
		}
	}
	if rep.Returned != nil {
		rep.MessageID = originalID(r, rep.Returned)
	}
	return &rep, nil
}

// find returns the multipart that has a status as its part: a multipart/report, or what
// some send in place of one.
func find(p *message.Part, depth int) *message.Part {
	if depth > 3 || !p.IsMultipart() {
		return nil
	}
	for _, part := range p.Parts {
		if isStatus(part) {
			return p
		}
	}
	// A list may have put it in another multipart.
	for _, part := range p.Parts {
		if found := find(part, depth+1); found != nil {
			return found
		}
	}
	return nil
}

func isStatus(p *message.Part) bool {
	typ := p.MediaType()
	return typ == "message/delivery-status" || typ == "message/global-delivery-status"
}

func originalID(r io.ReaderAt, p *message.Part) string {
	dr, err := p.Decoded(r)
	if err != nil {
		return ""
	}
	// A header that is cut off has its first fields.
	b, _ := io.ReadAll(io.LimitReader(dr, maxHeader))
	ids := message.ParseMessageIDs(message.ParseHeader(b).Get("Message-ID"), 1)
	if len(ids) == 0 {
		return ""
	}
	return ids[0]
}
