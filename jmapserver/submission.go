package jmapserver

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"mox/jmap"
	"mox/queue"
	"mox/smtp"
	"mox/store"
	"mox/submit"
)

// Sender sends messages: it checks that the account may use the sender, signs, and has the message durably when it returns
// nil. It is a [submit.Submit].
type Sender interface {
	Send(ctx context.Context, who submit.Sender, r submit.Request) (submit.Sent, error)
}

// Queue is what is needed of a [queue.Queue].
type Queue interface {
	List(ctx context.Context, f queue.Filter, s queue.Sort) ([]queue.Message, error)
	Hold(ctx context.Context, f queue.Filter, hold bool) (int, error)
	Cancel(ctx context.Context, f queue.Filter, why string) (int, error)
	Ended(ctx context.Context, id int64) (queue.RetiredMessage, error)
	Watch(id int64)
}

var submissionProperties = []string{
	"id", "identityId", "emailId", "threadId", "envelope", "sendAt", "undoStatus", "deliveryStatus", "dsnBlobIds", "mdnBlobIds",
}

// Values of undoStatus, RFC 8621 7.
const (
	undoPending  = "pending"
	undoFinal    = "final"
	undoCanceled = "canceled"
)

// Values of delivered, RFC 8621 7.
const (
	deliveredQueued  = "queued"
	deliveredYes     = "yes"
	deliveredNo      = "no"
	deliveredUnknown = "unknown"
)

// submission is an EmailSubmission as it is kept.
type submission struct {
	IdentityID jmap.ID               `json:"identityId"`
	EmailID    jmap.ID               `json:"emailId"`
	ThreadID   jmap.ID               `json:"threadId"`
	Envelope   envelope              `json:"envelope"`
	SendAt     jmap.UTCDate          `json:"sendAt"`
	UndoStatus string                `json:"undoStatus"`
	Delivery   map[string]*delivered `json:"deliveryStatus"`
	// Queued are the messages of the queue; without those that were delivered at once.
	Queued []queuedRcpt `json:"queued"`
}

// queuedRcpt is a recipient in the queue.
type queuedRcpt struct {
	Email string `json:"email"` // as in the envelope
	ID    int64  `json:"id"`
}

// delivered is DeliveryStatus, RFC 8621 7.
type delivered struct {
	SMTPReply string `json:"smtpReply"`
	Delivered string `json:"delivered"`
	Displayed string `json:"displayed"`
}

// envelope is Envelope, RFC 8621 7.
type envelope struct {
	MailFrom envelopeAddress   `json:"mailFrom"`
	RcptTo   []envelopeAddress `json:"rcptTo"`
}

type envelopeAddress struct {
	Email      string             `json:"email"`
	Parameters map[string]*string `json:"parameters"`
}

// Bounds of submissions that are kept.
const (
	submissionTime  = 30 * 24 * time.Hour // after they were sent
	maxSubmissions  = 2000
	submissionBatch = 20 // removed with each new one, at most
)

// object is the submission as clients see it.
func (s *submission) object(id jmap.ID) (map[string]json.RawMessage, error) {
	o, err := asObject(s)
	if err != nil {
		return nil, err
	}
	delete(o, "queued")
	more, err := asObject(map[string]any{"id": id, "dsnBlobIds": []jmap.ID{}, "mdnBlobIds": []jmap.ID{}})
	if err != nil {
		return nil, err
	}
	for k, v := range more {
		o[k] = v
	}
	return o, nil
}

// submissions reads those of an account, and takes in what became of them in the queue, which changes their state.
func (c *call) submissions(ctx context.Context, acc *store.Account) (map[jmap.ID]*submission, error) {
	all, err := readKept[submission](ctx, acc, keptSubmissions)
	if err != nil {
		return nil, err
	}
	ask := c.toAsk(all)
	waiting, err := c.waiting(ctx, slices.Collect(maps.Values(ask))...)
	if err != nil {
		return nil, err
	}
	for id, s := range ask {
		changed, err := c.refresh(ctx, s, waiting)
		if err != nil {
			return nil, err
		}
		if changed {
			if err := changeKept(ctx, acc, keptSubmissions, id, s); err != nil {
				return nil, err
			}
		}
	}
	return all, nil
}

// toAsk are the submissions that the queue is asked about now: those that were in it, and in a while again those of which
// other servers may tell.
func (c *call) toAsk(all map[jmap.ID]*submission) map[jmap.ID]*submission {
	ask, told := map[jmap.ID]*submission{}, map[jmap.ID]*submission{}
	for id, s := range all {
		switch s.expects(c.s.c.Now()) {
		case expectQueue:
			ask[id] = s
		case expectDSN:
			told[id] = s
		}
	}
	if len(told) > 0 && c.s.dsnDue(c.user.Account) {
		maps.Copy(ask, told)
	}
	return ask
}

const (
	dsnTime  = 5 * 24 * time.Hour // for so long notifications of other servers are looked for
	dsnPause = 10 * time.Second   // between looking for them, for an account
)

// dsnDue tells whether notifications for an account are to be looked for, at most once in dsnPause.
func (s *Server) dsnDue(account string) bool {
	now := s.c.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	maps.DeleteFunc(s.dsnLooked, func(_ string, at time.Time) bool { return now.Sub(at) >= dsnPause })
	if _, ok := s.dsnLooked[account]; ok {
		return false
	}
	s.dsnLooked[account] = now
	return true
}

// expecting is from where more can be heard of a submission.
type expecting uint8

const (
	expectNothing expecting = iota
	expectDSN               // from other servers
	expectQueue
)

// expects tells from where more can be heard of it.
func (s *submission) expects(now time.Time) expecting {
	if s.UndoStatus == undoPending {
		return expectQueue
	}
	e := expectNothing
	late := now.Sub(s.SendAt.Time) > dsnTime
	for _, q := range s.Queued {
		switch d := s.Delivery[q.Email]; {
		case d == nil:
		case d.Delivered == deliveredQueued:
			return expectQueue
		case d.Delivered == deliveredUnknown && !late:
			e = expectDSN
		}
	}
	return e
}

// refresh takes in what the queue knows; waiting are its messages that are there.
func (c *call) refresh(ctx context.Context, s *submission, waiting map[int64]*queue.Message) (changed bool, err error) {
	left := slices.ContainsFunc(s.Queued, func(q queuedRcpt) bool { return waiting[q.ID] == nil })
	undo := undoFinal
	switch {
	case s.UndoStatus == undoCanceled:
		undo = undoCanceled
	case len(s.Queued) > 0 && len(s.Queued) == len(s.Envelope.RcptTo) && !left:
		undo = undoPending
	}
	changed = undo != s.UndoStatus
	s.UndoStatus = undo
	for _, q := range s.Queued {
		d, err := c.delivery(ctx, s, waiting[q.ID], q, undo)
		if err != nil {
			return false, err
		}
		if old := s.Delivery[q.Email]; old == nil || *old != *d {
			s.Delivery[q.Email], changed = d, true
		}
	}
	return changed, nil
}

// waitingBatch is how many messages the queue is asked about at a time.
const waitingBatch = 5000

// waiting returns the messages of submissions that are in the queue.
func (c *call) waiting(ctx context.Context, of ...*submission) (map[int64]*queue.Message, error) {
	var ids []int64
	for _, s := range of {
		for _, q := range s.Queued {
			ids = append(ids, q.ID)
		}
	}
	m := map[int64]*queue.Message{}
	for some := range slices.Chunk(ids, waitingBatch) {
		l, err := c.s.c.Queue.List(ctx, queue.Filter{Account: c.user.Account, IDs: some}, queue.Sort{})
		if err != nil {
			return nil, err
		}
		for i := range l {
			m[l[i].ID] = &l[i]
		}
	}
	return m, nil
}

// delivery is what is known of a recipient; m is its message in the queue, nil if it is not there any more.
func (c *call) delivery(ctx context.Context, s *submission, m *queue.Message, q queuedRcpt, undo string) (*delivered, error) {
	if m != nil {
		return &delivered{reply(m.LastResult(), 250, "2.0.0", "queued"), deliveredQueued, "unknown"}, nil
	}
	if undo == undoCanceled {
		return &delivered{"550 5.7.1 canceled by the sender", deliveredNo, "unknown"}, nil
	}
	r, err := c.s.c.Queue.Ended(ctx, q.ID)
	if errors.Is(err, queue.ErrNotFound) {
		// It left while nobody looked, and its account keeps no history.
		if d := s.Delivery[q.Email]; d != nil && d.Delivered != deliveredQueued {
			return d, nil
		}
		return &delivered{"250 2.0.0 it has left the queue", deliveredUnknown, "unknown"}, nil
	} else if err != nil {
		return nil, err
	}
	last := r.Message.LastResult()
	switch {
	case r.Event == queue.EventFailed || r.Event == queue.EventSuppressed || r.Event == queue.EventCanceled || !r.Success:
		return &delivered{reply(last, 550, "5.0.0", r.Event), deliveredNo, "unknown"}, nil
	case last.DSN && last.Permanent():
		return &delivered{reply(last, 550, "5.0.0", "failed at another server"), deliveredNo, "unknown"}, nil
	case r.Message.Local, last.DSN && last.Success:
		return &delivered{reply(last, 250, "2.0.0", "delivered"), deliveredYes, "unknown"}, nil
	}
	return &delivered{reply(last, 250, "2.0.0", r.Event), deliveredUnknown, "unknown"}, nil
}

// reply is a result in the form of RFC 8621 7: code, enhanced code, text; what is missing is replaced.
func reply(r queue.Result, code int, enhanced, text string) string {
	text = cmp.Or(strings.Join(strings.Fields(r.Error), " "), text)
	if r.Code != 0 {
		code = r.Code
	}
	e := cmp.Or(r.Enhanced, enhanced)
	if r.Enhanced == "" && r.Code != 0 && e[0] != byte('0'+code/100) {
		e = fmt.Sprintf("%d.0.0", code/100)
	}
	text = strings.TrimPrefix(strings.TrimPrefix(text, fmt.Sprint(code)+" "), e+" ")
	return fmt.Sprintf("%d %s %s", code, e, text)
}

// submissionGet is EmailSubmission/get, RFC 8621 7.1.
func submissionGet(ctx context.Context, c *call, a *getArgs) (*getResult, error) {
	props, err := properties(submissionProperties, a.Properties)
	if err != nil {
		return nil, err
	}
	acc, err := c.account(ctx, a.AccountID)
	if err != nil {
		return nil, err
	}
	all, err := c.submissions(ctx, acc)
	if err != nil {
		return nil, err
	}
	res, ids, err := c.getting(a, acc, acc.ModSeq())
	if err != nil {
		return nil, err
	}
	if a.IDs == nil {
		ids = submissionsBy(all, nil)
		if err := c.checkMany(len(ids)); err != nil {
			return nil, err
		}
	}
	return res, addKept(res, ids, all, props)
}

// submissionChanges is EmailSubmission/changes, RFC 8621 7.2.
func submissionChanges(ctx context.Context, c *call, a *changesArgs) (*changesResult, error) {
	acc, err := c.account(ctx, a.AccountID)
	if err != nil {
		return nil, err
	}
	all, err := c.submissions(ctx, acc)
	if err != nil {
		return nil, err
	}
	return keptChanges(ctx, acc, keptSubmissions, a, acc.ModSeq(), func(id jmap.ID) bool { return all[id] != nil })
}

// submissionCondition is FilterCondition of RFC 8621 7.3.
type submissionCondition struct {
	IdentityIDs *[]jmap.ID    `json:"identityIds"`
	EmailIDs    *[]jmap.ID    `json:"emailIds"`
	ThreadIDs   *[]jmap.ID    `json:"threadIds"`
	UndoStatus  *string       `json:"undoStatus"`
	Before      *jmap.UTCDate `json:"before"`
	After       *jmap.UTCDate `json:"after"`
}

func (f *submissionCondition) match(s *submission) bool {
	for list, id := range map[*[]jmap.ID]jmap.ID{f.IdentityIDs: s.IdentityID, f.EmailIDs: s.EmailID, f.ThreadIDs: s.ThreadID} {
		if list != nil && !slices.Contains(*list, id) {
			return false
		}
	}
	return (f.UndoStatus == nil || *f.UndoStatus == s.UndoStatus) &&
		(f.Before == nil || s.SendAt.Before(f.Before.Time)) && (f.After == nil || !s.SendAt.Before(f.After.Time))
}

// submissionsBy sorts submissions; those that are equal by when they were made.
func submissionsBy(all map[jmap.ID]*submission, by []jmap.Comparator) []jmap.ID {
	ids := make([]jmap.ID, 0, len(all))
	for id := range all {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, func(a, b jmap.ID) int {
		x, y := all[a], all[b]
		for i := range by {
			n := 0
			switch by[i].Property {
			case "emailId":
				n = cmp.Compare(x.EmailID, y.EmailID)
			case "threadId":
				n = cmp.Compare(x.ThreadID, y.ThreadID)
			default:
				n = x.SendAt.Compare(y.SendAt.Time)
			}
			if !by[i].Ascending() {
				n = -n
			}
			if n != 0 {
				return n
			}
		}
		return cmp.Compare(keptSubmissions.madeAt(a), keptSubmissions.madeAt(b))
	})
	return ids
}

// find returns the submissions of a query in their order.
func (c *call) findSubmissions(ctx context.Context, account jmap.ID, filter json.RawMessage, by []jmap.Comparator) (*store.Account, []jmap.ID, error) {
	acc, err := c.account(ctx, account)
	if err != nil {
		return nil, nil, err
	}
	f, err := jmap.DecodeFilter[submissionCondition](filter)
	if err != nil {
		return nil, nil, err
	}
	for i := range by {
		// RFC 8621 7.3 says sentAt for what is sendAt everywhere else.
		if !slices.Contains([]string{"emailId", "threadId", "sentAt", "sendAt"}, by[i].Property) || by[i].Collation != "" {
			return nil, nil, jmap.Errorf(jmap.ErrorUnsupportedSort, "submissions cannot be sorted by %.100q", by[i].Property)
		}
	}
	all, err := c.submissions(ctx, acc)
	if err != nil {
		return nil, nil, err
	}
	ids := submissionsBy(all, by)
	return acc, slices.DeleteFunc(ids, func(id jmap.ID) bool {
		return !f.Match(func(cond *submissionCondition) bool { return cond.match(all[id]) })
	}), nil
}

func sameID(id jmap.ID) jmap.ID { return id }

// submissionQuery is EmailSubmission/query, RFC 8621 7.3.
func submissionQuery(ctx context.Context, c *call, a *queryArgs) (*queryResult, error) {
	acc, ids, err := c.findSubmissions(ctx, a.AccountID, a.Filter, a.Sort)
	if err != nil {
		return nil, err
	}
	res, err := page(c, a, ids, sameID)
	if err != nil {
		return nil, err
	}
	res.QueryState, res.CanCalculateChanges = stateOf(acc, acc.ModSeq()), true
	return res, nil
}

// submissionQueryChanges is EmailSubmission/queryChanges, RFC 8621 7.4.
func submissionQueryChanges(ctx context.Context, c *call, a *queryChangesArgs) (*queryChangesResult, error) {
	acc, ids, err := c.findSubmissions(ctx, a.AccountID, a.Filter, a.Sort)
	if err != nil {
		return nil, err
	}
	now := acc.ModSeq()
	since, most, err := a.parse(acc, now)
	if err != nil {
		return nil, err
	}
	_, at, err := keptSince(ctx, acc, keptSubmissions, since.seq)
	if err != nil {
		return nil, err
	}
	touched := map[jmap.ID]bool{}
	for id := range at {
		touched[id] = true
	}
	return moved(a, acc, now, most, touched, ids, sameID)
}

// reversePath parses the address of a sender; "" is the null path.
func reversePath(s string) (smtp.Path, error) {
	if s == "" {
		return smtp.Path{}, nil
	}
	return queue.ParseAddress(s)
}
