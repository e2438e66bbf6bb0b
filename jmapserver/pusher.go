package jmapserver

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/netip"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"mox/auth"
	"mox/jmap"
	"mox/mlog"
	"mox/store"
	"mox/upkeep"
)

// Credentials knows what people log in with. It is an *auth.Service.
type Credentials interface {
	CredentialName(ctx context.Context, account string, token int) (string, error)
	CredentialHolds(ctx context.Context, account, login, name string, scopes ...auth.Scope) (bool, error)
}

// PushConfig is what Pushes need. It must not change once in use.
type PushConfig struct {
	Store       *store.Store
	Credentials Credentials
	// Index is the file that has the accounts with push subscriptions. It is made anew when it is missing.
	Index string
	// Transport calls push services. Whom a client has called must not be in our own network: it keeps to public addresses.
	Transport http.RoundTripper
	// Public tells whether an address may be called, for URLs that have one; nil: all may.
	Public  func(netip.Addr) bool
	Version string           // in User-Agent
	Log     *slog.Logger     // nil: none
	Now     func() time.Time // nil: time.Now
	// Result is told of each request: of its kind, "verification" or "state", and "ok", "gone", "later" or "refused"; nil: nobody is.
	Result func(kind, result string)
	Panic  func() // is told of panics; nil: nobody is
	Limits PushLimits
}

// PushLimits bound requests to push services. Zero fields have the defaults.
type PushLimits struct {
	Parallel int           // requests at the same time; 0: 20
	Account  int           // of an account; 0: 2
	Timeout  time.Duration // of a request; 0: 30 s
	Gather   time.Duration // for which changes are gathered after the first; 0: 250 ms
	Pace     time.Duration // the shortest time between two requests for a subscription; 0: 1 s
	Slowest  time.Duration // between requests that fail; 0: 1 h
	GiveUp   time.Duration // after which a subscription is destroyed whose requests fail, in vain all the time; 0: 3 days
	Unasked  time.Duration // likewise, when not even the verification code could be pushed; 0: 1 h
	Save     time.Duration // between writes of the index because of positions; 0: 1 min
	Retry    time.Duration // after a failure of our own; 0: 1 min
}

func (l *PushLimits) setDefaults() {
	l.Parallel, l.Account, l.Timeout = cmp.Or(l.Parallel, 20), cmp.Or(l.Account, 2), cmp.Or(l.Timeout, 30*time.Second)
	l.Gather, l.Pace, l.Slowest = cmp.Or(l.Gather, 250*time.Millisecond), cmp.Or(l.Pace, time.Second), cmp.Or(l.Slowest, time.Hour)
	l.GiveUp, l.Unasked = cmp.Or(l.GiveUp, 3*24*time.Hour), cmp.Or(l.Unasked, time.Hour)
	l.Save, l.Retry = cmp.Or(l.Save, time.Minute), cmp.Or(l.Retry, time.Minute)
}

// Pushes tell push services what changes in accounts, for their push subscriptions. They are safe for concurrent use.
type Pushes struct {
	c      PushConfig
	client *http.Client
	wake   chan struct{} // 1: there is something in touched
	saving sync.Mutex    // held while the index is written

	mu       sync.Mutex // guards the below
	ready    bool       // all accounts with subscriptions are followed
	followed map[string]*pushedAccount
	touched  map[string]time.Time // accounts to look at, and when
	created  map[string]pushWindow
	busy     int  // requests under way
	dirty    bool // positions have changed since the index was written
}

// allTypes is a position of which is not known what has changed since.
const allTypes = store.ModSeq(-1)

// pushedAccount is an account that is followed.
type pushedAccount struct {
	since store.ModSeq // up to which changes were told to all subscriptions
	busy  int          // requests under way
	subs  map[jmap.ID]*pushState
}

// pushState is how far a subscription is.
type pushState struct {
	since    store.ModSeq // up to which changes were told
	busy     bool         // a request is under way
	next     time.Time    // before when there is none
	slow     time.Duration
	failures int
	failing  time.Time // since when
}

// pushWindow counts what was created in an hour.
type pushWindow struct {
	began time.Time
	n     int
}

// NewPushes returns Pushes, which do nothing before Run.
func NewPushes(c PushConfig) *Pushes {
	c.Limits.setDefaults()
	if c.Now == nil {
		c.Now = time.Now
	}
	c.Log = mlog.New("jmapserver", c.Log)
	p := &Pushes{
		c: c, wake: make(chan struct{}, 1),
		followed: map[string]*pushedAccount{}, touched: map[string]time.Time{}, created: map[string]pushWindow{},
		client: &http.Client{
			Transport: c.Transport,
			// Nobody has verified that the other URL wants this.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
	p.ready = p.load()
	return p
}

// Changed says that an account has changed: for store.Options.Changed. It never waits.
func (p *Pushes) Changed(account string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.followed[account] != nil {
		p.touch(account, p.c.Now().Add(p.c.Limits.Gather))
	}
}

// follow looks at an account that has subscriptions, from now on.
func (p *Pushes) follow(account string) {
	p.mu.Lock()
	isNew := p.followed[account] == nil
	if isNew {
		p.followed[account] = &pushedAccount{since: allTypes, subs: map[jmap.ID]*pushState{}}
	}
	p.touch(account, p.c.Now())
	p.mu.Unlock()
	if isNew {
		p.save()
	}
}

// touch has an account looked at, at a time or sooner. p.mu is held.
func (p *Pushes) touch(account string, at time.Time) {
	if t, ok := p.touched[account]; ok && !at.Before(t) {
		return
	}
	p.touched[account] = at
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// mayCreate counts a subscription that an account makes, and tells whether it may.
func (p *Pushes) mayCreate(account string, now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	maps.DeleteFunc(p.created, func(_ string, w pushWindow) bool { return now.Sub(w.began) >= time.Hour })
	w := p.created[account]
	if w.n == 0 {
		w.began = now
	}
	w.n++
	p.created[account] = w
	return w.n <= maxPushCreated
}

// pushIdle is how long nothing is looked for, and after which an account is looked at whose subscriptions may have lost their credentials.
const pushIdle = 24 * time.Hour

// Run pushes until ctx ends and all requests have.
func (p *Pushes) Run(ctx context.Context) {
	p.begin(ctx)
	var wg sync.WaitGroup
	saved := p.c.Now()
	for ctx.Err() == nil {
		p.mu.Lock()
		account, wait := upkeep.Due(p.touched, p.c.Now(), pushIdle)
		left := saved.Add(p.c.Limits.Save).Sub(p.c.Now())
		if p.dirty {
			wait = min(wait, max(left, 0))
		}
		write := p.dirty && left <= 0
		p.mu.Unlock()
		if write {
			p.save()
			saved = p.c.Now()
		}
		if account != "" {
			p.lookAt(ctx, &wg, account)
			continue
		}
		t := time.NewTimer(wait)
		select {
		case <-p.wake:
		case <-t.C:
		case <-ctx.Done():
		}
		t.Stop()
	}
	wg.Wait()
	p.save()
	p.client.CloseIdleConnections()
}

// lookAt is look, after which failures of our own are tried again.
func (p *Pushes) lookAt(ctx context.Context, wg *sync.WaitGroup, account string) {
	err := func() (err error) {
		defer p.recover(&err)
		return p.look(ctx, wg, account)
	}()
	if err != nil && ctx.Err() == nil {
		p.c.Log.Error("following account for push subscriptions", "err", err, "account", account)
		p.mu.Lock()
		p.touch(account, p.c.Now().Add(p.c.Limits.Retry))
		p.mu.Unlock()
	}
}

// recover makes an error of a panic.
func (p *Pushes) recover(err *error) {
	if v := recover(); v != nil {
		if p.c.Panic != nil {
			p.c.Panic()
		}
		*err = fmt.Errorf("panic: %v\n%s", v, debug.Stack())
	}
}

// look starts the requests that are due for an account.
func (p *Pushes) look(ctx context.Context, wg *sync.WaitGroup, account string) error {
	p.mu.Lock()
	f := p.followed[account]
	p.mu.Unlock()
	if f == nil {
		return nil
	}
	acc, err := p.c.Store.Account(ctx, account)
	if errors.Is(err, store.ErrNoAccount) {
		p.forget(account)
		return nil
	} else if err != nil {
		return err
	}
	defer acc.Release()
	all, err := p.standing(ctx, acc)
	if err != nil {
		return err
	}
	if len(all) == 0 {
		p.forget(account)
		return nil
	}
	l := &pushLook{p: p, acc: acc, f: f, at: acc.ModSeq(), changes: map[store.ModSeq]pushChange{}, next: p.c.Now().Add(pushIdle)}
	l.keep(all)
	for _, id := range slices.Sorted(maps.Keys(all)) {
		r, err := l.request(ctx, id, all[id])
		if err != nil {
			return err
		}
		if r != nil {
			wg.Go(func() { p.run(ctx, r) })
		}
	}
	l.done(all)
	return nil
}

// standing returns the subscriptions of an account. Those that have expired, or whose credentials have ended, are destroyed:
// RFC 8620 7.2.
func (p *Pushes) standing(ctx context.Context, acc *store.Account) (map[jmap.ID]*pushSubscription, error) {
	all, err := readKept[pushSubscription](ctx, acc, keptPush)
	if err != nil {
		return nil, err
	}
	type credential struct{ login, name string }
	known := map[credential]bool{}
	for id, s := range all {
		c := credential{s.Login, s.Credential}
		holds, ok := known[c]
		if !ok {
			if holds, err = p.c.Credentials.CredentialHolds(ctx, acc.Name(), s.Login, s.Credential, scopes...); err != nil {
				return nil, err
			}
			known[c] = holds
		}
		if holds && s.Expires.After(p.c.Now()) {
			continue
		}
		p.c.Log.Debug("push subscription ended", "account", acc.Name(), "id", id, "expired", holds)
		if err := changeKept(ctx, acc, keptPush, id, nil); err != nil {
			return nil, err
		}
		delete(all, id)
	}
	return all, nil
}

// forget ends to follow an account, unless it was touched since it was looked at.
func (p *Pushes) forget(account string) {
	p.mu.Lock()
	_, again := p.touched[account]
	if !again {
		delete(p.followed, account)
	}
	p.mu.Unlock()
	if !again {
		p.save()
	}
}

// pushLook is a look at an account.
type pushLook struct {
	p       *Pushes
	acc     *store.Account
	f       *pushedAccount
	at      store.ModSeq
	changes map[store.ModSeq]pushChange // since then
	next    time.Time                   // when to look again
}

// pushChange is what changed in an account.
type pushChange struct {
	types map[string]string // with their states
	upTo  store.ModSeq
}

// keep has states for all subscriptions, and for no others.
func (l *pushLook) keep(all map[jmap.ID]*pushSubscription) {
	l.p.mu.Lock()
	defer l.p.mu.Unlock()
	for id, s := range all {
		if l.f.subs[id] == nil {
			l.f.subs[id] = &pushState{since: l.f.since}
		}
		if !s.Verified {
			l.f.subs[id].since = l.at // what is told begins with the verification
		}
		if s.Expires.Before(l.next) {
			l.next = s.Expires.Time
		}
	}
	maps.DeleteFunc(l.f.subs, func(id jmap.ID, _ *pushState) bool { return all[id] == nil })
}

// done notes the position, and when to look again.
func (l *pushLook) done(all map[jmap.ID]*pushSubscription) {
	l.p.mu.Lock()
	defer l.p.mu.Unlock()
	since := l.at
	for id, s := range all {
		if s.Verified {
			since = min(since, l.f.subs[id].since) // that of a store from before a restore is above it
		}
	}
	if since != l.f.since {
		l.f.since, l.p.dirty = since, true
	}
	l.p.touch(l.acc.Name(), l.next)
}

// request returns the request that is due for a subscription, whose end is to be told; nil: none is.
func (l *pushLook) request(ctx context.Context, id jmap.ID, s *pushSubscription) (*pushRequest, error) {
	p, st := l.p, l.f.subs[id]
	p.mu.Lock()
	since, busy, next := st.since, st.busy, st.next
	p.mu.Unlock()
	if busy || s.Asked && !s.Verified {
		return nil, nil
	}
	now := p.c.Now()
	if next.After(now) {
		l.again(next)
		return nil, nil
	}
	r := &pushRequest{account: l.acc.Name(), id: id, sub: s, f: l.f, st: st, seq: since}
	var v any
	if s.Asked {
		c, err := l.changed(ctx, since)
		if err != nil {
			return nil, err
		}
		types := maps.Clone(c.types)
		maps.DeleteFunc(types, func(t, _ string) bool { return !s.wants(t) })
		r.seq = c.upTo
		if len(types) == 0 {
			p.mu.Lock()
			st.since = c.upTo
			p.mu.Unlock()
			return nil, nil
		}
		_, r.urgent = types["EmailDelivery"]
		v = &stateChange{"StateChange", map[jmap.ID]map[string]string{accountID(r.account): types}}
	} else {
		v = &pushVerification{"PushVerification", id, *s.VerificationCode}
	}
	var err error
	if r.body, err = json.Marshal(v); err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.busy >= p.c.Limits.Parallel || l.f.busy >= p.c.Limits.Account {
		l.again(now.Add(p.c.Limits.Pace))
		return nil, nil
	}
	p.busy, l.f.busy, st.busy = p.busy+1, l.f.busy+1, true
	return r, nil
}

func (l *pushLook) again(at time.Time) {
	if at.Before(l.next) {
		l.next = at
	}
}

// changed returns what changed since a position.
func (l *pushLook) changed(ctx context.Context, since store.ModSeq) (pushChange, error) {
	if c, ok := l.changes[since]; ok {
		return c, nil
	}
	c := pushChange{types: map[string]string{}, upTo: l.at}
	if since == allTypes {
		for _, t := range pushTypes {
			c.types[t] = stateOf(l.acc, l.at)
		}
	} else if since != l.at {
		var err error
		if c.types, c.upTo, err = changedTypes(ctx, l.acc, since); err != nil {
			return c, err
		}
	}
	l.changes[since] = c
	return c, nil
}

// pushVerification is RFC 8620 7.2.2.
type pushVerification struct {
	Type               string  `json:"@type"`
	PushSubscriptionID jmap.ID `json:"pushSubscriptionId"`
	VerificationCode   string  `json:"verificationCode"`
}
