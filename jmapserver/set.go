package jmapserver

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"

	"mox/jmap"
	"mox/store"
)

// setArgs are those of /set, RFC 8620 5.3. Types of data embed them where they have more.
type setArgs struct {
	AccountID jmap.ID                     `json:"accountId"`
	IfInState *string                     `json:"ifInState"`
	Create    map[jmap.ID]json.RawMessage `json:"create"`
	Update    map[string]jmap.PatchObject `json:"update"`  // keys can be "#" and a creation id
	Destroy   []string                    `json:"destroy"` // likewise
}

// setResult is that of /set, and of methods that create only.
type setResult struct {
	AccountID jmap.ID `json:"accountId"`
	OldState  *string `json:"oldState"` // nil: others made changes meanwhile
	NewState  string  `json:"newState"`
	setOutcome

	oldSeq store.ModSeq
}

// setOutcome is what became of the objects of a /set. Maps without entries are null.
type setOutcome struct {
	Created      map[jmap.ID]any            `json:"created"`
	Updated      map[jmap.ID]any            `json:"updated"`
	Destroyed    []jmap.ID                  `json:"destroyed"`
	NotCreated   map[jmap.ID]*jmap.SetError `json:"notCreated"`
	NotUpdated   map[string]*jmap.SetError  `json:"notUpdated"`
	NotDestroyed map[string]*jmap.SetError  `json:"notDestroyed"`
}

// setting is a /set call under way.
type setting struct {
	*call
	acc *store.Account
	res *setResult
	own int // operations of this call
	// outer is the context of the call, for what others do: what is delivered to the account is not a change of this call.
	outer context.Context
}

// setting begins a call that makes changes of so many objects, and returns the context for its operations. An error is
// that of the method.
func (c *call) setting(ctx context.Context, account jmap.ID, ifInState *string, objects int) (*setting, context.Context, error) {
	acc, err := c.account(ctx, account)
	if err != nil {
		return nil, nil, err
	}
	if most := c.s.c.Limits.Set; objects > most {
		return nil, nil, jmap.Errorf(jmap.ErrorRequestTooLarge, "a call can create, update and destroy %d objects", most)
	}
	seq := acc.ModSeq()
	old := stateOf(acc, seq)
	if ifInState != nil && *ifInState != old {
		return nil, nil, jmap.Errorf(jmap.ErrorStateMismatch, "the state is %s", old)
	}
	st := &setting{call: c, acc: acc, res: &setResult{AccountID: account, OldState: &old, NewState: old}}
	st.outer = ctx
	last := seq
	ctx = store.WithOperations(ctx, func(a *store.Account, at store.ModSeq) {
		if a == acc && at > last { // an operation of this goroutine: they come in order
			st.own, last = st.own+1, at
		}
	})
	st.res.oldSeq = seq
	return st, ctx, nil
}

// begin is setting for a call with the arguments of /set.
func (c *call) begin(ctx context.Context, a *setArgs) (*setting, context.Context, error) {
	return c.setting(ctx, a.AccountID, a.IfInState, len(a.Create)+len(a.Update)+len(a.Destroy))
}

// done returns the result.
func (s *setting) done() *setResult {
	now := s.acc.ModSeq()
	s.res.NewState = stateOf(s.acc, now)
	// A client that has the old state would take the new one for its own, and never hear of what others did in between.
	if now != s.res.oldSeq+store.ModSeq(s.own) {
		s.res.OldState = nil
	}
	return s.res
}

// setError makes a SetError of an error: what is none is our own failure.
func (s *setting) setError(err error) *jmap.SetError {
	var e *jmap.SetError
	switch {
	case errors.As(err, &e):
		return e
	case errors.Is(err, store.ErrQuota):
		return jmap.SetErrorf(jmap.SetOverQuota, "the account has no room for it")
	case errors.Is(err, store.ErrTooLarge):
		return &jmap.SetError{Type: jmap.SetTooLarge, Description: "it is larger than messages may be"}
	case errors.Is(err, store.ErrNoMessage):
		return jmap.SetErrorf(jmap.SetNotFound, "there is no such Email")
	case errors.Is(err, store.ErrReserved):
		return jmap.SetErrorf(jmap.SetForbidden, "only the server puts messages into that mailbox")
	}
	s.s.c.Log.Error("changing object", "err", err, "cid", s.cid, "account", s.user.Account)
	return jmap.SetErrorf(jmap.SetServerFail, "internal error, see log lines with cid %x", s.cid)
}

func (s *setting) created(creation, id jmap.ID, v any) {
	s.call.created[creation] = id
	if s.res.Created == nil {
		s.res.Created = map[jmap.ID]any{}
	}
	s.res.Created[creation] = v
}

// createdObject tells of an object that was made what the client did not send, or sent otherwise.
func (s *setting) createdObject(creation, id jmap.ID, sent json.RawMessage, object map[string]json.RawMessage) error {
	props, err := asObject(sent)
	if err != nil {
		return err
	}
	for name := range props {
		if sameJSON(props[name], object[name]) {
			delete(object, name)
		}
	}
	s.created(creation, id, object)
	return nil
}

func (s *setting) notCreated(creation jmap.ID, err error) {
	if s.res.NotCreated == nil {
		s.res.NotCreated = map[jmap.ID]*jmap.SetError{}
	}
	s.res.NotCreated[creation] = s.setError(err)
}

// updated takes what changed without having been asked for; nil: nothing.
func (s *setting) updated(id jmap.ID, v any) {
	if s.res.Updated == nil {
		s.res.Updated = map[jmap.ID]any{}
	}
	s.res.Updated[id] = v
}

func (s *setting) notUpdated(id string, err error) {
	if s.res.NotUpdated == nil {
		s.res.NotUpdated = map[string]*jmap.SetError{}
	}
	s.res.NotUpdated[id] = s.setError(err)
}

func (s *setting) destroyed(id jmap.ID) { s.res.Destroyed = append(s.res.Destroyed, id) }

func (s *setting) notDestroyed(id string, err error) {
	if s.res.NotDestroyed == nil {
		s.res.NotDestroyed = map[string]*jmap.SetError{}
	}
	s.res.NotDestroyed[id] = s.setError(err)
}

// creations returns the creation ids in a fixed order.
func (a *setArgs) creations() []jmap.ID { return slices.Sorted(maps.Keys(a.Create)) }

// eachUpdate calls f for updates of objects that are not destroyed in the same call, with the id that a key stands for,
// and records errors.
func (s *setting) eachUpdate(a *setArgs, f func(key string, id jmap.ID, p jmap.PatchObject) error) {
	for _, key := range slices.Sorted(maps.Keys(a.Update)) {
		id, ok := s.resolveID(key)
		err := error(jmap.SetErrorf(jmap.SetNotFound, "there is no such object"))
		if slices.Contains(a.Destroy, key) || slices.Contains(a.Destroy, string(id)) {
			err = jmap.SetErrorf(jmap.SetWillDestroy, "it is to be destroyed in the same call")
		} else if ok {
			err = f(key, id, a.Update[key])
		}
		if err != nil {
			s.notUpdated(key, err)
		}
	}
}

// eachDestroy calls f for the ids to be destroyed, each once, and records what became of it.
func (s *setting) eachDestroy(a *setArgs, f func(id jmap.ID) error) {
	seen := map[jmap.ID]bool{}
	for _, key := range a.Destroy {
		id, ok := s.resolveID(key)
		if seen[id] {
			continue
		}
		seen[id] = true
		err := error(jmap.SetErrorf(jmap.SetNotFound, "there is no such object"))
		if ok {
			err = f(id)
		}
		if err != nil {
			s.notDestroyed(key, err)
			continue
		}
		s.destroyed(id)
	}
}

// decodeObject decodes an object that is to be created, or what an update makes of one. Names that v does not have, and
// values of wrong types, are invalidProperties.
func decodeObject(b json.RawMessage, v any) error {
	if err := jmap.DecodeArgs(b, v); err != nil {
		var unknown *jmap.Error
		if errors.As(err, &unknown) {
			return propertyError(b, v, unknown.Description)
		}
		return err
	}
	return nil
}

// propertyError names all properties that v cannot take.
func propertyError(b json.RawMessage, v any, description string) error {
	e := jmap.SetErrorf(jmap.SetInvalidProperties, "%s", description)
	var all map[string]json.RawMessage
	if err := json.Unmarshal(b, &all); err != nil {
		e.Description = "it is not an object"
		return e
	}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		one, err := json.Marshal(map[string]json.RawMessage{name: all[name]})
		if err != nil || jmap.DecodeArgs(one, v) != nil {
			e.Properties = append(e.Properties, name)
		}
	}
	return e
}

// keepProperties refuses what only the server sets, unless it is as it was before: RFC 8620 5.3.
func keepProperties(before, after map[string]json.RawMessage, names ...string) error {
	var bad []string
	for _, n := range names {
		if !sameJSON(before[n], after[n]) {
			bad = append(bad, n)
		}
	}
	if bad != nil {
		return &jmap.SetError{Type: jmap.SetInvalidProperties, Description: "these properties cannot be changed", Properties: bad}
	}
	return nil
}

// sameJSON compares values.
func sameJSON(a, b json.RawMessage) bool {
	if jmap.IsNull(a) || jmap.IsNull(b) {
		return jmap.IsNull(a) == jmap.IsNull(b)
	}
	var x, y any
	if json.Unmarshal(a, &x) != nil || json.Unmarshal(b, &y) != nil {
		return false
	}
	p, err1 := json.Marshal(x)
	q, err2 := json.Marshal(y)
	return err1 == nil && err2 == nil && string(p) == string(q)
}

// asObject is a value as a JSON object.
func asObject(v any) (map[string]json.RawMessage, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	var o map[string]json.RawMessage
	return o, json.Unmarshal(b, &o)
}
