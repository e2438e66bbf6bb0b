package moxtest_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mox/imap"
	"mox/imapclient"
	"mox/moxtest"
)

// TestIMAPClientExtensions uses methods of the client for extensions with the server.
func TestIMAPClientExtensions(t *testing.T) {
	t.Parallel()
	mox := moxtest.New(t, moxtest.WithoutNetwork())
	ctx := t.Context()
	c := mox.DialIMAP(t)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	text := "Subject: x\r\n\r\nbody\r\n"
	_, err := c.Append(ctx, "INBOX", imapclient.AppendMessage{Size: int64(len(text)), Data: strings.NewReader(text)})
	must(err)
	ns, err := c.Namespaces(ctx)
	must(err)
	if diff := cmp.Diff([]string{"", "/"}, ns.Personal); diff != "" {
		t.Error(diff)
	}

	must(c.SetMetadata(ctx, "INBOX", imap.MetadataValue{Name: "/private/comment", Value: []byte("a \"b\"\r\nc")}, imap.MetadataValue{Name: "/shared/comment"}))
	values, err := c.Metadata(ctx, "INBOX", "(DEPTH 1)", "/private/comment", "/private/x")
	must(err)
	if diff := cmp.Diff([]imap.MetadataValue{{Name: "/private/comment", Value: []byte("a \"b\"\r\nc")}}, values); diff != "" {
		t.Error(diff)
	}
	roots, err := c.QuotaRoots(ctx, "INBOX")
	must(err)
	for _, r := range roots {
		_, err := c.Quota(ctx, r.Root)
		must(err)
	}
	must(c.Notify(ctx, "NONE"))

	_, err = c.Enable(ctx, "QRESYNC")
	must(err)
	sel, err := c.Select(ctx, "INBOX", "")
	must(err)
	uid, err := c.Replace(ctx, true, 1, "INBOX", imapclient.AppendMessage{Parts: []imapclient.Part{{URL: "/INBOX/;UID=1/;SECTION=HEADER"}, {Text: []byte("other\r\n")}}})
	must(err)
	if !strings.HasSuffix(uid, " 2") {
		t.Errorf("appenduid %q", uid)
	}
	must(c.Unselect(ctx))
	again, err := c.Select(ctx, "INBOX", imapclient.QResync(sel.UIDValidity, sel.HighestModSeq, "1:2"))
	must(err)
	if len(again.Vanished) != 1 || len(again.Changed) != 1 || again.Changed[0].UID != 2 {
		t.Errorf("resynchronized: %+v", again)
	}

	urls, err := c.AuthorizeURLs(ctx, "imap://mox%40mox.example@"+moxtest.Hostname+"/INBOX/;UID=2/;SECTION=TEXT;URLAUTH=anonymous")
	must(err)
	data, err := c.FetchURLs(ctx, "", urls...)
	must(err)
	if len(data) != 1 || string(data[0].Data) != "other\r\n" {
		t.Errorf("URL: %+v", data)
	}
	must(c.ResetKey(ctx, ""))
	if data, err = c.FetchURLs(ctx, "BODY", urls...); err != nil || len(data) != 1 || !data[0].Nil {
		t.Errorf("after resetting: %+v, %v", data, err)
	}
}
