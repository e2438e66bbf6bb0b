package webapi

import (
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestNames keeps the JSON names of the reference: section 4 and 5 of its HTTP chapter.
func TestNames(t *testing.T) {
	for _, tc := range []struct {
		v    any
		want string
	}{
		{SendRequest{}, "From To CC BCC ReplyTo MessageID References Date Subject Text HTML Extra Headers AlternativeFiles InlineFiles AttachedFiles RequireTLS FutureRelease SaveSent"},
		{SendResult{}, "MessageID Submissions"},
		{Submission{}, "Address QueueMsgID FromID"},
		{File{}, "Name ContentType ContentID Data"},
		{NameAddress{}, "Name Address"},
		{Suppression{}, "ID Created Account BaseAddress OriginalAddress Manual Reason"},
		{SuppressionListResult{}, "Suppressions"},
		{SuppressionAddRequest{}, "EmailAddress Manual Reason"},
		{SuppressionRemoveRequest{}, "EmailAddress"},
		{SuppressionPresentRequest{}, "EmailAddress"},
		{SuppressionPresentResult{}, "Present"},
		{MessageGetRequest{}, "MsgID"},
		{MessageGetResult{}, "Message Structure Meta"},
		{Structure{}, "ContentType ContentTypeParams ContentID ContentDisposition Filename DecodedSize Parts"},
		{MessageMeta{}, "Size DSN Flags MailFrom MailFromValidated RcptTo MsgFrom MsgFromValidated DKIMVerifiedDomains RemoteIP MailboxName"},
		{MessageRawGetRequest{}, "MsgID"},
		{MessagePartGetRequest{}, "MsgID PartPath"},
		{MessageDeleteRequest{}, "MsgID"},
		{MessageFlagsAddRequest{}, "MsgID Flags"},
		{MessageFlagsRemoveRequest{}, "MsgID Flags"},
		{MessageMoveRequest{}, "MsgID DestMailboxName"},
		{Error{}, "Code Message"},
		{OutgoingHook{}, "Version Event DSN Suppressing QueueMsgID FromID MessageID Subject WebhookQueued SMTPCode SMTPEnhancedCode Error Extra"},
		{IncomingHook{}, "Version From To CC BCC ReplyTo Subject MessageID InReplyTo References Date Text HTML Structure Meta"},
		{IncomingMeta{}, "MsgID MailFrom MailFromValidated MsgFromValidated RcptTo DKIMVerifiedDomains RemoteIP Received MailboxName Automated"},
	} {
		b, err := json.Marshal(tc.v)
		if err != nil {
			t.Fatal(err)
		}
		var m map[string]any
		if err := json.Unmarshal(b, &m); err != nil {
			t.Fatal(err)
		}
		typ := reflect.TypeOf(tc.v)
		for name := range strings.FieldsSeq(tc.want) {
			if _, ok := m[name]; !ok {
				t.Errorf("%s lacks %s", typ, name)
			}
			delete(m, name)
		}
		delete(m, "IdempotencyKey") // beyond v0
		if len(m) > 0 {
			t.Errorf("%s has more: %v", typ, m)
		}
	}
}

// TestExamples: what is documented is what a client sends and gets.
func TestExamples(t *testing.T) {
	check := func(name string, v any) {
		if v == nil {
			return
		}
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		p := reflect.New(reflect.TypeOf(v))
		if err := json.Unmarshal(b, p.Interface()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		again, _ := json.Marshal(p.Interface())
		if string(again) != string(b) {
			t.Errorf("%s: %s became %s", name, b, again)
		}
	}
	for _, m := range Methods() {
		check(m.Name, m.Request)
		check(m.Name, m.Result)
		if !slices.Contains([]string{"send", "read", "write", "suppress"}, m.Scope) || (m.Result == nil) != (m.Raw != "") || m.Summary == "" {
			t.Errorf("method %+v", m)
		}
	}
	for _, ex := range HookExamples() {
		check(ex.Name, ex.Body)
	}
}

func TestError(t *testing.T) {
	err := error(&Error{CodeUser, "no"})
	if !errors.Is(err, &Error{Code: CodeUser}) || errors.Is(err, &Error{Code: CodeServer}) || errors.Is(err, &Error{CodeUser, "other"}) || err.Error() != "user: no" {
		t.Error(err)
	}
	if d := formDisposition("f", "a\"\\\r\nb"); d != `form-data; name="f"; filename="a\"\\  b"` {
		t.Error(d)
	}
	if exampleTime().Location() != time.UTC || len(Events()) != 9 {
		t.Error("examples")
	}
}
