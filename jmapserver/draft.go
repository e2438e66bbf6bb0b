package jmapserver

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"mox/jmap"
	"mox/message"
	"mox/store"
)

// draft is an Email to be created, RFC 8621 4.6: first what the client says is checked, then it is written.
type draft struct {
	*setting
	ctx    context.Context
	fields []draftField // of the header, in no order
	values map[string]bodyValue
	body   *message.Body
	utf8   bool // the header cannot be written in ASCII

	parts    int
	top      map[string]bool // fields of the Email, in lower case
	notFound []jmap.ID       // blobs
	blobs    []*lazyBlob
}

// draftField is a header field.
type draftField struct {
	name  string
	write func(c *message.Composer)
}

// create creates an Email.
func (s *emailSetting) create(ctx context.Context, k jmap.ID, b json.RawMessage) error {
	var props map[string]json.RawMessage
	if err := json.Unmarshal(b, &props); err != nil || props == nil {
		return jmap.SetErrorf(jmap.SetInvalidProperties, "it is not an object")
	}
	n, err := s.newEmail(props)
	if err != nil {
		return err
	}
	d := &draft{setting: s.setting, ctx: ctx, top: map[string]bool{}}
	defer d.close()
	if err := d.read(props); err != nil {
		return err
	}
	spool := s.acc.NewSpool()
	defer spool.Close()
	if err := d.write(&limitedWriter{spool, s.s.c.Limits.Message}); err != nil {
		return err
	}
	if err := spool.Finish(); err != nil {
		return err
	}
	made, err := s.put(ctx, n, spool)
	if err != nil {
		return err
	}
	s.created(k, made.ID, made)
	return nil
}

// newEmail reads, and takes out, where an Email goes and with which flags.
func (s *setting) newEmail(props map[string]json.RawMessage) (*newEmail, error) {
	n := &newEmail{}
	var err error
	if n.boxes, err = s.mailboxSet(props["mailboxIds"]); err != nil {
		return nil, err
	}
	if n.flags, n.keywords, err = keywordSet(props["keywords"]); err != nil {
		return nil, err
	}
	if v := props["receivedAt"]; !jmap.IsNull(v) {
		n.received = &jmap.UTCDate{}
		if err := json.Unmarshal(v, n.received); err != nil {
			return nil, jmap.InvalidProperty("receivedAt", "%v", err)
		}
	}
	for _, name := range []string{"mailboxIds", "keywords", "receivedAt"} {
		delete(props, name)
	}
	return n, nil
}

// read checks what the client says.
func (d *draft) read(props map[string]json.RawMessage) error {
	body := map[string]json.RawMessage{}
	for _, name := range slices.Sorted(maps.Keys(props)) {
		v := props[name]
		switch name {
		case "bodyStructure", "textBody", "htmlBody", "attachments", "bodyValues":
			if !jmap.IsNull(v) {
				body[name] = v
			}
			continue
		}
		known, err := d.header(name, v)
		if err != nil {
			return err
		}
		// "headers", and what only the server sets, are refused too.
		if !known {
			return jmap.InvalidProperty(name, "the property %.100q cannot be given for an Email that is created", name)
		}
	}
	for _, f := range d.fields {
		l := strings.ToLower(f.name)
		if strings.HasPrefix(l, "content-") {
			return jmap.InvalidProperty("header:"+f.name, "header fields that begin with Content- are those of body parts")
		}
		d.top[l] = true
	}
	if err := d.readBody(body); err != nil {
		return err
	}
	if len(d.notFound) > 0 {
		return &jmap.SetError{Type: jmap.SetBlobNotFound, Description: "there are no such blobs", NotFound: d.notFound}
	}
	return nil
}

// fieldOrder is that of fields in a message; others follow.
var fieldOrder = []string{"from", "sender", "reply-to", "to", "cc", "bcc", "subject", "date", "message-id", "in-reply-to", "references"}

// write writes the message. Errors are [*jmap.SetError] where the client can do better.
func (d *draft) write(w io.Writer) error {
	if err := d.complete(); err != nil {
		return err
	}
	slices.SortStableFunc(d.fields, func(a, b draftField) int { return fieldRank(a.name) - fieldRank(b.name) })
	c := message.NewComposer(w, message.ComposeOptions{UTF8: d.utf8})
	for _, f := range d.fields {
		f.write(c)
	}
	err := c.WriteBody(d.body)
	if errors.Is(err, message.ErrCompose) || errors.Is(err, message.ErrNeedsUTF8) {
		return jmap.SetErrorf(jmap.SetInvalidProperties, "%v", err)
	}
	return err
}

func fieldRank(name string) int {
	if i := slices.Index(fieldOrder, strings.ToLower(name)); i >= 0 {
		return i
	}
	return len(fieldOrder)
}

// complete adds what RFC 8621 4.6 wants in any message.
func (d *draft) complete() error {
	if !d.top["message-id"] {
		id, err := message.NewMessageID(d.s.c.Hostname, nil)
		if err != nil {
			return err
		}
		d.fields = append(d.fields, draftField{"Message-ID", func(c *message.Composer) { c.MessageIDs("Message-ID", id) }})
	}
	if !d.top["date"] {
		now := d.s.c.Now()
		d.fields = append(d.fields, draftField{"Date", func(c *message.Composer) { c.Date(now) }})
	}
	return nil
}

func (d *draft) close() {
	for _, b := range d.blobs {
		b.Close()
	}
}

// limitedWriter refuses more than it has left.
type limitedWriter struct {
	w    io.Writer
	left int64
}

func (l *limitedWriter) Write(p []byte) (int, error) {
	if l.left -= int64(len(p)); l.left < 0 {
		return 0, store.ErrTooLarge
	}
	return l.w.Write(p)
}

// parseSent parses a time with an offset, RFC 8620 1.4.
func parseSent(b json.RawMessage) (time.Time, error) {
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		return time.Time{}, errors.New("it is no string")
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil || t.Year() < 1900 {
		return time.Time{}, errors.New("it is not a time like 2026-01-31T16:00:00+01:00")
	}
	return t, nil
}
