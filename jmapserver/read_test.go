package jmapserver

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mox/jmap"
	"mox/store"
)

// isJSON compares a value with JSON.
func isJSON(t testing.TB, got any, want string) {
	t.Helper()
	b, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	var x, y any
	if err := json.Unmarshal(b, &x); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(want), &y); err != nil {
		t.Fatalf("%s: %v", want, err)
	}
	if d := cmp.Diff(y, x); d != "" {
		t.Errorf("got %s\nwant %s\n%s", b, want, d)
	}
}

const mixed = `From: "  James Smythe" <james@example.com>, Friends: jane@example.com, =?UTF-8?Q?John_Sm=C3=AEth?=
 <john@example.com>;
To: mjl@mx.example
Subject: =?UTF-8?Q?Gr=C3=BC=C3=9Fe?= from
 afar
Date: Sat, 20 Nov 1993 14:22:01 +0800
Message-ID: <a@x.example>
References: <b@x.example> <c@x.example>
List-Post: <mailto:partytime@lists.example.com> (comment <no>), <https://x.example/
 post>
X-Other: one
X-Other: two
Content-Type: multipart/mixed; boundary=x

--x
Content-Type: multipart/alternative; boundary=y

--y
Content-Type: text/plain; charset=utf-8

Hällo & <all>
--y
Content-Type: text/html; charset=iso-8859-1
Content-Transfer-Encoding: quoted-printable

<p>H=E4llo <b>all</b></p>
--y--
--x
Content-Type: application/pdf; name="a.pdf"
Content-Transfer-Encoding: base64
Content-ID: <cid1>
Content-Language: de, en

QUJDREVG
--x
Content-Type: message/rfc822

Subject: inner
Content-Type: multipart/mixed; boundary=z

--z

inner text
--z
Content-Type: image/png
Content-Disposition: attachment
Content-Transfer-Encoding: base64

AAEC
--z--
--x--
`

func crlf(s string) string { return strings.ReplaceAll(s, "\n", "\r\n") }

func TestEmailGet(t *testing.T) {
	x := newTester(t)
	received := time.Unix(1700000000, 0)
	body := x.add("Inbox", mixed, store.NewMessage{Flags: store.FlagSeen | store.FlagForwarded, Keywords: []string{"Own"}, Received: received})
	id, blob := emailID(body), string(blobID(body))
	list := x.emails(fmt.Sprintf(`{"ids": [%q, "M999", %q], "fetchAllBodyValues": true, "properties": ["id", "blobId", "threadId", "mailboxIds", "keywords", "size", "receivedAt",
		"messageId", "references", "inReplyTo", "sender", "from", "to", "cc", "subject", "sentAt", "hasAttachment", "preview", "bodyValues", "textBody", "htmlBody", "attachments",
		"header:List-POST:asURLs", "header:x-other", "header:X-Other:asText:all", "header:From:asGroupedAddresses", "header:X-None:all", "header:X-None", "header:date"]}`, id, id))
	_, rest, _ := strings.Cut(crlf(mixed), "message/rfc822\r\n\r\n")
	inner := strings.Index(rest, "\r\n--x--")
	part := func(id, typ, charset, name string, size int) string {
		return fmt.Sprintf(`{"partId": %q, "blobId": %q, "size": %d, "name": %s, "type": %q, "charset": %s, "disposition": null, "cid": null, "language": null, "location": null}`,
			id, blob+"-"+map[string]string{"1.1": "1-1", "1.2": "1-2", "3": "3"}[id], size, name, typ, charset)
	}
	plain, html := part("1.1", "text/plain", `"utf-8"`, "null", 14), part("1.2", "text/html", `"iso-8859-1"`, "null", 23)
	isJSON(t, list, `[{"id": "`+string(id)+`", "blobId": "`+blob+`", "threadId": "`+string(threadID(store.ThreadID(body)))+`",
		"mailboxIds": {"`+string(mailboxID(x.box("Inbox").ID))+`": true}, "keywords": {"$seen": true, "$forwarded": true, "own": true},
		"size": `+fmt.Sprint(len(crlf(mixed)))+`, "receivedAt": "2023-11-14T22:13:20Z", "messageId": ["a@x.example"], "references": ["b@x.example", "c@x.example"], "inReplyTo": null,
		"sender": null, "from": [{"name": "James Smythe", "email": "james@example.com"}, {"name": null, "email": "jane@example.com"}, {"name": "John Smîth", "email": "john@example.com"}],
		"to": [{"name": null, "email": "mjl@mx.example"}], "cc": null, "subject": "Grüße from afar", "sentAt": "1993-11-20T14:22:01+08:00", "hasAttachment": true,
		"preview": "Hällo & <all>",
		"bodyValues": {"1.1": {"value": "Hällo & <all>", "isEncodingProblem": false, "isTruncated": false}, "1.2": {"value": "<p>Hällo <b>all</b></p>", "isEncodingProblem": false, "isTruncated": false}},
		"textBody": [`+plain+`], "htmlBody": [`+html+`],
		"attachments": [{"partId": "2", "blobId": "`+blob+`-2", "size": 6, "name": "a.pdf", "type": "application/pdf", "charset": null, "disposition": null, "cid": "cid1", "language": ["de", "en"], "location": null},
			`+part("3", "message/rfc822", "null", "null", inner)+`],
		"header:List-POST:asURLs": ["mailto:partytime@lists.example.com", "https://x.example/post"], "header:x-other": " two", "header:X-Other:asText:all": ["one", "two"],
		"header:From:asGroupedAddresses": [{"name": null, "addresses": [{"name": "James Smythe", "email": "james@example.com"}]},
			{"name": "Friends", "addresses": [{"name": null, "email": "jane@example.com"}, {"name": "John Smîth", "email": "john@example.com"}]}],
		"header:X-None:all": [], "header:X-None": null, "header:date": " Sat, 20 Nov 1993 14:22:01 +0800"}]`)

	list = x.emails(fmt.Sprintf(`{"ids": [%q], "properties": ["bodyStructure", "hasAttachment"], "bodyProperties": ["partId", "type", "headers", "header:Content-Type:asText"]}`, id))
	leaf := func(id, typ, headers, text string) string {
		return fmt.Sprintf(`{"partId": %q, "type": %q, "headers": [%s], "header:Content-Type:asText": %q}`, id, typ, headers, text)
	}
	got := list[0]["bodyStructure"].(map[string]any)
	delete(got, "headers")
	isJSON(t, got, `{"partId": null, "type": "multipart/mixed", "header:Content-Type:asText": "multipart/mixed; boundary=x", "subParts": [
		{"partId": null, "type": "multipart/alternative", "header:Content-Type:asText": "multipart/alternative; boundary=y",
			"headers": [{"name": "Content-Type", "value": " multipart/alternative; boundary=y"}], "subParts": [
			`+leaf("1.1", "text/plain", `{"name": "Content-Type", "value": " text/plain; charset=utf-8"}`, "text/plain; charset=utf-8")+`,
			`+leaf("1.2", "text/html", `{"name": "Content-Type", "value": " text/html; charset=iso-8859-1"}, {"name": "Content-Transfer-Encoding", "value": " quoted-printable"}`, "text/html; charset=iso-8859-1")+`]},
		`+leaf("2", "application/pdf", `{"name": "Content-Type", "value": " application/pdf; name=\"a.pdf\""}, {"name": "Content-Transfer-Encoding", "value": " base64"}, {"name": "Content-ID", "value": " <cid1>"}, {"name": "Content-Language", "value": " de, en"}`, `application/pdf; name="a.pdf"`)+`,
		`+leaf("3", "message/rfc822", `{"name": "Content-Type", "value": " message/rfc822"}`, "message/rfc822")+`]}`)

	// RFC 8621 4.9: a message in a message.
	var parsed struct {
		Parsed      map[jmap.ID]map[string]any
		NotFound    []string
		NotParsable []jmap.ID
	}
	x.call("Email/parse", fmt.Sprintf(`{"blobIds": ["%s-3", "%s-2", "%s-9"], "properties": ["id", "subject", "threadId", "attachments", "bodyValues", "preview", "hasAttachment", "size"], "bodyProperties": ["blobId", "size"], "fetchTextBodyValues": true}`, blob, blob, blob), &parsed)
	isJSON(t, parsed, `{"Parsed": {"`+blob+`-3": {"id": null, "threadId": null, "subject": "inner", "size": `+fmt.Sprint(inner)+`, "preview": "inner text", "hasAttachment": true,
		"attachments": [{"blobId": "`+blob+`-3_2", "size": 3}], "bodyValues": {"1": {"value": "inner text", "isEncodingProblem": false, "isTruncated": false}}}},
		"NotFound": ["`+blob+`-9"], "NotParsable": ["`+blob+`-2"]}`)

	x.fails("Email/get", `{"ids": [], "properties": ["header:From:asDate"]}`, jmap.ErrorInvalidArguments)
	x.fails("Email/get", `{"ids": [], "properties": ["none"]}`, jmap.ErrorInvalidArguments)
	x.fails("Email/get", `{"ids": [], "bodyProperties": ["subject"]}`, jmap.ErrorInvalidArguments)
}
