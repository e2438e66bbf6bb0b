package imapserver

import (
	"slices"
	"strconv"

	"mox/imap"
	"mox/store"
)

// errUIDRequired refuses sequence numbers: RFC 9586 3.
var errUIDRequired = &imap.Error{Type: imap.BAD, Code: imap.CodeUIDRequired, Text: "message numbers are not allowed once UIDONLY is enabled"}

// numbered are the commands with sequence numbers in arguments or answers when they have no
// prefix UID.
var numbered = map[string]bool{
	"FETCH": true, "STORE": true, "COPY": true, "MOVE": true, "SEARCH": true, "SORT": true, "THREAD": true, "REPLACE": true,
}

// checkUIDOnly refuses commands with sequence numbers. Those in search keys are found when
// these are compiled.
func (s *session) checkUIDOnly(r *imap.Request) error {
	if !s.uidonly {
		return nil
	}
	if numbered[r.Name] && !r.UID {
		return errUIDRequired
	}
	// RFC 7162 3.2.5.2: sequence match data.
	if sel, ok := r.Args.(*imap.Select); ok && sel.QResync != nil && sel.QResync.Seqs != nil {
		return errUIDRequired
	}
	return nil
}

// enableUIDOnly is ENABLE UIDONLY, RFC 9586. Searches that are kept up to date by sequence
// numbers are so no longer.
func (s *session) enableUIDOnly() {
	s.uidonly = true
	if s.box == nil {
		return
	}
	for _, c := range slices.Clone(s.box.contexts) {
		if !c.uid {
			s.refuseUpdate(c, "its result has message numbers")
		}
	}
}

// appendFetch begins a FETCH response, or with UIDONLY an UIDFETCH.
func (s *session) appendFetch(b []byte, seq uint32, m *store.Message) []byte {
	n, name := seq, " FETCH ("
	if s.uidonly {
		n, name = uint32(m.UID), " UIDFETCH ("
	}
	b = append(b, "* "...)
	b = strconv.AppendUint(b, uint64(n), 10)
	return append(b, name...)
}
