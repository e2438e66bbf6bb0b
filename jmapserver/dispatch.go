package jmapserver

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"mox/jmap"
	"mox/store"
)

// method is what a call names. run returns the arguments of the response; an [*jmap.Error] is answered as it is, any other
// is our own failure.
type method struct {
	capability string
	run        func(ctx context.Context, c *call, args json.RawMessage) (any, error)
}

// handle makes a method of a function with decoded arguments, which are checked if they have a method for it.
func handle[A, R any](capability string, f func(ctx context.Context, c *call, a *A) (R, error)) method {
	return method{capability, func(ctx context.Context, c *call, args json.RawMessage) (any, error) {
		var a A
		if err := jmap.DecodeArgs(args, &a); err != nil {
			return nil, err
		}
		if v, ok := any(&a).(interface{ check() error }); ok {
			if err := v.check(); err != nil {
				return nil, err
			}
		}
		return f(ctx, c, &a)
	}}
}

// call is one call of a request.
type call struct {
	*batch
	id string
	// created are ids by creation ids, of all calls of the request so far: RFC 8620 5.3.
	created map[jmap.ID]jmap.ID
	also    []jmap.Invocation // implicit responses, after that of the call
	listed  int64             // octets of encoded objects of its response
}

// encode makes JSON of an object of the response, and counts it: an error is requestTooLarge. It is encoded at once because
// that takes less memory than the object.
func (c *call) encode(o object) (json.RawMessage, error) {
	b, err := json.Marshal(o)
	if err != nil {
		return nil, err
	}
	if c.listed += int64(len(b)); c.sent+c.listed > c.s.c.Limits.Response {
		return nil, c.tooMuch()
	}
	return b, nil
}

// batch is what the calls of a request share.
type batch struct {
	*request
	opened *store.Account // nil until a call needs it

	sent     int64 // octets of responses so far
	charged  int64 // octets of texts, headers, parts and referenced results that were put into objects and arguments
	resolver jmap.Resolver
}

// charge counts octets that go into a response; an error is requestTooLarge.
func (b *batch) charge(n int64) error {
	if b.charged += n; b.charged > b.s.c.Limits.Response {
		return b.tooMuch()
	}
	return nil
}

func (b *batch) tooMuch() error {
	return jmap.Errorf(jmap.ErrorRequestTooLarge, "the responses to a request can have %d octets: ask for less at a time", b.s.c.Limits.Response)
}

// dispatch runs the calls of a request one after the other. An error is a [*jmap.Problem], or our own.
func (q *request) dispatch(ctx context.Context, req *jmap.Request) (*jmap.Response, error) {
	for _, u := range req.Using {
		if _, ok := capabilities[u]; !ok {
			return nil, &jmap.Problem{Type: jmap.ProblemUnknownCapability, Status: http.StatusBadRequest, Detail: fmt.Sprintf("the capability %.200q is not known", u)}
		}
	}
	if len(req.MethodCalls) > q.s.c.Limits.Calls {
		return nil, &jmap.Problem{Type: jmap.ProblemLimit, Limit: "maxCallsInRequest", Status: http.StatusBadRequest, Detail: fmt.Sprintf("a request can have %d calls", q.s.c.Limits.Calls)}
	}
	b := &batch{request: q}
	b.resolver.Charge = b.charge
	defer func() {
		if b.opened != nil {
			b.opened.Release()
		}
	}()
	created := maps.Clone(req.CreatedIDs)
	if created == nil {
		created = map[jmap.ID]jmap.ID{}
	}
	res := &jmap.Response{MethodResponses: []jmap.Invocation{}}
	for _, inv := range req.MethodCalls {
		c := &call{batch: b, id: inv.CallID, created: created}
		start := time.Now()
		name, result := inv.Name, "ok"
		v, err := c.run(ctx, req.Using, inv, res.MethodResponses)
		if err != nil {
			e := c.failed(err, inv.Name)
			name, v, result = "error", e, e.Type
		}
		c.observe(inv.Name, result, time.Since(start))
		if err := res.Add(name, v, inv.CallID); err != nil {
			return nil, err
		}
		b.sent += int64(len(res.MethodResponses[len(res.MethodResponses)-1].Args))
		for _, also := range c.also {
			b.sent += int64(len(also.Args))
		}
		res.MethodResponses = append(res.MethodResponses, c.also...)
	}
	if req.CreatedIDs != nil {
		res.CreatedIDs = created
	}
	session, err := q.session()
	if err != nil {
		return nil, err
	}
	res.SessionState = session.State
	return res, nil
}

// observe tells of a call that has ended. Names that clients make up are not told.
func (c *call) observe(method, result string, d time.Duration) {
	if c.s.c.Observe == nil {
		return
	}
	if _, ok := c.s.methods[method]; !ok {
		method = "unknown"
	}
	c.s.c.Observe(method, result, d)
}

// run runs a call.
func (c *call) run(ctx context.Context, using []string, inv jmap.Invocation, before []jmap.Invocation) (_ any, err error) {
	defer func() {
		if v := recover(); v != nil {
			c.s.c.Log.Error("panic", "panic", v, "stack", string(debug.Stack()), "cid", c.cid, "method", inv.Name)
			if c.s.c.Panic != nil {
				c.s.c.Panic()
			}
			err = fmt.Errorf("panic: %v", v)
		}
	}()
	if c.sent > c.s.c.Limits.Response {
		return nil, c.tooMuch()
	}
	m, ok := c.s.methods[inv.Name]
	// RFC 8620 3.3: a method of a capability that the client did not ask for is unknown.
	if !ok || !slices.Contains(using, m.capability) {
		return nil, jmap.Errorf(jmap.ErrorUnknownMethod, "there is no method %.100q with the capabilities in using", inv.Name)
	}
	args, err := c.resolver.Resolve(ctx, inv.Args, before)
	if err != nil {
		return nil, err
	}
	return m.run(ctx, c, args)
}

// failed is what is answered for an error.
func (c *call) failed(err error, name string) *jmap.Error {
	var e *jmap.Error
	if errors.As(err, &e) {
		return e
	}
	c.s.c.Log.Error("method failed", "err", err, "cid", c.cid, "account", c.user.Account, "method", name)
	return jmap.Errorf(jmap.ErrorServerFail, "internal error, see log lines with cid %x", c.cid)
}

// answerAlso adds a response after that of the call, such as that of an implicit Email/set.
func (c *call) answerAlso(name string, v any) error {
	b, err := json.Marshal(v)
	c.also = append(c.also, jmap.Invocation{Name: name, Args: b, CallID: c.id})
	return err
}

// account returns the account of a call, which stays open until the request ends.
func (b *batch) account(ctx context.Context, id jmap.ID) (*store.Account, error) {
	if id != accountID(b.user.Account) {
		return nil, jmap.Errorf(jmap.ErrorAccountNotFound, "there is no account %.100q", id)
	}
	if b.opened == nil {
		acc, err := b.s.c.Store.Account(ctx, b.user.Account)
		if err != nil {
			return nil, err
		}
		b.opened = acc
	}
	return b.opened, nil
}

// resolveID returns the id for an argument that can be "#" and a creation id (RFC 8620 5.3), and whether there is one.
func (c *call) resolveID(id string) (jmap.ID, bool) {
	if name, ok := strings.CutPrefix(id, "#"); ok {
		id, ok := c.created[jmap.ID(name)]
		return id, ok
	}
	return jmap.ID(id), true
}
