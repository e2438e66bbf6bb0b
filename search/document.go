package search

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"path"
	"strings"

	"mox/db"
	"mox/message"
	"mox/store"
)

// Parts that are documents are looked into once, when a message is indexed; their text is
// kept in the index, for [Manager.Document].

// extract takes the text of documents into a batch.
type extract struct {
	ctx  context.Context // of the batch
	from Documents
	log  *slog.Logger
	max  int64 // octets of text
	rows []documentText
}

// documentText is a row of the table document.
type documentText struct {
	body store.BodyID
	part int
	text []byte
}

// documentType is the media type of a part, by its file name where it says nothing itself.
func documentType(p *message.Part) string {
	if t := p.MediaType(); t != "application/octet-stream" {
		return t
	}
	t, _, _ := strings.Cut(mime.TypeByExtension(strings.ToLower(path.Ext(p.Filename()))), ";")
	return t
}

// source makes [Source.Document] for a body that is being indexed.
func (e *extract) source(id store.BodyID, body io.ReaderAt) func(int, *message.Part) ([]byte, error) {
	if e == nil {
		return nil
	}
	return func(n int, p *message.Part) ([]byte, error) {
		kind := documentType(p)
		if !e.from.Handles(kind) {
			return nil, nil
		}
		doc, err := p.Decoded(body)
		if err != nil {
			return nil, nil // of an encoding that nobody knows
		}
		checked := &checkedReader{r: doc}
		text, err := e.from.Text(e.ctx, kind, checked)
		switch {
		case checked.err != nil:
			return nil, checked.err
		case e.ctx.Err() != nil:
			return nil, e.ctx.Err()
		case err != nil:
			e.log.Info("document has no text", "type", kind, "err", err)
			return nil, nil
		}
		text = text[:min(int64(len(text)), e.max)]
		if len(text) > 0 {
			e.rows = append(e.rows, documentText{id, n, text})
		}
		return text, nil
	}
}

// checkedReader remembers an error of reading, to tell it from one of the document.
type checkedReader struct {
	r   io.Reader
	err error
}

func (c *checkedReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	if err != nil && err != io.EOF {
		c.err = err
	}
	return n, err
}

// addDocuments writes what a batch has extracted.
func (x *index) addDocuments(c *db.Conn, rows []documentText) error {
	for _, d := range rows {
		if err := c.Exec("INSERT OR REPLACE INTO document (body, part, text) VALUES (?,?,?)", int64(d.body), int64(d.part), x.codec.pack(d.text)); err != nil {
			return err
		}
	}
	return nil
}

// document returns the text of a part, nil when it has none.
func (x *index) document(ctx context.Context, id store.BodyID, part int) (text []byte, err error) {
	err = x.db.Read(ctx, func(c *db.Conn) error {
		rows := c.QueryInts("SELECT text FROM document WHERE body=? AND part=?", int64(id), int64(part))
		var packed []byte
		if rows.Next() {
			packed = append(packed, rows.Bytes(0)...)
		}
		if err := rows.Close(); err != nil || packed == nil {
			return err
		}
		text, err = x.codec.unpack(packed)
		return err
	})
	return text, err
}

// Document makes [Source.Document] for a body of an account; nil when documents are not
// looked into. A part has text once its message is indexed.
func (m *Manager) Document(ctx context.Context, acc *store.Account, id store.BodyID) func(int, *message.Part) ([]byte, error) {
	if m.c.Documents == nil {
		return nil
	}
	return func(n int, p *message.Part) ([]byte, error) {
		if !m.c.Documents.Handles(documentType(p)) {
			return nil, nil
		}
		a, err := m.acquire(ctx, acc.Name())
		if err != nil {
			return nil, ctx.Err() // an index that cannot be opened has no text
		}
		defer m.release(a)
		text, err := a.index.document(ctx, id, n)
		switch {
		case err == nil:
			return text, nil
		case isDamage(err):
			m.damaged(a, err)
			return nil, nil
		case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
			return nil, err
		}
		return nil, fmt.Errorf("reading text of document: %w", err)
	}
}
