package imapclient

import (
	"context"

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
