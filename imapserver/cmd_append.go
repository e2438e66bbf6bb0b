package imapserver

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"

	"mox/imap"
	"mox/store"
)

// cmdAppend is APPEND, RFC 9051 6.3.12, with several messages (RFC 3502): all are
// added or none.
func (s *session) cmdAppend(ctx context.Context, r *imap.Request) error {
	p, err := s.target(ctx, r.Args.(*imap.Append).Mailbox)
	if err != nil {
		return s.afterSkip(s.dec.SkipAppend(), err)
	}
	a := &appender{s: s, account: p.account, limit: flagLimit(p.rights)}
	defer a.close()
	s.trace = traceData
	err = a.read()
	s.trace = traceProtocol
	if err != nil {
		return err
	}
	added, err := p.account.Add(ctx, p.mb.ID, a.msgs)
	if err != nil {
		return withCode(err, store.ErrNoMailbox, imap.CodeTryCreate, "no such mailbox")
	}
	s.reply = reply{code: appendUID(added), text: "appended"}
	return nil
}

// afterSkip is the error of a refused APPEND: skip is the outcome of reading past it.
func (s *session) afterSkip(skip, refusal error) error {
	if skip != nil {
		return skip
	}
	return refusal
}

// appendUID is the response code APPENDUID, RFC 4315 3.
func appendUID(a store.Added) string {
	return "APPENDUID " + strconv.FormatUint(uint64(a.UIDValidity), 10) + " " + store.NewUIDSet(a.UIDs...).String()
}

// appender reads the messages of an APPEND.
type appender struct {
	s       *session
	account *store.Account  // they are for
	limit   store.FlagLimit // of the user there
	msgs    []store.NewMessage
	size    int64
}

// close frees the spools.
func (a *appender) close() {
	for _, m := range a.msgs {
		// What a spool held is in the store by now, or not wanted.
		_ = m.Spool.Close()
	}
}

// read reads all messages; after an error nothing of the command is left in the input.
func (a *appender) read() error {
	for {
		m, err := a.s.dec.NextAppend()
		if err != nil || m == nil {
			return err
		}
		nm, err := a.check(m)
		if err != nil {
			return a.s.afterSkip(a.s.dec.RefuseAppend(m), err)
		}
		if err := a.receive(m, nm); err != nil {
			return err
		}
	}
}

// check refuses a message before its data is sent, where the client waits.
func (a *appender) check(m *imap.AppendMessage) (nm store.NewMessage, err error) {
	if len(a.msgs) >= a.s.limits().AppendMessages {
		return nm, imap.No(imap.CodeLimit, "too many messages in one APPEND")
	}
	// RFC 3502 6.3.11: a client cancels with a message of no octets.
	if m.Size == 0 {
		return nm, imap.No("", "empty message")
	}
	a.size += m.Size
	if err := a.account.Quota().Room(len(a.msgs)+1, a.size); err != nil {
		return nm, err
	}
	if nm.Flags, nm.Keywords, err = parseFlags(m.Flags); err != nil {
		return nm, err
	}
	// RFC 4314 4: flags that the user may not set are left out, that is no failure.
	nm.Flags, nm.Keywords = a.limit.Filter(nm.Flags, nm.Keywords)
	nm.Received = m.Date
	return nm, nil
}

// receive reads the data of a message into a spool.
func (a *appender) receive(m *imap.AppendMessage, nm store.NewMessage) error {
	r, err := a.s.dec.AcceptAppend(m)
	if err != nil {
		return err
	}
	nm.Spool = a.s.srv.cfg.Accounts.NewSpool()
	a.msgs = append(a.msgs, nm)
	in := &inputErrors{r: r}
	_, failure := io.Copy(nm.Spool, in)
	if in.err == nil && failure != nil {
		// The spool failed; the rest of the data still comes.
		_, _ = io.Copy(io.Discard, in)
	}
	if in.err != nil {
		return in.err
	}
	if in.n != m.Size {
		return io.ErrUnexpectedEOF
	}
	if err := a.s.dec.FinishAppend(m); err != nil {
		return err
	}
	if failure == nil {
		failure = nm.Spool.Finish()
	}
	if failure != nil {
		return a.refuseRest(fmt.Errorf("spooling message: %w", failure))
	}
	if err := a.checkHeader(nm.Spool); err != nil {
		return a.refuseRest(err)
	}
	return nil
}

// refuseRest skips the messages that follow one that failed.
func (a *appender) refuseRest(failure error) error {
	m, err := a.s.dec.NextAppend()
	if err != nil {
		var ierr *imap.Error
		if errors.As(err, &ierr) && !errors.Is(err, imap.ErrUnrecoverable) {
			return failure
		}
		return err
	}
	if m != nil {
		return a.s.afterSkip(a.s.dec.RefuseAppend(m), failure)
	}
	return failure
}

// checkHeader applies RFC 6855 4 where that is configured.
func (a *appender) checkHeader(sp *store.Spool) error {
	if a.s.utf8 || !a.s.srv.cfg.RefuseEightBitHeaders || sp.Part() == nil {
		return nil
	}
	end := min(sp.Part().BodyStart, maxHeader)
	header := make([]byte, end)
	if _, err := io.ReadFull(io.NewSectionReader(sp, 0, end), header); err != nil {
		return fmt.Errorf("reading header: %w", err)
	}
	if bytes.ContainsFunc(header, func(r rune) bool { return r >= 0x80 }) {
		return imap.No(imap.CodeCannot, "message has 8-bit header fields, which needs UTF8=ACCEPT")
	}
	return nil
}

// inputErrors tells errors of the connection from those of the spool.
type inputErrors struct {
	r   io.Reader
	n   int64
	err error
}

func (i *inputErrors) Read(p []byte) (int, error) {
	n, err := i.r.Read(p)
	i.n += int64(n)
	if err != nil && err != io.EOF {
		i.err = err
	}
	return n, err
}
