package acme

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"time"
)

// States of orders, authorizations and challenges (RFC 8555 7.1.6).
const (
	Pending    = "pending"
	Ready      = "ready"
	Processing = "processing"
	Valid      = "valid"
	Invalid    = "invalid"
)

// Order is a request for a certificate (RFC 8555 7.1.3).
type Order struct {
	URL            string   `json:"-"`
	Status         string   `json:"status"`
	Error          *Error   `json:"error"`
	Authorizations []string `json:"authorizations"`
	Finalize       string   `json:"finalize"`
	Certificate    string   `json:"certificate"`
	// RetryAfter is when to look again, zero if the server did not say.
	RetryAfter time.Time `json:"-"`
}

// Authorization is one to be shown to be in control of a name (RFC 8555 7.1.4).
type Authorization struct {
	URL        string      `json:"-"`
	Identifier Identifier  `json:"identifier"`
	Status     string      `json:"status"`
	Challenges []Challenge `json:"challenges"`
	Wildcard   bool        `json:"wildcard"`
	RetryAfter time.Time   `json:"-"`
}

// Identifier is what a certificate is for (RFC 8555 7.1.4).
type Identifier struct {
	Type  string `json:"type"` // "dns"
	Value string `json:"value"`
}

// Challenge is a way to show that (RFC 8555 8).
type Challenge struct {
	Type   string `json:"type"`
	URL    string `json:"url"`
	Token  string `json:"token"`
	Status string `json:"status"`
	Error  *Error `json:"error"`
}

// NewOrder asks for a certificate for names, in ASCII. Replaces is the [CertID] of the
// certificate that is renewed so (RFC 9773 5), or empty.
func (c *Client) NewOrder(ctx context.Context, names []string, replaces string) (*Order, error) {
	d, err := c.Directory(ctx)
	if err != nil {
		return nil, err
	}
	var o struct {
		Identifiers []Identifier `json:"identifiers"`
		Replaces    string       `json:"replaces,omitempty"`
	}
	for _, name := range names {
		o.Identifiers = append(o.Identifiers, Identifier{"dns", name})
	}
	o.Replaces = replaces
	a, err := c.post(ctx, d.NewOrder, o)
	if err != nil {
		return nil, err
	}
	return a.order(a.resolve(a.header.Get("Location")))
}

// order decodes an order with this URL.
func (a *answer) order(url string) (*Order, error) {
	o := &Order{URL: url, RetryAfter: retryAfter(a.header, a.now)}
	if err := a.decode(o); err != nil {
		return nil, err
	}
	if o.URL == "" || o.Finalize == "" || len(o.Authorizations) > 100 {
		return nil, &UnavailableError{errors.New("order without URL, or with too many authorizations")}
	}
	return o, nil
}

// Order looks at an order.
func (c *Client) Order(ctx context.Context, url string) (*Order, error) {
	a, err := c.post(ctx, url, nil)
	if err != nil {
		return nil, err
	}
	return a.order(url)
}

// Authorization looks at an authorization.
func (c *Client) Authorization(ctx context.Context, url string) (*Authorization, error) {
	a, err := c.post(ctx, url, nil)
	if err != nil {
		return nil, err
	}
	z := &Authorization{URL: url, RetryAfter: retryAfter(a.header, a.now)}
	return z, a.decode(z)
}

// Accept tells the server that the answer to a challenge can be looked at (RFC 8555 7.5.1).
func (c *Client) Accept(ctx context.Context, ch Challenge) error {
	_, err := c.post(ctx, ch.URL, struct{}{})
	return err
}

// Deactivate gives up an authorization (RFC 8555 7.5.2), so that it does not count as pending.
func (c *Client) Deactivate(ctx context.Context, url string) error {
	_, err := c.post(ctx, url, map[string]string{"status": "deactivated"})
	return err
}

// Finalize asks for the certificate of an order that is ready, for a key.
func (c *Client) Finalize(ctx context.Context, o *Order, names []string, key crypto.Signer) (*Order, error) {
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{DNSNames: names}, key)
	if err != nil {
		return nil, fmt.Errorf("acme: making certificate request: %w", err)
	}
	a, err := c.post(ctx, o.Finalize, map[string]string{"csr": b64(csr)})
	if err != nil {
		return nil, err
	}
	return a.order(o.URL)
}

// Certificate gets the certificate of an order that is valid, with those of the authorities
// that lead to it, in DER (RFC 8555 7.4.2).
func (c *Client) Certificate(ctx context.Context, o *Order) ([][]byte, error) {
	a, err := c.post(ctx, o.Certificate, nil)
	if err != nil {
		return nil, err
	}
	chain, err := parseChain(a.body)
	if err != nil {
		return nil, &UnavailableError{err}
	}
	return chain, nil
}

// maxChain is how many certificates there may be.
const maxChain = 10

// parseChain parses certificates in PEM (RFC 8555 9.1).
func parseChain(data []byte) ([][]byte, error) {
	var chain [][]byte
	for rest := bytes.TrimSpace(data); len(rest) > 0; {
		var block *pem.Block
		block, rest = pem.Decode(rest)
		if block == nil || block.Type != "CERTIFICATE" || len(chain) == maxChain {
			return nil, errors.New("acme: certificate is not as it should be")
		}
		if _, err := x509.ParseCertificate(block.Bytes); err != nil {
			return nil, fmt.Errorf("acme: certificate: %w", err)
		}
		chain = append(chain, block.Bytes)
		rest = bytes.TrimSpace(rest)
	}
	if len(chain) == 0 {
		return nil, errors.New("acme: no certificate")
	}
	return chain, nil
}

// Times between looks at something that a server works on.
const (
	minPoll = time.Second
	maxPoll = time.Minute
)

// Wait waits until it is time for the next look, number n from 0, at an object of the server:
// what that asked for, within bounds. It returns the error of the context.
func (c *Client) Wait(ctx context.Context, n int, retryAfter time.Time) error {
	d := min(minPoll<<min(n, 10), 10*time.Second)
	if !retryAfter.IsZero() {
		d = min(max(retryAfter.Sub(c.now()), minPoll), maxPoll)
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
