package admin

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"mox/store"
)

// Rebuilder makes the search index of an account anew, in the background. It is a
// *search.Manager.
type Rebuilder interface {
	Rebuild(ctx context.Context, account string) error
}

// Maintenance is a check or repair of an account, by the name of its command.
type Maintenance struct {
	Command string
	Mailbox string // of bumpuidvalidity, empty: all; of reassignuids, an id
	All     bool   // of ensureparsed: messages too that have what is needed
	Quick   bool   // of check: content is not read
	Fix     bool   // of check: what is found is repaired
}

// Maintained is what maintenance of one account found and did.
type Maintained struct {
	Account  string
	Fixes    []store.Problem `json:",omitempty"` // what was changed
	More     int             `json:",omitempty"` // changes beyond those in Fixes
	Problems []store.Problem `json:",omitempty"` // what is wrong, and was not repaired
}

// repairs are the repairs that commands ask for.
var repairs = map[string]store.Repairs{
	"recalculatemailboxcounts": store.RepairCounts,
	"fixmsgsize":               store.RepairSizes,
	"fixuidmeta":               store.RepairUIDs,
	"ensureparsed":             store.RepairRendered,
	"reparse":                  store.RepairAllRendered,
	"reassignthreads":          store.RepairThreads,
}

// disrupts tells whether sessions of the account cannot go on with what they know.
func (m *Maintenance) disrupts() bool {
	return m.Command == "bumpuidvalidity" || m.Command == "reassignuids"
}

// MaintainAccount runs maintenance of an open account. reset tells that sessions that are open
// should be ended.
func MaintainAccount(ctx context.Context, acc *store.Account, m Maintenance) (res Maintained, reset bool, err error) {
	res.Account = acc.Name()
	var r store.Repaired
	what, known := repairs[m.Command]
	switch {
	case m.Command == "check":
		if m.Fix {
			if r, err = acc.Repair(ctx, store.RepairEverything); err != nil {
				break
			}
		}
		if m.Quick {
			res.Problems, err = acc.Check(ctx)
		} else {
			res.Problems, err = acc.CheckDeep(ctx)
		}
	case m.Command == "bumpuidvalidity":
		r, err = acc.BumpUIDValidity(ctx, m.Mailbox)
	case m.Command == "reassignuids":
		id := int64(0)
		if m.Mailbox != "" {
			if id, err = strconv.ParseInt(m.Mailbox, 10, 64); err != nil || id <= 0 {
				return res, false, fmt.Errorf("%q is no id of a mailbox", m.Mailbox)
			}
		}
		r, err = acc.ReassignUIDs(ctx, store.MailboxID(id))
	case known:
		if m.All {
			what = store.RepairAllRendered
		}
		r, err = acc.Repair(ctx, what)
	default:
		err = fmt.Errorf("unknown maintenance %q", m.Command)
	}
	res.Fixes, res.More = r.Fixes, r.Total-len(r.Fixes)
	return res, r.Reset, err
}

// Maintain runs maintenance of an account, or of all when account is empty; done is called
// after each. Mail goes on meanwhile. Sessions end that would have to see messages under
// other UIDs.
func (a *Admin) Maintain(ctx context.Context, actor Actor, account string, m Maintenance, done func(Maintained)) (rerr error) {
	changed := 0
	defer func() { a.audit(ctx, actor, m.Command, rerr, "account", account, "changed", changed) }()
	names, err := a.accountNames(account)
	if err != nil {
		return err
	}
	var failed []error
	for _, name := range names {
		r, err := a.maintainOne(ctx, name, m)
		changed += len(r.Fixes) + r.More
		if err == nil || len(r.Fixes) > 0 {
			done(r)
		}
		if err != nil {
			failed = append(failed, fmt.Errorf("account %q: %w", name, err))
		}
		if ctx.Err() != nil {
			break
		}
	}
	return errors.Join(failed...)
}

func (a *Admin) maintainOne(ctx context.Context, name string, m Maintenance) (Maintained, error) {
	if m.Command == "reindex" {
		return Maintained{Account: name, Fixes: []store.Problem{{Area: "search", Text: "the index is made anew"}}}, a.Index.Rebuild(ctx, name)
	}
	acc, err := a.openAccount(ctx, name)
	if err != nil {
		return Maintained{Account: name}, err
	}
	defer acc.Release()
	// Before, so that none acts on UIDs of then; and after, for those that came meanwhile.
	if m.disrupts() {
		a.Disconnect(name)
	}
	r, reset, err := MaintainAccount(ctx, acc, m)
	if reset {
		a.Disconnect(name)
	}
	return r, err
}
