package imapclient

import (
	"context"
	"errors"
	"strconv"
	"strings"

	"mox/imap"
)

// QResync makes the parameters of Select for QRESYNC, RFC 7162 3.2.5: what the client knew of
// the mailbox. known is the set of UIDs that it has, empty for all. QRESYNC must be enabled.
func QResync(uidValidity uint32, modSeq uint64, known string) string {
	s := "(QRESYNC (" + strconv.FormatUint(uint64(uidValidity), 10) + " " + strconv.FormatUint(modSeq, 10)
	if known != "" {
		s += " " + known
	}
	return s + "))"
}

// Replace adds a message and removes another of the selected mailbox, at once: REPLACE, RFC
// 8508. It returns the argument of APPENDUID.
func (c *Client) Replace(ctx context.Context, uid bool, number uint32, mailbox string, msg AppendMessage) (appendUID string, err error) {
	defer c.bound(ctx)()
	if c.err != nil {
		return "", c.err
	}
	m := c.command(prefix(uid) + "REPLACE " + strconv.FormatUint(uint64(number), 10)).mailbox(mailbox)
	m.message(msg)
	return c.appended(ctx, m)
}

// Namespaces returns the prefixes of mailboxes with their delimiters: NAMESPACE, RFC 2342.
func (c *Client) Namespaces(ctx context.Context) (*imap.Namespace, error) {
	return answer[*imap.Namespace](ctx, c, c.command("NAMESPACE"))
}

// JMAPAccess returns the URL of the session resource of JMAP, where the same mail is: GETJMAPACCESS, RFC 9698.
func (c *Client) JMAPAccess(ctx context.Context) (string, error) {
	r, err := answer[*imap.JMAPAccess](ctx, c, c.command("GETJMAPACCESS"))
	if err != nil {
		return "", err
	}
	return r.URL, nil
}

// Quota returns usage and limits of a quota root: GETQUOTA, RFC 9208 4.1.1.
func (c *Client) Quota(ctx context.Context, root string) (*imap.Quota, error) {
	defer c.bound(ctx)()
	return answer[*imap.Quota](ctx, c, c.command("GETQUOTA").arg(root))
}

// QuotaRoots returns the quota roots of a mailbox, with their usage and limits: GETQUOTAROOT,
// RFC 9208 4.1.2.
func (c *Client) QuotaRoots(ctx context.Context, mailbox string) (roots []*imap.Quota, err error) {
	defer c.bound(ctx)()
	_, err = c.run(ctx, c.command("GETQUOTAROOT").mailbox(mailbox), func(r imap.Response) error {
		switch r := r.(type) {
		case *imap.Quota:
			roots = append(roots, r)
		case *imap.QuotaRoot:
		default:
			c.unsolicited(r)
		}
		return nil
	})
	return roots, err
}

// Metadata returns values of annotations of a mailbox, or of the server when it is empty:
// GETMETADATA, RFC 5464 4.2. options are "(DEPTH 1) " and the like, or empty.
func (c *Client) Metadata(ctx context.Context, mailbox, options string, entries ...string) (values []imap.MetadataValue, err error) {
	defer c.bound(ctx)()
	m := c.command("GETMETADATA")
	if options != "" {
		m.text(" " + strings.TrimSpace(options))
	}
	m.mailbox(mailbox).text(" (")
	for i, e := range entries {
		if i > 0 {
			m.text(" ")
		}
		m.value(e)
	}
	_, err = c.run(ctx, m.text(")"), func(r imap.Response) error {
		if d, ok := r.(*imap.Metadata); ok && len(d.Changed) == 0 {
			values = append(values, d.Values...)
		} else {
			c.unsolicited(r)
		}
		return nil
	})
	return values, err
}

// SetMetadata sets annotations of a mailbox, or of the server when it is empty: SETMETADATA, RFC
// 5464 4.3. A nil value removes an entry.
func (c *Client) SetMetadata(ctx context.Context, mailbox string, values ...imap.MetadataValue) error {
	defer c.bound(ctx)()
	m := c.command("SETMETADATA").mailbox(mailbox).text(" (")
	for i, v := range values {
		if i > 0 {
			m.text(" ")
		}
		if m.value(v.Name).text(" "); v.Value == nil {
			m.text("NIL")
		} else {
			m.literal(v.Value)
		}
	}
	_, err := c.run(ctx, m.text(")"), nil)
	return err
}

// Notify asks for events: NOTIFY, RFC 5465 3. events is what follows the word: "NONE", or "SET
// (selected (MessageNew (FLAGS) MessageExpunge))". They go to Options.Unsolicited.
func (c *Client) Notify(ctx context.Context, events string) error {
	_, err := c.run(ctx, c.command("NOTIFY "+events), nil)
	return err
}

// AuthorizeURLs returns URLs, which end in ";URLAUTH=" and who may use them, with the proof
// that they do: GENURLAUTH with the mechanism INTERNAL, RFC 4467 7.
func (c *Client) AuthorizeURLs(ctx context.Context, urls ...string) ([]string, error) {
	defer c.bound(ctx)()
	m := c.command("GENURLAUTH")
	for _, u := range urls {
		m.arg(u).text(" INTERNAL")
	}
	g, err := answer[*imap.GenURLAuthResponse](ctx, c, m)
	if err != nil {
		return nil, err
	}
	return g.URLs, nil
}

// ResetKey makes all URLs of a mailbox useless that AuthorizeURLs gave; those of all mailboxes
// when it is empty: RESETKEY, RFC 4467 7.
func (c *Client) ResetKey(ctx context.Context, mailbox string) error {
	defer c.bound(ctx)()
	m := c.command("RESETKEY")
	if mailbox != "" {
		m.mailbox(mailbox)
	}
	_, err := c.run(ctx, m, nil)
	return err
}

// FetchURLs returns what URLs lead to: URLFETCH, RFC 4467 7. With items, "BODY" or "BINARY
// BODYPARTSTRUCTURE", those are asked for (URLAUTH=BINARY, RFC 5524).
func (c *Client) FetchURLs(ctx context.Context, items string, urls ...string) ([]imap.URLFetchData, error) {
	defer c.bound(ctx)()
	if len(urls) == 0 {
		return nil, errors.New("no URLs")
	}
	m := c.command("URLFETCH")
	for _, u := range urls {
		if items == "" {
			m.arg(u)
		} else {
			m.text(" (").value(u).text(" " + items + ")")
		}
	}
	var data []imap.URLFetchData
	_, err := c.run(ctx, m, func(r imap.Response) error {
		if u, ok := r.(*imap.URLFetchResponse); ok {
			data = append(data, u.Items...)
		} else {
			c.unsolicited(r)
		}
		return nil
	})
	return data, err
}

// MultiSearch searches mailboxes without selecting them: ESEARCH, RFC 7377. sources is what
// stands in the parentheses of IN, as `personal` or `subtree ("a" "b")`; options are "RETURN (...) "
// or empty, keys those of SEARCH. There is an answer for each mailbox with matches.
func (c *Client) MultiSearch(ctx context.Context, sources, options, keys string) (found []*imap.ESearch, err error) {
	_, err = c.run(ctx, c.command("ESEARCH IN ("+sources+") "+options+keys), func(r imap.Response) error {
		// Those of RFC 5267 are about other commands.
		if e, ok := r.(*imap.ESearch); ok && len(e.Updates) == 0 {
			found = append(found, e)
		} else {
			c.unsolicited(r)
		}
		return nil
	})
	return found, err
}

// UIDBatches returns the ranges of UIDs that have size messages each, the highest first, or those
// that batches names, as "2:3", empty for all: UIDBATCHES, RFC 10022.
func (c *Client) UIDBatches(ctx context.Context, size uint32, batches string) ([]imap.NumRange, error) {
	command := "UIDBATCHES " + strconv.FormatUint(uint64(size), 10)
	if batches != "" {
		command += " " + batches
	}
	r, err := answer[*imap.UIDBatchesResponse](ctx, c, c.command(command))
	if err != nil {
		return nil, err
	}
	return r.Batches, nil
}

// Language asks for texts in one of some languages, the best first, and returns that which the
// server has chosen; without any, it returns those that there are: LANGUAGE, RFC 5255 3.2.
func (c *Client) Language(ctx context.Context, tags ...string) ([]string, error) {
	defer c.bound(ctx)()
	m := c.command("LANGUAGE")
	for _, t := range tags {
		m.arg(t)
	}
	r, err := answer[*imap.LanguageResponse](ctx, c, m)
	if err != nil {
		return nil, err
	}
	return r.Tags, nil
}

// Comparator chooses the first of some comparators that the server has, and returns the active
// one; without any, nothing is changed: COMPARATOR, RFC 5255 4.7.
func (c *Client) Comparator(ctx context.Context, names ...string) (*imap.ComparatorResponse, error) {
	defer c.bound(ctx)()
	m := c.command("COMPARATOR")
	for _, n := range names {
		m.arg(n)
	}
	return answer[*imap.ComparatorResponse](ctx, c, m)
}
