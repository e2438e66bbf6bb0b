package imapclient

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"

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
//
// What a server with a limit of messages has left out (RFC 9738) is fetched by further commands
// when it is asked for by UIDs; else the error is a [*LimitedError].
func (c *Client) Fetch(ctx context.Context, uid bool, set, items string, on func(f *imap.FetchResponse) error) error {
	for {
		_, err := c.run(ctx, c.command(prefix(uid)+"FETCH "+set+" "+items), func(r imap.Response) error {
			if f, ok := r.(*imap.FetchResponse); ok && on != nil {
				return on(f)
			}
			c.unsolicited(r)
			return nil
		})
		if set, err = rest(uid, set, err); err != nil || set == "" {
			return err
		}
	}
}

// FetchMany fetches items of several sets, with a command for each; the next is sent before the
// responses of the one before are read, so that the server is never idle. Each FETCH response
// goes to on as it comes. Contents of sections are written to what spool returns for
// their label and size (SectionData.Spooled), or kept in memory when it is nil or returns nil; the
// server may send other items after them. Limits of the server are as for Fetch. The error is that of the first command that failed
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
	type sent struct{ tag, set string }
	var waiting []sent
	var failure error
	for len(sets) > 0 || len(waiting) > 0 {
		for len(waiting) < 2 && len(sets) > 0 && failure == nil {
			m := c.command(prefix(uid) + "FETCH " + sets[0] + " " + items + "\r\n")
			if err := c.send(m); err != nil {
				return err
			}
			waiting, sets = append(waiting, sent{m.tag, sets[0]}), sets[1:]
		}
		if len(waiting) == 0 {
			break
		}
		_, err := c.finish(waiting[0].tag, pass)
		if c.err != nil {
			return err
		}
		left, err := rest(uid, waiting[0].set, err)
		if waiting = waiting[1:]; left != "" {
			sets = append([]string{left}, sets...)
		}
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

// Search searches with keys as in the command; options are "RETURN (...) " or empty. What a server
// with a limit of messages has left out (RFC 9738) is searched too when UIDs are asked for
// without options and charset; else the error is a [*LimitedError].
func (c *Client) Search(ctx context.Context, uid bool, options, keys string) (*SearchResult, error) {
	var all []imap.NumRange
	below := uint32(math.MaxUint32)
	for within := ""; ; {
		res, err := c.search(ctx, uid, options, within+keys)
		var limited *LimitedError
		if errors.As(err, &limited) && uid && options == "" && !strings.HasPrefix(strings.ToUpper(keys), "CHARSET ") {
			if limited.UID >= below {
				return res, fmt.Errorf("%w: a limit at UID %d, above all that was asked for", ErrProtocol, limited.UID)
			}
			below, err = limited.UID, nil
		} else {
			limited = nil
		}
		if len(all) > 0 {
			res.Numbers = imap.Normalize(append(all, res.Numbers...))
		}
		if limited == nil || below == 1 {
			return res, err
		}
		all, within = res.Numbers, "UID 1:"+strconv.FormatUint(uint64(below-1), 10)+" "
	}
}

// search is one command of Search.
func (c *Client) search(ctx context.Context, uid bool, options, keys string) (*SearchResult, error) {
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
