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

	// Messages with a key go through the queue.
	want := map[int64]bool{sent.Submissions[0].QueueMsgID: true, sent.Submissions[1].QueueMsgID: true}
	for range 2 {
		select {
		case h := <-out:
			if h.Event != webapi.EventDelivered || h.MessageID != sent.MessageID || h.Extra["k"] != "v" || !want[h.QueueMsgID] {
				t.Errorf("call %+v", h)
			}
			delete(want, h.QueueMsgID)
		case <-time.After(time.Minute):
			t.Fatal("no call")
		}
	}
	select {
	case in := <-calls:
		if in.Subject != "hi" || in.MessageID != sent.MessageID {
			t.Errorf("call %+v", in)
		}
	case <-time.After(time.Minute):
		t.Fatal("no call")
	}

	// Without a key, a recipient here has it at once.
	req.From, req.Subject, req.BCC = nil, "direct", nil
	if _, err := sender.Send(ctx, req); err != nil {
		t.Fatal(err)
	}
	var in webapi.IncomingHook
	select {
	case in = <-calls:
	case <-time.After(time.Minute):
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

// TestWebAPITLS calls the API by HTTPS, for hosts that are served and one that is not.
func TestWebAPITLS(t *testing.T) {
	s := moxtest.New(t, moxtest.WithConfig(func(static *config.Static, _ *config.Dynamic) {
		l := static.Listeners["test"]
		l.WebAPIHTTPS = config.WebService{Enabled: true, Path: "/api/"}
		static.Listeners["test"] = l
	}))
	hc := &http.Client{Transport: &http.Transport{TLSClientConfig: s.TLSConfig()}}
	defer hc.CloseIdleConnections()
	c := webapi.Client{BaseURL: "https://" + s.Addr("webhttps") + "/api/", Username: "mox@mox.example", Password: moxtest.Password, HTTPClient: hc}
	if _, err := c.SuppressionList(t.Context()); err != nil {
		t.Fatal(err)
	}
	for host, status := range map[string]int{moxtest.Hostname: 200, "localhost": 200, "elsewhere.example": 404} {
		req, err := http.NewRequestWithContext(t.Context(), "GET", c.BaseURL+"v0/Send", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Host = host
		resp, err := hc.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.StatusCode != status || status == 200 && (!strings.Contains(string(body), "https://"+host+"/api/v0/Send") || !strings.Contains(resp.Header.Get("Content-Security-Policy"), "form-action 'self'")) {
			t.Errorf("%s: %d", host, resp.StatusCode)
		}
	}
}
