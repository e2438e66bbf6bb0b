package submit

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"mox/config"
	"mox/deliver"
	"mox/dkim"
	"mox/dns"
	"mox/message"
	"mox/smtp"
)

// Sign returns the DKIM-Signature fields for a message of these authors, to be put on top
// of it: one for each key of their domains, or of the nearest above each that has keys; ""
// when there are none. r has the message from offset 0 to its end. utf8 tells that it is sent
// with SMTPUTF8. The errors are those of [dkim.Sign].
func (s *Submit) Sign(ctx context.Context, snap *config.Snapshot, authors []smtp.Address, utf8 bool, r io.ReaderAt) (string, error) {
	var fields strings.Builder
	var done []*config.DomainInfo
	for _, a := range authors {
		d := snap.Signer(a.Domain)
		if d == nil || slices.Contains(done, d) {
			continue
		}
		done = append(done, d)
		o := dkim.SignOptions{Domain: d.Domain, UTF8: utf8, Now: s.c.Now, Observe: s.c.Metrics.Signed}
		if utf8 || !a.Localpart.IsInternational() {
			o.Identity = a
		}
		f, err := dkim.Sign(ctx, s.c.Log, o, d.Signers, r)
		if err != nil {
			return "", fmt.Errorf("signing for %s: %w", d.Domain.ASCII, err)
		}
		fields.WriteString(f)
	}
	return fields.String(), nil
}

// SignDomain is Sign for a message of this server itself, whose author is of a domain, with
// the configuration as of now.
func (s *Submit) SignDomain(ctx context.Context, from dns.Domain, utf8 bool, r io.ReaderAt) (string, error) {
	d := s.c.Directory.View().Snapshot.Signer(from)
	if d == nil {
		return "", nil
	}
	o := dkim.SignOptions{Domain: d.Domain, UTF8: utf8, Now: s.c.Now, Observe: s.c.Metrics.Signed}
	fields, err := dkim.Sign(ctx, s.c.Log, o, d.Signers, r)
	if err != nil {
		return "", fmt.Errorf("signing for %s: %w", d.Domain.ASCII, err)
	}
	return fields, nil
}

// sign puts signatures above what is added to the message.
func (tx *Transaction) sign(ctx context.Context, m *deliver.Message) error {
	fields, err := tx.s.Sign(ctx, tx.dir.Snapshot, tx.authors, m.SMTPUTF8, message.Prefixed(m.Add, m.Spool))
	if errors.Is(err, dkim.ErrSign) {
		tx.count("badheader")
		return smtp.WrapErrorf(err, 550, "5.6.0", "message cannot be signed: its header must begin with a field")
	} else if err != nil {
		return err
	}
	m.Add = append([]byte(fields), m.Add...)
	return nil
}
