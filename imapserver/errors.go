package imapserver

import (
	"context"
	"errors"
	"io"
	"net"

	"mox/imap"
	"mox/store"
)

// storeErrors says which response an error of the store becomes.
var storeErrors = []struct {
	err        error
	code, text string
}{
	{store.ErrQuota, imap.CodeOverQuota, "account is over its quota"},
	{store.ErrAnnotations, "ANNOTATE TOOMANY", "too many annotations"}, // RFC 5257 4.5
	{store.ErrNoMailbox, imap.CodeNonExistent, "no such mailbox"},
	{store.ErrExists, imap.CodeAlreadyExists, "already exists"},
	{store.ErrBadName, imap.CodeCannot, "mailbox name is not allowed"},
	{store.ErrHasChildren, imap.CodeHasChildren, "mailbox has children"},
	{store.ErrReserved, imap.CodeCannot, "this mailbox shows messages that are to be sent; send a message to have it there"},
	{store.ErrNotAllowed, imap.CodeCannot, "not allowed for this mailbox"},
	{store.ErrTooLarge, imap.CodeTooBig, "message is too large"},
	{store.ErrDamaged, imap.CodeCorruption, "content of some messages is damaged"},
	{store.ErrNoBody, imap.CodeExpungeIssued, "some messages no longer exist"},
}

// ownErrors are failures of ours: logged, and shown with a reference.
var ownErrors = []struct {
	err        error
	code, text string
}{
	{store.ErrDiskFull, imap.CodeUnavailable, "server is out of disk space"},
	{store.ErrCorrupt, imap.CodeCorruption, "account data is damaged"},
	{store.ErrNewer, imap.CodeUnavailable, "account data is of a newer version"},
	{store.ErrClosed, imap.CodeUnavailable, "account is not available"},
	{store.ErrNoAccount, imap.CodeUnavailable, "account is not available"},
}

// explain turns the error of a command into the tagged response, or into the error
// that ends the session. It is the one place that logs errors of commands.
func (s *session) explain(ctx context.Context, r *imap.Request, err error) (*imap.Error, error) {
	if err == nil {
		return nil, nil
	}
	var closing *errClose
	var ierr *imap.Error
	switch {
	case errors.Is(err, imap.ErrUnrecoverable), errors.As(err, &closing):
		return nil, err
	case errors.As(err, &ierr):
		if ierr.Err != nil {
			s.logger().Error("command failed", "command", r.Name, "err", ierr.Err)
			own := *ierr
			own.Text += ", reference " + s.reference()
			return &own, nil
		}
		return ierr, nil
	case isNetError(err):
		return nil, err
	case s.stopping(ctx):
		return nil, errShutdown
	}
	for _, e := range storeErrors {
		if errors.Is(err, e.err) {
			return imap.No(e.code, "%s", e.text), nil
		}
	}
	code, text := imap.CodeServerBug, "internal error"
	for _, e := range ownErrors {
		if errors.Is(err, e.err) {
			code, text = e.code, e.text
		}
	}
	s.logger().Error("command failed", "command", r.Name, "err", err)
	return &imap.Error{Type: imap.NO, Code: code, Text: text + ", reference " + s.reference(), Err: err}, nil
}

func isNetError(err error) bool {
	var ne net.Error
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) ||
		errors.Is(err, io.ErrClosedPipe) || errors.Is(err, errWrite) || errors.Is(err, errInput) || errors.As(err, &ne)
}

// withCode gives a store error another response code: TRYCREATE for a missing
// destination (RFC 9051 6.3.12).
func withCode(err, target error, code, text string) error {
	if errors.Is(err, target) {
		return imap.No(code, "%s", text)
	}
	return err
}
