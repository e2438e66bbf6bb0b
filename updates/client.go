package updates

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"mox/dns"
)

// Errors of clients.
var (
	// ErrNotModified: the changelog is what it was.
	ErrNotModified = errors.New("changelog has not changed")
	// ErrFile: what was downloaded is not what was signed.
	ErrFile = errors.New("the download is not what was signed")
)

const (
	maxRedirects = 5
	// maxETag bounds what is sent back to the server.
	maxETag = 200
)

// Client asks a feed. Feed, and what is used of Resolver and Transport, are needed. Safe for
// concurrent use.
type Client struct {
	Feed     Feed
	Resolver dns.Resolver // for Lookup
	// Transport makes HTTPS requests; it must verify certificates.
	Transport http.RoundTripper
	UserAgent string // "": mox

	// Timeout bounds a lookup and the fetch of a changelog; 0: one minute.
	Timeout time.Duration
	// DownloadTimeout bounds a download, 0: an hour; Stall the time in which nothing of it comes,
	// 0: one minute.
	DownloadTimeout, Stall time.Duration

	// Observe, if not nil, is told of lookups (ok, notfound, badrecord, temperror) and fetches of the
	// changelog (ok, notmodified, unsigned, error).
	Observe func(fetch bool, result string, d time.Duration)
}

// Lookup returns the newest version, as DNS has it. An error for which neither ErrNoRecord nor
// ErrRecord holds is temporary.
func (c *Client) Lookup(ctx context.Context) (Version, error) {
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(c.Timeout, time.Minute))
	defer cancel()
	start := time.Now()
	r, err := c.lookup(ctx)
	switch {
	case err == nil:
		c.observe(false, "ok", start)
	case errors.Is(err, ErrNoRecord):
		c.observe(false, "notfound", start)
	case errors.Is(err, ErrRecord):
		c.observe(false, "badrecord", start)
	default:
		c.observe(false, "temperror", start)
	}
	return r.Latest, err
}

func (c *Client) lookup(ctx context.Context) (Record, error) {
	texts, _, err := c.Resolver.LookupTXT(ctx, c.Feed.RecordName())
	if dns.IsNotFound(err) {
		return Record{}, fmt.Errorf("%w: %w", ErrNoRecord, err)
	} else if err != nil {
		return Record{}, err
	}
	var found Record
	n := 0
	for _, s := range texts {
		r, is, err := ParseRecord(s)
		if !is {
			continue
		}
		if err != nil {
			return Record{}, err
		}
		found = r
		n++
	}
	switch n {
	case 0:
		return Record{}, fmt.Errorf("%w: of the %d texts at %s, none is one", ErrNoRecord, len(texts), c.Feed.RecordName())
	case 1:
		return found, nil
	}
	return Record{}, fmt.Errorf("%w: there are %d at %s", ErrRecord, n, c.Feed.RecordName())
}

// Fetched is a changelog as a client got it.
type Fetched struct {
	Releases []Release // that trusted keys have signed, newest first; at least one
	Skipped  int       // entries that are none
	ETag     string    // for the next time; may be ""
}

// Changelog fetches the changelog and verifies it. With etag, of the time before, the error is
// ErrNotModified when it is the same. Errors of what was fetched wrap ErrUnsigned or ErrChangelog.
func (c *Client) Changelog(ctx context.Context, etag string) (Fetched, error) {
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(c.Timeout, time.Minute))
	defer cancel()
	start := time.Now()
	f, err := c.changelog(ctx, etag)
	switch {
	case err == nil:
		c.observe(true, "ok", start)
	case errors.Is(err, ErrNotModified):
		c.observe(true, "notmodified", start)
	case errors.Is(err, ErrUnsigned):
		c.observe(true, "unsigned", start)
	default:
		c.observe(true, "error", start)
	}
	return f, err
}

func (c *Client) changelog(ctx context.Context, etag string) (Fetched, error) {
	resp, err := c.get(ctx, c.Feed.URL, "application/json", etag)
	if err != nil {
		return Fetched{}, fmt.Errorf("changelog: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusNotModified && etag != "" {
		return Fetched{}, ErrNotModified
	}
	if resp.StatusCode != http.StatusOK {
		return Fetched{}, fmt.Errorf("changelog: %s answers %s", resp.Request.URL, resp.Status)
	}
	data, err := io.ReadAll(io.LimitReader(resp.Body, MaxChangelog+1))
	if err != nil {
		return Fetched{}, fmt.Errorf("reading changelog: %w", err)
	}
	log, err := ParseChangelog(data)
	if err != nil {
		return Fetched{}, fmt.Errorf("%s: %w", c.Feed.URL, err)
	}
	releases, bad := log.Verified(c.Feed.Keys)
	if len(releases) == 0 {
		return Fetched{}, fmt.Errorf("changelog at %s: of its %d entries, none is valid: %w", c.Feed.URL, len(log.Entries), cmp.Or(bad[0], ErrUnsigned))
	}
	f := Fetched{Releases: releases, Skipped: len(bad)}
	if e := resp.Header.Get("ETag"); len(e) <= maxETag {
		f.ETag = e
	}
	return f, nil
}

// get makes a request. Redirects are followed, to HTTPS only.
func (c *Client) get(ctx context.Context, where, accept, etag string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, where, nil)
	if err != nil {
		return nil, err
	}
	if req.URL.Scheme != "https" {
		return nil, fmt.Errorf("%s is not https", where)
	}
	req.Header.Set("User-Agent", cmp.Or(c.UserAgent, "mox"))
	req.Header.Set("Accept", accept)
	if etag != "" {
		req.Header.Set("If-None-Match", etag)
	}
	client := http.Client{Transport: c.Transport, CheckRedirect: func(r *http.Request, via []*http.Request) error {
		if r.URL.Scheme != "https" {
			return fmt.Errorf("refusing a redirect to %s, which is not https", r.URL)
		}
		if len(via) > maxRedirects {
			return fmt.Errorf("more than %d redirects", maxRedirects)
		}
		return nil
	}}
	resp, err := client.Do(req)
	if e := (*url.Error)(nil); errors.As(err, &e) {
		err = fmt.Errorf("%s: %w", e.URL, e.Err)
	}
	return resp, err
}

// Download writes a file to w, at most as many bytes as it has to have. After an error, what was
// written is of no use: errors of its content wrap ErrFile.
func (c *Client) Download(ctx context.Context, f File, w io.Writer) error {
	where, err := c.Feed.fileURL(f)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, cmp.Or(c.DownloadTimeout, time.Hour), errors.New("the download takes too long"))
	defer cancel()
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	patience := cmp.Or(c.Stall, time.Minute)
	stall := time.AfterFunc(patience, func() { stop(fmt.Errorf("nothing came for %v", patience)) })
	defer stall.Stop()
	err = c.download(ctx, where, f, w, func() { stall.Reset(patience) })
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		return fmt.Errorf("downloading %s: %w", where, err)
	}
	return nil
}

func (c *Client) download(ctx context.Context, where string, f File, w io.Writer, came func()) error {
	resp, err := c.get(ctx, where, "application/octet-stream", "")
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("the answer is %s", resp.Status)
	}
	if resp.ContentLength >= 0 && resp.ContentLength != f.Size {
		return fmt.Errorf("%w: it has %d bytes, and not %d", ErrFile, resp.ContentLength, f.Size)
	}
	h := sha256.New()
	n, err := io.Copy(io.MultiWriter(w, h), io.LimitReader(&watchedReader{resp.Body, came}, f.Size))
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return err
	}
	if n < f.Size {
		return fmt.Errorf("%w: it ends after %d of %d bytes", ErrFile, n, f.Size)
	}
	if n, _ := io.ReadFull(resp.Body, make([]byte, 1)); n > 0 {
		return fmt.Errorf("%w: it has more than %d bytes", ErrFile, f.Size)
	}
	if sum := hex.EncodeToString(h.Sum(nil)); sum != f.SHA256 {
		return fmt.Errorf("%w: its SHA-256 is %s, and not %s", ErrFile, sum, f.SHA256)
	}
	return nil
}

// watchedReader calls came whenever something was read.
type watchedReader struct {
	io.Reader
	came func()
}

func (r *watchedReader) Read(b []byte) (int, error) {
	n, err := r.Reader.Read(b)
	if n > 0 {
		r.came()
	}
	return n, err
}

func (c *Client) observe(fetch bool, result string, start time.Time) {
	if c.Observe != nil {
		c.Observe(fetch, result, time.Since(start))
	}
}
