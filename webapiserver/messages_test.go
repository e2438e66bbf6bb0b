package webapiserver

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"

	"mox/webapi"
)

func TestMessages(t *testing.T) {
	f := newFixture(t)
	ctx := t.Context()
	id := int64(f.deliver(t, "mjl", received))
	m, err := f.client.MessageGet(ctx, webapi.MessageGetRequest{MsgID: id})
	if err != nil {
		t.Fatal(err)
	}
	b, _ := json.Marshal(m)
	want := `{"Message":{"From":[{"Name":"Remote","Address":"remote@example.com"}],"To":[{"Name":"","Address":"mjl@mx.example"}],"CC":[],"BCC":[],"ReplyTo":[],"MessageID":"\u003c1@example.com\u003e","References":["\u003c0@example.com\u003e"],"Date":"2026-03-02T09:30:00Z","Subject":"Grüße","Text":"plain","HTML":"\u003cb\u003eé\u003c/b\u003e"},` +
		`"Structure":{"ContentType":"multipart/mixed","ContentTypeParams":{"boundary":"x"},"ContentID":"","ContentDisposition":"","Filename":"","DecodedSize":0,"Parts":[` +
		`{"ContentType":"multipart/alternative","ContentTypeParams":{"boundary":"y"},"ContentID":"","ContentDisposition":"","Filename":"","DecodedSize":0,"Parts":[` +
		`{"ContentType":"text/plain","ContentTypeParams":{},"ContentID":"","ContentDisposition":"","Filename":"","DecodedSize":5,"Parts":[]},{"ContentType":"text/html","ContentTypeParams":{"charset":"iso-8859-1"},"ContentID":"","ContentDisposition":"","Filename":"","DecodedSize":8,"Parts":[]}]},` +
		`{"ContentType":"application/pdf","ContentTypeParams":{"name":"a.pdf"},"ContentID":"","ContentDisposition":"attachment","Filename":"a.pdf","DecodedSize":4,"Parts":[]}]},` +
		fmt.Sprintf(`"Meta":{"Size":%d,"DSN":false,"Flags":[],"MailFrom":"remote@example.com","MailFromValidated":true,"RcptTo":"mjl@mx.example","MsgFrom":"remote@example.com","MsgFromValidated":true,"DKIMVerifiedDomains":["example.com"],"RemoteIP":"","MailboxName":"Inbox"}}`, len(received))
	if string(b) != want {
		t.Errorf("got\n%s\nwant\n%s", b, want)
	}
	read := func(r io.ReadCloser, err error) string {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		b, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	if got := read(f.client.MessageRawGet(ctx, webapi.MessageRawGetRequest{MsgID: id})); got != received {
		t.Errorf("raw: %q", got)
	}
	for _, tc := range []struct {
		path []int
		want string
	}{{[]int{1}, "%PDF"}, {[]int{0, 0}, "plain"}, {[]int{0, 1}, "<b>\xe9</b>"}} {
		if got := read(f.client.MessagePartGet(ctx, webapi.MessagePartGetRequest{MsgID: id, PartPath: tc.path})); got != tc.want {
			t.Errorf("part %v: %q", tc.path, got)
		}
	}
	for _, path := range [][]int{{2}, {-1}, {1, 0}, {0, 0, 0}} {
		if _, err := f.client.MessagePartGet(ctx, webapi.MessagePartGetRequest{MsgID: id, PartPath: path}); !errors.Is(err, &webapi.Error{Code: webapi.CodePartNotFound}) {
			t.Errorf("part %v: %v", path, err)
		}
	}
	if err := f.client.MessageFlagsAdd(ctx, webapi.MessageFlagsAddRequest{MsgID: id, Flags: []string{`\seen`, "custom", "$Junk"}}); err != nil {
		t.Fatal(err)
	}
	if err := f.client.MessageFlagsRemove(ctx, webapi.MessageFlagsRemoveRequest{MsgID: id, Flags: []string{"$junk"}}); err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{"", "a b", `\Own`, "{3}"} {
		if err := f.client.MessageFlagsAdd(ctx, webapi.MessageFlagsAddRequest{MsgID: id, Flags: []string{bad}}); !errors.Is(err, &webapi.Error{Code: webapi.CodeUser}) {
			t.Errorf("flag %q: %v", bad, err)
		}
	}
	if err := f.client.MessageMove(ctx, webapi.MessageMoveRequest{MsgID: id, DestMailboxName: "Archive"}); err != nil {
		t.Fatal(err)
	}
	if err := f.client.MessageMove(ctx, webapi.MessageMoveRequest{MsgID: id, DestMailboxName: "Nowhere"}); !errors.Is(err, &webapi.Error{Code: webapi.CodeMailboxNotFound}) {
		t.Error(err)
	}
	if m, err = f.client.MessageGet(ctx, webapi.MessageGetRequest{MsgID: id}); err != nil || m.Meta.MailboxName != "Archive" || !slices.Equal(m.Meta.Flags, []string{`\Seen`, "custom"}) {
		t.Errorf("after the move: %+v, %v", m.Meta, err)
	}
	// Another account cannot.
	other := &webapi.Client{BaseURL: f.url + "v0/", Username: "other@mx.example", Password: password}
	if err := other.MessageDelete(ctx, webapi.MessageDeleteRequest{MsgID: id}); !errors.Is(err, &webapi.Error{Code: webapi.CodeMessageNotFound}) {
		t.Error(err)
	}
	if err := f.client.MessageDelete(ctx, webapi.MessageDeleteRequest{MsgID: id}); err != nil {
		t.Error(err)
	}
	for _, err := range []error{
		f.client.MessageDelete(ctx, webapi.MessageDeleteRequest{MsgID: id}),
		f.client.MessageMove(ctx, webapi.MessageMoveRequest{MsgID: id, DestMailboxName: "Archive"}),
		f.client.MessageFlagsAdd(ctx, webapi.MessageFlagsAddRequest{MsgID: id, Flags: []string{`\Seen`}}),
	} {
		if !errors.Is(err, &webapi.Error{Code: webapi.CodeMessageNotFound}) {
			t.Errorf("deleted: %v", err)
		}
	}
}

func TestSuppressions(t *testing.T) {
	f := newFixture(t)
	ctx := t.Context()
	present := func(want bool) {
		t.Helper()
		if p, err := f.client.SuppressionPresent(ctx, webapi.SuppressionPresentRequest{EmailAddress: "x@remote.example"}); err != nil || p.Present != want {
			t.Errorf("present: %v, %v", p, err)
		}
	}
	present(false)
	add := webapi.SuppressionAddRequest{EmailAddress: "x@remote.example", Manual: true, Reason: "asked"}
	if err := f.client.SuppressionAdd(ctx, add); err != nil {
		t.Error(err)
	}
	if err := f.client.SuppressionAdd(ctx, add); !errors.Is(err, &webapi.Error{Code: webapi.CodeUser}) {
		t.Error(err)
	}
	present(true)
	l, err := f.client.SuppressionList(ctx)
	if err != nil || len(l.Suppressions) != 1 || !l.Suppressions[0].Manual || l.Suppressions[0].Reason != "asked" {
		t.Errorf("%+v, %v", l, err)
	}
	if err := f.client.SuppressionRemove(ctx, webapi.SuppressionRemoveRequest{EmailAddress: "x@remote.example"}); err != nil {
		t.Error(err)
	}
	if err := f.client.SuppressionRemove(ctx, webapi.SuppressionRemoveRequest{EmailAddress: "x@remote.example"}); !errors.Is(err, &webapi.Error{Code: webapi.CodeUser}) {
		t.Error(err)
	}
	present(false)
}
