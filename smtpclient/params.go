package smtpclient

import (
	"slices"

	"mox/smtp"
)

// mailParams returns the parameters of MAIL that this server gets, or an error for one
// that cannot be left out.
func (c *Client) mailParams(m Message) (smtp.MailParams, error) {
	p, e := m.Params, c.ext
	p.HasSize, p.Size = e.HasSize && m.Size > 0, m.Size
	if e.HasSize && e.Size > 0 && m.Size > e.Size {
		// RFC 1870 6.1: there is no use in trying.
		return p, lacking(ErrSize, "5.3.4")
	}
	if m.From.IsInternational() || e.SMTPUTF8 && slices.ContainsFunc(m.Rcpts, func(r Recipient) bool { return r.To.IsInternational() }) {
		p.SMTPUTF8 = true
	}
	if p.SMTPUTF8 && !e.SMTPUTF8 {
		return p, lacking(ErrSMTPUTF8, "5.6.7")
	}
	// RFC 8689 4.2.1: over TLS only, which the caller has verified.
	if p.RequireTLS && (!e.RequireTLS || c.tls == nil) {
		return p, lacking(ErrRequireTLS, "5.7.30")
	}
	if err := c.bodyParam(&p, m.Size); err != nil {
		return p, err
	}
	if !e.DSN {
		p.Ret, p.EnvID = "", ""
	}
	if len(e.Auth) == 0 {
		p.Auth = ""
	}
	return p, c.holdParams(p)
}

// bodyParam checks BODY.
func (c *Client) bodyParam(p *smtp.MailParams, size int64) error {
	switch p.Body {
	case smtp.Body8BitMIME:
		if !c.ext.EightBitMIME {
			return lacking(Err8BitMIME, "5.6.3")
		}
	case smtp.BodyBinaryMIME:
		// RFC 3030 3: only BDAT can carry it.
		if !c.ext.BinaryMIME || size <= 0 || c.o.LMTP {
			return lacking(ErrBinaryMIME, "5.6.3")
		}
	case smtp.Body7Bit:
		if !c.ext.EightBitMIME {
			p.Body = ""
		}
	}
	return nil
}

// holdParams checks HOLDFOR and HOLDUNTIL (RFC 4865 4): without, the message would go
// out at once.
func (c *Client) holdParams(p smtp.MailParams) error {
	e := c.ext
	switch {
	case p.HoldFor == 0 && p.HoldUntil.IsZero():
		return nil
	case !e.FutureRelease,
		e.HoldFor > 0 && p.HoldFor > e.HoldFor,
		!e.HoldUntil.IsZero() && p.HoldUntil.After(e.HoldUntil):
		return lacking(ErrFutureRelease, "5.3.3")
	}
	return nil
}
