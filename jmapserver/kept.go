package jmapserver

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"mox/jmap"
	"mox/store"
)

// Objects that are not of mail are settings of the account, one for each, so that its change log tells what became of
// them. Ids of those that users make have the ModSeq that they were made at, so it is known since when there is one, also when it is
// gone.

// kept is a kind of such objects.
type kept struct {
	prefix string // of names of settings
	letter string // that ids of made ones begin with
}

var (
	keptIdentities  = kept{"jmap/identity/", "J"}
	keptSubmissions = kept{"jmap/submission/", "S"}
)

func (k kept) name(id jmap.ID) string { return k.prefix + string(id) }

func (k kept) id(seq store.ModSeq) jmap.ID {
	return jmap.ID(k.letter + strconv.FormatInt(int64(seq), 32))
}

// madeAt is when an object was made; 0 for what users do not make.
func (k kept) madeAt(id jmap.ID) store.ModSeq {
	s, ok := strings.CutPrefix(string(id), k.letter)
	if !ok {
		return 0
	}
	n, err := strconv.ParseInt(s, 32, 64)
	if err != nil {
		return 0
	}
	return store.ModSeq(n)
}

// readKept returns all objects of a kind.
func readKept[T any](ctx context.Context, acc *store.Account, k kept) (map[jmap.ID]*T, error) {
	values, err := acc.Settings(ctx, k.prefix)
	if err != nil {
		return nil, err
	}
	all := map[jmap.ID]*T{}
	for name, b := range values {
		v := new(T)
		if err := json.Unmarshal(b, v); err != nil {
			return nil, fmt.Errorf("setting %s: %w", name, err)
		}
		all[jmap.ID(strings.TrimPrefix(name, k.prefix))] = v
	}
	return all, nil
}

// makeKept stores a new object and returns its id.
func makeKept(ctx context.Context, acc *store.Account, k kept, v any) (id jmap.ID, err error) {
	b, err := json.Marshal(v)
	if err != nil {
		return "", err
	}
	err = acc.MakeSetting(ctx, func(seq store.ModSeq) (string, []byte, error) {
		id = k.id(seq)
		return k.name(id), b, nil
	})
	return id, err
}

// changeKept stores an object, or removes it with nil.
func changeKept(ctx context.Context, acc *store.Account, k kept, id jmap.ID, v any) error {
	if v == nil {
		return acc.SetSetting(ctx, k.name(id), nil)
	}
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return acc.SetSetting(ctx, k.name(id), b)
}

// keptSince returns the ids of objects that were touched after a ModSeq, oldest first by when that was last, and up to
// which ModSeq. An error is cannotCalculateChanges.
func keptSince(ctx context.Context, acc *store.Account, k kept, since store.ModSeq) (ids []jmap.ID, at map[jmap.ID]store.ModSeq, err error) {
	at = map[jmap.ID]store.ModSeq{}
	for {
		log, err := acc.Changes(ctx, since, historyBatch)
		if errors.Is(err, store.ErrTooOld) {
			return nil, nil, jmap.Errorf(jmap.ErrorCannotCalculateChanges, "the state is too old")
		} else if err != nil {
			return nil, nil, err
		}
		for i := range log {
			since = log[i].ModSeq
			if name, ok := strings.CutPrefix(log[i].Name, k.prefix); ok && log[i].Kind == store.SettingChanged {
				at[jmap.ID(name)] = since
			}
		}
		if len(log) < historyBatch {
			break
		}
	}
	ids = slices.SortedFunc(maps.Keys(at), func(a, b jmap.ID) int { return int(at[a] - at[b]) })
	return ids, at, nil
}

// keptChanges is /changes of a kind. now is the latest ModSeq, exists tells whether there is an object. Each operation
// touches one object, so that what is left out of too many changes can be told by the ModSeq alone.
func keptChanges(ctx context.Context, acc *store.Account, k kept, a *changesArgs, now store.ModSeq, exists func(jmap.ID) bool) (*changesResult, error) {
	since, most, err := a.parse(acc, now)
	if err != nil {
		return nil, err
	}
	ids, at, err := keptSince(ctx, acc, k, since.seq)
	if err != nil {
		return nil, err
	}
	res := newChanges(a.AccountID, since, now)
	n := 0
	for _, id := range ids {
		made, there := k.madeAt(id), exists(id)
		if made > since.seq && !there {
			continue // it came and went
		}
		if n++; n > most {
			res.HasMoreChanges = true
			break
		}
		switch {
		case !there:
			res.Destroyed = append(res.Destroyed, id)
		case made > since.seq:
			res.Created = append(res.Created, id)
		default:
			res.Updated = append(res.Updated, id)
		}
		res.NewState = stateOf(acc, at[id])
	}
	if !res.HasMoreChanges {
		res.NewState = stateOf(acc, now)
	}
	return res, nil
}

// keptObject is what a kept object is for clients.
type keptObject interface {
	object(id jmap.ID) (map[string]json.RawMessage, error)
}

// addKept adds objects to the result of a /get call, with the properties that were asked for.
func addKept[T keptObject](res *getResult, ids []jmap.ID, all map[jmap.ID]T, props []string) error {
	for _, id := range ids {
		v, ok := all[id]
		if !ok {
			res.notFound(id)
			continue
		}
		o, err := v.object(id)
		if err != nil {
			return err
		}
		picked, err := pick(o, props)
		if err != nil {
			return err
		}
		res.List = append(res.List, picked)
	}
	return nil
}
