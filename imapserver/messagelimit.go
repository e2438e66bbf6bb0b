package imapserver

import (
	"strconv"

	"mox/imap"
)

// RFC 9738 3: with a limit, FETCH and STORE work on as many messages as it allows, those with
// the highest UIDs, and say at which UID they stopped. COPY and MOVE are done whole or not at
// all. What costs little (SEARCH and the like, EXPUNGE) is not limited. The lighter form,
// SAVELIMIT, limits COPY, MOVE and APPEND alone.

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

// withinSaveLimit refuses sets of which a command may not save as many messages.
func (s *session) withinSaveLimit(sp spans) error {
	if limit := s.limits().saves(); limit > 0 && sp.len() > limit {
		return tooManyMessages(limit)
	}
	return nil
}

// saves returns how many messages one COPY, MOVE or APPEND may save, 0 for no limit.
//
// RFC 9738: SAVELIMIT is for servers that limit only what is costly to save. Its text was not
// at hand: that the response code is that of MESSAGELIMIT, and the value never above that of
// MESSAGELIMIT, is from memory.
func (l *Limits) saves() int {
	if l.Messages > 0 && (l.Saves <= 0 || l.Saves > l.Messages) {
		return l.Messages
	}
	return max(0, l.Saves)
}

// hasSaveLimit reports whether SAVELIMIT is announced: where only MESSAGELIMIT is set, that
// says it all.
func (s *session) hasSaveLimit() bool { return s.limits().Saves > 0 }
