package acme

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// RenewalInfo is when a server suggests that a certificate is renewed (RFC 9773 4.2).
type RenewalInfo struct {
	Start, End     time.Time
	ExplanationURL string // why, if the server tells
	// RetryAfter is when to ask again, zero if the server did not say.
	RetryAfter time.Time
}

// ErrNoRenewalInfo is for a server without renewal information.
var ErrNoRenewalInfo = errors.New("acme: the server has no renewal information")

// CertID identifies a certificate (RFC 9773 4.1).
func CertID(cert *x509.Certificate) (string, error) {
	if len(cert.AuthorityKeyId) == 0 || cert.SerialNumber == nil || cert.SerialNumber.Sign() <= 0 {
		return "", errors.New("acme: certificate without authority key identifier or serial number")
	}
	serial := cert.SerialNumber.Bytes()
	// The content octets of the DER INTEGER: a high bit has a zero before it.
	if serial[0]&0x80 != 0 {
		serial = append([]byte{0}, serial...)
	}
	return b64(cert.AuthorityKeyId) + "." + b64(serial), nil
}

// RenewalInfo asks when to renew a certificate.
func (c *Client) RenewalInfo(ctx context.Context, cert *x509.Certificate) (*RenewalInfo, error) {
	d, err := c.Directory(ctx)
	if err != nil {
		return nil, err
	}
	if d.RenewalInfo == "" {
		return nil, ErrNoRenewalInfo
	}
	id, err := CertID(cert)
	if err != nil {
		return nil, err
	}
	// RFC 9773 4.1: GET, without account.
	a, err := c.get(ctx, strings.TrimSuffix(d.RenewalInfo, "/")+"/"+id)
	if err != nil {
		return nil, err
	}
	info, err := ParseRenewalInfo(a.body)
	if err != nil {
		return nil, &UnavailableError{err}
	}
	info.RetryAfter = retryAfter(a.header, a.now)
	return info, nil
}

// ParseRenewalInfo parses the object of RFC 9773 4.2. A window whose end is not after its start
// is an error, as that section says.
func ParseRenewalInfo(data []byte) (*RenewalInfo, error) {
	var v struct {
		SuggestedWindow struct {
			Start, End time.Time
		} `json:"suggestedWindow"`
		ExplanationURL string `json:"explanationURL"`
	}
	if err := json.Unmarshal(data, &v); err != nil {
		return nil, fmt.Errorf("acme: renewal information: %w", err)
	}
	w := v.SuggestedWindow
	if w.Start.IsZero() || !w.End.After(w.Start) {
		return nil, errors.New("acme: renewal information has no window")
	}
	info := &RenewalInfo{Start: w.Start, End: w.End}
	if strings.HasPrefix(v.ExplanationURL, "https://") && len(v.ExplanationURL) < 1000 && !strings.ContainsFunc(v.ExplanationURL, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
		info.ExplanationURL = v.ExplanationURL
	}
	return info, nil
}
