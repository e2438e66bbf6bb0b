package smtpclient

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"mox/smtp"
)

// Recipient is a recipient of a Message.
type Recipient struct {
	To     smtp.Path
	Params smtp.RcptParams // NOTIFY and ORCPT are left out if the server has no DSN
}

// Message is a message to deliver.
type Message struct {
	From smtp.Path // the null path for notifications
	// Params are those wanted. SIZE is filled in from Size. RET, ENVID, AUTH and BODY=7BIT
	// are left out if the server does not know them: a caller that owes a notification
	// finds in Extensions whether the server takes that over (RFC 3461 5.2.2). BODY, HOLDFOR,
	// HOLDUNTIL, SMTPUTF8 and REQUIRETLS are promises about the message: without the
	// extension there is an error. SMTPUTF8 is set for an address that needs it.
	Params smtp.MailParams
	Rcpts  []Recipient
	// Size is the exact number of octets of Content; 0: not known. It is needed for BDAT,
	// and BODY=BINARYMIME is not possible without.
	Size int64
	// Content is the message, with lines that end with CRLF. Dots are stuffed by Deliver.
	// It is only read once a recipient was accepted.
	Content io.Reader
}

// Deliver sends a message. There is a result for each recipient, nil where the server
// has accepted the message for it, otherwise an *Error. err is about the message as a
// whole, and is also the result of all recipients that have no other: the connection
// was lost, MAIL or the message was refused. Recipients may be refused without it.
//
// A recipient whose Error has TooMany can be tried at once in another call; the Content
// is then read anew. After an error the connection may still be of use, see Usable.
func (c *Client) Deliver(ctx context.Context, m Message) (results []error, err error) {
	t := &transaction{c: c, m: m, results: make([]error, len(m.Rcpts))}
	defer c.bound(ctx)()
	err = t.run(ctx)
	if err != nil {
		for i := range t.results {
			if t.results[i] == nil && !t.settled(i) {
				t.results[i] = err
			}
		}
	}
	return t.results, err
}

// transaction is one message on its way.
type transaction struct {
	c        *Client
	m        Message
	params   smtp.MailParams
	results  []error
	sending  []int        // recipients that are given to the server
	accepted []int        // those accepted by RCPT
	done     map[int]bool // LMTP: recipients with a reply after the message
	mail     error        // the reply to MAIL, if it refuses
	data     error        // the reply to DATA, if it refuses
	ready    bool         // the server waits for the content
	ended    bool         // the end of the content was, or may have been, sent
}

// settled tells whether a recipient has its final reply.
func (t *transaction) settled(i int) bool { return t.done[i] }

func (t *transaction) run(ctx context.Context) error {
	c := t.c
	if c.err != nil {
		return c.err
	}
	if err := t.prepare(); err != nil {
		return err
	}
	if len(t.sending) == 0 {
		return nil
	}
	if c.open {
		if err := t.restart(ctx); err != nil {
			return err
		}
	}
	if err := t.envelope(ctx); err != nil {
		return err
	}
	switch {
	case t.mail != nil:
		// What was accepted after a MAIL that was not counts for nothing.
		clear(t.results)
		c.open = len(t.accepted) > 0
		return t.abandon(ctx, t.mail)
	case len(t.accepted) == 0:
		c.open = true
		return t.abandon(ctx, nil)
	case t.data != nil:
		c.open = true
		return t.data
	}
	return t.content(ctx)
}

// restart gives up the transaction before. A server that refuses that is out of its mind.
func (t *transaction) restart(ctx context.Context) error {
	err := t.c.reset(ctx)
	var e *Error
	if errors.As(err, &e) && t.c.err == nil {
		t.c.err = e
		t.c.raw.Close()
	}
	return err
}

// prepare decides what can be sent to this server.
func (t *transaction) prepare() error {
	c := t.c
	if len(t.m.Rcpts) == 0 {
		return &Error{Verb: "RCPT", Enhanced: "5.5.4", Permanent: true, Err: fmt.Errorf("%w: no recipients", ErrArgument)}
	}
	if max := c.ext.Limits.MailMax; max > 0 && c.mails >= max {
		return lacking(ErrMailMax, "4.5.3")
	}
	var err error
	if t.params, err = c.mailParams(t.m); err != nil {
		return err
	}
	if err := sendable("MAIL", smtp.Mail{From: t.m.From, Params: t.params}.String()); err != nil {
		return err
	}
	l := c.ext.Limits
	domains := map[string]bool{}
	for i, r := range t.m.Rcpts {
		if r.To.IsInternational() && !t.params.SMTPUTF8 {
			e := lacking(ErrSMTPUTF8, "5.6.7")
			e.Verb = "RCPT"
			t.results[i] = e
			continue
		}
		if t.results[i] = sendable("RCPT", t.rcpt(i)); t.results[i] != nil {
			continue
		}
		domain := strings.ToLower(r.To.IPDomain.String())
		// RFC 9422 4.2, 4.3: more would be refused.
		if l.RcptMax > 0 && len(t.sending) >= l.RcptMax || l.RcptDomainMax > 0 && !domains[domain] && len(domains) >= l.RcptDomainMax {
			e := lacking(ErrRcptMax, "4.5.3")
			e.Verb, e.TooMany = "RCPT", true
			t.results[i] = e
			continue
		}
		domains[domain] = true
		t.sending = append(t.sending, i)
	}
	return nil
}

// bdat tells whether the content goes by BDAT. With LMTP it does not: RFC 2033 does not
// say how many replies a chunk that is refused has.
func (t *transaction) bdat() bool {
	return t.c.ext.Chunking && t.m.Size > 0 && !t.c.o.LMTP
}

// pending is a command whose reply is still to be read.
type pending struct {
	verb string
	rcpt int // index of the recipient of RCPT
	line string
}

// envelope sends MAIL, RCPT and, if it is used, DATA, and reads the replies.
func (t *transaction) envelope(ctx context.Context) error {
	if err := t.c.stray(ctx, "MAIL"); err != nil {
		return err
	}
	t.c.mails++
	group := []pending{{verb: "MAIL", line: smtp.Mail{From: t.m.From, Params: t.params}.String()}}
	room := t.c.o.Limits.Pipeline - len(group[0].line)
	for _, i := range t.sending {
		cmd := pending{verb: "RCPT", rcpt: i, line: t.rcpt(i)}
		room -= len(cmd.line) + 2
		if !t.c.ext.Pipelining || room < 0 {
			if err := t.exchange(ctx, group); err != nil || t.mail != nil {
				return err
			}
			group, room = nil, t.c.o.Limits.Pipeline-len(cmd.line)
		}
		group = append(group, cmd)
	}
	// RFC 2920 3.1: DATA is the last of a group. If no recipient is accepted, it may be
	// all the same.
	data := pending{verb: "DATA", line: "DATA"}
	if t.c.ext.Pipelining && !t.bdat() {
		return t.exchange(ctx, append(group, data))
	}
	if err := t.exchange(ctx, group); err != nil || t.mail != nil || len(t.accepted) == 0 || t.bdat() {
		return err
	}
	return t.exchange(ctx, []pending{data})
}

// rcpt returns the command for a recipient.
func (t *transaction) rcpt(i int) string {
	r := t.m.Rcpts[i]
	if !t.c.ext.DSN {
		r.Params.Notify, r.Params.ORcpt = 0, smtp.ORcpt{}
	}
	return smtp.Rcpt{To: r.To, Params: r.Params}.String()
}

// exchange sends a group of commands and reads their replies.
func (t *transaction) exchange(ctx context.Context, group []pending) error {
	c := t.c
	c.conn.SetDeadline(time.Now().Add(c.o.Limits.Command))
	for _, cmd := range group {
		if err := c.write(ctx, cmd.verb, cmd.line); err != nil {
			return err
		}
	}
	if err := c.flush(ctx, group[0].verb); err != nil {
		return err
	}
	for _, cmd := range group {
		if err := t.reply(ctx, cmd); err != nil {
			return err
		}
	}
	return nil
}

// reply reads the reply to a command. An error ends the connection.
func (t *transaction) reply(ctx context.Context, cmd pending) error {
	timeout, class := t.c.o.Limits.Command, 2
	if cmd.verb == "DATA" {
		timeout, class = t.c.o.Limits.DataInit, 3
	}
	_, err := t.c.want(ctx, cmd.verb, timeout, class)
	switch {
	case t.c.err != nil:
		return err
	case err != nil:
		t.refuse(cmd, err)
	case cmd.verb == "RCPT":
		t.accepted = append(t.accepted, cmd.rcpt)
	case cmd.verb == "DATA":
		t.ready = true
	}
	return nil
}

// refuse notes a refusal.
func (t *transaction) refuse(cmd pending, err error) {
	switch cmd.verb {
	case "MAIL":
		t.mail = err
	case "DATA":
		t.data = err
	case "RCPT":
		var e *Error
		if errors.As(err, &e) && t.tooMany(e) {
			e.TooMany, e.Permanent = true, false
		}
		t.results[cmd.rcpt] = err
	}
}

// tooMany tells whether a recipient was refused because of the number of those before
// it. RFC 5321 4.5.3.1.10: the code is 452, from old servers 552, which are also for
// full mailboxes.
func (t *transaction) tooMany(e *Error) bool {
	if e.Code != 452 && e.Code != 552 || len(t.accepted) == 0 {
		return false
	}
	return e.Enhanced == "" || strings.HasSuffix(e.Enhanced, ".5.3")
}

// abandon ends a transaction without content. Where DATA was accepted nevertheless, no
// recipient being there, there has to be an end of it (RFC 2920 3.1).
func (t *transaction) abandon(ctx context.Context, why error) error {
	if !t.ready {
		return why
	}
	c := t.c
	if c.o.LMTP {
		// RFC 2033 4.2: DATA must fail then. How many replies come is not known.
		err := c.fail(ctx, "DATA", fmt.Errorf("%w: DATA accepted without recipients", ErrProtocol))
		if why != nil {
			return why
		}
		return t.keep(err)
	}
	if _, err := c.conn.WriteString(".\r\n"); err != nil {
		return t.keep(c.fail(ctx, VerbEnd, err))
	}
	if err := c.flush(ctx, VerbEnd); err != nil {
		return t.keep(err)
	}
	if _, err := c.read(ctx, VerbEnd, c.o.Limits.DataEnd); err != nil {
		return t.keep(err)
	}
	c.open = false
	return why
}

// keep is for an error that comes when all recipients have their result already.
func (t *transaction) keep(err error) error {
	if t.mail != nil {
		return t.mail
	}
	return err
}
