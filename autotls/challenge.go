package autotls

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"mox/acme"
)

// cleanupTimeout is for taking back what was made for an authority, after all else.
const cleanupTimeout = 30 * time.Second

// authorize shows that a name is ours.
func (a *attempt) authorize(ctx context.Context, client *acme.Client, url, challenge string) (rerr error) {
	z, err := client.Authorization(ctx, url)
	if err != nil {
		return fmt.Errorf("looking at authorization: %w", err)
	}
	if z.Status == acme.Valid {
		return nil // from an order before
	}
	if z.Identifier.Value != a.k.Name || z.Wildcard {
		return fmt.Errorf("authority wants to validate %q, which was not ordered", z.Identifier.Value)
	}
	if z.Status != acme.Pending {
		return authorizationError(z)
	}
	defer func() {
		if rerr != nil {
			a.giveUp(client, url)
		}
	}()
	ch, err := a.pick(z, challenge)
	if err != nil {
		return err
	}
	auth, err := acme.KeyAuthorization(client.Key, ch.Token)
	if err != nil {
		return err
	}
	withdraw, err := a.present(ctx, ch, auth)
	// Also when it was put up in part.
	defer withdraw()
	if err != nil {
		return fmt.Errorf("preparing %s: %w", ch.Type, err)
	}
	if err := client.Accept(ctx, ch); err != nil {
		return fmt.Errorf("asking for validation by %s: %w", ch.Type, err)
	}
	return waitAuthorization(ctx, client, url)
}

// giveUp ends an authorization that is pending still, so that it does not count.
func (a *attempt) giveUp(client *acme.Client, url string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(a.p.m.ctx), cleanupTimeout)
	defer cancel()
	if a.p.m.ctx.Err() != nil {
		return // the server stops; authorities forget them in time
	}
	if z, err := client.Authorization(ctx, url); err != nil || z.Status != acme.Pending {
		return
	}
	if err := client.Deactivate(ctx, url); err != nil {
		a.p.log.Debug("giving up authorization", "err", err)
	}
}

// pick chooses among the challenges that the authority offers: the one that is to be tried, or
// else the first that we can do.
func (a *attempt) pick(z *acme.Authorization, challenge string) (acme.Challenge, error) {
	for _, typ := range slices.Concat([]string{challenge}, a.p.Challenges) {
		for _, ch := range z.Challenges {
			if ch.Type == typ {
				return ch, nil
			}
		}
	}
	var offered []string
	for _, ch := range z.Challenges {
		offered = append(offered, ch.Type)
	}
	return acme.Challenge{}, fmt.Errorf("authority offers none of the challenges that are configured: %q", offered)
}

// present puts up the answer to a challenge. Withdraw, which is never nil, takes it away.
func (a *attempt) present(ctx context.Context, ch acme.Challenge, auth string) (withdraw func(), err error) {
	m := a.p.m
	switch ch.Type {
	case acme.HTTP01:
		m.mu.Lock()
		defer m.mu.Unlock()
		m.tokens[ch.Token] = auth
		return func() {
			m.mu.Lock()
			defer m.mu.Unlock()
			delete(m.tokens, ch.Token)
		}, nil
	case acme.TLSALPN01:
		cert, err := acme.ALPNCertificate(a.k.Name, auth, m.o.Now())
		if err != nil {
			return func() {}, err
		}
		m.mu.Lock()
		defer m.mu.Unlock()
		m.alpn[a.k.Name] = cert
		return func() {
			m.mu.Lock()
			defer m.mu.Unlock()
			// Another provider may have put up its own since.
			if m.alpn[a.k.Name] == cert {
				delete(m.alpn, a.k.Name)
			}
		}, nil
	case acme.DNS01:
		return a.presentDNS(ctx, acme.DNSRecord(auth))
	}
	return func() {}, fmt.Errorf("challenge %q is not known", ch.Type)
}

// waitAuthorization waits for the end of a validation.
func waitAuthorization(ctx context.Context, client *acme.Client, url string) error {
	var z *acme.Authorization
	for n := 0; ; n++ {
		var after time.Time
		if z != nil {
			after = z.RetryAfter
		}
		if err := client.Wait(ctx, n, after); err != nil {
			return fmt.Errorf("waiting for validation: %w", err)
		}
		var err error
		if z, err = client.Authorization(ctx, url); err != nil {
			return fmt.Errorf("looking at authorization: %w", err)
		}
		switch z.Status {
		case acme.Valid:
			return nil
		case acme.Pending:
		default:
			return authorizationError(z)
		}
	}
}

// authorizationError says why an authorization was refused.
func authorizationError(z *acme.Authorization) error {
	for _, ch := range z.Challenges {
		if ch.Error != nil {
			return fmt.Errorf("validation of %s by %s failed: %w", z.Identifier.Value, ch.Type, ch.Error)
		}
	}
	return errors.New("validation of " + z.Identifier.Value + " failed: authorization is " + z.Status)
}
