package hook

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"time"

	"mox/otlp"
	"mox/queue"
	"mox/webapi"
)

// retries are the times between attempts: http reference, section 5.
var retries = [...]time.Duration{
	time.Minute, 2 * time.Minute, 4 * time.Minute, 7*time.Minute + 30*time.Second, 15 * time.Minute, 30 * time.Minute,
	time.Hour, 2 * time.Hour, 4 * time.Hour, 8 * time.Hour, 16 * time.Hour,
}

// Attempts is how often a call is tried.
const Attempts = len(retries) + 1

// callAll starts calls when they are due, until ctx ends, and waits for those under way.
func (h *Hooks) callAll(ctx context.Context) {
	var wg sync.WaitGroup
	defer wg.Wait()
	for {
		t := time.NewTimer(h.start(ctx, &wg))
		select {
		case <-h.kick:
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return
		}
		t.Stop()
	}
}

// idle is how long nothing is looked for when nothing is due.
const idle = time.Hour

// start starts the calls that are due and returns how long to wait for more.
func (h *Hooks) start(ctx context.Context, wg *sync.WaitGroup) time.Duration {
	now := h.c.Now()
	unavailable, free, wait := h.unavailable(now)
	if free <= 0 {
		return wait // the end of a call kicks
	}
	busy := func(url string) bool { return unavailable[url] }
	due, err := h.c.Queue.HookDue(ctx, now, queue.HookDueOptions{Busy: busy, Max: free})
	if err != nil {
		return h.failed(ctx, "looking for webhook calls", err)
	}
	for _, hook := range due {
		unavailable[hook.URL] = true
		h.mu.Lock()
		h.busy[hook.URL] = true
		h.mu.Unlock()
		wg.Go(func() { h.one(ctx, hook) })
	}
	next, ok, err := h.c.Queue.HookNext(ctx, queue.HookDueOptions{Busy: busy})
	if err != nil {
		return h.failed(ctx, "looking for the next webhook call", err)
	}
	if ok && len(due) < free {
		wait = min(wait, max(next.Sub(now), time.Millisecond))
	}
	return wait
}

// failed logs a failure of the queue and returns when to try again.
func (h *Hooks) failed(ctx context.Context, what string, err error) time.Duration {
	if ctx.Err() == nil {
		h.c.Log.Error(what, "err", err)
	}
	return h.c.Limits.Retry
}

// unavailable returns the URLs that are not to be called now, how many calls there may be,
// and how long to wait for the first pause to end. It is a copy, from before the queue
// is read: a URL whose call was recorded and released during the read would be free, while what
// is read still has the call.
func (h *Hooks) unavailable(now time.Time) (urls map[string]bool, free int, wait time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	urls, wait = maps.Clone(h.busy), idle
	for url, p := range h.paused {
		if p.until.After(now) {
			urls[url] = true
			wait = min(wait, p.until.Sub(now))
		}
	}
	return urls, h.c.Limits.Parallel - len(h.busy), wait
}

// one makes a call and records it.
func (h *Hooks) one(ctx context.Context, hook queue.Hook) {
	defer h.Kick()
	defer func() {
		if v := recover(); v != nil {
			h.c.Log.Error("panic", "panic", v, "stack", string(debug.Stack()), "webhookid", hook.ID)
			if h.c.Metrics.Panic != nil {
				h.c.Metrics.Panic()
			}
			h.release(hook.URL, true)
		}
	}()
	r := h.call(ctx, hook)
	if ctx.Err() != nil && !r.Success {
		// The server is about to stop. It was no failure of the receiver.
		h.release(hook.URL, false)
		return
	}
	o := queue.HookOutcome{ID: hook.ID, Result: r}
	if !r.Success && hook.Attempts+1 < Attempts {
		o.Next = h.next(hook.Attempts)
	}
	h.c.Log.Debug("webhook called", "webhookid", hook.ID, "account", hook.Account, "event", hook.Event, "attempt", hook.Attempts+1, "code", r.Code, "err", r.Error, "duration", r.Duration)
	if !r.Success && o.Next.IsZero() {
		h.c.Log.Warn("webhook call given up", "webhookid", hook.ID, "account", hook.Account, "event", hook.Event, "code", r.Code, "err", r.Error)
	}
	h.record(ctx, o)
	unreachable := r.Code == 0 || r.Code == http.StatusTooManyRequests || r.Code >= 500
	h.release(hook.URL, !r.Success && unreachable)
}

// next is when to try again after so many attempts before this one.
func (h *Hooks) next(before int) time.Time {
	d := retries[before]
	d += time.Duration((h.c.Random() - 0.5) / 50 * float64(d)) // 1 % more or less
	return h.c.Now().Add(d)
}

// record stores an outcome, and does not give up: what was answered would be called again.
func (h *Hooks) record(ctx context.Context, o queue.HookOutcome) {
	err := h.c.Queue.HookRecord(context.WithoutCancel(ctx), o)
	for err != nil && !errors.Is(err, queue.ErrClosed) {
		h.c.Log.Error("recording webhook call", "err", err, "webhookid", o.ID)
		t := time.NewTimer(h.c.Limits.Retry)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return
		}
		err = h.c.Queue.HookRecord(context.WithoutCancel(ctx), o)
	}
}

// release makes a URL available again, at once or after a pause.
func (h *Hooks) release(url string, unreachable bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.busy, url)
	if !unreachable {
		delete(h.paused, url)
		return
	}
	p := h.paused[url]
	p.failures++
	p.until = h.c.Now().Add(min(time.Second<<min(p.failures-1, 20), h.c.Limits.Pause))
	h.paused[url] = p
}

// call makes a call.
func (h *Hooks) call(ctx context.Context, hook queue.Hook) queue.HookResult {
	r := queue.HookResult{Start: h.c.Now(), URL: hook.URL}
	ctx, cancel := context.WithTimeout(ctx, h.c.Limits.Timeout)
	defer cancel()
	code, body, err := h.post(ctx, hook)
	r.Duration, r.Code, r.Response = h.c.Now().Sub(r.Start), code, strings.ToValidUTF8(string(body), "\uFFFD")
	switch {
	case err != nil:
		r.Error = PlainError(err)
	case code != http.StatusOK:
		r.Error = fmt.Sprintf("status %d %s, and only 200 is success", code, http.StatusText(code))
	default:
		r.Success = true
	}
	h.traced(hook, r)
	if h.c.Metrics.Request != nil {
		h.c.Metrics.Request(r.Duration)
	}
	if h.c.Metrics.Result != nil {
		h.c.Metrics.Result(code)
	}
	return r
}

// traced sends a call.
func (h *Hooks) traced(hook queue.Hook, r queue.HookResult) {
	if h.c.Spans == nil {
		return
	}
	h.c.Spans.Done(otlp.Span{
		Trace: otlp.MessageTrace(hook.MessageID), Name: "webhook " + hook.Event, Kind: otlp.Client, Start: r.Start, End: r.Start.Add(r.Duration), Err: r.Error,
		Attrs: []slog.Attr{slog.Int64("webhookid", hook.ID), slog.String("account", hook.Account), slog.Int("http.response.status_code", r.Code), slog.Int("attempt", hook.Attempts+1)},
	}, 0)
}

// PlainError is the text of an error without the URL, which may have a secret in it.
func PlainError(err error) string {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return "no response in time"
	}
	return err.Error()
}

func (h *Hooks) post(ctx context.Context, hook queue.Hook) (code int, body []byte, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, hook.URL, bytes.NewReader(hook.Payload))
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("User-Agent", "mox/"+h.c.Version+" (webhook)")
	req.Header.Set("Content-Type", "application/json; charset=utf-8")
	req.Header.Set(webapi.HeaderHookID, strconv.FormatInt(hook.ID, 10))
	req.Header.Set(webapi.HeaderHookAttempt, strconv.Itoa(hook.Attempts+1))
	if hook.Authorization != "" {
		req.Header.Set("Authorization", hook.Authorization)
	}
	resp, err := h.client.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	body, err = io.ReadAll(io.LimitReader(resp.Body, int64(h.c.Limits.Response)))
	if resp.StatusCode == http.StatusOK {
		err = nil // it has been said
	}
	return resp.StatusCode, body, err
}
