package hook

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"mox/config"
	"mox/mailops"
	"mox/queue"
	"mox/webapi"
)

// Outgoing returns the call for an event of an outgoing message, if its account wants one:
// for queue.Options.Hooks. It is quick.
func Outgoing(snap *config.Snapshot, e queue.Event) []queue.Hook {
	info := snap.Accounts[e.Account]
	if info == nil || info.Config.OutgoingWebhook == nil {
		return nil
	}
	conf := info.Config.OutgoingWebhook
	if len(conf.Events) > 0 && !slices.Contains(conf.Events, e.Name) {
		return nil
	}
	m := &e.Message
	extra := m.Extra
	if extra == nil {
		extra = map[string]string{} // {}, so that receivers can look into it without asking first
	}
	payload, err := encode(webapi.OutgoingHook{
		Event: webapi.Event(e.Name), DSN: e.DSN, Suppressing: e.Suppressing, QueueMsgID: m.ID, FromID: m.FromID, MessageID: brackets(m.MessageID),
		Subject: m.Subject, WebhookQueued: e.Time, SMTPCode: e.Result.Code, SMTPEnhancedCode: e.Result.Enhanced, Error: e.Result.Error, Extra: extra,
	})
	if err != nil {
		return nil // there is nothing in it that cannot be encoded
	}
	return []queue.Hook{{
		Account: e.Account, URL: conf.URL, Authorization: conf.Authorization, Event: e.Name,
		QueueMsgID: m.ID, FromID: m.FromID, MessageID: m.MessageID, Subject: m.Subject, Extra: m.Extra, Payload: payload, Queued: e.Time,
	}}
}

func brackets(id string) string {
	if id == "" || strings.HasPrefix(id, "<") {
		return id
	}
	return "<" + id + ">"
}

// encode returns JSON as it is sent, without the escapes that matter in HTML only.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// incoming returns the call for a message that came in. Its texts are cut to fit in max octets.
func incoming(conf *config.IncomingWebhook, account string, c *mailops.Content, now time.Time, max int) (queue.Hook, error) {
	m, err := c.Message()
	if err != nil {
		return queue.Hook{}, err
	}
	s, err := c.Structure()
	if err != nil {
		return queue.Hook{}, err
	}
	meta := c.Meta()
	p := webapi.IncomingHook{
		From: m.From, To: m.To, CC: m.CC, BCC: m.BCC, ReplyTo: m.ReplyTo, Subject: m.Subject, MessageID: m.MessageID, InReplyTo: c.InReplyTo(),
		References: m.References, Date: m.Date, Text: m.Text, HTML: m.HTML, Structure: s,
		Meta: webapi.IncomingMeta{
			MsgID: int64(c.Found.Message.ID), MailFrom: meta.MailFrom, MailFromValidated: meta.MailFromValidated, MsgFromValidated: meta.MsgFromValidated,
			RcptTo: meta.RcptTo, DKIMVerifiedDomains: meta.DKIMVerifiedDomains, RemoteIP: meta.RemoteIP, Received: c.Found.Message.ReceivedTime().UTC(),
			MailboxName: meta.MailboxName, Automated: c.Automated(),
		},
	}
	h := queue.Hook{
		Account: account, URL: conf.URL, Authorization: conf.Authorization, Event: queue.EventIncoming,
		MessageID: strings.Trim(m.MessageID, "<>"), Subject: m.Subject, Queued: now,
	}
	for {
		if h.Payload, err = encode(p); err != nil || len(h.Payload) <= max {
			return h, err
		}
		switch {
		case len(p.Text)+len(p.HTML) > 0:
			p.Text, p.HTML = half(p.Text), half(p.HTML)
		case len(p.Structure.Parts) > 0:
			p.Structure.Parts = []webapi.Structure{} // thousands of parts
		case len(p.To)+len(p.CC)+len(p.References) > 0:
			p.To, p.CC, p.References = []webapi.NameAddress{}, []webapi.NameAddress{}, []string{}
		default:
			return h, fmt.Errorf("call of %d octets for a message, at most %d are possible", len(h.Payload), max)
		}
	}
}

func half(s string) string { return strings.ToValidUTF8(s[:len(s)/2], "") }
