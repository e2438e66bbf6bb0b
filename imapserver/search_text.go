package imapserver

import (
	"io"

	"mox/message"
	"mox/search"
	"mox/store"
)

// content is an open message under search.
type content struct {
	part   *message.Part
	ra     io.ReaderAt
	id     store.BodyID
	finder *search.Finder // for the queries of the command, nil: it has none
	fuzzy  []*fuzzyQuery  // of the command
	scored bool           // they have the scores
	// document is that of [search.Source].
	document func(n int, p *message.Part) ([]byte, error)
	found    []bool // for each query, once looked for
	raw      []byte // header, once read
	err      error  // of reading
}

// header returns the header of the message, as far as it is looked at.
func (c *content) header() []byte {
	if c.raw == nil {
		c.raw = c.read(0, c.part.BodyStart)
	}
	return c.raw
}

func (c *content) read(start, end int64) []byte {
	b := make([]byte, max(0, min(end-start, maxHeader)))
	n, err := io.ReadFull(io.NewSectionReader(c.ra, start, end-start), b)
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		c.err = err
	}
	return b[:n]
}

// matches reports whether the message matches query i. The message is looked through
// once, for all queries.
func (c *content) matches(i int) bool {
	if c.found == nil && c.err == nil {
		c.found, c.err = c.finder.Find(search.Source{Part: c.part, Body: c.ra, Document: c.document})
	}
	return c.err == nil && c.found[i]
}

// newFinder returns what looks for all queries, of which there is one at least: they are of one
// collation.
func newFinder(queries []*textQuery) *search.Finder {
	list := make([]search.Query, len(queries))
	for i, q := range queries {
		list[i] = q.query
	}
	return search.NewFinderBy(queries[0].by, list)
}
