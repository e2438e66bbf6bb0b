package dsn

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"strings"

	"mox/message"
)

// ErrNone: the message is not a delivery status notification.
var ErrNone = errors.New("not a delivery status notification")

// Report is a notification that was received. Parts are of the message given to Parse.
type Report struct {
	Status *Status
	Text   *message.Part // for people; nil if there is none
	// Returned is the part with the original message (Full) or its header; nil if there
	// is none, and when it is in the text.
	Returned *message.Part
	Full     bool
	// MessageID is that of the original, without angle brackets, as far as it is known.
	MessageID string
	// Guessed: it was found in a text for people, as [Guess] does. Who acts on it should want
	// to know the message in another way too.
	Guessed bool
	// Format is how it was written: "rfc3464", or of Guess the name of a program.
	Format string
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

// ParsePart is Parse for a message that was parsed already. The status may be in any
// multipart, and be labelled as a text; the other parts may come in any order. What a
// recipient lacks is filled in from the rest, see [Recipient.complete].
func ParsePart(r io.ReaderAt, root *message.Part) (*Report, error) {
	l := leaves(root)
	status, err := findStatus(r, l)
	if err != nil {
		return nil, err
	}
	rep := Report{Status: status, Format: "rfc3464"}
	for i := range rep.Status.Recipients {
		rep.Status.Recipients[i].complete()
	}
	for _, p := range l {
		switch {
		case isStatus(p):
		case rep.Returned == nil && isReturned(p):
			rep.Returned, rep.Full = p, p.IsMessage()
		case rep.Text == nil && p.IsText() && !p.IsAttachment():
			rep.Text = p
		}
	}
	if rep.Returned != nil {
		rep.MessageID = originalID(r, rep.Returned)
	}
	if rep.MessageID == "" {
		rep.MessageID = cmp.Or(statusID(rep.Status), repliedID(r, root))
	}
	return &rep, nil
}

// maxLeaves bounds the parts that are looked at.
const maxLeaves = 100

// leaves returns the parts that are no multipart, in their order. What is within a returned
// message is not part of the notification.
func leaves(root *message.Part) []*message.Part {
	var l []*message.Part
	var add func(p *message.Part, depth int)
	add = func(p *message.Part, depth int) {
		if !p.IsMultipart() {
			if len(l) < maxLeaves {
				l = append(l, p)
			}
			return
		}
		for _, part := range p.Parts {
			if depth < 5 {
				add(part, depth+1)
			}
		}
	}
	add(root, 0)
	return l
}

func isStatus(p *message.Part) bool {
	typ := p.MediaType()
	return typ == "message/delivery-status" || typ == "message/global-delivery-status"
}

// isReturned tells whether a part is the original or its header, by the types that are found.
func isReturned(p *message.Part) bool {
	switch p.MediaType() {
	case "message/rfc822", "message/global", "text/rfc822-headers", "message/global-headers", "message/rfc822-headers", "message/rfc822-header", "text/rfc822-header", "text/rfc822":
		return true
	}
	return false
}

// findStatus returns the status among parts: the one that says that it is, or else a text
// that looks like one, as gateways make of it.
func findStatus(r io.ReaderAt, l []*message.Part) (*Status, error) {
	labelled := error(ErrNone)
	for _, p := range l {
		if !isStatus(p) {
			continue
		}
		b, err := read(r, p, maxStatus+1)
		if err != nil {
			return nil, err
		}
		s, err := ParseStatus(b)
		if err == nil {
			return s, nil
		}
		labelled = err
	}
	for i, p := range l {
		// The first part of a notification is for people.
		if i == 0 || isStatus(p) || isReturned(p) || p.Type == "message" || p.BodySize() > 256<<10 {
			continue
		}
		if p.IsText() || p.MediaType() == "application/octet-stream" {
			b, err := read(r, p, 256<<10)
			if err != nil {
				return nil, err
			}
			if !looksLikeStatus(b) {
				continue
			}
			if s, err := ParseStatus(b); err == nil {
				return s, nil
			}
		}
	}
	return nil, labelled
}

// looksLikeStatus tells whether a text begins with a field of a status, and has a recipient
// with what happened.
func looksLikeStatus(b []byte) bool {
	text := strings.ToLower(strings.TrimSpace(string(b)))
	name, _, ok := strings.Cut(text, ":")
	name = strings.TrimSpace(name)
	return ok && (known[name] != nil || knownRecipient[name] != nil) && strings.Contains(text, "\nfinal-recipient:") &&
		(strings.Contains(text, "\naction:") || strings.Contains(text, "\nstatus:"))
}

// read returns the decoded content of a part, at most max octets.
func read(r io.ReaderAt, p *message.Part, max int64) ([]byte, error) {
	d, err := p.Decoded(r)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrStatus, err)
	}
	b, err := io.ReadAll(io.LimitReader(d, max))
	if err != nil {
		return nil, fmt.Errorf("reading notification: %w", err)
	}
	return b, nil
}

func originalID(r io.ReaderAt, p *message.Part) string {
	d, err := p.Decoded(r)
	if err != nil {
		return ""
	}
	// A header that is cut off has its first fields.
	b, _ := io.ReadAll(io.LimitReader(d, maxHeader))
	return firstID(message.ParseHeader(b).Get("Message-ID"))
}

func firstID(field string) string {
	ids := message.ParseMessageIDs(field, 1)
	if len(ids) == 0 {
		return ""
	}
	return ids[0]
}

// statusID is the Message-ID that some write into the status.
func statusID(s *Status) string {
	for _, f := range s.Other {
		switch strings.ToLower(f.Name) {
		case "x-original-message-id", "original-message-id", "x-message-id":
			return firstID(f.Value)
		}
	}
	return ""
}

// repliedID is the Message-ID of what the notification answers: many notifications without
// the original say it like that.
func repliedID(r io.ReaderAt, root *message.Part) string {
	b, _ := io.ReadAll(io.LimitReader(root.Header(r), maxHeader))
	h := message.ParseHeader(b)
	if id := firstID(h.Get("In-Reply-To")); id != "" {
		return id
	}
	if ids := message.ParseMessageIDs(h.Get("References"), 100); len(ids) > 0 {
		return ids[len(ids)-1]
	}
	return ""
}
