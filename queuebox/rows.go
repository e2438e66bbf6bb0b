package queuebox

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"mox/store"
)

// row is a submission that is shown. It is kept as JSON.
type row struct {
	Base int64    `json:"base"` // of the messages in the queue
	IDs  []int64  `json:"ids"`  // of those that are shown
	To   []string `json:"to"`   // their recipients
	// The message that shows it. UID 0: it is about to be added.
	Box store.MailboxID `json:"box"`
	UID store.UID       `json:"uid"`
	// UIDVALIDITY of Box, by which UID counts.
	Validity uint32       `json:"validity"`
	Body     store.BodyID `json:"body"`
	// Since is an entry of the change log from before which none is about UID; 0: not known.
	Since store.ModSeq `json:"since,omitempty"`
	Sum   string       `json:"sum"` // hash of what is said of it
	// While it is added or replaced: the mailbox that the new message comes into, and its
	// UIDNEXT of before.
	NextBox store.MailboxID `json:"nextbox,omitempty"`
	NextUID store.UID       `json:"nextuid,omitempty"`
}

// buckets is how many settings the rows are spread over, so that not all of them are written
// for one.
const buckets = 8

func bucketName(n int64) string { return fmt.Sprintf("queuebox/%d", n) }

// rows are those of an account.
type rows struct {
	acc *store.Account
	all map[int64]*row // by Base
}

// loadRows reads the rows of an account.
func loadRows(ctx context.Context, acc *store.Account) (*rows, error) {
	r := &rows{acc, map[int64]*row{}}
	for n := range int64(buckets) {
		b, err := acc.Setting(ctx, bucketName(n))
		if err != nil {
			return nil, err
		}
		if b == nil {
			continue
		}
		var l []*row
		if err := json.Unmarshal(b, &l); err != nil {
			return nil, fmt.Errorf("reading what is shown: %w", err)
		}
		for _, x := range l {
			r.all[x.Base] = x
		}
	}
	return r, nil
}

// save makes a row durable.
func (r *rows) save(ctx context.Context, x *row) error {
	r.all[x.Base] = x
	return r.write(ctx, x.Base)
}

// drop forgets a row, durably.
func (r *rows) drop(ctx context.Context, x *row) error {
	delete(r.all, x.Base)
	return r.write(ctx, x.Base)
}

// write writes the bucket of a submission.
func (r *rows) write(ctx context.Context, base int64) error {
	n := base % buckets
	var l []*row
	for _, x := range r.sorted() {
		if x.Base%buckets == n {
			l = append(l, x)
		}
	}
	if l == nil {
		return r.acc.SetSetting(ctx, bucketName(n), nil)
	}
	b, err := json.Marshal(l)
	if err != nil {
		return err
	}
	return r.acc.SetSetting(ctx, bucketName(n), b)
}

func (r *rows) len() int { return len(r.all) }

// sorted returns the rows in the order of submission.
func (r *rows) sorted() []*row {
	return slices.SortedFunc(maps.Values(r.all), func(a, b *row) int { return cmp.Compare(a.Base, b.Base) })
}

// boxes returns the mailboxes that show something.
func (r *rows) boxes() []store.MailboxID {
	var l []store.MailboxID
	for _, x := range r.all {
		if !slices.Contains(l, x.Box) {
			l = append(l, x.Box)
		}
	}
	return l
}
