package imapclient

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"mox/imap"
)

// LimitedError is the error of a command that the server has done for a part of its messages
// only: those from a UID on. RFC 9738 3.
type LimitedError struct{ UID uint32 }

func (e *LimitedError) Error() string {
	return fmt.Sprintf("the server has a limit of messages for a command, and came down to UID %d", e.UID)
}

// limitedError returns the [*LimitedError] that a response stands for, or nil. It may come before
// the tagged one, where that has another code.
func limitedError(s *imap.StatusResponse) error {
	if s.Code != imap.CodeMessageLimit {
		return nil
	}
	// With the limit alone a command is refused.
	_, uid, _ := strings.Cut(s.CodeArg, " ")
	n, err := strconv.ParseUint(uid, 10, 32)
	if err != nil || n == 0 {
		return nil
	}
	return &LimitedError{uint32(n)}
}

// rest returns what is left of a set of a UID command after a [*LimitedError], empty for
// nothing. Other errors stay.
func rest(uid bool, set string, err error) (string, error) {
	var limited *LimitedError
	if !uid || !errors.As(err, &limited) {
		return "", err
	}
	s, perr := imap.ParseNumSet(set)
	if perr != nil || s.Saved {
		return "", err
	}
	var left []imap.NumRange
	reached := false
	for _, r := range imap.Normalize(s.Resolve(math.MaxUint32)) {
		if reached = reached || r.Stop >= limited.UID; r.Start < limited.UID {
			left = append(left, imap.NumRange{Start: r.Start, Stop: min(r.Stop, limited.UID-1)})
		}
	}
	if !reached {
		return "", fmt.Errorf("%w: a limit at UID %d, above all that was asked for", ErrProtocol, limited.UID)
	}
	return string(imap.AppendRanges(nil, left)), nil
}
