package imapserver

import (
	"context"
	"strconv"

	"mox/imap"
)

// The account is the only quota root; its name is empty.
const quotaRoot = ""

// cmdGetQuota is GETQUOTA, RFC 9208 4.1.1.
func (s *session) cmdGetQuota(_ context.Context, r *imap.Request) error {
	if r.Args.(*imap.GetQuota).Root != quotaRoot || !s.account.Quota().Limited() {
		return imap.No(imap.CodeNonExistent, "no such quota root")
	}
	s.sendQuota()
	return nil
}

// cmdGetQuotaRoot is GETQUOTAROOT, RFC 9208 4.1.2. Without a limit no root applies. The
// mailbox need not exist: the client may want to know before it makes it.
func (s *session) cmdGetQuotaRoot(_ context.Context, r *imap.Request) error {
	name := r.Args.(*imap.Mailbox).Name
	if mb, ok := s.lookup(name); ok {
		name = wireName(mb.Name)
	}
	b := append(s.output(), "* QUOTAROOT "...)
	b = imap.AppendMailbox(b, name, s.utf8)
	limited := s.account.Quota().Limited()
	if limited {
		b = append(b, ` ""`...)
	}
	s.out = append(b, "\r\n"...)
	if limited {
		s.sendQuota()
	}
	return nil
}

// sendQuota sends QUOTA with the resources that are limited. RFC 9208 5.1: STORAGE counts
// units of 1024 octets.
func (s *session) sendQuota() {
	q := s.account.Quota()
	b := append(s.output(), `* QUOTA ""`...)
	sep := " ("
	resource := func(name string, used, limit int64) {
		b = append(append(b, sep...), name...)
		b = strconv.AppendInt(append(b, ' '), used, 10)
		b = strconv.AppendInt(append(b, ' '), limit, 10)
		sep = " "
	}
	if q.Limit > 0 {
		resource("STORAGE", kibi(q.Used), q.Limit/1024)
	}
	if q.MaxMessages > 0 {
		resource("MESSAGE", q.Count, q.MaxMessages)
	}
	if q.MaxMailboxes > 0 {
		resource("MAILBOX", q.Mailboxes, q.MaxMailboxes)
	}
	s.out = append(b, ")\r\n"...)
}
