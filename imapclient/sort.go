package imapclient

import (
	"context"

	"mox/imap"
)

// SortResult is the outcome of a SORT, whichever response brought it.
type SortResult struct {
	Numbers []uint32 // in the requested order
	imap.ESearch
}

// Sort sorts. options are "RETURN (...) " or empty, criteria has its parentheses, keys are
// those of SEARCH; the charset is UTF-8.
func (c *Client) Sort(ctx context.Context, uid bool, options, criteria, keys string) (*SortResult, error) {
	res := &SortResult{}
	_, err := c.run(ctx, c.command(prefix(uid)+"SORT "+options+criteria+" UTF-8 "+keys), func(r imap.Response) error {
		switch r := r.(type) {
		case *imap.SortResponse:
			res.Numbers, res.ModSeq = r.Numbers, r.ModSeq
		case *imap.ESearch:
			// Those of RFC 5267 are about other commands.
			if len(r.Updates) > 0 {
				c.unsolicited(r)
				return nil
			}
			res.ESearch = *r
			res.Numbers = Ordered(r.All)
		default:
			c.unsolicited(r)
		}
		return nil
	})
	return res, err
}

// Ordered returns the numbers of a set in its order, each range ascending (RFC 5267 3.2).
func Ordered(set imap.NumSet) (numbers []uint32) {
	for _, r := range set.Ranges {
		for n := min(r.Start, r.Stop); ; n++ {
			if numbers = append(numbers, n); n == max(r.Start, r.Stop) {
				break
			}
		}
	}
	return numbers
}

// Thread groups messages by an algorithm, "REFERENCES" for example. keys are those of
// SEARCH; the charset is UTF-8.
func (c *Client) Thread(ctx context.Context, uid bool, algorithm, keys string) ([]*imap.ThreadNode, error) {
	var threads []*imap.ThreadNode
	_, err := c.run(ctx, c.command(prefix(uid)+"THREAD "+algorithm+" UTF-8 "+keys), func(r imap.Response) error {
		if t, ok := r.(*imap.ThreadResponse); ok {
			threads = t.Threads
			return nil
		}
		c.unsolicited(r)
		return nil
	})
	return threads, err
}

// CancelUpdate ends the updates of searches with UPDATE, by their tags.
func (c *Client) CancelUpdate(ctx context.Context, tags ...string) error {
	cmd := "CANCELUPDATE"
	for _, t := range tags {
		cmd += ` "` + t + `"`
	}
	_, err := c.run(ctx, c.command(cmd), nil)
	return err
}
