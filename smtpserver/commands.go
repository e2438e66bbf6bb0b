package smtpserver

import (
	"context"
	"errors"
	"strings"

	"mox/lineio"
	"mox/smtp"
)

// state is where a session is.
type state uint8

const (
	stStart state = 1 << iota // nothing said yet
	stReady                   // after EHLO or HELO
	stMail                    // a transaction without recipients
	stRcpt                    // a transaction with recipients
	stBdat                    // a transaction some of whose chunks have come
	stAny   = stStart | stReady | stMail | stRcpt | stBdat
)

func (s *session) state() state {
	switch {
	case s.bdat != nil:
		return stBdat
	case s.tx != nil && s.accepted > 0:
		return stRcpt
	case s.tx != nil:
		return stMail
	case s.peer.Hello != smtp.Host{}:
		return stReady
	}
	return stStart
}

// command is what a verb needs and does.
type command struct {
	// in are the states in which it is allowed.
	in state
	// mail: it is one of those that move mail, of which there may be any number.
	mail bool
	run  func(s *session, ctx context.Context, c smtp.Command) (smtp.Reply, error)
}

// on makes the function of a verb fit the table.
func on[C smtp.Command](f func(s *session, ctx context.Context, c C) (smtp.Reply, error)) func(*session, context.Context, smtp.Command) (smtp.Reply, error) {
	return func(s *session, ctx context.Context, c smtp.Command) (smtp.Reply, error) { return f(s, ctx, c.(C)) }
}

// commands has every command (RFC 5321 4.1.4 says in which order they may come).
var commands = map[string]command{
	"EHLO":     {in: stAny, run: on((*session).ehlo)},
	"HELO":     {in: stAny, run: on((*session).helo)},
	"LHLO":     {in: stAny, run: on((*session).lhlo)},
	"STARTTLS": {in: stReady, run: on((*session).starttls)},
	"AUTH":     {in: stReady, run: on((*session).auth)},
	"MAIL":     {in: stReady, mail: true, run: on((*session).mail)},
	"RCPT":     {in: stMail | stRcpt, mail: true, run: on((*session).rcpt)},
	"DATA":     {in: stMail | stRcpt, mail: true, run: on((*session).data)},
	"BDAT":     {in: stAny, mail: true, run: on((*session).chunk)}, // looks at the state itself
	"BURL":     {in: stAny, mail: true, run: on((*session).burl)},  // like BDAT
	"RSET":     {in: stAny, run: on((*session).rset)},
	"NOOP":     {in: stAny, run: on((*session).noop)},
	"HELP":     {in: stAny, run: on((*session).help)},
	"VRFY":     {in: stAny, run: on((*session).vrfy)},
	"EXPN":     {in: stAny, run: on((*session).expn)},
	"QUIT":     {in: stAny, run: on((*session).quit)},
}

// errSequence is the reply to a command out of order, which says what is missing.
func errSequence(st state) error {
	text := map[state]string{
		stStart: "say EHLO first",
		stReady: "say MAIL first",
		stMail:  "not within a transaction, or without recipients",
		stRcpt:  "not within a transaction",
		stBdat:  "only BDAT, BURL and RSET once part of the message has come",
	}[st]
	return smtp.Errorf(503, "5.5.1", "bad sequence of commands: %s", text)
}

// dispatch parses a command, checks whether it may come now, and runs it.
func (s *session) dispatch(ctx context.Context, verb, line string) (smtp.Reply, error) {
	cmd, err := s.parse(line)
	if err != nil {
		if verb == "BDAT" {
			// Without a size there is no telling where the chunk ends: what follows must
			// not be taken for commands.
			s.closing = true
		}
		if verb == "RCPT" && s.tx != nil && s.principal != nil {
			// A list of addresses with some that are wrong is no reason to send nothing.
			return s.refuseRecipient(ctx, err)
		}
		return s.badCommand(ctx, verb, err)
	}
	entry := commands[verb]
	if !entry.mail {
		s.nonMail++
		if s.nonMail > s.srv.c.Limits.NonMail {
			return smtp.Reply{}, smtp.Errorf(421, "4.7.0", "too many commands without mail, connect anew")
		}
	}
	if entry.in&s.state() == 0 {
		return s.badCommand(ctx, verb, errSequence(s.state()))
	}
	r, err := entry.run(s, ctx, cmd)
	var e *smtp.Error
	if errors.As(err, &e) && e.Code >= 500 && e.Code <= 504 {
		return s.badCommand(ctx, verb, err)
	}
	return r, err
}

func (s *session) parse(line string) (smtp.Command, error) {
	cmd, err := smtp.ParseCommand(line, smtp.Options{Pedantic: s.srv.c.Pedantic})
	if err != nil {
		return nil, err
	}
	lmtp := s.srv.c.Kind == LMTP
	// RFC 2033 4.1: LHLO takes the place of EHLO and HELO.
	if v := cmd.Verb(); v == "LHLO" && !lmtp || (v == "EHLO" || v == "HELO") && lmtp {
		return nil, smtp.Errorf(500, "5.5.1", "unknown command, this server speaks %s", s.srv.c.Kind.protocol())
	}
	if _, burl := cmd.(smtp.Burl); burl && !s.srv.c.hasBurl() {
		return nil, smtp.Errorf(500, "5.5.1", "unknown command")
	}
	// RFC 6531 3.4, RFC 6533 3: UTF-8, also in ORCPT, needs SMTPUTF8 at MAIL.
	if _, rcpt := cmd.(smtp.Rcpt); rcpt && s.tx != nil && !s.utf8 && strings.ContainsFunc(line, func(r rune) bool { return r >= 0x80 }) {
		return nil, smtp.Errorf(553, "5.6.7", "address with UTF-8 needs SMTPUTF8 at MAIL")
	}
	return cmd, nil
}

// badCommand counts a command that makes no sense, and ends the session after some.
func (s *session) badCommand(ctx context.Context, verb string, err error) (smtp.Reply, error) {
	s.bad++
	switch {
	case verb == "unknown" && s.commands == 0:
		// Who begins like this talks another protocol, HTTP say, and what follows could
		// be made to look like commands.
		s.closing = true
		s.nonsense()
	case s.bad > s.srv.c.Limits.BadCommands:
		s.nonsense()
		return smtp.Reply{}, smtp.WrapErrorf(err, 421, "4.7.0", "too many bad commands, the last: %s", smtp.AsError(err).Text)
	}
	s.slow(ctx, s.bad, s.srv.c.Limits.SlowDelay)
	return smtp.Reply{}, err
}

// nonsense tells that the session is ended for what the client says.
func (s *session) nonsense() {
	if f := s.srv.c.Nonsense; f != nil && s.principal == nil {
		f(s.peer.Remote.Addr())
	}
}

// lineError is the reply for a line that could not be read as one. Nil for errors of
// the connection.
func lineError(err error, pedantic bool) *smtp.Error {
	switch {
	case errors.Is(err, lineio.ErrLineTooLong):
		return smtp.Errorf(500, "5.5.2", "command line too long")
	case errors.Is(err, lineio.ErrBareCR):
		return smtp.Errorf(500, "5.5.2", "command line has a CR without LF")
	case errors.Is(err, lineio.ErrBareLF) && pedantic:
		// RFC 5321 2.3.8: lines end with CRLF.
		return smtp.Errorf(500, "5.5.2", "command line ends without CR before LF")
	}
	return nil
}
