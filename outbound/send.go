package outbound

import (
	"context"
	"errors"

	"mox/smtp"
	"mox/smtpclient"
)

// send sends the message to the recipients without verdict, in as many transactions as the
// server wants. A failure is about the session: another one may do.
func (o *Outbound) send(ctx context.Context, t *transaction, s *session) *failure {
	t.tlsMode = s.tlsMode
	for {
		todo := o.sendable(t, s)
		if len(todo) == 0 {
			return nil
		}
		if n := o.known(t.b.lane).rcpts; n > 0 && len(todo) > n {
			todo = todo[:n]
		}
		m, f := o.prepare(ctx, t, s, todo)
		if f != nil {
			for _, i := range todo {
				t.fail(i, f)
			}
			return nil
		}
		s.mails++
		results, _ := s.client.Deliver(ctx, m)
		if ctx.Err() != nil && !anyAccepted(results) {
			return local(451, "4.4.7", "interrupted")
		}
		if f := o.take(t, s, todo, results); f != nil {
			return f
		}
	}
}

func anyAccepted(results []error) bool {
	for _, err := range results {
		if err == nil {
			return true
		}
	}
	return false
}

// take makes verdicts of results. It returns a failure when others of the recipients have
// to go over another session.
func (o *Outbound) take(t *transaction, s *session, todo []int, results []error) *failure {
	ext := s.client.Extensions()
	accepted, tooMany := 0, 0
	var session *failure
	for k, i := range todo {
		err := results[k]
		if err == nil {
			t.verdicts[i] = verdict{done: true, relayed: !ext.DSN, secure: s.secure, host: s.host, ip: s.ip}
			accepted++
			continue
		}
		var e *smtpclient.Error
		if errors.As(err, &e) && e.TooMany {
			tooMany++
			continue
		}
		f := fromError(err, s.host, s.ip)
		if answer(err, f) {
			t.fail(i, f)
			continue
		}
		session = f
	}
	o.learnFrom(t, s, accepted, tooMany, session)
	switch {
	case session != nil:
		return session
	case tooMany > 0 && accepted == 0:
		// It takes none: then it is not the number.
		for k, i := range todo {
			if !t.verdicts[i].done {
				t.fail(i, fromError(results[k], s.host, s.ip))
			}
		}
	case tooMany > 0 && !s.client.Usable():
		return &failure{code: 451, enhanced: "4.5.3", text: "the server takes no more on this connection", again: true, host: s.host, ip: s.ip}
	}
	return nil
}

// learnFrom remembers what the lane can take.
func (o *Outbound) learnFrom(t *transaction, s *session, accepted, tooMany int, f *failure) {
	if accepted > 0 {
		most := t.b.most
		o.succeeded(t.b.lane, most)
	}
	if accepted > 0 && tooMany > 0 {
		o.learn(t.b.lane, func(l *lane) { l.rcpts = accepted })
	}
	if f == nil || f.code != 421 {
		return
	}
	if s.mails > 1 {
		// It took some, and then wanted no more on this connection.
		o.learn(t.b.lane, func(l *lane) { l.mails = s.mails - 1 })
		return
	}
	f.throttle = true
}

// sendable returns the recipients that can be sent to in this session. Those that need
// SMTPUTF8 where it is not are returned to their sender, with the others not held up (RFC
// 6531 3.5).
func (o *Outbound) sendable(t *transaction, s *session) []int {
	var l []int
	utf8 := s.client.Extensions().SMTPUTF8
	for _, i := range t.pending() {
		m := &t.msgs[i]
		switch {
		case utf8 || !m.SMTPUTF8 && !m.Sender.IsInternational() && !m.Recipient.IsInternational():
			l = append(l, i)
		case m.Recipient.IsInternational():
			t.fail(i, needsUTF8(s, "the recipient's address has characters for which its mail server lacks support (SMTPUTF8)"))
		case m.Sender.IsInternational():
			t.fail(i, needsUTF8(s, "the sender's address has characters for which the recipient's mail server lacks support (SMTPUTF8)").ours())
		default:
			l = append(l, i) // prepare looks into the header
		}
	}
	return l
}

func needsUTF8(s *session, text string) *failure {
	f := local(553, "5.6.7", "%s", text).ours()
	f.host, f.ip = s.host, s.ip
	return f
}

// prepare makes the message as this server can take it. The failure is final.
func (o *Outbound) prepare(ctx context.Context, t *transaction, s *session, todo []int) (smtpclient.Message, *failure) {
	m, ext := &t.msgs[todo[0]], s.client.Extensions()
	msg := smtpclient.Message{From: m.Sender}
	p := &msg.Params
	p.Ret, p.EnvID = m.Ret, m.EnvID
	p.RequireTLS = m.RequireTLS != nil && *m.RequireTLS && ext.RequireTLS && s.client.TLS() != nil
	p.SMTPUTF8 = m.SMTPUTF8 && ext.SMTPUTF8
	if m.SMTPUTF8 && !ext.SMTPUTF8 {
		ascii, err := asciiHeader(t.content)
		if err != nil {
			return msg, ourRead(err)
		}
		if !ascii {
			return msg, needsUTF8(s, "the header of the message has characters for which the recipient's mail server lacks support (SMTPUTF8)")
		}
	}
	for _, i := range todo {
		r := &t.msgs[i]
		// RFC 3461 5.2.1: as they came.
		msg.Rcpts = append(msg.Rcpts, smtpclient.Recipient{To: r.Recipient, Params: smtp.RcptParams{Notify: r.Notify, ORcpt: r.ORcpt}})
	}
	f, fail := o.formFor(ctx, t, ext, p)
	if fail != nil {
		fail.host, fail.ip = s.host, s.ip
		return msg, fail
	}
	msg.Size, msg.Content = f.size, f.reader()
	return msg, nil
}

func ourRead(err error) *failure {
	return local(451, "4.3.0", "reading the message on this server failed").ours().because(err)
}
