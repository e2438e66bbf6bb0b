package imapserver

import (
	"bytes"
	"context"
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
	a := s.newAppender(&p)
	defer a.close()
	if err := a.read(ctx); err != nil {
		return err
	}
	a.wait()
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

// appender reads the messages of an APPEND or REPLACE.
type appender struct {
	s       *session
	account *store.Account  // they are for
	limit   store.FlagLimit // of the user there
	notes   annotationLimit // likewise
	msgs    []store.NewMessage
	parts   [][]int // which the message in progress must have, for its annotations
	size    int64   // of all messages so far, as announced
	// replaced is the message that goes when these come, nil when none does.
	replaced *store.Message

	preparing chan struct{} // closed when the message before is prepared; nil: there is none
}

// newAppender makes one for messages that come to a place.
func (s *session) newAppender(p *place) *appender {
	a := &appender{s: s, account: p.account, limit: flagLimit(p.rights), notes: annotationLimit{"", p.rights, p.account.MaxAnnotationSize()}}
	if p.owner != "" {
		a.notes.user = s.principal.Account
	}
	return a
}

// prepare has a message compressed and parsed while the next one comes in, one at a time.
func (a *appender) prepare(ctx context.Context, m store.NewMessage) {
	a.wait()
	done := make(chan struct{})
	a.preparing = done
	go func() {
		defer close(done)
		a.account.Prepare(ctx, &m)
	}()
}

// wait returns when no message is being prepared.
func (a *appender) wait() {
	if a.preparing != nil {
		<-a.preparing
	}
}

// close frees the spools.
func (a *appender) close() {
	a.wait()
	for _, m := range a.msgs {
		// What a spool held is in the store by now, or not wanted.
		_ = m.Spool.Close()
	}
}

// read reads all messages; after an error nothing of the command is left in the input.
func (a *appender) read(ctx context.Context) error {
	a.s.trace = traceData
	defer func() { a.s.trace = traceProtocol }()
	for {
		m, err := a.s.dec.NextAppend()
		if err != nil || m == nil {
			return err
		}
		if err := a.message(ctx, m); err != nil {
			return err
		}
	}
}

// message reads one message.
func (a *appender) message(ctx context.Context, m *imap.AppendMessage) error {
	nm, err := a.check(m)
	switch {
	case err != nil || m.Catenate:
	case m.Size == 0:
		// RFC 3502 6.3.11: a client cancels with a message of no octets.
		err = errEmptyMessage
	default:
		err = a.checkRoom(0, m.Size)
	}
	if err != nil {
		return a.s.afterSkip(a.s.dec.SkipAppend(), err)
	}
	if n := len(a.msgs); n > 0 {
		a.prepare(ctx, a.msgs[n-1])
	}
	nm.Spool = a.s.srv.cfg.Accounts.NewSpool()
	a.msgs = append(a.msgs, nm)
	if m.Catenate {
		return a.catenate(ctx, nm.Spool)
	}
	failure, err := a.receive(&m.MessageLiteral, nm.Spool)
	if err != nil {
		return err
	}
	if err := a.s.dec.FinishAppend(m); err != nil {
		return err
	}
	return a.finish(nm.Spool, failure)
}

var errEmptyMessage = imap.No("", "empty message")

// check refuses a message by what stands before its data.
func (a *appender) check(m *imap.AppendMessage) (nm store.NewMessage, err error) {
	if err := a.s.checkAppendDisabled(m, len(a.msgs)); err != nil {
		return nm, err
	}
	if limit := a.s.limits().AppendMessages; len(a.msgs) >= limit {
		if a.s.limits().saves() > 0 {
			return nm, tooManyMessages(limit)
		}
		return nm, imap.No(imap.CodeLimit, "too many messages in one APPEND")
	}
	if nm.Flags, nm.Keywords, err = parseFlags(m.Flags); err != nil {
		return nm, err
	}
	// RFC 4314 4: flags that the user may not set are left out, that is no failure.
	nm.Flags, nm.Keywords = a.limit.Filter(nm.Flags, nm.Keywords)
	nm.Received = m.Date
	a.parts = annotatedParts(m.Annotations)
	nm.Annotations, err = annotationList(m.Annotations, a.notes)
	return nm, err
}

// checkRoom refuses n octets more of a message that has so many before: before they
// are sent, where the client waits.
func (a *appender) checkRoom(before, n int64) error {
	if n > a.s.limits().AppendSize-before {
		return imap.No(imap.CodeTooBig, "message too big")
	}
	a.size += n
	q := a.account.Quota()
	if a.replaced != nil {
		q.Used, q.Count = q.Used-int64(a.replaced.Size), q.Count-1
	}
	// The messages before this one and, with CATENATE, this one; the store counts again.
	return q.Room(max(1, len(a.msgs)), a.size)
}

// receive reads the data of a literal into a spool. The first error is of the spool:
// the data has been read to its end all the same.
func (a *appender) receive(l *imap.MessageLiteral, sp *store.Spool) (failure, err error) {
	r, err := a.s.dec.AcceptAppend(l)
	if err != nil {
		return nil, err
	}
	in := &inputErrors{r: r}
	_, failure = io.Copy(sp, in)
	if in.err == nil && failure != nil {
		// The spool failed; the rest of the data still comes.
		_, _ = io.Copy(io.Discard, in)
	}
	if in.err != nil {
		return nil, in.err
	}
	if in.n != l.Size {
		return nil, io.ErrUnexpectedEOF
	}
	return failure, nil
}

// finish ends a message whose data is in the spool, unless that failed.
func (a *appender) finish(sp *store.Spool, failure error) error {
	if failure == nil {
		failure = sp.Finish()
	}
	if failure != nil {
		return a.s.afterSkip(a.s.dec.SkipAppend(), fmt.Errorf("spooling message: %w", failure))
	}
	err := a.checkHeader(sp)
	if err == nil {
		err = hasParts(sp.Part(), a.parts)
	}
	if err != nil {
		return a.s.afterSkip(a.s.dec.SkipAppend(), err)
	}
	return nil
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
