package ctl

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"strconv"
	"time"

	"mox/admin"
	"mox/queue"
)

// Commands about the queue. A filter is an admin.QueueFilter as JSON, an order a
// queue.Sort; the parameter after those of the command's own is "json" for a line of JSON for each thing,
// or empty.

// decode reads a parameter that is JSON; an empty one is the zero value.
func decode(param string, v any) error {
	if param == "" {
		return nil
	}
	dec := json.NewDecoder(bytes.NewReader([]byte(param)))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		return fmt.Errorf("%w: parameter: %w", ErrProtocol, err)
	}
	return nil
}

// printJSON prints values as a line of JSON each.
func printJSON[T any](out io.Writer, l ...T) error {
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	for _, v := range l {
		if err := enc.Encode(v); err != nil {
			return err
		}
	}
	return nil
}

// printList prints values under a heading, or as JSON.
func printList[T any](out io.Writer, heading string, asJSON bool, l []T, line func(*T) string) error {
	if asJSON {
		return printJSON(out, l...)
	}
	fmt.Fprintf(out, "%s:\n", heading)
	for i := range l {
		fmt.Fprintln(out, line(&l[i]))
	}
	if len(l) == 0 {
		fmt.Fprintln(out, "(none)")
	}
	return nil
}

// queueChange makes a command of an operation on the messages of a filter. It has n parameters
// between the filter and "json".
func queueChange(n int, run func(ctx context.Context, a *admin.Admin, f admin.QueueFilter, p []string) (int, error)) commandEntry {
	return commandEntry{1 + n, 2 + n, func(ctx context.Context, a *admin.Admin, p []string, out io.Writer) error {
		var f admin.QueueFilter
		if err := decode(p[0], &f); err != nil {
			return err
		}
		changed, err := run(ctx, a, f, p[1:])
		if err != nil {
			return err
		}
		if p[1+n] == "json" {
			return printJSON(out, struct{ Affected int }{changed})
		}
		fmt.Fprintln(out, changed)
		return nil
	}}
}

// queueList makes a command that prints a list, of a filter and an order.
func queueList[T any](heading string, list func(a *admin.Admin, ctx context.Context, f admin.QueueFilter, s queue.Sort) ([]T, error), line func(now time.Time, v *T) string) commandEntry {
	return commandEntry{2, 3, func(ctx context.Context, a *admin.Admin, p []string, out io.Writer) error {
		var f admin.QueueFilter
		var s queue.Sort
		if err := decode(p[0], &f); err != nil {
			return err
		}
		if err := decode(p[1], &s); err != nil {
			return err
		}
		l, err := list(a, ctx, f, s)
		if err != nil {
			return err
		}
		now := a.Now()
		return printList(out, heading, p[2] == "json", l, func(v *T) string { return line(now, v) })
	}}
}

// queuePrint makes a command that prints one thing as JSON: with tabs, or on a line.
func queuePrint(get func(ctx context.Context, a *admin.Admin, id int64) (any, error)) commandEntry {
	return commandEntry{1, 2, func(ctx context.Context, a *admin.Admin, p []string, out io.Writer) error {
		id, err := parseID(p[0])
		if err != nil {
			return err
		}
		v, err := get(ctx, a, id)
		if err != nil {
			return err
		}
		enc := json.NewEncoder(out)
		enc.SetEscapeHTML(false)
		if p[1] != "json" {
			enc.SetIndent("", "\t")
		}
		return enc.Encode(v)
	}}
}

func parseID(s string) (int64, error) {
	id, err := strconv.ParseInt(s, 10, 64)
	if err != nil || id <= 0 {
		return 0, fmt.Errorf("%q is not an id", s)
	}
	return id, nil
}

// queueWords are the words about the queue.
var queueWords = func() map[string]commandEntry {
	words := messageCommands()
	maps.Copy(words, webhookCommands())
	return words
}()

// messageCommands are about the messages in the queue, and what is held back or not sent to.
func messageCommands() map[string]commandEntry {
	return map[string]commandEntry{
		"queueholdruleslist":   {0, 1, holdRulesList},
		"queueholdrulesadd":    {3, 4, holdRulesAdd},
		"queueholdrulesremove": {1, 2, holdRulesRemove},

		"queuelist": queueList("messages", (*admin.Admin).QueueList, messageLine),
		"queueholdset": queueChange(1, func(ctx context.Context, a *admin.Admin, f admin.QueueFilter, p []string) (int, error) {
			return a.QueueHold(ctx, actor, f, p[0] == "true")
		}),
		"queueschedule": queueChange(2, func(ctx context.Context, a *admin.Admin, f admin.QueueFilter, p []string) (int, error) {
			s, err := admin.ParseShift(p[0], p[1] == "now")
			if err != nil {
				return 0, err
			}
			return a.QueueSchedule(ctx, actor, f, s)
		}),
		"queuetransport": queueChange(1, func(ctx context.Context, a *admin.Admin, f admin.QueueFilter, p []string) (int, error) {
			return a.QueueTransport(ctx, actor, f, p[0])
		}),
		"queuepriority": queueChange(1, func(ctx context.Context, a *admin.Admin, f admin.QueueFilter, p []string) (int, error) {
			n, err := strconv.Atoi(p[0])
			if err != nil {
				return 0, fmt.Errorf("priority %q is not a number", p[0])
			}
			return a.QueuePriority(ctx, actor, f, n)
		}),
		"queuerequiretls": queueChange(1, func(ctx context.Context, a *admin.Admin, f admin.QueueFilter, p []string) (int, error) {
			require, err := parseRequireTLS(p[0])
			if err != nil {
				return 0, err
			}
			return a.QueueRequireTLS(ctx, actor, f, require)
		}),
		"queuefail": queueChange(0, func(ctx context.Context, a *admin.Admin, f admin.QueueFilter, _ []string) (int, error) {
			return a.QueueFail(ctx, actor, f)
		}),
		"queuedrop": queueChange(0, func(ctx context.Context, a *admin.Admin, f admin.QueueFilter, _ []string) (int, error) {
			return a.QueueDrop(ctx, actor, f)
		}),
		"queuedump":         {1, 2, queueDump},
		"queueretiredlist":  queueList("retired messages", (*admin.Admin).QueueRetiredList, retiredLine),
		"queueretiredprint": queuePrint(func(ctx context.Context, a *admin.Admin, id int64) (any, error) { return a.QueueRetired(ctx, id) }),

		"queuesuppresslist":   {1, 2, suppressList},
		"queuesuppressadd":    {2, 3, suppressAdd},
		"queuesuppressremove": {2, 3, suppressRemove},
		"queuesuppresslookup": {2, 3, suppressLookup},
	}
}

// webhookCommands are about the calls of webhooks in the queue.
func webhookCommands() map[string]commandEntry {
	return map[string]commandEntry{
		"queuehooklist": queueList("webhooks", (*admin.Admin).HookList, hookLine),
		"queuehookschedule": queueChange(2, func(ctx context.Context, a *admin.Admin, f admin.QueueFilter, p []string) (int, error) {
			s, err := admin.ParseShift(p[0], p[1] == "now")
			if err != nil {
				return 0, err
			}
			return a.HookSchedule(ctx, actor, f, s)
		}),
		"queuehookcancel": queueChange(0, func(ctx context.Context, a *admin.Admin, f admin.QueueFilter, _ []string) (int, error) {
			return a.HookCancel(ctx, actor, f)
		}),
		"queuehookprint":       queuePrint(printHook),
		"queuehookretiredlist": queueList("retired webhooks", (*admin.Admin).HookRetiredList, retiredHookLine),
		"queuehookretiredprint": queuePrint(func(ctx context.Context, a *admin.Admin, id int64) (any, error) {
			r, err := a.HookRetired(ctx, id)
			return struct {
				queue.RetiredHook
				Payload any
			}{r, payload(r.Hook.Payload)}, err
		}),
	}
}

func parseRequireTLS(s string) (*bool, error) {
	yes, no := true, false
	switch s {
	case "yes":
		return &yes, nil
	case "no":
		return &no, nil
	case "default":
		return nil, nil
	}
	return nil, fmt.Errorf("%q is none of yes, no and default", s)
}

// queueDump prints the content of a message, with "json" as base64 beside the rest.
func queueDump(ctx context.Context, a *admin.Admin, p []string, out io.Writer) error {
	id, err := parseID(p[0])
	if err != nil {
		return err
	}
	if p[1] != "json" {
		return a.QueueDump(ctx, actor, id, out)
	}
	m, err := a.QueueMessage(ctx, id)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	if err := a.QueueDump(ctx, actor, id, &b); err != nil {
		return err
	}
	return printJSON(out, struct {
		Message queue.Message
		Content []byte
	}{m, b.Bytes()})
}

// ago is a duration to or since a time, with seconds.
func ago(d time.Duration) string { return d.Round(time.Second).String() }

// since is how long ago a time is; blank for none.
func since(now, t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return ago(now.Sub(t))
}

// messageLine is a message in the queue on a line.
func messageLine(now time.Time, m *queue.Message) string {
	s := fmt.Sprintf("%5d %s from:%s to:%s next %s last %s error %q", m.ID, m.Queued.Format(time.RFC3339), m.Sender.LogString(), m.Recipient.LogString(),
		ago(m.NextAttempt.Sub(now)), since(now, m.LastAttempt), m.LastResult().Error)
	if m.Transport != "" {
		s += fmt.Sprintf(" transport %s", m.Transport)
	}
	if m.Priority != 0 {
		s += fmt.Sprintf(" priority %d", m.Priority)
	}
	if m.Hold {
		s += " on hold"
	}
	return s
}

func retiredLine(now time.Time, r *queue.RetiredMessage) string {
	m := &r.Message
	return fmt.Sprintf("%5d %s from:%s to:%s last %s %s error %q", m.ID, m.Queued.Format(time.RFC3339), m.Sender.LogString(), m.Recipient.LogString(),
		since(now, r.LastActivity), r.Event, m.LastResult().Error)
}

func hookLine(now time.Time, h *queue.Hook) string {
	return fmt.Sprintf("%5d %s account:%s event:%s url:%s next %s last %s error %q", h.ID, h.Queued.Format(time.RFC3339), h.Account, h.Event, h.URL,
		ago(h.NextAttempt.Sub(now)), since(now, h.LastAttempt), h.LastResult().Error)
}

func retiredHookLine(now time.Time, r *queue.RetiredHook) string {
	h, result := &r.Hook, "failure"
	switch {
	case r.Success:
		result = "success"
	case r.Canceled:
		result = "canceled"
	case r.SupersededBy != 0:
		result = fmt.Sprintf("superseded by %d", r.SupersededBy)
	}
	return fmt.Sprintf("%5d %s account:%s event:%s url:%s last %s %s error %q", h.ID, h.Queued.Format(time.RFC3339), h.Account, h.Event, h.URL,
		since(now, r.LastActivity), result, h.LastResult().Error)
}

func printHook(ctx context.Context, a *admin.Admin, id int64) (any, error) {
	h, err := a.Hook(ctx, id)
	return struct {
		queue.Hook
		Payload any
	}{h, payload(h.Payload)}, err
}

// payload is what a webhook is sent, as part of JSON.
func payload(b []byte) any {
	if json.Valid(b) {
		return json.RawMessage(b)
	}
	return string(b)
}

func holdRulesList(ctx context.Context, a *admin.Admin, p []string, out io.Writer) error {
	l, err := a.HoldRules(ctx)
	if err != nil {
		return err
	}
	return printList(out, "hold rules", p[0] == "json", l, func(r *queue.HoldRule) string {
		if r.Account == "" && r.SenderDomain == "" && r.RecipientDomain == "" {
			return fmt.Sprintf("id %d: all messages", r.ID)
		}
		return fmt.Sprintf("id %d: account %q, sender domain %q, recipient domain %q", r.ID, r.Account, r.SenderDomain, r.RecipientDomain)
	})
}

func holdRulesAdd(ctx context.Context, a *admin.Admin, p []string, out io.Writer) error {
	r, err := a.HoldRuleAdd(ctx, actor, queue.HoldRule{Account: p[0], SenderDomain: p[1], RecipientDomain: p[2]})
	if err == nil && p[3] == "json" {
		return printJSON(out, r)
	}
	return err
}

func holdRulesRemove(ctx context.Context, a *admin.Admin, p []string, out io.Writer) error {
	id, err := parseID(p[0])
	if err == nil {
		err = a.HoldRuleRemove(ctx, actor, id)
	}
	if err == nil && p[1] == "json" {
		return printJSON(out, struct{ Removed int64 }{id})
	}
	return err
}

func yesNo(b bool) string {
	if b {
		return "Yes"
	}
	return "No"
}

func suppressList(ctx context.Context, a *admin.Admin, p []string, out io.Writer) error {
	l, err := a.Suppressions(ctx, p[0])
	if err != nil {
		return err
	}
	const heading = "suppressions (account, address, manual, time added, base address, reason)"
	return printList(out, heading, p[1] == "json", l, func(s *queue.Suppression) string {
		return fmt.Sprintf("%q\t%q\t%s\t%s\t%q\t%q", s.Account, s.OriginalAddress, yesNo(s.Manual), s.Created.Format(time.RFC3339), s.BaseAddress, s.Reason)
	})
}

func suppressAdd(ctx context.Context, a *admin.Admin, p []string, out io.Writer) error {
	s, err := a.SuppressionAdd(ctx, actor, p[0], p[1])
	if err == nil && p[2] == "json" {
		return printJSON(out, s)
	}
	return err
}

func suppressRemove(ctx context.Context, a *admin.Admin, p []string, out io.Writer) error {
	err := a.SuppressionRemove(ctx, actor, p[0], p[1])
	if err == nil && p[2] == "json" {
		return printJSON(out, struct{ Account, Removed string }{p[0], p[1]})
	}
	return err
}

func suppressLookup(ctx context.Context, a *admin.Admin, p []string, out io.Writer) error {
	s, err := a.SuppressionLookup(ctx, p[0], p[1])
	switch {
	case err != nil:
		return err
	case p[2] == "json":
		return printJSON(out, struct {
			Present     bool
			Suppression *queue.Suppression `json:",omitempty"`
		}{s != nil, s})
	case s == nil:
		fmt.Fprintln(out, "not present")
	default:
		fmt.Fprintf(out, "present\naccount: %s\nadded: %s\nmanual: %s\nbase address: %s\nreason: %q\n", s.Account, s.Created.Format(time.RFC3339), yesNo(s.Manual), s.BaseAddress, s.Reason)
	}
	return nil
}
