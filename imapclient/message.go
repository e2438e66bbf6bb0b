package imapclient

import (
	"context"
	"io"

	"mox/imap"
)

// Set makes a sequence-set of the numbers, which must ascend.
func Set(numbers ...uint32) string {
	var rb imap.RangeBuilder
	for _, n := range numbers {
		rb.Add(n)
	}
	return string(imap.AppendRanges(nil, rb.Ranges))
}

// Fetch fetches items of messages and passes each response to on as it comes. uid
// says that set holds UIDs. items has its parentheses, and modifiers if wanted:
// "(FLAGS UID)", "(FLAGS) (CHANGEDSINCE 5)".
func (c *Client) Fetch(ctx context.Context, uid bool, set, items string, on func(f *imap.FetchResponse) error) error {
	_, err := c.run(ctx, c.command(prefix(uid)+"FETCH "+set+" "+items), func(r imap.Response) error {
		if f, ok := r.(*imap.FetchResponse); ok && on != nil {
			return on(f)
		}
		c.unsolicited(r)
		return nil
	})
	return err
}

// FetchMany fetches items of several sets, with a command for each; the next is sent before the
// responses of the one before are read, so that the server is never idle. Each FETCH response
// goes to on as it comes. Contents of sections are written to what spool returns for
// their label and size (SectionData.Spooled), or kept in memory when it is nil or returns nil; the
// server may send other items after them. The error is that of the first command that failed
// or of on; all commands have been read when it is an [*imap.Error] or of on.
func (c *Client) FetchMany(ctx context.Context, uid bool, sets []string, items string, spool func(label string, size int64) io.Writer, on func(f *imap.FetchResponse) error) error {
	if c.err != nil {
		return c.err
	}
	defer c.bound(ctx)()
	c.r.SetSink(spool)
	defer c.r.SetSink(nil)
	pass := func(r imap.Response) error {
		if f, ok := r.(*imap.FetchResponse); ok {
			return on(f)
		}
		c.unsolicited(r)
		return nil
	}
	var tags []string
	var failure error
	for len(sets) > 0 || len(tags) > 0 {
		for len(tags) < 2 && len(sets) > 0 && failure == nil {
			m := c.command(prefix(uid) + "FETCH " + sets[0] + " " + items + "\r\n")
			if err := c.send(m); err != nil {
				return err
			}
			tags, sets = append(tags, m.tag), sets[1:]
		}
		if len(tags) == 0 {
			break
		}
		_, err := c.finish(tags[0], pass)
		if c.err != nil {
			return err
		}
		tags = tags[1:]
		if err != nil && failure == nil {
			failure = err
		}
	}
	return failure
}

func prefix(uid bool) string {
	if uid {
		return "UID "
	}
	return ""
}

// Store changes flags: item is "+FLAGS (\Seen)" and the like. The FETCH responses go
// to Options.Unsolicited.
func (c *Client) Store(ctx context.Context, uid bool, set, item string) (*imap.StatusResponse, error) {
	return c.run(ctx, c.command(prefix(uid)+"STORE "+set+" "+item), nil)
}

// Copy copies messages to another mailbox.
func (c *Client) Copy(ctx context.Context, uid bool, set, mailbox string) (*imap.StatusResponse, error) {
	defer c.bound(ctx)()
	return c.run(ctx, c.command(prefix(uid)+"COPY "+set).mailbox(mailbox), nil)
}

// Move moves messages to another mailbox.
func (c *Client) Move(ctx context.Context, uid bool, set, mailbox string) (*imap.StatusResponse, error) {
	defer c.bound(ctx)()
	return c.run(ctx, c.command(prefix(uid)+"MOVE "+set).mailbox(mailbox), nil)
}

// Expunge removes messages flagged \Deleted: all, or with uids (UIDPLUS) those among
// them.
func (c *Client) Expunge(ctx context.Context, uids string) error {
	name := "EXPUNGE"
	if uids != "" {
		name = "UID EXPUNGE " + uids
	}
	_, err := c.run(ctx, c.command(name), nil)
	return err
}

// SearchResult is the outcome of a SEARCH, whichever response brought it.
type SearchResult struct {
	Numbers []imap.NumRange // ascending; sequence numbers or UIDs
	imap.ESearch
}

// Search searches with keys as in the command; options are "RETURN (...) " or empty.
func (c *Client) Search(ctx context.Context, uid bool, options, keys string) (*SearchResult, error) {
	res := &SearchResult{}
	_, err := c.run(ctx, c.command(prefix(uid)+"SEARCH "+options+keys), func(r imap.Response) error {
		switch r := r.(type) {
		case *imap.SearchResponse:
			for _, n := range r.Numbers {
				res.Numbers = append(res.Numbers, imap.NumRange{Start: n, Stop: n})
			}
			res.Numbers, res.ModSeq = imap.Normalize(res.Numbers), r.ModSeq
		case *imap.ESearch:
			// Those of RFC 5267 are about other commands.
			if len(r.Updates) > 0 {
				c.unsolicited(r)
				return nil
			}
			res.ESearch = *r
			res.Numbers = r.All.Ranges
		default:
			c.unsolicited(r)
		}
		return nil
	})
	return res, err
}

// Noop lets the server report changes.
func (c *Client) Noop(ctx context.Context) error {
	_, err := c.run(ctx, c.command("NOOP"), nil)
	return err
}

// Unselect leaves the mailbox without expunging.
func (c *Client) Unselect(ctx context.Context) error {
	_, err := c.run(ctx, c.command("UNSELECT"), nil)
	return err
}
