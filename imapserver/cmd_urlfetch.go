package imapserver

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"

	"mox/imap"
	"mox/message"
	"mox/store"
)

// cmdURLFetch is URLFETCH, RFC 4467 7, with the forms of RFC 5524. A URL that gives
// nothing, for whatever reason, is NIL.
func (s *session) cmdURLFetch(ctx context.Context, r *imap.Request) error {
	s.trace = traceData
	defer func() { s.trace = traceProtocol }()
	for _, item := range r.Args.(*imap.URLFetch).Items {
		if err := s.urlFetch(ctx, &item); err != nil {
			return err
		}
		if err := s.spill(); err != nil {
			return err
		}
	}
	return nil
}

// urlFetch answers for one URL.
func (s *session) urlFetch(ctx context.Context, item *imap.URLFetchItem) error {
	acc, d, u, err := s.openFetched(ctx, item.URL)
	if errors.Is(err, ErrURL) || errors.Is(err, ErrURLDenied) || errors.Is(err, ErrURLGone) {
		s.logger().Debug("url for urlfetch", "err", err)
		s.urlFetchHead(item.URL)
		s.out = append(s.out, " NIL\r\n"...)
		return nil
	} else if err != nil {
		return err
	}
	defer acc.Release()
	defer d.Close()
	w := &urlFetcher{s: s, d: d, u: u}
	if err := w.prepare(item); err != nil {
		return err
	}
	s.urlFetchHead(item.URL)
	s.outData = true
	return w.write(item)
}

func (s *session) openFetched(ctx context.Context, url string) (*store.Account, *urlData, *imap.URL, error) {
	u, err := imap.ParseURL(url)
	if err != nil {
		return nil, nil, nil, err
	}
	acc, d, err := s.srv.openAuthorized(ctx, urlUser{account: s.principal.Account}, u)
	return acc, d, u, err
}

func (s *session) urlFetchHead(url string) {
	s.out = imap.AppendString(append(s.output(), "* URLFETCH "...), url, false)
}

// urlFetcher writes what one URL stands for. All that can fail for its content is done
// before anything is written.
type urlFetcher struct {
	s *session
	d *urlData
	u *imap.URL

	structure []byte
	binary    io.Reader // nil: NIL
	size      int64     // of binary
}

// prepare finds what RFC 5524 adds.
func (w *urlFetcher) prepare(item *imap.URLFetchItem) (err error) {
	if item.BodyPartStructure {
		if w.structure, err = w.bodyPartStructure(); err != nil {
			return err
		}
	}
	if item.Binary {
		err = w.decode()
	}
	return err
}

// part reports whether the URL is of a whole part or message, and not of its header,
// say.
func (w *urlFetcher) part() bool { return w.u.Section.Spec == imap.SectionAll }

// bodyPartStructure is the BODYSTRUCTURE of the part, NIL for what is none. What is stored
// has no envelopes of messages within, so the message is parsed.
func (w *urlFetcher) bodyPartStructure() ([]byte, error) {
	if !w.part() || w.u.Partial != nil {
		return []byte("NIL"), nil
	}
	body := w.d.f.body
	root, err := message.Parse(bufio.NewReaderSize(io.NewSectionReader(body, 0, body.Size()), 64<<10), message.Limits{})
	if err != nil {
		return nil, fmt.Errorf("parsing message: %w", err)
	}
	p := root.Section(w.u.Section.Part)
	if p == nil {
		return []byte("NIL"), nil
	}
	return p.AppendBodyStructure(nil, true, w.s.utf8), nil
}

// decode opens the part without its Content-Transfer-Encoding. As for BINARY of FETCH, the
// whole message has none; RFC 3516 4.2: a part may have one that is not known.
func (w *urlFetcher) decode() error {
	if !w.part() {
		return nil
	}
	body := w.d.f.body
	if len(w.u.Section.Part) == 0 {
		w.binary, w.size = w.d.reader(), w.d.size
		return nil
	}
	p, ok, err := w.d.f.binaryPart(w.u.Section.Part)
	if err != nil || !ok {
		return err
	}
	size, err := p.BinarySize(body)
	if errors.Is(err, message.ErrUnknownCTE) {
		return nil
	} else if err != nil {
		return fmt.Errorf("decoding part: %w", err)
	}
	r, err := p.Binary(body)
	if err != nil {
		return fmt.Errorf("decoding part: %w", err)
	}
	off, count := clipURL(size, w.u.Partial)
	if _, err := io.CopyN(io.Discard, r, off); err != nil {
		return fmt.Errorf("decoding part: %w", err)
	}
	w.binary, w.size = io.LimitReader(r, count), count
	return nil
}

func (w *urlFetcher) write(item *imap.URLFetchItem) error {
	s := w.s
	if !item.Extended {
		s.out = append(s.out, ' ')
		err := w.literal()
		s.out = append(s.output(), "\r\n"...)
		return err
	}
	if item.BodyPartStructure {
		s.out = append(append(append(s.out, " (BODYPARTSTRUCTURE "...), w.structure...), ')')
	}
	var err error
	switch {
	case item.Binary && w.binary == nil:
		s.out = append(s.out, " (BINARY NIL)"...)
	case item.Binary:
		s.out = literalHead(append(s.out, " (BINARY ~"...), w.size)
		var n int64
		n, err = io.CopyN(bodyWriter{s}, w.binary, w.size)
		err = brokenLiteral(n, w.size, err)
		s.out = append(s.output(), ')')
	case item.Body:
		s.out = append(s.out, " (BODY "...)
		err = w.literal()
		s.out = append(s.output(), ')')
	}
	s.out = append(s.out, "\r\n"...)
	return err
}

// literal writes the octets as they are in the message, but for NUL.
func (w *urlFetcher) literal() error {
	s := w.s
	s.out = literalHead(s.out, w.d.size)
	n, err := w.d.writeTo(literalWriter{bodyWriter{s}})
	return brokenLiteral(n, w.d.size, err)
}
