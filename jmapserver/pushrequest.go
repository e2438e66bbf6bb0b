package jmapserver

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"mox/hook"
	"mox/jmap"
	"mox/store"
	"mox/webpush"
)

// pushTTL is for how long a push service is to keep what it cannot deliver at once.
const pushTTL = 24 * time.Hour

// maxRetryAfter is the longest that a push service can put us off.
const maxRetryAfter = 24 * time.Hour

// pushRequest is a request to a push service.
type pushRequest struct {
	account string
	id      jmap.ID
	sub     *pushSubscription
	f       *pushedAccount
	st      *pushState
	seq     store.ModSeq // up to which changes are told
	body    []byte       // JSON
	urgent  bool         // mail came
}

// Results of requests, for metrics.
const (
	pushOK      = "ok"
	pushGone    = "gone"    // the subscription is destroyed
	pushLater   = "later"   // it is tried again
	pushRefused = "refused" // what was to be told is dropped
)

// pushResult is what came of a request.
type pushResult struct {
	status int           // of HTTP; 0: there was none
	after  time.Duration // Retry-After; 0: none
	err    string        // without the URL, which has secrets
}

// kind tells the kinds of requests apart, for metrics and logs.
func (r *pushRequest) kind() string {
	if r.sub.Asked {
		return "state"
	}
	return "verification"
}

// run makes a request and records what came of it.
func (p *Pushes) run(ctx context.Context, r *pushRequest) {
	var err error
	defer func() {
		if err != nil && ctx.Err() == nil {
			p.c.Log.Error("pushing", "err", err, "account", r.account, "id", r.id)
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		p.busy, r.f.busy, r.st.busy = p.busy-1, r.f.busy-1, false
		if err != nil {
			r.st.next = p.c.Now().Add(p.c.Limits.Retry)
		}
		p.touch(r.account, p.c.Now())
	}()
	defer p.recover(&err)
	res := p.post(ctx, r)
	if ctx.Err() != nil && res.status == 0 {
		return // the server is about to stop: it was no failure of the push service
	}
	err = p.record(context.WithoutCancel(ctx), r, res)
}

// post makes the request of RFC 8620 7.2, which is that of RFC 8030 to a push service.
func (p *Pushes) post(ctx context.Context, r *pushRequest) pushResult {
	ctx, cancel := context.WithTimeout(ctx, p.c.Limits.Timeout)
	defer cancel()
	body := r.body
	if r.sub.Keys != nil {
		var err error
		if body, err = webpush.Encrypt(r.sub.Keys, body); err != nil {
			return pushResult{status: http.StatusRequestEntityTooLarge, err: err.Error()} // as the push service would say
		}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.sub.URL, bytes.NewReader(body))
	if err != nil {
		return pushResult{err: hook.PlainError(err)}
	}
	req.Header.Set("User-Agent", "mox/"+p.c.Version+" (JMAP push)")
	req.Header.Set("Content-Type", "application/json")
	if r.sub.Keys != nil {
		req.Header.Set("Content-Encoding", "aes128gcm")
	}
	req.Header.Set("TTL", strconv.Itoa(int(pushTTL/time.Second)))
	urgency := "low" // states of what the user has done at another device
	if r.urgent || !r.sub.Asked {
		urgency = "high"
	}
	req.Header.Set("Urgency", urgency)
	resp, err := p.client.Do(req)
	if err != nil {
		return pushResult{err: hook.PlainError(err)}
	}
	resp.Body.Close()
	return pushResult{status: resp.StatusCode, after: retryAfter(resp.Header.Get("Retry-After"), p.c.Now())}
}

// retryAfter is how long a field Retry-After wants us to wait; 0: it does not say. RFC 9110 10.2.3.
func retryAfter(v string, now time.Time) time.Duration {
	if n, err := strconv.ParseUint(v, 10, 31); err == nil {
		return min(time.Duration(n)*time.Second, maxRetryAfter)
	}
	if t, err := http.ParseTime(v); err == nil {
		return min(max(t.Sub(now), 0), maxRetryAfter)
	}
	return 0
}

// result judges what came of a request.
func (res *pushResult) result() string {
	switch s := res.status; {
	case s >= 200 && s < 300:
		return pushOK
	case s == http.StatusNotFound || s == http.StatusGone: // RFC 8030: the subscription is not there any more
		return pushGone
	case s == 0, s == http.StatusTooManyRequests, s == http.StatusRequestTimeout, s >= 500:
		return pushLater
	}
	return pushRefused
}

// record notes what came of a request.
func (p *Pushes) record(ctx context.Context, r *pushRequest, res pushResult) error {
	now := p.c.Now()
	p.mu.Lock()
	result := r.settle(&res, now, &p.c.Limits)
	p.mu.Unlock()
	if p.c.Result != nil {
		p.c.Result(r.kind(), result)
	}
	host := ""
	if u, err := url.Parse(r.sub.URL); err == nil {
		host = u.Host
	}
	log := p.c.Log.Debug
	if result == pushRefused || result == pushGone {
		log = p.c.Log.Info
	}
	log("pushed", "account", r.account, "id", r.id, "kind", r.kind(), "host", host, "result", result, "code", res.status, "err", res.err)
	switch {
	case result == pushGone:
		return p.change(ctx, r, func(*pushSubscription) bool { return false })
	case !r.sub.Asked && result != pushLater:
		return p.change(ctx, r, func(s *pushSubscription) bool {
			s.Asked = true
			return true
		})
	}
	return nil
}

// settle changes the state of a subscription by what came of a request, and returns that as it is counted. Pushes.mu is held.
func (r *pushRequest) settle(res *pushResult, now time.Time, l *PushLimits) string {
	st, result := r.st, res.result()
	if result == pushOK {
		st.failures, st.slow = 0, st.slow/2
		if st.slow < l.Pace {
			st.slow = 0
		}
		st.next = now.Add(l.Pace + st.slow)
	} else {
		if st.failures == 0 {
			st.failing = now
		}
		st.failures++
		wait := min(10*time.Second<<min(st.failures-1, 20), l.Slowest)
		if res.status == http.StatusTooManyRequests {
			// RFC 8620 7.2: requests are fewer from now on, until none was refused for a while.
			st.slow = min(max(2*st.slow, 10*l.Pace), l.Slowest)
		}
		st.next = now.Add(max(wait, res.after))
	}
	limit := l.GiveUp
	if !r.sub.Asked {
		limit = l.Unasked
	}
	switch result {
	case pushLater:
		if st.failures > 1 && now.Sub(st.failing) >= limit {
			return pushGone
		}
	default:
		if r.sub.Asked {
			st.since = r.seq
		}
	}
	return result
}

var errPushGone = errors.New("the push subscription is gone")

// change changes what is kept of a subscription; false from f destroys it.
func (p *Pushes) change(ctx context.Context, r *pushRequest, f func(*pushSubscription) bool) error {
	acc, err := p.c.Store.Account(ctx, r.account)
	if errors.Is(err, store.ErrNoAccount) {
		return nil
	} else if err != nil {
		return err
	}
	defer acc.Release()
	err = acc.UpdateSetting(ctx, keptPush.name(r.id), func(old []byte) ([]byte, error) {
		if old == nil {
			return nil, errPushGone
		}
		var s pushSubscription
		if err := json.Unmarshal(old, &s); err != nil {
			return nil, err
		}
		if !f(&s) {
			return nil, nil
		}
		return json.Marshal(&s)
	})
	if errors.Is(err, errPushGone) {
		return nil
	}
	return err
}
