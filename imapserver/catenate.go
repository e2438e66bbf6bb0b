package imapserver

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"mox/imap"
	"mox/store"
)

// catenate reads the parts of a message by CATENATE into a spool (RFC 4469). The error of
// a part is found as soon as the part comes, and the rest of the command skipped.
func (a *appender) catenate(ctx context.Context, sp *store.Spool) error {
	for {
		c, err := a.s.dec.NextPart()
		if err != nil {
			return err
		}
		if c == nil {
			break
		}
		if c.URL != "" {
			err = a.catURL(ctx, c.URL, sp)
		} else {
			err = a.catText(c, sp)
		}
		if err != nil {
			return err
		}
	}
	if sp.Size() == 0 {
		return a.s.afterSkip(a.s.dec.SkipAppend(), errEmptyMessage)
	}
	return a.finish(sp, nil)
}

// catText adds a part that the client sends.
func (a *appender) catText(c *imap.CatPart, sp *store.Spool) error {
	if err := a.checkRoom(sp.Size(), c.Size); err != nil {
		return a.s.afterSkip(a.s.dec.SkipAppend(), err)
	}
	failure, err := a.receive(&c.MessageLiteral, sp)
	if err != nil {
		return err
	}
	if err := a.s.dec.FinishPart(c); err != nil {
		return err
	}
	if failure != nil {
		return a.s.afterSkip(a.s.dec.SkipAppend(), fmt.Errorf("spooling message: %w", failure))
	}
	return nil
}

// catURL adds what a URL stands for.
func (a *appender) catURL(ctx context.Context, url string, sp *store.Spool) error {
	err := a.copyURL(ctx, url, sp)
	if errors.Is(err, errNoData) || errors.Is(err, store.ErrNoBody) {
		a.s.logger().Debug("url for catenate", "err", err)
		err = badURL(url)
	}
	if err != nil {
		return a.s.afterSkip(a.s.dec.SkipAppend(), err)
	}
	return nil
}

func (a *appender) copyURL(ctx context.Context, url string, sp *store.Spool) error {
	u, err := imap.ParseURL(url)
	// RFC 4469 3: only URLs that are relative to the session.
	if err != nil {
		return fmt.Errorf("%w: %w", errNoData, err)
	}
	if u.Absolute || u.Access != nil {
		return fmt.Errorf("%w: not a relative URL", errNoData)
	}
	acc, mb, err := a.s.urlMailbox(ctx, u)
	if err != nil {
		return err
	}
	d, err := openURL(ctx, acc, mb, u)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := a.checkRoom(sp.Size(), d.size); err != nil {
		return err
	}
	if _, err := d.writeTo(sp); err != nil {
		return fmt.Errorf("copying part of message: %w", err)
	}
	return nil
}

// urlMailbox finds the mailbox of a URL that is relative to the session: RFC 4469 3: the
// selected mailbox when it names none.
func (s *session) urlMailbox(ctx context.Context, u *imap.URL) (acc *store.Account, mb store.Mailbox, err error) {
	if u.Mailbox != "" {
		p, err := s.place(ctx, u.Mailbox, imap.RightRead)
		var ierr *imap.Error
		if errors.As(err, &ierr) {
			err = fmt.Errorf("%w: %w", errNoData, err)
		}
		return p.account, p.mb, err
	}
	if s.box != nil {
		if mb, ok := s.box.account.MailboxByID(s.box.view.Mailbox); ok {
			return s.box.account, mb, nil
		}
	}
	return nil, mb, fmt.Errorf("%w: no such mailbox", errNoData)
}

// maxShownURL bounds the URL in BADURL.
const maxShownURL = 8 << 10

// badURL is the refusal of a URL, RFC 4469 4.1.
func badURL(url string) error {
	var b strings.Builder
	for i := range min(len(url), maxShownURL) {
		// url-resp-text has no "]" and no line ends; a URL has nothing of this anyway.
		if c := url[i]; c <= ' ' || c >= 0x7f || strings.IndexByte(`"\[]`, c) >= 0 {
			fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return &imap.Error{Type: imap.NO, Code: imap.CodeBadURL, CodeArg: `"` + b.String() + `"`, Text: "URL cannot be used"}
}
