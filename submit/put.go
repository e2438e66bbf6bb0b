package submit

import (
	"context"
	"io"

	"mox/deliver"
	"mox/smtp"
)

// Put delivers a message that the administrator gives to an address of this server, and
// returns once that is durable. Nothing is checked, and rules of the address apply. Lines may
// end in LF. Errors are [*smtp.Error] where a message by SMTP would get that reply.
func (s *Submit) Put(ctx context.Context, to smtp.Address, r io.Reader) error {
	target, err := deliver.Resolve(s.c.Directory.View(), to.Path())
	if err != nil {
		return err
	}
	spool := s.c.Store.NewSpool()
	defer spool.Close()
	if err := lineEndings(deliver.SpoolWriter(spool), r); err != nil {
		return err
	}
	if err := spool.Finish(); err != nil {
		return deliver.Error(err)
	}
	m := &deliver.Message{Spool: spool, SMTPUTF8: to.Localpart.IsInternational(), Received: s.c.Now(), Generated: true}
	j := &judge{s: s, m: m}
	j.facts.Trusted = "administrator"
	m.Facts(&j.facts)
	m.Judge = j.judge
	return s.c.Deliverer.Deliver(ctx, m, []deliver.Recipient{{To: to.Path(), Target: target}})[0]
}

// lineEndings copies with every LF as CRLF.
func lineEndings(w io.Writer, r io.Reader) error {
	buf, out := make([]byte, 32<<10), make([]byte, 0, 64<<10)
	var last byte
	for {
		n, err := r.Read(buf)
		out = out[:0]
		for _, c := range buf[:n] {
			if c == '\n' && last != '\r' {
				out = append(out, '\r')
			}
			out = append(out, c)
			last = c
		}
		if _, werr := w.Write(out); werr != nil {
			return werr
		}
		if err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
	}
}
