package mtasts

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"time"

	"mox/dns"
)

// Client looks up records and fetches policies. The zero value lacks only the Resolver.
type Client struct {
	Resolver dns.Resolver
	// Transport makes HTTPS requests. It must verify certificates, and must not follow
	// redirects or cache; nil: one of NewTransport, used for one request.
	Transport http.RoundTripper
	// Timeout bounds a fetch; 0: one minute (RFC 8461 3.3).
	Timeout time.Duration
	// Observe, if not nil, is told of lookups that failed (lookuperror; the lack of a record
	// is no failure) and of all fetches (ok, fetcherror), and how long they took.
	Observe func(result string, d time.Duration)
	// Log gets lookups and fetches at debug level; nil: nowhere.
	Log *slog.Logger
}

// NewTransport returns a transport for fetching policies: its names are looked up by
// resolver, and it does not use proxies or keep connections. roots are the authorities,
// nil: the system's. dial makes connections, over network "tcp"; nil: a net.Dialer.
func NewTransport(resolver dns.Resolver, roots *x509.CertPool, dial func(ctx context.Context, network, address string) (net.Conn, error)) *http.Transport {
	if dial == nil {
		dial = (&net.Dialer{Timeout: 20 * time.Second}).DialContext
	}
	return &http.Transport{
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			return dialName(ctx, resolver, dial, network, address)
		},
		TLSClientConfig:        &tls.Config{RootCAs: roots},
		TLSHandshakeTimeout:    30 * time.Second,
		DisableKeepAlives:      true,
		DisableCompression:     true, // the bound is of what comes over the wire
		MaxResponseHeaderBytes: MaxPolicySize,
	}
}

// dialName connects to one of the addresses of a host.
func dialName(ctx context.Context, resolver dns.Resolver, dial func(ctx context.Context, network, address string) (net.Conn, error), network, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	if net.ParseIP(host) != nil {
		return dial(ctx, network, address)
	}
	ips, _, err := resolver.LookupIP(ctx, "ip", host)
	if err != nil {
		return nil, err
	}
	var errs []error
	for _, ip := range ips {
		conn, err := dial(ctx, network, net.JoinHostPort(ip.String(), port))
		if err == nil {
			return conn, nil
		}
		errs = append(errs, err)
	}
	return nil, errors.Join(errs...)
}

// Lookup looks up the record of a domain. An error for which neither ErrNoRecord nor
// ErrRecord holds is temporary.
func (c *Client) Lookup(ctx context.Context, domain dns.Domain) (Record, error) {
	start := time.Now()
	r, err := c.lookup(ctx, domain)
	if err != nil && !errors.Is(err, ErrNoRecord) {
		c.observe(ctx, "lookuperror", domain, start, err)
	}
	return r, err
}

func (c *Client) lookup(ctx context.Context, domain dns.Domain) (Record, error) {
	txts, _, err := c.Resolver.LookupTXT(ctx, "_mta-sts."+domain.ASCII)
	if dns.IsNotFound(err) {
		return Record{}, fmt.Errorf("%w: %w", ErrNoRecord, err)
	} else if err != nil {
		return Record{}, err
	}
	var found Record
	var foundErr error
	n := 0
	for _, s := range txts {
		r, is, err := ParseRecord(s)
		if !is {
			continue
		}
		n++
		found, foundErr = r, err
	}
	// RFC 8461 3.1: exactly one, valid or not.
	switch {
	case n == 0:
		return Record{}, ErrNoRecord
	case n > 1:
		return Record{}, ErrMultipleRecords
	}
	return found, foundErr
}

// URL is where the policy of a domain is (RFC 8461 3.2).
func URL(domain dns.Domain) string {
	return "https://mta-sts." + domain.ASCII + "/.well-known/mta-sts.txt"
}

// Fetched is a policy as it was fetched.
type Fetched struct {
	Policy Policy
	Text   string
	// ContentType is what the server says the text is. RFC 8461 3.2 has text/plain; as
	// servers have others, it does not decide.
	ContentType string
}

// Fetch fetches the policy of a domain. Errors are *Error, beside one Text is set when it
// was read.
func (c *Client) Fetch(ctx context.Context, domain dns.Domain) (Fetched, error) {
	start := time.Now()
	f, err := c.fetch(ctx, domain)
	result := "ok"
	if err != nil {
		result = "fetcherror"
	}
	c.observe(ctx, result, domain, start, err)
	return f, err
}

func (c *Client) fetch(ctx context.Context, domain dns.Domain) (Fetched, error) {
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(c.Timeout, time.Minute))
	defer cancel()
	resp, err := c.request(ctx, domain)
	if err != nil {
		return Fetched{}, fetchError(err)
	}
	defer resp.Body.Close()
	// RFC 8461 3.3: 200 only, redirects are not followed.
	if resp.StatusCode != http.StatusOK {
		return Fetched{}, &Error{ReasonPolicyFetch, resp.StatusCode, fmt.Errorf("http status %d", resp.StatusCode)}
	}
	f := Fetched{ContentType: resp.Header.Get("Content-Type")}
	text, err := io.ReadAll(io.LimitReader(resp.Body, MaxPolicySize+1))
	if err != nil {
		return f, &Error{ReasonPolicyFetch, 0, fmt.Errorf("reading policy: %w", err)}
	}
	if len(text) <= MaxPolicySize {
		f.Text = string(text)
	}
	if f.Policy, err = ParsePolicy(string(text)); err != nil {
		return f, &Error{ReasonPolicyInvalid, 0, err}
	}
	return f, nil
}

func (c *Client) request(ctx context.Context, domain dns.Domain) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, URL(domain), nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("User-Agent", "mox")
	req.Header.Set("Accept", "text/plain")
	transport := c.Transport
	if transport == nil {
		transport = NewTransport(c.Resolver, nil, nil)
	}
	client := http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return client.Do(req)
}

// fetchError says what kind of failure a request ended with.
func fetchError(err error) *Error {
	if e := (*url.Error)(nil); errors.As(err, &e) {
		err = e.Err // the rest is what the caller knows
	}
	var cert *tls.CertificateVerificationError
	var host x509.HostnameError
	var unknown x509.UnknownAuthorityError
	var invalid x509.CertificateInvalidError
	if errors.As(err, &cert) || errors.As(err, &host) || errors.As(err, &unknown) || errors.As(err, &invalid) {
		return &Error{ReasonWebPKI, 0, err}
	}
	return &Error{ReasonPolicyFetch, 0, err}
}

// Get looks up the record of a domain and fetches its policy. With an error of the
// fetch, an *Error, the record is returned as well.
func (c *Client) Get(ctx context.Context, domain dns.Domain) (Record, Fetched, error) {
	r, err := c.Lookup(ctx, domain)
	if err != nil {
		return Record{}, Fetched{}, err
	}
	f, err := c.Fetch(ctx, domain)
	return r, f, err
}

func (c *Client) observe(ctx context.Context, result string, domain dns.Domain, start time.Time, err error) {
	d := time.Since(start)
	if c.Observe != nil {
		c.Observe(result, d)
	}
	if c.Log != nil {
		c.Log.DebugContext(ctx, "mta-sts policy", "domain", domain, "result", result, "duration", d, "err", err)
	}
}
