package junk

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"mox/db"
	"mox/message"
	"mox/store"
	"mox/trace"
)

// Bounds of what is taken from a message in the mailbox for sent mail.
const (
	maxSentRecipients = 1000
	maxSentHeader     = 256 << 10
)

// sentKeys are the keys of a recipient: address, domain, organization.
func (a *account) sentKeys(address string) (keys [3]int64, ok bool) {
	address = canonicalAddress(address)
	if address == "" {
		return keys, false
	}
	domain := domainOf(address)
	return [3]int64{
		kindSentAddress.key("", address),
		kindSentDomain.key("", domain),
		kindSentOrg.key("", canonicalDomain(a.m.c.OrgDomain(domain))),
	}, true
}

// recipients gathers keys and when they were last written to.
type recipients map[int64]int64

func (a *account) addRecipients(r recipients, addresses []string, at time.Time) {
	for _, addr := range addresses {
		if keys, ok := a.sentKeys(addr); ok {
			for _, k := range keys {
				r[k] = max(r[k], at.Unix())
			}
		}
	}
}

func (a *account) writeRecipients(ctx context.Context, r recipients) error {
	if len(r) == 0 {
		return nil
	}
	err := a.write(ctx, func(c *db.Conn) error { return insertRecipients(c, r) })
	if err == nil {
		a.outgoing.learned(r)
	}
	return err
}

func insertRecipients(c *db.Conn, r recipients) error {
	for k, at := range r {
		if err := c.ExecInts("INSERT INTO sent (key, time) VALUES (?,?) ON CONFLICT (key) DO UPDATE SET time=max(time, excluded.time)", k, at); err != nil {
			return err
		}
	}
	return nil
}

// Sent notes that the user sends a message to these addresses: their answers are welcome.
// What is not an address is passed over. It is written to the file within about Config.Linger.
func (f *Filter) Sent(ctx context.Context, addresses []string, now time.Time) error {
	if err := f.a.outgoing.sent(ctx, f.a, addresses, now); err != nil {
		return fmt.Errorf("noting recipients: %w", err)
	}
	return nil
}

// noteSent notes the recipients of messages in the mailbox for sent mail.
func (a *account) noteSent(ctx context.Context, box store.MailboxID, set store.UIDSet) error {
	msgs, err := a.acc.MessagesAt(ctx, box, set)
	if errors.Is(err, store.ErrNoMailbox) {
		return nil
	} else if err != nil {
		return err
	}
	var list []*store.Message
	oldest := a.m.c.Now().Add(-3 * year)
	for i := range msgs {
		if msgs[i].ReceivedTime().After(oldest) {
			list = append(list, &msgs[i])
		}
	}
	if len(list) == 0 {
		return nil
	}
	r := recipients{}
	for x, err := range a.acc.Rendered(ctx, list, store.FieldHeaders|store.FieldTrace, false) {
		if err != nil {
			return err
		}
		if x.Gone || received(x.Trace) {
			continue
		}
		header := message.ParseHeader(x.Headers)
		if !x.HasHeaders {
			if header, err = a.longHeader(ctx, x.Body); err != nil {
				return err
			}
		}
		a.addRecipients(r, addressed(header), list[x.Index].ReceivedTime())
	}
	return a.writeRecipients(ctx, r)
}

// received tells whether a message came from others, and was moved to where sent mail is.
func received(b []byte) bool {
	t, err := trace.Decode(b)
	return err == nil && t.Facts.Trusted == ""
}

// longHeader reads a header from the content.
func (a *account) longHeader(ctx context.Context, body store.BodyID) (*message.Header, error) {
	r, err := a.acc.OpenBody(ctx, body)
	if err != nil {
		return message.ParseHeader(nil), ctx.Err()
	}
	defer r.Close()
	b := make([]byte, min(r.Size(), maxSentHeader))
	n, err := r.ReadAt(b, 0)
	if err != nil && err != io.EOF {
		return nil, err
	}
	h, err := message.ReadHeader(bufio.NewReader(bytes.NewReader(b[:n])), maxSentHeader)
	if err != nil {
		h = message.ParseHeader(b[:n])
	}
	return h, nil
}

// addressed returns the addresses that a message is for.
func addressed(h *message.Header) []string {
	var l []string
	for _, name := range [...]string{"To", "Cc", "Bcc"} {
		for _, v := range h.Values(name) {
			for _, a := range message.ParseAddressList(v, maxSentRecipients) {
				if len(l) < maxSentRecipients && a.Mailbox != "" && a.Host != "" {
					l = append(l, a.Addr())
				}
			}
		}
	}
	return l
}

// Limits bound what an account sends in 24 hours; zero is no limit.
type Limits struct {
	Recipients int // config.AccountInfo.MaxOutgoingMessagesPerDay
	FirstTime  int // MaxFirstTimeRecipientsPerDay: never written to before
}

// LimitError says that an account may not send now.
type LimitError struct {
	FirstTime bool // the limit is on recipients never written to before
	Limit     int
	Used      int           // in the last 24 hours
	Wanted    int           // more
	Wait      time.Duration // after which it would be allowed; 0: so many never are
}

func (e *LimitError) Error() string {
	what := "recipients"
	if e.FirstTime {
		what = "first-time recipients"
	}
	s := fmt.Sprintf("%d of at most %d %s in 24 hours used, %d more wanted", e.Used, e.Limit, what, e.Wanted)
	if e.Wait > 0 {
		// Whole minutes, and not one too early.
		s += "; possible in " + strings.TrimSuffix(((e.Wait+time.Minute-1)/time.Minute*time.Minute).String(), "0s")
	}
	return s
}

// slotSpan is the span of the table outgoing's slots: a recipient counts for 24 hours and
// up to that much longer.
const slotSpan = 15 * time.Minute

// MaySend asks whether the user may send a message to these addresses now, and when it
// returns nil, has counted them: two messages at the same time cannot both take what is
// left. Otherwise the error is a *LimitError and nothing is counted, or it is another one.
// It does not note that they are known: Sent does.
func (f *Filter) MaySend(ctx context.Context, addresses []string, limits Limits, now time.Time) error {
	a := f.a
	var keys []int64
	seen := map[int64]bool{}
	for _, addr := range addresses {
		if k, ok := a.sentKeys(addr); ok && !seen[k[0]] {
			keys = append(keys, k[0])
			seen[k[0]] = true
		}
	}
	if err := a.outgoing.take(ctx, a, keys, limits, now); err != nil {
		return fmt.Errorf("checking limits: %w", err)
	}
	return nil
}

// Plan is a message whose recipients become known one after the other. The zero value has
// none yet. It belongs to one goroutine.
type Plan struct {
	slots sendSlots
	begun bool
	seen  map[int64]bool
	first int
}

// MayAdd asks whether the user may send to this recipient too, with those added before, and
// if so adds it. It tells early what MaySend would say to all of them, and counts nothing.
// The error is a *LimitError, and the recipient is not added, or another one.
func (f *Filter) MayAdd(ctx context.Context, p *Plan, address string, limits Limits, now time.Time) error {
	k, ok := f.a.sentKeys(address)
	if !ok || p.seen[k[0]] {
		return nil
	}
	first, slots, err := f.a.outgoing.look(ctx, f.a, k[0], now)
	if err != nil {
		return fmt.Errorf("checking limits: %w", err)
	}
	if !p.begun {
		p.slots = slots
	}
	if e := p.slots.exceeded(limits, len(p.seen)+1, p.first+first, now); e != nil {
		return e
	}
	if p.seen == nil {
		p.seen = map[int64]bool{}
	}
	p.seen[k[0]] = true
	p.begun, p.first = true, p.first+first
	return nil
}

// sendSlot is a row of the table outgoing.
type sendSlot struct {
	slot              int64
	recipients, first int
}

// ends is when it counts no more.
func (s *sendSlot) ends() time.Time {
	return time.Unix((s.slot+1)*int64(slotSpan/time.Second), 0).Add(day)
}

type sendSlots []sendSlot

// exceeded returns an error when so many recipients more, first of them never written to,
// exceed a limit; nil when not.
func (l sendSlots) exceeded(limits Limits, recipients, first int, now time.Time) error {
	if e := l.check(limits.Recipients, recipients, now, func(s *sendSlot) int { return s.recipients }); e != nil {
		return e
	}
	if e := l.check(limits.FirstTime, first, now, func(s *sendSlot) int { return s.first }); e != nil {
		e.FirstTime = true
		return e
	}
	return nil
}

// check returns an error when n more exceed limit.
func (l sendSlots) check(limit, n int, now time.Time, of func(*sendSlot) int) *LimitError {
	used := 0
	for i := range l {
		used += of(&l[i])
	}
	if limit <= 0 || n == 0 || used+n <= limit {
		return nil
	}
	e := &LimitError{Limit: limit, Used: used, Wanted: n}
	for i := range l {
		if used -= of(&l[i]); used+n <= limit {
			e.Wait = l[i].ends().Sub(now)
			break
		}
	}
	return e
}
