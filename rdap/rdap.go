package rdap

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"mox/dns"
	"mox/publicsuffix"
)

// BootstrapURL is where IANA keeps the list of servers for domains (RFC 9224 13.2).
const BootstrapURL = "https://data.iana.org/rdap/dns.json"

// Bounds of what is read, in bytes.
const (
	maxBootstrap = 4 << 20
	maxAnswer    = 1 << 20
)

// maxRedirects bounds redirects of a request (RFC 7480 5.2).
const maxRedirects = 5

// DefaultTimeout bounds a whole [Client.DomainAge].
const DefaultTimeout = 30 * time.Second

// Errors of DomainAge. Others are of requests that failed.
var (
	// ErrNoServer: the registry of the top-level domain is not in the list.
	ErrNoServer = errors.New("registry has no RDAP server")
	// ErrNotFound: the registry does not know the domain.
	ErrNotFound = errors.New("domain is not registered")
	// ErrNoDate: the registry does not tell when it was registered.
	ErrNoDate = errors.New("registry does not tell when the domain was registered")
	// ErrSyntax: what a server sent is not what it should be.
	ErrSyntax = errors.New("malformed RDAP response")
	// ErrTooMany: the server has had too many requests for now.
	ErrTooMany = errors.New("RDAP server refuses more requests for now")
)

// Client asks. The zero value is usable.
type Client struct {
	// Transport makes requests; nil: one with the defaults of net/http.
	Transport http.RoundTripper
	Bootstrap string        // URL of the list; empty: BootstrapURL
	Timeout   time.Duration // 0: DefaultTimeout
	// UserAgent is that of requests; empty: "mox".
	UserAgent string
}

// Registration is what a registry told.
type Registration struct {
	// Domain is the one that was asked about: that below which the name is, as the public suffix
	// list has it.
	Domain     dns.Domain
	Registered time.Time
	// ServerTime is the time at the server, from its answer; zero: it told none. It is good to
	// a second or so, and for comparing with a clock that may be wrong.
	ServerTime time.Time
	Server     string // its host
}

// DomainAge tells when a domain was registered. For a name below a registered domain that is
// the one asked about.
func (c *Client) DomainAge(ctx context.Context, domain dns.Domain) (Registration, error) {
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(c.Timeout, DefaultTimeout))
	defer cancel()
	org := publicsuffix.OrganizationalDomain(domain)
	if org.IsZero() {
		org = domain
	}
	r := Registration{Domain: org}
	base, err := c.server(ctx, org)
	if err != nil {
		return r, err
	}
	// RFC 9082 3.1.3: A-labels are understood by all.
	body, header, final, err := c.get(ctx, base+"domain/"+url.PathEscape(org.ASCII), maxAnswer, "application/rdap+json, application/json;q=0.5")
	if err != nil {
		return r, fmt.Errorf("asking about %s: %w", org, err)
	}
	r.Server = final.Host
	// Without, or with a wrong one, it is not known.
	r.ServerTime, _ = http.ParseTime(header.Get("Date"))
	r.Registered, err = parseRegistration(body)
	if err != nil {
		return r, fmt.Errorf("asking about %s: %w", org, err)
	}
	return r, nil
}

// server returns the base URL of the server for a domain, with its final slash.
func (c *Client) server(ctx context.Context, domain dns.Domain) (string, error) {
	body, _, _, err := c.get(ctx, cmp.Or(c.Bootstrap, BootstrapURL), maxBootstrap, "application/json")
	if errors.Is(err, ErrNotFound) {
		return "", errors.New("getting the list of RDAP servers: it is not there") // no word about the domain
	} else if err != nil {
		return "", fmt.Errorf("getting the list of RDAP servers: %w", err)
	}
	b, err := parseBootstrap(body)
	if err != nil {
		return "", fmt.Errorf("getting the list of RDAP servers: %w", err)
	}
	base := b.find(domain.ASCII)
	if base == "" {
		return "", fmt.Errorf("%w: %s", ErrNoServer, domain)
	}
	return base, nil
}

// bootstrap is a bootstrap service registry (RFC 9224 3, 4).
type bootstrap struct {
	Version  string
	Services [][][]string // each has a list of entries, and one of base URLs
}

func parseBootstrap(data []byte) (*bootstrap, error) {
	var b bootstrap
	if err := json.Unmarshal(data, &b); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSyntax, err)
	}
	if !strings.HasPrefix(b.Version, "1.") {
		return nil, fmt.Errorf("%w: version %.20q", ErrSyntax, b.Version)
	}
	return &b, nil
}

// find returns the base URL for a name in A-labels, with a final slash, or "".
func (b *bootstrap) find(name string) string {
	best, url := -1, ""
	for _, s := range b.Services {
		if len(s) < 2 {
			continue
		}
		for _, entry := range s[0] {
			entry = strings.ToLower(strings.Trim(entry, "."))
			// RFC 9224 4: the longest match of labels.
			if entry != name && !strings.HasSuffix(name, "."+entry) || entry == "" || len(entry) <= best {
				continue
			}
			if u := secureURL(s[1]); u != "" {
				best, url = len(entry), u
			}
		}
	}
	return url
}

// secureURL returns the first URL with HTTPS.
func secureURL(l []string) string {
	for _, s := range l {
		u, err := url.Parse(s)
		if err == nil && u.Scheme == "https" && u.Host != "" && u.RawQuery == "" && u.Fragment == "" {
			return strings.TrimSuffix(s, "/") + "/"
		}
	}
	return ""
}

// parseRegistration returns when a domain was registered (RFC 9083 4.5, 5.3).
func parseRegistration(data []byte) (time.Time, error) {
	var v struct {
		ObjectClassName string
		Events          []struct{ EventAction, EventDate string }
	}
	if err := json.Unmarshal(data, &v); err != nil {
		return time.Time{}, fmt.Errorf("%w: %w", ErrSyntax, err)
	}
	if v.ObjectClassName != "domain" {
		return time.Time{}, fmt.Errorf("%w: object class %.40q, not domain", ErrSyntax, v.ObjectClassName)
	}
	for _, e := range v.Events {
		if e.EventAction != "registration" {
			continue
		}
		t, err := time.Parse(time.RFC3339, e.EventDate)
		if err != nil {
			return time.Time{}, fmt.Errorf("%w: date %.40q", ErrSyntax, e.EventDate)
		}
		return t, nil
	}
	return time.Time{}, ErrNoDate
}

// get gets a document, at most that many bytes, and returns its final URL too.
func (c *Client) get(ctx context.Context, address string, most int64, accept string) ([]byte, http.Header, *url.URL, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, nil, nil, err
	}
	req.Header.Set("Accept", accept)
	req.Header.Set("User-Agent", cmp.Or(c.UserAgent, "mox"))
	client := http.Client{Transport: c.Transport, CheckRedirect: func(req *http.Request, via []*http.Request) error {
		if req.URL.Scheme != "https" || len(via) > maxRedirects {
			return fmt.Errorf("redirect to %s is not followed", req.URL.Redacted())
		}
		return nil
	}}
	resp, err := client.Do(req)
	if err != nil {
		return nil, nil, nil, err
	}
	defer resp.Body.Close()
	// RFC 7480 5.3, 5.5.
	switch resp.StatusCode {
	case http.StatusOK:
	case http.StatusNotFound:
		return nil, nil, nil, ErrNotFound
	case http.StatusTooManyRequests:
		return nil, nil, nil, ErrTooMany
	default:
		return nil, nil, nil, fmt.Errorf("%s answers with HTTP status %d", resp.Request.URL.Host, resp.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, most+1))
	if err != nil {
		return nil, nil, nil, err
	}
	if int64(len(body)) > most {
		return nil, nil, nil, fmt.Errorf("%w: longer than %d bytes", ErrSyntax, most)
	}
	return body, resp.Header, resp.Request.URL, nil
}
