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
	if r.Args.(*imap.GetQuota).Root != quotaRoot || s.account.Quota().Limit == 0 {
		return imap.No(imap.CodeNonExistent, "no such quota root")
	}
	s.sendQuota()
	return nil
}

// cmdGetQuotaRoot is GETQUOTAROOT, RFC 9208 4.1.2. Without a limit no root applies.
func (s *session) cmdGetQuotaRoot(_ context.Context, r *imap.Request) error {
	mb, err := s.mailbox(r.Args.(*imap.Mailbox).Name)
	if err != nil {
		return err
	}
	b := append(s.output(), "* QUOTAROOT "...)
	b = imap.AppendMailbox(b, wireName(mb.Name), s.utf8)
	limited := s.account.Quota().Limit > 0
	if limited {
		b = append(b, ` ""`...)
	}
	s.out = append(b, "\r\n"...)
	if limited {
		s.sendQuota()
	}
	return nil
}

// sendQuota sends QUOTA; RFC 9208 5.1: STORAGE counts units of 1024 octets.
func (s *session) sendQuota() {
	q := s.account.Quota()
	b := append(s.output(), `* QUOTA "" (STORAGE `...)
	b = strconv.AppendInt(b, kibi(q.Used), 10)
	b = append(b, ' ')
	b = strconv.AppendInt(b, q.Limit/1024, 10)
	s.out = append(b, ")\r\n"...)
}
