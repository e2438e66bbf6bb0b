package imapserver

import (
	"context"
	"slices"
	"strconv"

	"mox/imap"
	"mox/store"
)

// cmdStatus is STATUS, RFC 9051 6.3.11.
func (s *session) cmdStatus(ctx context.Context, r *imap.Request) error {
	st := r.Args.(*imap.Status)
	p, err := s.place(ctx, st.Mailbox, imap.RightRead)
	if err != nil {
		return err
	}
	// RFC 7162 3.1: STATUS (HIGHESTMODSEQ) is a CONDSTORE enabling command.
	if slices.Contains(st.Atts, imap.StatusHighestModSeq) {
		s.enableCondstore()
	}
	s.sendStatus(&p, st.Atts)
	return nil
}

// sendStatus sends STATUS of a mailbox.
func (s *session) sendStatus(p *place, atts []imap.StatusAtt) {
	b := append(s.output(), "* STATUS "...)
	b = imap.AppendMailbox(b, p.name(), s.utf8)
	b = append(b, " ("...)
	for i, a := range atts {
		if i > 0 {
			b = append(b, ' ')
		}
		b = append(b, a.String()...)
		b = append(b, ' ')
		b = statusValues[a](s, b, p)
	}
	s.out = append(b, ")\r\n"...)
}

// statusValues write the value of each item.
var statusValues = [...]func(s *session, b []byte, p *place) []byte{
	imap.StatusMessages: statusNumber(func(mb *store.Mailbox) int64 { return int64(mb.Messages) }),
	// RFC 9051 has no \Recent; no message is.
	imap.StatusRecent:        statusNumber(func(*store.Mailbox) int64 { return 0 }),
	imap.StatusUIDNext:       statusNumber(func(mb *store.Mailbox) int64 { return int64(mb.UIDNext) }),
	imap.StatusUIDValidity:   statusNumber(func(mb *store.Mailbox) int64 { return int64(mb.UIDValidity) }),
	imap.StatusUnseen:        statusNumber(func(mb *store.Mailbox) int64 { return int64(mb.Unseen) }),
	imap.StatusDeleted:       statusNumber(func(mb *store.Mailbox) int64 { return int64(mb.Counts.Deleted) }),
	imap.StatusSize:          statusNumber(func(mb *store.Mailbox) int64 { return mb.Size }),
	imap.StatusHighestModSeq: statusNumber(func(mb *store.Mailbox) int64 { return max(1, int64(mb.ModSeq)) }),
	imap.StatusAppendLimit: func(s *session, b []byte, _ *place) []byte {
		return strconv.AppendInt(b, s.limits().AppendSize, 10)
	},
	imap.StatusMailboxID: func(_ *session, b []byte, p *place) []byte {
		b = append(b, '(')
		b = append(b, p.objectID()...)
		return append(b, ')')
	},
	// RFC 9208 5.1: STORAGE is in units of 1024 octets.
	imap.StatusDeletedStorage: statusNumber(func(mb *store.Mailbox) int64 { return kibi(mb.DeletedSize) }),
}

func statusNumber(f func(mb *store.Mailbox) int64) func(*session, []byte, *place) []byte {
	return func(_ *session, b []byte, p *place) []byte {
		return strconv.AppendInt(b, f(&p.mb), 10)
	}
}

func kibi(n int64) int64 { return (n + 1023) / 1024 }
