package moxtest_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"mox/auth"
	"mox/config"
	"mox/moxtest"
	"mox/queue"
	"mox/webapi"
)

// TestWebAPI sends by the HTTP API with a token, gets the webhook call about the message at
// the recipient, and works on the message.
func TestWebAPI(t *testing.T) {
	calls := make(chan webapi.IncomingHook, 10)
	out := make(chan webapi.OutgoingHook, 10)
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var err error
		if r.URL.Path == "/out" {
			var h webapi.OutgoingHook
			err = json.NewDecoder(r.Body).Decode(&h)
			out <- h
		} else {
			var h webapi.IncomingHook
			err = json.NewDecoder(r.Body).Decode(&h)
			calls <- h
		}
		if err != nil {
			t.Error(err)
		}
	}))
	defer receiver.Close()
	s := moxtest.New(t, moxtest.WithAccount("mox", "mox@mox.example"), moxtest.WithAccount("other", "other@mox.example"),
		moxtest.WithConfig(func(_ *config.Static, d *config.Dynamic) {
			acc := d.Accounts["other"]
			acc.IncomingWebhook = &config.IncomingWebhook{URL: receiver.URL + "/in"}
			d.Accounts["other"] = acc
			acc = d.Accounts["mox"]
			acc.OutgoingWebhook = &config.OutgoingWebhook{URL: receiver.URL + "/out"}
			acc.KeepRetiredMessagePeriod = time.Hour
			d.Accounts["mox"] = acc
		}))
	ctx := context.Background()
	token, _, err := s.Admin.TokenAdd(ctx, actor, "mox@mox.example", "test", []auth.Scope{auth.ScopeSend, auth.ScopeSuppress}, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	sender := &webapi.Client{BaseURL: "http://" + s.Addr("web") + "/webapi/", Token: token}
	req := webapi.SendRequest{
		Message:        webapi.Message{To: []webapi.NameAddress{{Address: "other@mox.example"}}, BCC: []webapi.NameAddress{{Address: "mox@mox.example"}}, Subject: "hi", Text: "Hello ☺\n"},
		SaveSent:       true,
		IdempotencyKey: "once",
		Extra:          map[string]string{"k": "v"},
	}
	sent, err := sender.Send(ctx, req)
	if err != nil {
		t.Fatal(err)
	}
	again, err := sender.Send(ctx, req)
	if err != nil || again.MessageID != sent.MessageID || len(again.Submissions) != 2 || again.Submissions[0] != sent.Submissions[0] {
		t.Errorf("again: %+v, %v; first %+v", again, err, sent)
	}
	req.Subject = "else"
	if _, err := sender.Send(ctx, req); !errors.Is(err, &webapi.Error{Code: webapi.CodeIdempotencyConflict}) {
		t.Errorf("key for another message: %v", err)
	}
	req.IdempotencyKey, req.From = "", []webapi.NameAddress{{Address: "other@mox.example"}}
	if _, err := sender.Send(ctx, req); !errors.Is(err, &webapi.Error{Code: webapi.CodeBadFrom}) {
		t.Errorf("address of another: %v", err)
	}

	// Messages with a key go through the queue, which nobody empties in this test but us.
	msgs, err := s.Queue.List(ctx, queue.Filter{Account: "mox"}, queue.Sort{Field: "queued", Asc: true})
	if err != nil || len(msgs) != 2 {
		t.Fatalf("queue: %+v, %v", msgs, err)
	}
	for _, m := range msgs {
		if err := s.Queue.Record(ctx, []queue.Outcome{{ID: m.ID, Action: queue.Failed, Result: queue.Result{Start: time.Now(), Code: 550, Enhanced: "5.1.1", Error: "no"}}}, nil); err != nil {
			t.Fatal(err)
		}
		select {
		case h := <-out:
			if h.Event != webapi.EventFailed || h.MessageID != sent.MessageID || h.Extra["k"] != "v" || h.SMTPCode != 550 {
				t.Errorf("call %+v", h)
			}
		case <-time.After(10 * time.Second):
			t.Fatal("no call")
		}
	}

	// Without a key, a recipient here has it at once.
	req.From, req.Subject, req.BCC = nil, "direct", nil
	if _, err := sender.Send(ctx, req); err != nil {
		t.Fatal(err)
	}
	var in webapi.IncomingHook
	select {
	case in = <-calls:
	case <-time.After(10 * time.Second):
		t.Fatal("no call")
	}
	if in.Subject != "direct" || in.Text != "Hello ☺\n" || in.Meta.MailFrom != "mox@mox.example" || in.Meta.RcptTo != "other@mox.example" || !in.Meta.MsgFromValidated || in.Meta.Automated {
		t.Errorf("call %+v", in)
	}
	reader := &webapi.Client{BaseURL: sender.BaseURL, Username: "other@mox.example", Password: moxtest.Password}
	r, err := reader.MessageRawGet(ctx, webapi.MessageRawGetRequest{MsgID: in.Meta.MsgID})
	if err != nil {
		t.Fatal(err)
	}
	raw, err := io.ReadAll(r)
	r.Close()
	if err != nil || strings.Contains(string(raw), "Bcc:") || !strings.Contains(string(raw), "Subject: direct\r\n") {
		t.Errorf("message %s, %v", raw, err)
	}
	if err := reader.MessageMove(ctx, webapi.MessageMoveRequest{MsgID: in.Meta.MsgID, DestMailboxName: "Archive"}); err != nil {
		t.Error(err)
	}
	if l, err := sender.SuppressionList(ctx); err != nil {
		t.Errorf("%+v, %v", l, err)
	}
	if _, err := sender.MessageGet(ctx, webapi.MessageGetRequest{MsgID: 1}); !errors.Is(err, &webapi.Error{Code: webapi.CodeForbidden}) {
		t.Errorf("reading with a token for sending: %v", err)
	}
}
