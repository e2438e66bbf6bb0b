package imapserver

import (
	"strconv"
)

// enableCondstore makes the client CONDSTORE-aware. RFC 7162 3.1: the first enabling
// command with a mailbox selected makes the server send HIGHESTMODSEQ.
func (s *session) enableCondstore() {
	if s.condstore {
		return
	}
	s.condstore = true
	if s.box != nil {
		s.sendHighestModSeq()
	}
}

func (s *session) sendHighestModSeq() {
	b := append(s.output(), "* OK [HIGHESTMODSEQ "...)
	b = strconv.AppendInt(b, int64(s.box.known()), 10)
	s.out = append(b, "] highest\r\n"...)
}

// known is the highest mod-sequence up to which the client knows everything.
func (b *selected) known() int64 {
	m := int64(b.view.ModSeq)
	if len(b.ghosts) > 0 {
		m = int64(b.floor)
	}
	return max(m, 1) // RFC 7162 7: mod-sequence-value is above 0.
}

// highestModSeqCode is the response code HIGHESTMODSEQ.
func (s *session) highestModSeqCode() string {
	return "HIGHESTMODSEQ " + strconv.FormatInt(s.box.known(), 10)
}
