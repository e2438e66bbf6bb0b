package imapserver

import (
	"strconv"

	"mox/imap"
)

// RFC 9738 3: with a limit, FETCH and STORE work on as many messages as it allows, those with
// the highest UIDs, and say at which UID they stopped. COPY and MOVE are done whole or not at
// all. What costs little (SEARCH and the like, EXPUNGE) is not limited.

// hasMessageLimit reports whether there is one.
func (s *session) hasMessageLimit() bool { return s.limits().Messages > 0 }

// limitMessages returns the messages that a command may work on. The answer will have what
// was left out.
func (s *session) limitMessages(sp spans) spans {
	limit := s.limits().Messages
	if limit <= 0 || sp.len() <= limit {
		return sp
	}
	sp = sp.part(imap.PartialRange{First: 1, End: uint32(limit), Last: true})
	s.limitedAt = s.box.at(sp[0].from).msg.UID
	return sp
}

// tellLimited tells that a command has not worked on all messages: in its tagged response,
// unless that has something else to say.
func (s *session) tellLimited(err error) {
	uid := s.limitedAt
	s.limitedAt = 0
	if uid == 0 {
		return
	}
	code := imap.CodeMessageLimit + " " + strconv.Itoa(s.limits().Messages) + " " + strconv.FormatUint(uint64(uid), 10)
	text := "partial result, go on with the messages below this UID"
	if err == nil && s.reply.code == "" {
		s.reply = reply{code: code, text: text}
		return
	}
	s.line("* NO [", code, "] ", text)
}

// tooManyMessages refuses a command that is done whole or not at all.
func tooManyMessages(limit int) error {
	return &imap.Error{Type: imap.NO, Code: imap.CodeMessageLimit, CodeArg: strconv.Itoa(limit), Text: "too many messages, try a smaller set"}
}

// withinLimit refuses sets that are larger than the limit.
func (s *session) withinLimit(sp spans) error {
	if limit := s.limits().Messages; limit > 0 && sp.len() > limit {
		return tooManyMessages(limit)
	}
	return nil
}
