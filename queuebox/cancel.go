package queuebox

import (
	"bufio"
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"time"

	"mox/message"
	"mox/queue"
	"mox/smtp"
	"mox/store"
)

// settleTime is how long an attempt that was chosen before a message was put on hold may need
// to be known as under way.
const settleTime = 200 * time.Millisecond

// maxHeader is the most octets of the header of a message that is made a draft.
const maxHeader = 1 << 20

// cancel does what the user wants who has taken a message away: it is removed from the
// queue for all recipients that do not have it, and made a draft if it is among the drafts
// now. g is nil when no recipient is left.
func (s *visit) cancel(ctx context.Context, x *row, g *group) error {
	var ids []int64
	if g != nil {
		ids = g.ids()
		// No attempt begins any more, and one that is under way ends as it does.
		n, err := s.c.Queue.Hold(ctx, queue.Filter{IDs: ids}, true)
		if err != nil {
			return err
		}
		if n > 0 || s.c.Sending(ids...) {
			s.later(s.now.Add(max(settleTime, s.c.Limits.Pace)))
			return nil
		}
		// As of now: an attempt may have ended since we looked.
		if g.msgs, err = s.c.Queue.List(ctx, queue.Filter{IDs: ids}, queue.Sort{}); err != nil {
			return err
		}
		sortByID(g.msgs)
	}
	box, m, err := s.among(ctx, x)
	if err != nil {
		return err
	}
	if m != nil {
		err := s.draft(ctx, x, g, box, m)
		if err != nil && ctx.Err() != nil {
			return err
		}
		if err != nil {
			// All of it is there, only with the added fields.
			s.c.Log.ErrorContext(ctx, "making a draft of a message that was taken back", "err", err, "account", s.acc.Name(), "queueid", x.Base)
		}
	}
	if len(ids) > 0 {
		n, err := s.c.Queue.Cancel(ctx, queue.Filter{IDs: ids}, "taken back by its sender")
		if err != nil {
			return err
		}
		s.c.Log.InfoContext(ctx, "message canceled by its sender", "account", s.acc.Name(), "queueid", x.Base, "recipients", n, "draft", m != nil)
	}
	delete(s.groups, x.Base) // it is not to be shown again
	return s.rows.drop(ctx, x)
}

// among finds the message that showed a submission, or a copy of it as clients without MOVE
// make, among the drafts; nil: it is not there.
func (s *visit) among(ctx context.Context, x *row) (store.Mailbox, *store.Message, error) {
	for _, box := range s.acc.Mailboxes() {
		if !inDrafts(box) {
			continue
		}
		l, err := s.acc.MessagesAt(ctx, box.ID, store.AllUIDs())
		if errors.Is(err, store.ErrNoMailbox) {
			continue
		} else if err != nil {
			return store.Mailbox{}, nil, err
		}
		for i := range l {
			if l[i].Body == x.Body {
				return box, &l[i], nil
			}
		}
	}
	return store.Mailbox{}, nil, nil
}

// draft replaces a message among the drafts by one that can be edited and sent.
func (s *visit) draft(ctx context.Context, x *row, g *group, box store.Mailbox, m *store.Message) error {
	r, err := s.acc.OpenBody(ctx, m.Body)
	if err != nil {
		return err
	}
	defer r.Close()
	all := io.NewSectionReader(r, 0, r.Size())
	top, err := message.ParseTop(bufio.NewReader(all), message.Limits{})
	if err != nil {
		return err
	}
	h, err := message.ReadHeader(bufio.NewReader(io.NewSectionReader(r, 0, top.BodyStart)), maxHeader)
	if err != nil {
		return err
	}
	edit(h, x, g)
	spool := s.c.Store.NewSpool()
	defer spool.Close()
	if _, err := spool.Write(h.Append(nil)); err != nil {
		return err
	}
	if _, err := r.CopyRange(spool, top.BodyStart, r.Size()-top.BodyStart); err != nil {
		return err
	}
	if err := spool.Finish(); err != nil {
		return err
	}
	_, err = s.acc.Replace(ctx, box.ID, m.UID, box.ID, store.NewMessage{
		Spool: spool, Flags: m.Flags&^store.FlagDeleted | store.FlagSeen | store.FlagDraft, Keywords: s.acc.Keywords(m.Keywords), Received: s.now,
	})
	if errors.Is(err, store.ErrNoMessage) {
		return nil // gone meanwhile
	}
	return err
}

// deliveryFields are what is added to a message on its way. A draft has none of them.
var deliveryFields = []string{
	"Return-Path", "Received", "Received-SPF", "Authentication-Results", "DKIM-Signature", "Delivered-To",
	"ARC-Seal", "ARC-Message-Signature", "ARC-Authentication-Results",
}

// edit makes the header of a draft of that of a message that was shown.
func edit(h *message.Header, x *row, g *group) {
	h.RemoveFunc(func(f message.Field) bool {
		return strings.HasPrefix(strings.ToLower(f.Name()), strings.ToLower(fieldPrefix)) || slices.ContainsFunc(deliveryFields, f.Is)
	})
	named := addresses(h)
	left := map[int64]bool{}
	var bcc []string
	if g != nil {
		for i := range g.msgs {
			m := &g.msgs[i]
			left[m.ID] = true
			if to := m.Recipient.XString(m.SMTPUTF8); !named[canonical(m.Recipient.XString(true))] {
				bcc = append(bcc, to)
			}
		}
	}
	if len(bcc) > 0 {
		// As it was given: who sends has to know it.
		h.Add("Bcc", joined(bcc))
	}
	var gone []string
	for i, id := range x.IDs {
		if !left[id] && i < len(x.To) {
			gone = append(gone, x.To[i])
		}
	}
	if len(gone) > 0 {
		h.Add(fieldPrefix+"Gone", joined(gone))
	}
}

// joined is a list of addresses, a line each.
func joined(l []string) string { return strings.Join(l, ",\r\n\t") }

// addresses returns the addresses that a header names as recipients.
func addresses(h *message.Header) map[string]bool {
	found := map[string]bool{}
	for _, name := range []string{"To", "Cc", "Resent-To", "Resent-Cc"} {
		for _, v := range h.Values(name) {
			for _, a := range message.ParseAddressList(v, 10_000) {
				if a.Kind == message.AddressMailbox {
					found[canonical(smtp.Localpart(a.Mailbox).String()+"@"+a.Host)] = true
				}
			}
		}
	}
	return found
}

// canonical is an address for comparison.
func canonical(s string) string {
	if a, err := smtp.ParseAddressLax(s); err == nil {
		s = a.Path().XString(true)
	}
	return strings.ToLower(s)
}
