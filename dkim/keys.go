package dkim

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"mox/dns"
)

// Key is what is in DNS for a selector of a domain.
type Key struct {
	// Records are those that are valid; there should be one.
	Records []*Record
	// Text of the first TXT record, also if it is not valid.
	Text string
	// Authentic: the answer was vouched for by DNSSEC.
	Authentic bool
	// Err wraps ErrKeyLookup, ErrNoKey or ErrKeySyntax; nil if there are Records.
	Err error
	// Service is what the key must be for (RFC 6376 3.6.1, s=); empty: "email".
	Service string
}

// maxRecords bounds how many key records of one name are tried.
const maxRecords = 4

// LookupKey looks up the key record of a selector (RFC 6376 3.6.2).
func LookupKey(ctx context.Context, resolver dns.Resolver, selector, domain dns.Domain) Key {
	name := selector.ASCII + "._domainkey." + domain.ASCII
	if len(name) > dns.MaxDomain {
		return Key{Err: fmt.Errorf("%w: name is too long", ErrNoKey)}
	}
	txts, res, err := resolver.LookupTXT(ctx, name)
	k := Key{Authentic: res.Authentic}
	switch {
	case dns.IsNotFound(err):
		k.Err = fmt.Errorf("%w: %w", ErrNoKey, err)
		return k
	case err != nil:
		k.Err = fmt.Errorf("%w: %w", ErrKeyLookup, err)
		return k
	case len(txts) == 0:
		k.Err = ErrNoKey
		return k
	}
	k.Text = txts[0]
	// RFC 6376 6.1.2: several records may all be tried. Others that a wildcard put there
	// are skipped.
	for _, txt := range txts[:min(len(txts), maxRecords)] {
		r, err := ParseRecord(txt)
		if err != nil {
			k.Err = err
			continue
		}
		k.Records = append(k.Records, r)
	}
	if len(k.Records) > 0 {
		k.Err = nil
	}
	return k
}

// Lookups looks up key records concurrently, each once. It belongs to one goroutine.
type Lookups struct {
	ctx      context.Context
	cancel   context.CancelFunc
	log      *slog.Logger
	resolver dns.Resolver
	answers  map[keyName]*keyAnswer
	slots    chan struct{}
	wg       sync.WaitGroup
}

type keyName struct{ selector, domain dns.Domain }

type keyAnswer struct {
	done chan struct{}
	key  Key
}

// maxLookups bounds how many lookups run at a time.
const maxLookups = 16

// NewLookups returns Lookups that all end within the timeout. It must be closed.
func NewLookups(ctx context.Context, log *slog.Logger, resolver dns.Resolver, timeout time.Duration) *Lookups {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	return &Lookups{ctx: ctx, cancel: cancel, log: log, resolver: resolver, answers: map[keyName]*keyAnswer{}, slots: make(chan struct{}, maxLookups)}
}

// Start begins the lookup of the key of a signature.
func (l *Lookups) Start(s *Signature) {
	name := keyName{s.Selector, s.Domain}
	if l.answers[name] != nil {
		return
	}
	a := &keyAnswer{done: make(chan struct{})}
	l.answers[name] = a
	l.wg.Go(func() {
		defer close(a.done)
		l.slots <- struct{}{}
		defer func() { <-l.slots }()
		a.key = LookupKey(l.ctx, l.resolver, name.selector, name.domain)
		if errors.Is(a.key.Err, ErrKeyLookup) {
			l.log.DebugContext(l.ctx, "looking up dkim key", "selector", name.selector, "domain", name.domain, "err", a.key.Err)
		}
	})
}

// Key waits for the key of a signature, beginning its lookup if that was not done.
func (l *Lookups) Key(s *Signature) Key {
	l.Start(s)
	a := l.answers[keyName{s.Selector, s.Domain}]
	<-a.done
	return a.key
}

// Close cancels what runs and waits for it.
func (l *Lookups) Close() {
	l.cancel()
	l.wg.Wait()
}
