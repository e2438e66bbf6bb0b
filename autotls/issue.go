package autotls

import (
	"context"
	"crypto"
	"crypto/tls"
	"errors"
	"fmt"
	"slices"
	"time"

	"mox/acme"
)

// order gets a certificate, or notes why not and when to try again.
func (p *provider) order(ctx context.Context, h *host, kind Kind) {
	m := p.m
	k := h.key(kind)
	p.takeToken(m.o.Now())
	undo, err := p.begin(h, kind)
	if err != nil {
		// Without a record of attempts there are none.
		p.log.Error("certificate is not asked for, as that cannot be written to disk", "err", err, "name", k.Name, "kind", kind.String())
		m.finish(h, kind)
		return
	}
	a := &attempt{p: p, k: k, undo: undo}
	m.mu.RLock()
	a.keys, a.old = h.Keys, h.certs[kind].cert
	a.failures = p.state.of(k).Failures
	m.mu.RUnlock()
	timeout, cancel := context.WithTimeout(ctx, m.o.OrderTimeout)
	cert, err := a.run(timeout)
	cancel()
	switch {
	case err == nil:
		p.succeeded(h, kind, cert)
	case ctx.Err() != nil:
		a.interrupted()
	default:
		p.failed(a, err)
	}
	if err := p.save(); err != nil {
		p.log.Error("saving state", "err", err)
	}
	m.finish(h, kind)
}

// finish ends the attempt for those who wait.
func (m *Manager) finish(h *host, kind Kind) {
	m.mu.Lock()
	defer m.mu.Unlock()
	h.certs[kind].finish()
	h.certs[kind].forced = false
}

// begin writes to disk that there is an attempt. Undo takes that back.
func (p *provider) begin(h *host, kind Kind) (undo func(), err error) {
	m := p.m
	k := h.key(kind)
	m.mu.Lock()
	st := p.state.of(k)
	failures, notBefore, lastError, lastTime := st.Failures, st.NotBefore, st.LastError, st.LastErrorTime
	st.Failures++
	now := m.o.Now()
	st.NotBefore = now.Add(backoff(st.Failures, firstBackoff, maxBackoff, k.String()))
	if st.LastError == "" {
		st.LastError, st.LastErrorTime = "attempt was interrupted", now
	}
	m.mu.Unlock()
	return func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		st.Failures, st.NotBefore, st.LastError, st.LastErrorTime = failures, notBefore, lastError, lastTime
	}, p.save()
}

// succeeded puts a new certificate to use.
func (p *provider) succeeded(h *host, kind Kind, cert *tls.Certificate) {
	m := p.m
	k := h.key(kind)
	now := m.o.Now()
	m.mu.Lock()
	st := p.state.of(k)
	st.Failures, st.Checks, st.NotBefore, st.RetryAfter, st.LastError, st.LastErrorTime = 0, 0, time.Time{}, time.Time{}, "", time.Time{}
	if st.Directory != p.DirectoryURL {
		st.Issued = nil // elsewhere
	}
	st.Directory, st.Renewal, st.Alarmed = p.DirectoryURL, nil, ""
	st.Issued = slices.DeleteFunc(append(st.Issued, now), func(t time.Time) bool { return now.Sub(t) >= week })
	p.state.Failures, p.state.NotBefore, p.state.LastError, p.state.LastErrorTime = 0, time.Time{}, "", time.Time{}
	s := &h.certs[kind]
	s.cert, s.rekey, s.fallback = cert, false, nil
	if m.hosts[certHost{h.Provider, h.Name}] == h {
		m.observe(h, kind)
	}
	m.mu.Unlock()
	p.log.Info("got certificate", "name", k.Name, "kind", kind.String(), "notafter", cert.Leaf.NotAfter, "issuer", cert.Leaf.Issuer.CommonName)
	// It works from memory even if this fails.
	if err := m.storeCertificate(k, cert); err != nil {
		p.log.Error("storing certificate, it is lost with the next stop", "err", err, "name", k.Name, "kind", kind.String())
		return
	}
	call(m.o.Metrics.Stored)
}

// errAddresses is for a name that is not at our addresses.
var errAddresses = errors.New("addresses of the name are not right")

// failed notes a failure.
func (p *provider) failed(a *attempt, err error) {
	m := p.m
	now := m.o.Now()
	_, isUnavailable := errors.AsType[*acme.UnavailableError](err)
	problem, isProblem := errors.AsType[*acme.Error](err)
	text := shorten(err.Error())
	if errors.Is(err, errAddresses) {
		a.undo()
		m.mu.Lock()
		st := p.state.of(a.k)
		st.Checks++
		st.NotBefore = now.Add(backoff(st.Checks, firstAddressCheck, maxAddressCheck, a.k.String()))
		again := st.LastError == text && now.Sub(st.LastErrorTime) < 24*time.Hour
		if !again {
			st.LastError, st.LastErrorTime = text, now
		}
		next := st.NotBefore
		m.mu.Unlock()
		if !again {
			p.log.Warn("certificate is not asked for: DNS records of the name are not right", "err", err, "name", a.k.Name, "kind", a.k.Kind.String(), "next", next)
		}
		return
	}
	call(m.o.Metrics.Error)
	m.mu.Lock()
	st := p.state.of(a.k)
	var until time.Time
	if isProblem && !problem.RetryAfter.IsZero() {
		until = sane(problem.RetryAfter, now)
	}
	if !a.ordered && (isUnavailable || !a.account) {
		// It is about the authority or our account, not about this name.
		first, limit := firstOutage, maxOutage
		if !isUnavailable {
			first, limit = firstBackoff, maxBackoff
		}
		p.state.Failures++
		p.state.NotBefore = maxTime(until, now.Add(backoff(p.state.Failures, first, limit, p.Name)))
		p.state.LastError, p.state.LastErrorTime = text, now
		st.NotBefore, st.Failures = time.Time{}, st.Failures-1
	} else {
		st.RetryAfter = until
	}
	st.LastError, st.LastErrorTime = text, now
	next := maxTime(maxTime(st.NotBefore, st.RetryAfter), p.state.NotBefore)
	failures := max(st.Failures, p.state.Failures)
	m.mu.Unlock()
	p.log.Error("getting certificate", "err", err, "name", a.k.Name, "kind", a.k.Kind.String(), "failures", failures, "next", next)
}

// shorten bounds texts that are kept.
func shorten(s string) string {
	const limit = 2000
	if len(s) > limit {
		s = s[:limit] + "..."
	}
	return s
}

// attempt is one to get a certificate. It belongs to the provider's goroutine.
type attempt struct {
	p        *provider
	k        certKey
	keys     HostKeys
	old      *tls.Certificate // that is to be replaced; nil: none
	failures int              // this one included
	undo     func()
	account  bool // there is an account
	ordered  bool // the authority has taken the order
}

// interrupted is for the end of the server in the middle.
func (a *attempt) interrupted() {
	a.undo()
	if !a.ordered {
		return
	}
	m := a.p.m
	m.mu.Lock()
	defer m.mu.Unlock()
	st := a.p.state.of(a.k)
	st.NotBefore = maxTime(st.NotBefore, m.o.Now().Add(time.Minute))
}

// run gets a certificate.
func (a *attempt) run(ctx context.Context) (*tls.Certificate, error) {
	challenge := a.challengeType()
	if challenge != acme.DNS01 {
		if err := a.p.m.checkAddresses(ctx, a.k.Name); err != nil {
			return nil, err
		}
	}
	client, err := a.p.registered(ctx)
	if err != nil {
		return nil, err
	}
	a.account = true
	order, err := a.newOrder(ctx, client)
	if e, ok := errors.AsType[*acme.Error](err); ok && e.HasType("accountDoesNotExist") {
		// It was removed, or the authority begun anew.
		if client, err = a.p.register(ctx, client); err != nil {
			return nil, err
		}
		order, err = a.newOrder(ctx, client)
	}
	if err != nil {
		return nil, fmt.Errorf("ordering certificate: %w", err)
	}
	a.ordered = true
	for _, url := range order.Authorizations {
		if err := a.authorize(ctx, client, url, challenge); err != nil {
			return nil, err
		}
	}
	key, err := a.key(ctx)
	if err != nil {
		return nil, err
	}
	return a.finalize(ctx, client, order, key)
}

// challengeType is the one to try: after failures another one, if there are several.
func (a *attempt) challengeType() string {
	l := a.p.Challenges
	return l[max(a.failures-1, 0)%len(l)]
}

// newOrder orders a certificate. RFC 9773 5: for an authority with renewal information, it tells
// which one is replaced, so that limits do not count it.
func (a *attempt) newOrder(ctx context.Context, client *acme.Client) (*acme.Order, error) {
	names := []string{a.k.Name}
	replaces := ""
	if d, err := client.Directory(ctx); err != nil {
		return nil, err
	} else if d.RenewalInfo != "" && a.old != nil && a.p.madeByUs(a.k) {
		if id, err := acme.CertID(a.old.Leaf); err == nil {
			replaces = id
		}
	}
	order, err := client.NewOrder(ctx, names, replaces)
	if e, ok := errors.AsType[*acme.Error](err); ok && replaces != "" && !e.HasType("rateLimited") {
		// RFC 9773 5: alreadyReplaced, or the certificate is not known.
		order, err = client.NewOrder(ctx, names, "")
	}
	return order, err
}

// madeByUs tells whether the certificate there is came from the authority as configured now.
func (p *provider) madeByUs(k certKey) bool {
	p.m.mu.RLock()
	defer p.m.mu.RUnlock()
	st := p.state.Certificates[k.String()]
	return st != nil && st.Directory == p.DirectoryURL
}

// key is the one for the certificate.
func (a *attempt) key(ctx context.Context) (crypto.Signer, error) {
	if a.keys.target(a.k.Kind) != nil {
		if a.old == nil {
			return a.p.chooseKey(ctx, a.k, a.keys, nil), nil
		}
		if key := a.p.chooseKey(ctx, a.k, a.keys, a.old.Leaf); key != nil {
			return key, nil
		}
		a.p.log.Warn("key of the host stays as it is: DNS has TLSA records, and not (for three days) one for the configured key", "name", a.k.Name, "kind", a.k.Kind.String())
		return a.old.PrivateKey.(crypto.Signer), nil
	}
	key, err := a.p.m.o.NewKey(a.k.Kind)
	if err != nil {
		return nil, fmt.Errorf("making key: %w", err)
	}
	return key, nil
}

// finalize waits until the order is ready, and gets the certificate.
func (a *attempt) finalize(ctx context.Context, client *acme.Client, order *acme.Order, key crypto.Signer) (*tls.Certificate, error) {
	order, err := waitOrder(ctx, client, order, acme.Pending)
	if err != nil {
		return nil, err
	}
	if order.Status == acme.Ready {
		if order, err = client.Finalize(ctx, order, []string{a.k.Name}, key); err != nil {
			return nil, fmt.Errorf("asking for the certificate: %w", err)
		}
	}
	if order, err = waitOrder(ctx, client, order, acme.Processing); err != nil {
		return nil, err
	}
	if order.Status != acme.Valid {
		return nil, fmt.Errorf("order is %s, not valid", order.Status)
	}
	chain, err := client.Certificate(ctx, order)
	if err != nil {
		return nil, fmt.Errorf("getting the certificate: %w", err)
	}
	cert, err := newCertificate(key, chain, a.k)
	if err != nil {
		return nil, fmt.Errorf("authority made something else than was asked for: %w", err)
	}
	if now := a.p.m.o.Now(); !cert.Leaf.NotAfter.After(now) {
		return nil, fmt.Errorf("authority made a certificate that ended at %s: is the clock right?", cert.Leaf.NotAfter.Format(time.RFC3339))
	}
	return cert, nil
}

// waitOrder waits for the end of a state of an order.
func waitOrder(ctx context.Context, client *acme.Client, order *acme.Order, status string) (*acme.Order, error) {
	for n := 0; order.Status == status; n++ {
		if n > 0 || status == acme.Processing {
			if err := client.Wait(ctx, n, order.RetryAfter); err != nil {
				return nil, fmt.Errorf("waiting for the order, which is %s: %w", status, err)
			}
		}
		var err error
		if order, err = client.Order(ctx, order.URL); err != nil {
			return nil, fmt.Errorf("looking at the order: %w", err)
		}
	}
	if order.Status == acme.Invalid {
		if order.Error != nil {
			return nil, fmt.Errorf("order was refused: %w", order.Error)
		}
		return nil, errors.New("order was refused")
	}
	return order, nil
}

// getClient makes the client of the authority.
func (p *provider) getClient() (*acme.Client, error) {
	if p.client != nil {
		return p.client, nil
	}
	key, err := p.accountKey()
	if err != nil {
		return nil, fmt.Errorf("key of account: %w", err)
	}
	c := &acme.Client{DirectoryURL: p.DirectoryURL, Key: key, HTTP: p.m.o.HTTP, UserAgent: p.m.o.UserAgent, Now: p.m.o.Now}
	p.m.mu.RLock()
	if p.state.Directory == p.DirectoryURL && p.state.Key == keyHash(key.Public()) {
		c.AccountURL = p.state.Account
	}
	p.m.mu.RUnlock()
	p.client = c
	return c, nil
}

// registered returns a client with an account.
func (p *provider) registered(ctx context.Context) (*acme.Client, error) {
	c, err := p.getClient()
	if err != nil {
		return nil, err
	}
	if c.Account() == "" {
		return p.register(ctx, c)
	}
	p.m.mu.RLock()
	contact := p.state.Contact
	p.m.mu.RUnlock()
	if contact != p.Contact && p.Contact != "" {
		if err := c.SetContact(ctx, p.Contact); err != nil {
			p.log.Warn("changing contact of account", "err", err)
		} else {
			p.setAccount(c.Account())
		}
	}
	return c, nil
}

// register makes an account, or finds that of the key.
func (p *provider) register(ctx context.Context, c *acme.Client) (*acme.Client, error) {
	url, err := c.Register(ctx, p.Contact, p.ExternalAccount)
	if err != nil {
		return nil, fmt.Errorf("making an account with %s: %w", p.DirectoryURL, err)
	}
	p.setAccount(url)
	p.log.Info("have account", "url", url)
	if err := p.save(); err != nil {
		return nil, fmt.Errorf("saving account: %w", err)
	}
	return c, nil
}

func (p *provider) setAccount(url string) {
	p.m.mu.Lock()
	defer p.m.mu.Unlock()
	p.state.Directory, p.state.Account, p.state.Key, p.state.Contact = p.DirectoryURL, url, keyHash(p.client.Key.Public()), p.Contact
}
