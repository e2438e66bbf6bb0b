package webapi

import (
	"slices"
	"time"
)

// Method describes a method, for documentation.
type Method struct {
	Name    string
	Summary string // a line
	Doc     string // more about it, may be empty
	Scope   string // that a token needs
	Request any    // an example
	Result  any    // an example; nil for methods with a Raw result
	Raw     string // what the result is when it is not JSON
	Files   bool   // takes files in a form
	New     bool   // beyond v0 of the first release
}

// exampleTime is in the examples.
func exampleTime() time.Time { return time.Date(2026, 3, 2, 9, 30, 0, 0, time.UTC) }

func exampleSend() SendRequest {
	return SendRequest{
		Message: Message{
			To:      []NameAddress{{Name: "Remote", Address: "remote@example.com"}},
			Subject: "Your order",
			Text:    "It is on its way.\n",
			HTML:    "<p>It is <b>on its way</b>.</p>\n",
		},
		Extra:          map[string]string{"order": "1234"},
		SaveSent:       true,
		IdempotencyKey: "order-1234-shipped",
	}
}

func exampleSent() SendResult {
	return SendResult{
		MessageID:   "<kq3vzt5xq2yhs7wbn6ecmd4a@mail.example.org>",
		Submissions: []Submission{{Address: "remote@example.com", QueueMsgID: 10, FromID: "bl5mxnwjekqi3qzt"}},
	}
}

func exampleStructure() Structure {
	return Structure{
		ContentType: "text/plain", ContentTypeParams: map[string]string{"charset": "utf-8"}, DecodedSize: 6, Parts: []Structure{},
	}
}

// Methods returns all methods, in the order of the documentation.
func Methods() []Method {
	return slices.Concat(sendMethods(), suppressionMethods(), messageMethods())
}

func sendMethods() []Method {
	return []Method{
		{
			Name: "Send", Scope: "send", Summary: "Send a message.", Files: true, Request: exampleSend(), Result: exampleSent(),
			Doc: "It is made from the fields, signed, and queued for each recipient; success means that it is safely in the queue. " +
				"Webhook calls tell what becomes of it. Text and HTML become alternatives; inline files are put beside the HTML that shows them, attached files after it. " +
				"Files may also be uploaded in a form, which needs no base64. Repeat a request whose outcome is unknown with the same IdempotencyKey.",
		},
		{
			Name: "SendBatch", Scope: "send", Summary: "Send several messages, each on its own.", New: true,
			Request: SendBatchRequest{[]SendRequest{exampleSend()}},
			Result:  SendBatchResult{[]SendBatchItem{{Result: ptr(exampleSent())}, {Error: &Error{CodeBadAddress, `"remote@" is not an address`}}}},
			Doc:     "At most 100. A message that is refused does not keep others from being sent.",
		},
	}
}

func suppressionMethods() []Method {
	suppression := Suppression{
		ID: 1, Created: exampleTime(), Account: "me", BaseAddress: "remote@example.com", OriginalAddress: "Remote+news@example.com",
		Reason: "550 5.1.1 no such user",
	}
	return []Method{
		{
			Name: "SuppressionList", Scope: "suppress", Summary: "List the addresses that the account does not send to.",
			Request: SuppressionListRequest{}, Result: SuppressionListResult{[]Suppression{suppression}},
			Doc: "Addresses get there when messages to them fail for good, or several times, or by SuppressionAdd.",
		},
		{
			Name: "SuppressionAdd", Scope: "suppress", Summary: "Do not send to an address any more.",
			Request: SuppressionAddRequest{"remote@example.com", true, "unsubscribed"}, Result: SuppressionAddResult{},
			Doc: "Also not to variants of the address with another detail (after + or -) or with dots in the localpart.",
		},
		{
			Name: "SuppressionRemove", Scope: "suppress", Summary: "Send to an address again.",
			Request: SuppressionRemoveRequest{"remote@example.com"}, Result: SuppressionRemoveResult{},
		},
		{
			Name: "SuppressionPresent", Scope: "suppress", Summary: "Tell whether an address is suppressed.",
			Request: SuppressionPresentRequest{"remote@example.com"}, Result: SuppressionPresentResult{true},
		},
	}
}

func messageMethods() []Method {
	date := exampleTime()
	msg := Message{
		From: []NameAddress{{Name: "Remote", Address: "remote@example.com"}}, To: []NameAddress{{Address: "me@example.org"}},
		MessageID: "<1234@example.com>", Date: &date, Subject: "Hello", Text: "Hello\n",
	}
	meta := MessageMeta{
		Size: 312, Flags: []string{`\Seen`, "$NotJunk"}, MailFrom: "remote@example.com", MailFromValidated: true, RcptTo: "me@example.org",
		MsgFrom: "remote@example.com", MsgFromValidated: true, DKIMVerifiedDomains: []string{"example.com"}, RemoteIP: "192.0.2.1", MailboxName: "Inbox",
	}
	return []Method{
		{
			Name: "MessageGet", Scope: "read", Summary: "Return a parsed message.",
			Request: MessageGetRequest{123}, Result: MessageGetResult{msg, exampleStructure(), meta},
		},
		{
			Name: "MessageRawGet", Scope: "read", Summary: "Return a message as it is.",
			Request: MessageRawGetRequest{123}, Raw: "message/rfc822",
		},
		{
			Name: "MessagePartGet", Scope: "read", Summary: "Return the decoded content of a part.",
			Request: MessagePartGetRequest{123, []int{0, 1}}, Raw: "the media type of the part",
			Doc: "Browsers are told to save it, not to show it.",
		},
		{
			Name: "MessageDelete", Scope: "write", Summary: "Remove a message for good, not to the trash.",
			Request: MessageDeleteRequest{123}, Result: MessageDeleteResult{},
		},
		{
			Name: "MessageFlagsAdd", Scope: "write", Summary: "Set flags and keywords of a message.",
			Request: MessageFlagsAddRequest{123, []string{`\Seen`, "$Forwarded"}}, Result: MessageFlagsAddResult{},
			Doc: "$Junk and $NotJunk teach the junk filter.",
		},
		{
			Name: "MessageFlagsRemove", Scope: "write", Summary: "Clear flags and keywords of a message.",
			Request: MessageFlagsRemoveRequest{123, []string{`\Seen`}}, Result: MessageFlagsRemoveResult{},
		},
		{
			Name: "MessageMove", Scope: "write", Summary: "Move a message to another mailbox.",
			Request: MessageMoveRequest{123, "Archive"}, Result: MessageMoveResult{},
		},
	}
}

func ptr[T any](v T) *T { return &v }

// HookExample is the body of a webhook call, for documentation and tests of receivers.
type HookExample struct {
	Name string
	Body any // OutgoingHook or IncomingHook
}

// HookExamples returns examples of webhook calls.
func HookExamples() []HookExample {
	date := exampleTime()
	out := OutgoingHook{
		Event: EventDelivered, QueueMsgID: 10, FromID: "bl5mxnwjekqi3qzt", MessageID: "<kq3vzt5xq2yhs7wbn6ecmd4a@mail.example.org>",
		Subject: "Your order", WebhookQueued: date, SMTPCode: 250, Extra: map[string]string{"order": "1234"},
	}
	failed := out
	failed.Event, failed.DSN, failed.Suppressing, failed.SMTPCode, failed.SMTPEnhancedCode, failed.Error = EventFailed, true, true, 550, "5.1.1", "no such user"
	return []HookExample{
		{"webhook-outgoing-delivered", out},
		{"webhook-outgoing-dsn-failed", failed},
		{"webhook-incoming-basic", IncomingHook{
			From: []NameAddress{{Name: "Remote", Address: "remote@example.com"}}, To: []NameAddress{{Address: "me@example.org"}},
			CC: []NameAddress{}, BCC: []NameAddress{}, ReplyTo: []NameAddress{},
			Subject: "Hello", MessageID: "<1234@example.com>", References: []string{}, Date: &date, Text: "Hello\n", Structure: exampleStructure(),
			Meta: IncomingMeta{
				MsgID: 123, MailFrom: "remote@example.com", MailFromValidated: true, MsgFromValidated: true, RcptTo: "me@example.org",
				DKIMVerifiedDomains: []string{"example.com"}, RemoteIP: "192.0.2.1", Received: date, MailboxName: "Inbox",
			},
		}},
	}
}
