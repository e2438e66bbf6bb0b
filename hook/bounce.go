package hook

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"

	"mox/arf"
	"mox/dns"
	"mox/dsn"
	"mox/mailops"
	"mox/message"
	"mox/publicsuffix"
	"mox/queue"
	"mox/smtp"
	"mox/store"
	"mox/trace"
)

// Bounds of notifications.
const (
	maxRecipients = 100  // of a notification that are looked for
	firstBodies   = 1000 // of an account that are looked at when it begins to be followed
)

// fromDSN is Facts.Trusted of notifications of this server itself: what they say was recorded
// when it happened.
const fromDSN = "dsn"

// Ways in which a notification found its message, for metrics.
const (
	byFromID    = "fromid"
	byMessageID = "messageid"
)

// bounces records what new messages of an account say about messages that were sent.
func (h *Hooks) bounces(ctx context.Context, acc *store.Account) error {
	awaits, err := h.c.Queue.Awaits(ctx, acc.Name())
	if err != nil {
		return err
	}
	seen, ok, err := position(ctx, acc, bouncesName)
	if err != nil {
		return err
	}
	if !awaits {
		if ok {
			// So that it does not catch up with years when it is needed again.
			return acc.SetSetting(ctx, bouncesName, nil)
		}
		return nil
	}
	if !ok {
		if seen, err = recent(ctx, acc); err != nil {
			return err
		}
	}
	return h.each(ctx, acc, bouncesName, seen, func(l []store.BodyID) error {
		for _, body := range l {
			if err := h.bounceBody(ctx, acc, body); err != nil {
				return err
			}
		}
		return nil
	})
}

// recent returns the body behind which the latest ones are.
func recent(ctx context.Context, acc *store.Account) (store.BodyID, error) {
	var last []store.BodyID
	for {
		from := store.BodyID(0)
		if len(last) > 0 {
			from = last[len(last)-1]
		}
		l, err := acc.NewBodies(ctx, from, 10*firstBodies)
		if err != nil {
			return 0, err
		}
		if len(l) == 0 {
			break
		}
		last = append(last, l...)
		last = slices.Clone(last[max(0, len(last)-firstBodies-1):])
	}
	if len(last) <= firstBodies {
		return 0, nil
	}
	return last[0], nil
}

func (h *Hooks) bounceBody(ctx context.Context, acc *store.Account, body store.BodyID) error {
	c, err := h.open(ctx, acc, body)
	if c == nil || err != nil {
		return err
	}
	defer c.Close()
	if c.Trace.Facts.Trusted == fromDSN {
		return nil
	}
	id, err := h.knownFromID(ctx, acc.Name(), c)
	if err != nil {
		return err
	}
	if id == "" && !mayReport(c) {
		return nil
	}
	if done, err := h.complaint(ctx, acc.Name(), id, c); done || err != nil {
		return err
	}
	rep, err := dsn.Any(c.Body, c.Part)
	if err != nil && !errors.Is(err, dsn.ErrNone) && !errors.Is(err, dsn.ErrStatus) {
		return err
	}
	if id != "" {
		return h.unique(ctx, acc.Name(), id, c, rep)
	}
	if rep == nil || rep.MessageID == "" || c.Trace.Facts.Trusted == "submission" {
		return nil
	}
	return h.byMessageID(ctx, acc.Name(), c, rep)
}

// knownFromID returns the id of a message to a unique sender address of the account, as far as the
// queue knows it; "" otherwise.
func (h *Hooks) knownFromID(ctx context.Context, account string, c *mailops.Content) (string, error) {
	id := h.fromID(c.Trace.Facts.RcptTo)
	if id == "" {
		return "", nil
	}
	m, err := h.c.Queue.ByFromID(ctx, id)
	if errors.Is(err, queue.ErrNotFound) || err == nil && m.Account != account {
		return "", nil
	}
	return id, err
}

// mayReport tells whether it is worth to look for a report in a message.
func mayReport(c *mailops.Content) bool {
	if c.Trace.Facts.MailFrom == "" || c.Part.MediaType() == "multipart/report" || c.Header().Has("X-Failed-Recipients") {
		return true
	}
	found := false
	c.Part.Walk(func(_ []int, p *message.Part) bool {
		switch p.MediaType() {
		case "message/delivery-status", "message/global-delivery-status", "message/feedback-report":
			found = true
		}
		return !found
	})
	return found
}

// report is RecordDSN of what may not be known; it counts.
func (h *Hooks) report(ctx context.Context, r queue.DSNReport) error {
	_, err := h.c.Queue.RecordDSN(ctx, r)
	if errors.Is(err, queue.ErrNotFound) {
		return nil
	}
	if err == nil && h.c.Metrics.Bounce != nil {
		by := byMessageID
		if r.FromID != "" {
			by = byFromID
		}
		h.c.Metrics.Bounce(r.Event, by)
	}
	return err
}

// unique records a message to a unique sender address, which nobody knows but who got the
// message that was sent from it.
func (h *Hooks) unique(ctx context.Context, account, id string, c *mailops.Content, rep *dsn.Report) error {
	r := queue.DSNReport{Account: account, FromID: id, Event: queue.EventUnrecognized, Result: queue.Result{Start: c.Found.Message.ReceivedTime()}}
	if rep != nil {
		// The address is for one recipient.
		understand(&r, rep.Status.Recipients[0])
	}
	return h.report(ctx, r)
}

// byMessageID records a DSN to an address that is not unique: for recipients to which the
// message with this Message-ID was sent. Others know these as well: only from a server that may
// tell does it put the recipient onto the suppression list.
func (h *Hooks) byMessageID(ctx context.Context, account string, c *mailops.Content, rep *dsn.Report) error {
	for i, s := range rep.Status.Recipients {
		if i == maxRecipients {
			break
		}
		r := queue.DSNReport{
			Account: account, MessageID: rep.MessageID, Recipients: addresses(s), Event: queue.EventUnrecognized,
			Result:   queue.Result{Start: c.Found.Message.ReceivedTime()},
			Suppress: func(m *queue.Message) bool { return c.Trace.Facts.MailFrom == "" && authentic(c.Trace, m) },
		}
		if understand(&r, s); r.Event == queue.EventUnrecognized {
			continue
		}
		if err := h.report(ctx, r); err != nil {
			return err
		}
	}
	return nil
}

func addresses(s dsn.Recipient) []string {
	l := []string{s.Final.Address}
	if s.Original.Address != "" && s.Original.Address != s.Final.Address {
		l = append(l, s.Original.Address)
	}
	return l
}

// complaint records a feedback report, and tells whether the message is one. id is the unique sender
// that it came to, mostly none: reports come to an address that the sender has registered.
func (h *Hooks) complaint(ctx context.Context, account, id string, c *mailops.Content) (bool, error) {
	rep, err := arf.Parse(c.Body, c.Part)
	if errors.Is(err, arf.ErrNone) {
		return false, nil
	} else if errors.Is(err, arf.ErrReport) {
		return id == "", nil
	} else if err != nil {
		return false, err
	}
	switch rep.FeedbackType {
	case arf.TypeNotSpam, arf.TypeAuthFailure, "dkim":
		return true, nil // nobody complains
	}
	r := queue.DSNReport{
		Account: account, FromID: id, Event: queue.EventComplained, Complaint: rep.FeedbackType,
		Result: queue.Result{Start: c.Found.Message.ReceivedTime(), RemoteMTA: rep.ReportingMTA, Error: "complaint (" + rep.FeedbackType + ")"},
	}
	abuse := rep.FeedbackType == arf.TypeAbuse
	r.Suppress = func(*queue.Message) bool { return abuse }
	if r.FromID == "" {
		if r.FromID = h.fromID(rep.OriginalMailFrom); r.FromID != "" {
			// RFC 5965 3.2: who gets reports need not be who has sent.
			_, err := h.c.Queue.ByFromID(ctx, r.FromID)
			if errors.Is(err, queue.ErrNotFound) {
				r.FromID = ""
			} else if err != nil {
				return false, err
			}
			r.Account = ""
		}
	}
	if r.FromID == "" {
		r.Account, r.MessageID, r.Recipients = account, rep.MessageID, complainers(rep)
		r.Suppress = func(m *queue.Message) bool { return abuse && authentic(c.Trace, m) }
	}
	if r.FromID == "" && (r.MessageID == "" || c.Trace.Facts.Trusted == "submission") {
		return true, nil
	}
	return true, h.report(ctx, r)
}

// complainers are the recipients that a report names. Many leave them out.
func complainers(rep *arf.Report) []string {
	l := slices.Clone(rep.OriginalRcptTo)
	for _, f := range rep.Other {
		if strings.EqualFold(f.Name, "Removal-Recipient") {
			l = append(l, f.Value)
		}
	}
	return slices.DeleteFunc(l, func(s string) bool {
		_, err := smtp.ParseAddressLax(s)
		return err != nil
	})
}

// authentic tells whether a notification was verified to be of those who have to do with the
// recipient of a message: its domain, or the server to which it was delivered.
func authentic(tr *trace.Trace, m *queue.Message) bool {
	f := &tr.Facts
	if tr.Verdict.Action != trace.Accept {
		return false
	}
	concerned := map[dns.Domain]bool{organization(m.RecipientDomain): true}
	for _, r := range m.Results {
		if r.DSN {
			continue
		}
		if ip, err := netip.ParseAddr(r.RemoteIP); err == nil && f.Remote.IsValid() && ip.Unmap() == f.Remote.Unmap() {
			return true
		}
		if d, err := dns.ParseDomainLax(strings.TrimSuffix(r.RemoteMTA, ".")); err == nil {
			concerned[organization(d)] = true
		}
	}
	delete(concerned, dns.Domain{})
	return slices.ContainsFunc(verified(f), func(name string) bool {
		d, err := dns.ParseDomainLax(strings.TrimSuffix(name, "."))
		return err == nil && concerned[organization(d)]
	})
}

func organization(d dns.Domain) dns.Domain {
	if d.IsZero() {
		return d
	}
	return publicsuffix.OrganizationalDomain(d)
}

// verified are the domains that a message is verified to be from.
func verified(f *trace.Facts) []string {
	var l []string
	if f.Validation != trace.ValidationNone {
		if _, domain, ok := strings.Cut(f.From, "@"); ok {
			l = append(l, domain)
		}
	}
	for _, s := range f.SPF {
		if s.Status == "pass" {
			l = append(l, s.Domain)
		}
	}
	for _, d := range f.DKIM {
		if d.Status == "pass" {
			l = append(l, d.Domain)
		}
	}
	if f.IPRev != nil && f.IPRev.Status == "pass" {
		l = append(l, f.IPRev.Name)
	}
	return l
}

// understand fills in what a DSN says about its recipient.
func understand(r *queue.DSNReport, s dsn.Recipient) {
	events := map[dsn.Action]string{
		dsn.Failed: queue.EventFailed, dsn.Delayed: queue.EventDelayed, dsn.Delivered: queue.EventDelivered, dsn.Relayed: queue.EventRelayed, dsn.Expanded: queue.EventExpanded,
	}
	event, ok := events[s.Action]
	if !ok {
		return
	}
	r.Event = event
	r.Result.Success = s.Action != dsn.Failed && s.Action != dsn.Delayed
	r.Result.RemoteMTA = s.RemoteMTA.Name
	r.Result.Enhanced = s.Status
	if s.Diagnostic.Type != "smtp" {
		if !r.Result.Success {
			r.Result.Error = s.Diagnostic.Text
		}
		return
	}
	if code, _, text, err := smtp.ParseReplyLine(s.Diagnostic.Text); err == nil {
		r.Result.Code = code
		if !r.Result.Success {
			r.Result.Error = strings.TrimSpace(strings.TrimPrefix(text, s.Status))
		}
	} else if !r.Result.Success {
		r.Result.Error = s.Diagnostic.Text
	}
}

// fromID returns what is behind the separator of an address of ours.
func (h *Hooks) fromID(address string) string {
	a, err := smtp.ParseAddressLax(address)
	if err != nil {
		return ""
	}
	d := h.c.Config().Domain(a.Domain)
	if d == nil {
		return ""
	}
	_, id, _ := d.SplitLocalpart(string(a.Localpart))
	return id
}
