package jmapserver

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"mox/jmap"
	"mox/store"
)

// Bounds of event sources.
const (
	maxStreams  = 20                    // of an account at a time
	gatherTime  = 75 * time.Millisecond // for which changes are gathered after the first
	recheckTime = time.Minute           // after which is asked whether the login still holds
	eventTime   = 30 * time.Second      // that writing an event may take
	minPing     = 10 * time.Second      // RFC 8620 7.3: not above 30
	maxPing     = 900 * time.Second     // not below 300
)

// pushTypes are the types of which changes are told.
var pushTypes = []string{"Email", "EmailDelivery", "EmailSubmission", "Identity", "Mailbox", "Thread"}

// settingTypes are types by the settings that their objects are kept in.
var settingTypes = map[string]string{sortOrderSetting: "Mailbox", keptIdentities.prefix: "Identity", keptSubmissions.prefix: "EmailSubmission"}

// stateChange is RFC 8620 7.1.
type stateChange struct {
	Type    string                        `json:"@type"`
	Changed map[jmap.ID]map[string]string `json:"changed"`
}

// moving is an Email that left a mailbox by an operation: where it came into another by the same one, it is not new.
type moving struct {
	seq  store.ModSeq
	body store.BodyID
}

// changedTypes returns the states of types that changed after a ModSeq, and the ModSeq up to which that is so.
func changedTypes(ctx context.Context, acc *store.Account, since store.ModSeq) (map[string]string, store.ModSeq, error) {
	types := map[string]string{}
	for {
		log, err := acc.Changes(ctx, since, historyBatch)
		if errors.Is(err, store.ErrTooOld) || err == nil && since > acc.ModSeq() {
			now := acc.ModSeq()
			for _, t := range pushTypes {
				types[t] = stateOf(acc, now)
			}
			return types, now, nil
		} else if err != nil {
			return nil, 0, err
		}
		left := map[moving]bool{}
		for i := range log {
			if log[i].Kind == store.MessagesExpunged {
				for _, b := range log[i].Bodies {
					left[moving{log[i].ModSeq, b}] = true
				}
			}
		}
		for i := range log {
			for _, t := range typesOf(&log[i], left) {
				types[t] = ""
			}
			since = log[i].ModSeq
		}
		if len(log) < historyBatch {
			break
		}
	}
	for t := range types {
		types[t] = stateOf(acc, since)
	}
	return types, since, nil
}

// typesOf are the types whose objects an entry of the log changed.
func typesOf(c *store.Change, left map[moving]bool) []string {
	switch c.Kind {
	case store.MessagesAdded:
		// RFC 8621 1.5: EmailDelivery is for what came anew.
		if slices.ContainsFunc(c.Bodies, func(b store.BodyID) bool { return !left[moving{c.ModSeq, b}] }) {
			return []string{"Email", "Mailbox", "Thread", "EmailDelivery"}
		}
		return []string{"Email", "Mailbox", "Thread"}
	case store.MessagesExpunged:
		return []string{"Email", "Mailbox", "Thread"}
	case store.MessagesChanged:
		return []string{"Email", "Mailbox"}
	case store.MailboxCreated, store.MailboxRenamed, store.MailboxDeleted, store.MailboxChanged, store.SubscriptionChanged:
		return []string{"Mailbox"}
	case store.SettingChanged:
		if c.Name == store.ThreadsFound {
			return []string{"Email", "Mailbox", "Thread"}
		}
		for name, t := range settingTypes {
			if strings.HasPrefix(c.Name, name) {
				return []string{t}
			}
		}
	}
	return nil
}

// stream is an event source.
type stream struct {
	q      *request
	w      *http.ResponseController
	types  []string // nil: all
	closes bool     // after a state
	ping   time.Duration
	timer  *time.Timer // for the next ping
	since  store.ModSeq
}

// newStream reads the arguments, RFC 8620 7.3.
func (q *request) newStream() (*stream, error) {
	bad := func(format string, args ...any) error {
		return &jmap.Problem{Type: "about:blank", Status: http.StatusBadRequest, Detail: fmt.Sprintf(format, args...)}
	}
	args := q.r.URL.Query()
	s := &stream{q: q, w: http.NewResponseController(q.w)}
	types := args.Get("types")
	if types == "" {
		return nil, bad(`types is missing: "*" or names of types separated by commas`)
	}
	if types != "*" {
		s.types = strings.Split(types, ",")
	}
	switch c := args.Get("closeafter"); c {
	case "state":
		s.closes = true
	case "no":
	default:
		return nil, bad("closeafter is %.100q in place of state or no", c)
	}
	n, err := strconv.ParseUint(args.Get("ping"), 10, 31)
	if err != nil {
		return nil, bad("ping is not a number of seconds")
	}
	if n > 0 {
		s.ping = min(max(time.Duration(n)*time.Second, minPing), maxPing)
	}
	return s, nil
}

// serveEvents tells of changes as they happen, RFC 8620 7.3.
func (q *request) serveEvents(string) {
	s, err := q.newStream()
	if err != nil {
		q.problem(err)
		return
	}
	acc, leave, ok := q.openAccount(slotStream, maxStreams, "event sources")
	if !ok {
		return
	}
	defer leave()
	watch := acc.Watch()
	defer watch.Close()
	s.since = acc.ModSeq()
	missed := false
	if last, err := parseState(acc, q.r.Header.Get("Last-Event-ID"), s.since); err == nil && last.seq != s.since {
		s.since, missed = last.seq, true
	}
	h := q.w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("X-Accel-Buffering", "no") // proxies must not hold it back
	q.w.WriteHeader(http.StatusOK)
	defer func() { _ = s.w.SetWriteDeadline(time.Time{}) }() // the connection serves other requests
	if err := s.write(": changes follow\n\n"); err != nil {
		return
	}
	if err := s.run(acc, watch, missed); err != nil {
		q.s.c.Log.Debug("event source ended", "err", err, "cid", q.cid, "account", q.user.Account)
	}
}

// run waits for changes until the client goes, the login ends, or the server stops.
func (s *stream) run(acc *store.Account, watch *store.Watch, missed bool) error {
	ctx := s.q.r.Context()
	recheck := time.NewTicker(recheckTime)
	defer recheck.Stop()
	if s.ping > 0 {
		s.timer = time.NewTimer(s.ping)
		defer s.timer.Stop()
	} else {
		s.timer = &time.Timer{} // never
	}
	for {
		if missed {
			if done, err := s.tell(ctx, acc); done || err != nil {
				return err
			}
			missed = false
		}
		select {
		case <-ctx.Done():
			return nil
		case <-recheck.C:
			if !s.q.stillIn() {
				return nil
			}
		case <-s.q.use.recheck:
			if !s.q.stillIn() {
				return nil
			}
		case <-s.timer.C:
			if err := s.event("", "ping", map[string]int{"interval": int(s.ping / time.Second)}); err != nil {
				return err
			}
		case <-watch.C:
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(gatherTime):
			}
			missed = true
		}
	}
}

// tell sends what changed. done: the stream ends after that.
func (s *stream) tell(ctx context.Context, acc *store.Account) (done bool, err error) {
	types, seq, err := changedTypes(ctx, acc, s.since)
	if err != nil {
		return false, err
	}
	if err := s.complete(ctx, acc, types, seq); err != nil {
		return false, err
	}
	s.since = seq
	if s.types != nil {
		for t := range types {
			if !slices.Contains(s.types, t) {
				delete(types, t)
			}
		}
	}
	if len(types) == 0 {
		return false, nil
	}
	err = s.event(stateOf(acc, seq), "state", &stateChange{"StateChange", map[jmap.ID]map[string]string{accountID(acc.Name()): types}})
	return s.closes, err
}

// complete puts into states what the log alone does not tell: whether flags were changed that Emails are not to be seen
// by, which changes Threads, and what the configuration has of Identities.
func (s *stream) complete(ctx context.Context, acc *store.Account, types map[string]string, seq store.ModSeq) error {
	_, email := types["Email"]
	if _, thread := types["Thread"]; email && !thread && (s.types == nil || slices.Contains(s.types, "Thread")) {
		m, err := s.q.s.mails.get(ctx, acc)
		if err != nil {
			return err
		}
		if m.derived.flippedSince(s.since) {
			types["Thread"] = stateOf(acc, seq)
		}
	}
	if _, ok := types["Identity"]; !ok {
		return nil
	}
	all, err := (&call{batch: &batch{request: s.q}}).identities(ctx, acc)
	if err != nil {
		return err
	}
	types["Identity"] = all.state(acc, seq)
	return nil
}

// event writes an event; id is empty for none.
func (s *stream) event(id, name string, data any) error {
	b, err := json.Marshal(data)
	if err != nil {
		return err
	}
	text := fmt.Sprintf("event: %s\ndata: %s\n\n", name, b)
	if id != "" {
		text = "id: " + id + "\n" + text
	}
	return s.write(text)
}

func (s *stream) write(text string) error {
	// Servers without deadlines, as in tests, refuse this.
	_ = s.w.SetWriteDeadline(time.Now().Add(eventTime))
	if err := s.q.r.Context().Err(); err != nil {
		return err
	}
	if _, err := s.q.w.Write([]byte(text)); err != nil {
		return err
	}
	if s.timer != nil && s.ping > 0 {
		s.timer.Reset(s.ping) // RFC 8620 7.3: since the previous event
	}
	return s.w.Flush()
}

// nowhere takes an answer that nobody gets.
type nowhere struct{ header http.Header }

func (w nowhere) Header() http.Header         { return w.header }
func (w nowhere) Write(p []byte) (int, error) { return len(p), nil }
func (w nowhere) WriteHeader(int)             {}

// stillIn asks again who calls: whether that is who it was.
func (q *request) stillIn() bool {
	u, err := q.login(nowhere{http.Header{}}, q.r, q.cid)
	return err == nil && u == q.user
}
