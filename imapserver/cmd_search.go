package imapserver

import (
	"context"

	"mox/imap"
	"mox/message"
)

// searching is a SEARCH or SORT in progress.
type searching struct {
	r        *imap.Request
	q        *imap.Search
	ret      *imap.SearchReturn   // what is to be returned; nil: the untagged response of RFC 3501
	criteria []imap.SortCriterion // of SORT; nil: mailbox order
	by       comparator
}

// cmdSearch is SEARCH and UID SEARCH, RFC 9051 6.4.4, with RFC 4731 (ESEARCH), RFC 5182
// (SEARCHRES), RFC 5267 (CONTEXT=SEARCH) and RFC 9394 (PARTIAL).
func (s *session) cmdSearch(ctx context.Context, r *imap.Request) error {
	q := r.Args.(*imap.Search)
	c := &searching{r: r, q: q, ret: q.Return, by: s.comparator}
	if c.ret == nil && s.rev2 {
		// RFC 9051 6.4.4: always ESEARCH.
		c.ret = &imap.SearchReturn{All: true}
	}
	return s.runSearching(ctx, c)
}

func (s *session) runSearching(ctx context.Context, c *searching) error {
	err := s.search(ctx, c)
	if err != nil && c.q.Return != nil && c.q.Return.Save {
		// RFC 5182 2.1: a failed SEARCH with SAVE empties the result.
		s.box.saved = nil
	}
	return err
}

func (s *session) search(ctx context.Context, c *searching) error {
	// RFC 5267 4.3: a tag names one context.
	if c.ret != nil && c.ret.Update && s.box.context(c.r.Tag) != nil {
		return imap.Bad("tag is that of a search that is kept up to date")
	}
	res, err := s.seek(ctx, c)
	if err != nil {
		return err
	}
	if c.criteria != nil {
		err := s.working(c.r.Tag, func() error { return s.sort(ctx, res.pos, c.criteria, c.by, res.scores) })
		if err != nil {
			return err
		}
	}
	if c.q.Return != nil && c.q.Return.Save {
		s.box.saved = res.saved(c.q.Return)
	}
	s.sendFound(c, res)
	if c.ret != nil && c.ret.Update {
		s.addContext(ctx, c, res)
	}
	return nil
}

// seek brings the client up to date and searches.
func (s *session) seek(ctx context.Context, c *searching) (*searchResult, error) {
	if err := s.expandFilters(ctx, c.q); err != nil {
		return nil, err
	}
	if err := s.checkCharset(c.q.Charset, c.r.Name == "SEARCH"); err != nil {
		return nil, err
	}
	if c.q.ModSeq {
		s.enableCondstore()
	}
	s.update(false, ownChange{})
	return c.run(ctx, &searcher{s: s, box: s.box, uid: c.r.UID, by: c.by.collation, progress: s.newProgress(c.r.Tag)})
}

// run searches with x.
func (c *searching) run(ctx context.Context, x *searcher) (*searchResult, error) {
	scored, err := c.relevancy()
	if err != nil {
		return nil, err
	}
	prog, err := x.compile(&c.q.Key)
	if err != nil {
		return nil, err
	}
	keep := scored || c.criteria != nil || c.r.Name == "THREAD" || c.ret != nil && c.ret.Partial != nil
	res := &searchResult{box: x.box, uid: x.uid, keep: keep, enough: enoughFor(c)}
	if scored {
		res.score, res.scores = x.score, make([]uint8, x.box.total())
	}
	return res, x.run(ctx, prog, &c.q.Key, res)
}

// charsets are those of searches, as BADCHARSET has them.
const charsets = "(US-ASCII UTF-8)"

// checkCharset: RFC 9051 6.4.4: US-ASCII and UTF-8 must be supported.
func (s *session) checkCharset(name string, optional bool) error {
	if name == "" {
		return nil
	}
	// RFC 6855 3: with UTF8=ACCEPT enabled, SEARCH must not have CHARSET. RFC 5256 3: SORT
	// and THREAD must.
	if s.utf8only && optional {
		return imap.Bad("CHARSET is not allowed after ENABLE UTF8=ACCEPT")
	}
	if name != "UTF-8" && name != "US-ASCII" {
		return &imap.Error{Type: imap.NO, Code: imap.CodeBadCharset, CodeArg: charsets, Text: "charset is not supported"}
	}
	return nil
}

// comparator is what texts are compared by, RFC 5255 4.2. The zero value is the default.
type comparator struct {
	collation  message.Collation
	descending bool // RFC 4790 3.3: "-", the order is inverted
}

// String is collation-selected of RFC 4790 3.3.
func (c comparator) String() string {
	if c.descending {
		return "-" + c.collation.String()
	}
	return c.collation.String()
}
