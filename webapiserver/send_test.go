package webapiserver

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"mox/message"
	"mox/smtp"
	"mox/submit"
	"mox/webapi"
)

func simple() webapi.SendRequest {
	return webapi.SendRequest{Message: webapi.Message{
		To: []webapi.NameAddress{{Name: "Other", Address: "other@mx.example"}}, Subject: "Grüße", Text: "Hello\nworld é\n",
	}}
}

func TestSend(t *testing.T) {
	f := newFixture(t)
	yes, no := true, false
	release := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	png := []byte("\x89PNG\r\n\x1a\n")
	for _, tc := range []struct {
		name string
		edit func(r *webapi.SendRequest)
		tree string
		has  []string // in the message
		test func(s submit.Request) bool
	}{
		{"text", func(r *webapi.SendRequest) {}, "-:text/plain", []string{
			"From: mjl@mx.example\r\n", "To: Other <other@mx.example>\r\n", "Subject: =?utf-8?", "Content-Transfer-Encoding: quoted-printable\r\n", "world =C3=A9\r\n", "Date: ", "MIME-Version: 1.0\r\n",
		}, func(s submit.Request) bool {
			return !s.Params.SMTPUTF8 && s.Params.HoldUntil.IsZero() && s.RequireTLS == nil && len(s.To) == 1
		}},
		{"html", func(r *webapi.SendRequest) { r.Text, r.HTML = "", "<p>hi</p>" }, "-:text/html", nil, nil},
		{"both", func(r *webapi.SendRequest) { r.HTML = "<p>hi</p>" }, "alternative(-:text/plain -:text/html)", nil, nil},
		{"files", func(r *webapi.SendRequest) {
			r.HTML = `<img src="cid:logo@x">`
			r.InlineFiles = []webapi.File{{Name: "logo.png", ContentID: "logo@x", Data: png}}
			r.AttachedFiles = []webapi.File{{Name: "räport \".txt", Data: []byte("report\n")}, {Name: "x", ContentType: "application/pdf", Data: []byte("%PDF")}}
			r.AlternativeFiles = []webapi.File{{ContentType: "text/calendar; method=REQUEST", Data: []byte("BEGIN:VCALENDAR\r\n")}}
		}, "mixed(related(alternative(-:text/plain -:text/html -:text/calendar) inline:image/png) attachment:text/plain attachment:application/pdf)",
			[]string{"Content-ID: <logo@x>\r\n", "method=REQUEST", "filename*="}, nil},
		{"all fields", func(r *webapi.SendRequest) {
			date := time.Date(2026, 1, 2, 3, 4, 5, 0, time.FixedZone("", 3600))
			r.From = []webapi.NameAddress{{Name: "Mechiel, \"L\"", Address: "mjl@mx.example"}}
			r.CC = []webapi.NameAddress{{Address: "a@remote.example"}, {Address: "other@mx.example"}}
			r.BCC = []webapi.NameAddress{{Address: "b@remote.example"}}
			r.ReplyTo = []webapi.NameAddress{{Address: "c@remote.example"}}
			r.MessageID, r.References, r.Date = "<me@x>", []string{"<a@x>", "b@x"}, &date
			r.Headers = [][2]string{{"X-Campaign", "Früh ling"}, {"List-Unsubscribe", "<https://x.example/>"}}
			r.Extra = map[string]string{"k": "v"}
			r.RequireTLS, r.FutureRelease = &yes, &release
		}, "-:text/plain", []string{
			`From: "Mechiel, \"L\"" <mjl@mx.example>`, "Cc: a@remote.example, other@mx.example\r\n", "Bcc: b@remote.example\r\n", "Reply-To: c@remote.example\r\n", "Message-ID: <me@x>\r\n",
			"In-Reply-To: <b@x>\r\n", "References: <a@x> <b@x>\r\n", "Date: Fri, 2 Jan 2026 03:04:05 +0100\r\n", "X-Campaign: =?utf-8?", "List-Unsubscribe: <https://x.example/>\r\n",
		}, func(s submit.Request) bool {
			return len(s.To) == 3 && s.Extra["k"] == "v" && *s.RequireTLS && s.Params.HoldUntil.Equal(release)
		}},
		{"tls-required", func(r *webapi.SendRequest) { r.RequireTLS = &no }, "-:text/plain", []string{"TLS-Required: No\r\n"}, nil},
		{"international", func(r *webapi.SendRequest) { r.From = []webapi.NameAddress{{Address: "møx@mx.example"}} }, "-:text/plain", []string{"From: møx@mx.example\r\n", "Subject: Grüße\r\n"}, func(s submit.Request) bool { return s.Params.SMTPUTF8 }},
		{"idn", func(r *webapi.SendRequest) { r.To = []webapi.NameAddress{{Address: "x@bücher.example"}} }, "-:text/plain", []string{"To: x@xn--bcher-kva.example\r\n"}, func(s submit.Request) bool { return !s.Params.SMTPUTF8 }},
	} {
		r := simple()
		tc.edit(&r)
		result, err := f.client.Send(t.Context(), r)
		if err != nil {
			t.Errorf("%s: %v", tc.name, err)
			continue
		}
		s, raw := f.last(t)
		part, err := message.Parse(strings.NewReader(raw), message.Limits{})
		if err != nil || tree(part) != tc.tree {
			t.Errorf("%s: structure %s, want %s", tc.name, tree(part), tc.tree)
		}
		for _, want := range append(tc.has, "Message-ID: "+result.MessageID+"\r\n") {
			if !strings.Contains(raw, want) {
				t.Errorf("%s: message lacks %q:\n%s", tc.name, want, raw)
			}
		}
		if tc.test != nil && !tc.test(s) || len(result.Submissions) != len(s.To) || result.Submissions[0].QueueMsgID == 0 {
			t.Errorf("%s: sent %+v, result %+v", tc.name, s, result)
		}
	}
}

func TestSendRefused(t *testing.T) {
	f := newFixture(t)
	many := make([]webapi.NameAddress, 1001)
	for i := range many {
		many[i].Address = fmt.Sprintf("x%d@y.example", i)
	}
	for _, tc := range []struct {
		code webapi.Code
		text string
		edit func(r *webapi.SendRequest)
	}{
		{webapi.CodeBadAddress, "remote@", func(r *webapi.SendRequest) { r.To[0].Address = "remote@" }},
		{webapi.CodeBadAddress, "", func(r *webapi.SendRequest) { r.To[0].Address = "a@b.example\r\nBcc: x@y.example" }},
		{webapi.CodeMissingBody, "", func(r *webapi.SendRequest) { r.Text = "" }},
		{webapi.CodeMultipleFrom, "", func(r *webapi.SendRequest) {
			r.From = []webapi.NameAddress{{Address: "mjl@mx.example"}, {Address: "mjl@mx.example"}}
		}},
		{webapi.CodeBadFrom, "", func(r *webapi.SendRequest) { r.From = []webapi.NameAddress{{Address: "other@mx.example"}} }},
		{webapi.CodeNoRecipients, "", func(r *webapi.SendRequest) { r.To = nil }},
		{webapi.CodeUser, "1000", func(r *webapi.SendRequest) { r.To = many }},
		{webapi.CodeMalformedMessageID, "", func(r *webapi.SendRequest) { r.MessageID = "x@y" }},
		{webapi.CodeMalformedMessageID, "", func(r *webapi.SendRequest) { r.MessageID = "<a@b>\r\nX: <c@d>" }},
		{webapi.CodeMalformedMessageID, "", func(r *webapi.SendRequest) { r.References = []string{"a b"} }},
		{webapi.CodeUser, "line ends", func(r *webapi.SendRequest) { r.Subject = "a\r\nBcc: x@y.example" }},
		{webapi.CodeUser, "name", func(r *webapi.SendRequest) { r.Headers = [][2]string{{"X: y\r\nZ", "v"}} }},
		{webapi.CodeUser, "control", func(r *webapi.SendRequest) { r.Headers = [][2]string{{"X-A", "v\r\nBcc: x@y.example"}} }},
		{webapi.CodeUser, "cannot be set", func(r *webapi.SendRequest) { r.Headers = [][2]string{{"bCC", "x@y.example"}} }},
		{webapi.CodeUser, "cannot be set", func(r *webapi.SendRequest) { r.Headers = [][2]string{{"Content-Type", "text/html"}} }},
		{webapi.CodeUser, "media type", func(r *webapi.SendRequest) { r.AttachedFiles = []webapi.File{{ContentType: "x\r\ny"}} }},
		{webapi.CodeUser, "ContentID", func(r *webapi.SendRequest) { r.InlineFiles = []webapi.File{{ContentID: "a\r\nb"}} }},
		{webapi.CodeUser, "two inline", func(r *webapi.SendRequest) { r.InlineFiles = []webapi.File{{ContentID: "a"}, {ContentID: "<a>"}} }},
		{webapi.CodeUser, "IdempotencyKey", func(r *webapi.SendRequest) { r.IdempotencyKey = strings.Repeat("k", 201) }},
		{webapi.CodeUser, "Extra", func(r *webapi.SendRequest) { r.Extra = map[string]string{"": "x"} }},
		{webapi.CodeMessageTooLarge, "", func(r *webapi.SendRequest) {
			r.AttachedFiles = []webapi.File{{Data: bytes.Repeat([]byte("x"), 780000)}}
		}},
		{webapi.CodeMessageTooLarge, "request", func(r *webapi.SendRequest) { r.Text = strings.Repeat("x", 1<<20) }},
	} {
		r := simple()
		tc.edit(&r)
		_, err := f.client.Send(t.Context(), r)
		if !errors.Is(err, &webapi.Error{Code: tc.code}) || !strings.Contains(err.Error(), tc.text) {
			t.Errorf("got %.300v, want %s with %q", err, tc.code, tc.text)
		}
	}
	if len(f.outbox.sent) > 0 {
		t.Errorf("%d messages were sent", len(f.outbox.sent))
	}
	// What the flow behind says.
	for _, tc := range []struct {
		err  error
		code webapi.Code
	}{
		{smtp.Errorf(550, "5.7.2", "only members"), webapi.CodeUser},
		{smtp.Errorf(452, "4.3.1", "full"), webapi.CodeServer},
		{errors.New("secret detail"), webapi.CodeServer},
		{&submit.Refusal{Result: "domaindisabled", Reply: smtp.Errorf(451, "4.3.0", "disabled")}, webapi.CodeDomainDisabled},
		{fmt.Errorf("recipient x: %w", &submit.Refusal{Result: "recipientlimiterror", Reply: smtp.Errorf(452, "4.5.3", "limit")}), webapi.CodeRecipientLimitReached},
	} {
		f.outbox.err = tc.err
		_, err := f.client.Send(t.Context(), simple())
		if !errors.Is(err, &webapi.Error{Code: tc.code}) || strings.Contains(err.Error(), "secret") {
			t.Errorf("sender says %v: %v", tc.err, err)
		}
	}
}

func TestIdempotency(t *testing.T) {
	f := newFixture(t)
	r := simple()
	r.IdempotencyKey = "key"
	first, err := f.client.Send(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	again, err := f.client.Send(t.Context(), r)
	if err != nil || again.MessageID != first.MessageID || len(f.outbox.sent) != 1 || again.Submissions[0] != first.Submissions[0] {
		t.Errorf("again: %+v, %v; first %+v; %d sent", again, err, first, len(f.outbox.sent))
	}
	r.Text = "else"
	if _, err := f.client.Send(t.Context(), r); !errors.Is(err, &webapi.Error{Code: webapi.CodeIdempotencyConflict}) {
		t.Errorf("another message with the key: %v", err)
	}
	// The header field is the same key.
	b, _ := json.Marshal(simple())
	req := f.request(t, "Send", "application/json", bytes.NewReader(b))
	req.Header.Set("Idempotency-Key", "key")
	resp := do(t, req)
	if resp.status != 200 || resp.header.Get("Idempotent-Replayed") != "true" || !strings.Contains(resp.body, first.MessageID[1:10]) {
		t.Errorf("by header: %+v", resp)
	}
}

func TestSendBatch(t *testing.T) {
	f := newFixture(t)
	bad := simple()
	bad.To = nil
	result, err := f.client.SendBatch(t.Context(), webapi.SendBatchRequest{Messages: []webapi.SendRequest{simple(), bad, simple()}})
	if err != nil || len(result.Items) != 3 || result.Items[0].Result == nil || result.Items[1].Error == nil || result.Items[1].Error.Code != webapi.CodeNoRecipients || result.Items[2].Error != nil {
		t.Errorf("%+v, %v", result, err)
	}
	_, err = f.client.SendBatch(t.Context(), webapi.SendBatchRequest{Messages: make([]webapi.SendRequest, 101)})
	if !errors.Is(err, &webapi.Error{Code: webapi.CodeUser}) {
		t.Errorf("large batch: %v", err)
	}
}

func TestSendFiles(t *testing.T) {
	f := newFixture(t)
	r := simple()
	r.HTML = `<img src="cid:a@b">`
	_, err := f.client.SendFiles(t.Context(), r, webapi.Uploads{
		Alternative: []webapi.Upload{{Name: "x.ics", ContentType: "text/calendar", Content: strings.NewReader("BEGIN:VCALENDAR\r\n")}},
		Inline:      []webapi.Upload{{Name: "i.png", ContentType: "image/png", ContentID: "a@b", Content: strings.NewReader("png")}},
		Attached:    []webapi.Upload{{Name: "ä \"b\".bin", Content: bytes.NewReader(bytes.Repeat([]byte{0, 1}, 50000))}},
	})
	if err != nil {
		t.Fatal(err)
	}
	_, raw := f.last(t)
	p, _ := message.Parse(strings.NewReader(raw), message.Limits{})
	if want := "mixed(related(alternative(-:text/plain -:text/html -:text/calendar) inline:image/png) attachment:application/octet-stream)"; tree(p) != want {
		t.Errorf("structure %s", tree(p))
	}
	if name := p.Parts[1].Filename(); name != `ä "b".bin` {
		t.Errorf("file name %q", name)
	}
	if n, err := p.Parts[1].DecodedSize(strings.NewReader(raw)); n != 100000 || err != nil {
		t.Errorf("size %d", n)
	}
	// A failure while reading a file is the caller's to see, and nothing is sent.
	n := len(f.outbox.sent)
	_, err = f.client.SendFiles(t.Context(), simple(), webapi.Uploads{Attached: []webapi.Upload{{Name: "x", Content: io.MultiReader(strings.NewReader("x"), failing{})}}})
	if err == nil || len(f.outbox.sent) != n {
		t.Errorf("file that cannot be read: %v", err)
	}
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errors.New("cannot read") }

func TestSaveSent(t *testing.T) {
	f := newFixture(t)
	r := simple()
	r.SaveSent = true
	r.BCC = []webapi.NameAddress{{Address: "b@remote.example"}}
	if _, err := f.client.Send(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	if s, _ := f.last(t); !s.SaveSent {
		t.Error("no copy was asked for")
	}
	acc := f.account(t, "mjl")
	acc.SetQuota(10)
	defer acc.SetQuota(0)
	if _, err := f.client.Send(t.Context(), r); !errors.Is(err, &webapi.Error{Code: webapi.CodeSentOverQuota}) {
		t.Errorf("over quota: %v", err)
	}
	if len(f.outbox.sent) != 1 {
		t.Error("sent although there is no room for the copy")
	}
}
