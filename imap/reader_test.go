package imap

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestReadResponse(t *testing.T) {
	for _, tc := range []struct {
		in   string
		want Response
	}{
		{"* OK [UIDNEXT 5] x", &StatusResponse{"*", OK, "UIDNEXT", "5", "x"}},
		{"a NO", &StatusResponse{Tag: "a", Type: NO}},
		{"a OK [BADCHARSET (\"]\" b)] hi", &StatusResponse{"a", OK, "BADCHARSET", "(\"]\" b)", "hi"}},
		{"* OK [x", &StatusResponse{Tag: "*", Type: OK, Text: "[x"}},
		{"+ idling", &Continuation{"idling"}},
		{"+", &Continuation{}},
		{"* CAPABILITY IMAP4rev1 AUTH=PLAIN ", &Capability{[]string{"IMAP4rev1", "AUTH=PLAIN"}}},
		{"* ENABLED", &Enabled{}},
		{`* FLAGS (\Seen x \*)`, &Flags{[]string{`\Seen`, "x", `\*`}}},
		{"* 5 EXISTS", &NumberResponse{"EXISTS", 5}},
		{"* 5 EXPUNGE", &Expunge{5}},
		{`* UIDBATCHES (TAG "a") 9:5,4:1`, &UIDBatchesResponse{"a", []NumRange{{9, 5}, {4, 1}}}},
		{`* UIDBATCHES (TAG "a")`, &UIDBatchesResponse{Tag: "a"}},
		{`* 7 UIDFETCH (FLAGS (x))`, &FetchResponse{UID: 7, Flags: []string{"x"}, Has: map[FetchKind]bool{FetchUID: true, FetchFlags: true}}},
		{"* VANISHED (EARLIER) 1:3", &Vanished{true, set("1:3")}},
		{"* SEARCH", &SearchResponse{}},
		{"* SEARCH 2 5 (MODSEQ 9)", &SearchResponse{[]uint32{2, 5}, 9}},
		{"* SEARCH 2 ", &SearchResponse{Numbers: []uint32{2}}},
		{`* ESEARCH (TAG "a") UID MIN 1 MAX 9 COUNT 3 ALL 1,5,9 MODSEQ 4 X (y z)`, &ESearch{Tag: "a", UID: true, Min: 1, Max: 9, Count: 3, HasCount: true, All: set("1,5,9"), ModSeq: 4}},
		{`* ESEARCH (TAG "a") PARTIAL (-1:-100 5:7,9)`, &ESearch{Tag: "a", Partial: &PartialRange{1, 100, true}, PartialSet: set("5:7,9")}},
		{`* ESEARCH (TAG "a" MAILBOX "folder2/banana" UIDVALIDITY 503) UID ALL 3002,4004`, &ESearch{Tag: "a", Mailbox: "folder2/banana", UIDValidity: 503, UID: true, All: set("3002,4004")}},
		{`* ESEARCH (TAG "B1") ALL 1,5,10 RELEVANCY (4 99 42)`, &ESearch{Tag: "B1", All: set("1,5,10"), Relevancy: []uint8{4, 99, 42}}},
		{`* ESEARCH (TAG "a") PARTIAL (1:5 NIL)`, &ESearch{Tag: "a", Partial: &PartialRange{1, 5, false}}},
		{`* ESEARCH (TAG "C01") UID ADDTO (1 2733 1 2732) REMOVEFROM (0 5)`, &ESearch{Tag: "C01", UID: true, Updates: []ContextUpdate{{false, 1, set("2733")}, {false, 1, set("2732")}, {true, 0, set("5")}}}},
		{"* SORT 5 3 4 (MODSEQ 7)", &SortResponse{[]uint32{5, 3, 4}, 7}},
		{"* THREAD", &ThreadResponse{}},
		{"* THREAD (2)(3 6 (4 23)(44 7 96))", &ThreadResponse{[]*ThreadNode{{2, nil}, {3, []*ThreadNode{{6, []*ThreadNode{{4, []*ThreadNode{{23, nil}}}, {44, []*ThreadNode{{7, []*ThreadNode{{96, nil}}}}}}}}}}}},
		{"* THREAD ((3)(5))", &ThreadResponse{[]*ThreadNode{{0, []*ThreadNode{{3, nil}, {5, nil}}}}}},
		{"* COMPARATOR i;octet (i;octet i;ascii-casemap)", &ComparatorResponse{"i;octet", []string{"i;octet", "i;ascii-casemap"}}},
		{"* LANGUAGE (EN i-default)", &LanguageResponse{[]string{"EN", "i-default"}}},
		{`* LIST (\HasChildren) "/" "a&APw-" ("CHILDINFO" ("SUBSCRIBED") X y OLDNAME (z))`, &ListResponse{Attrs: []string{`\HasChildren`}, Delimiter: "/", Mailbox: "aü", OldName: "z", ChildInfo: []string{"SUBSCRIBED"}}},
		{`* LSUB () NIL INBOX`, &ListResponse{Lsub: true, Mailbox: "INBOX"}},
		{"* STATUS {1}\r\nx (MESSAGES 5 MAILBOXID (F1))", &MailboxStatus{"x", map[string]string{"MESSAGES": "5", "MAILBOXID": "F1"}}},
		{`* JMAPACCESS "https://mox.example/jmap/session"`, &JMAPAccess{"https://mox.example/jmap/session"}},
		{`* NAMESPACE (("" "/")("#x/" NIL "X" ("y"))) NIL (("s" "."))`, &Namespace{[]string{"", "/", "#x/", ""}, nil, []string{"s", "."}}},
		{`* ID ("name" "x" "v" NIL)`, &IDResponse{[]IDParam{{"name", "x", false}, {"v", "", true}}}},
		{`* QUOTA "" (STORAGE 10 512)`, &Quota{"", map[string][2]int64{"STORAGE": {10, 512}}}},
		{"* METADATA INBOX (/shared/comment {2}\r\nab /private/x NIL /private/y ~{1}\r\n\x00)", &Metadata{Mailbox: "INBOX", Values: []MetadataValue{{"/shared/comment", []byte("ab")}, {"/private/x", nil}, {"/private/y", []byte{0}}}}},
		{`* METADATA "" /shared/comment /private/comment`, &Metadata{Changed: []string{"/shared/comment", "/private/comment"}}},
		{`* 1 FETCH (ANNOTATION (/comment (value.priv "My comment" size.shared "0" value.shared NIL) /altsubject))`, &FetchResponse{Seq: 1, Has: map[FetchKind]bool{FetchAnnotation: true}, Annotations: []AnnotationData{
			{"/comment", []MetadataValue{{"value.priv", []byte("My comment")}, {"size.shared", []byte("0")}, {"value.shared", nil}}}, {"/altsubject", nil}}}},
		{`* QUOTAROOT INBOX "" x`, &QuotaRoot{"INBOX", []string{"", "x"}}},
		{`* ACL INBOX/Drafts Fred rwipslxetad "-x y" lq`, &ACL{"INBOX/Drafts", []ACLEntry{{"Fred", "rwipslxetad", RightsAll &^ (RightCreate | RightAnnotate)}, {"-x y", "lq", RightLookup}}}},
		{`* ACL INBOX`, &ACL{Mailbox: "INBOX"}},
		{`* LISTRIGHTS ~/Mail/saved smith la r swicdkxte`, &ListRights{"~/Mail/saved", "smith", "la", []string{"r", "swicdkxte"}}},
		{`* LISTRIGHTS INBOX anyone ""`, &ListRights{"INBOX", "anyone", "", nil}},
		{`* MYRIGHTS INBOX rwiptsldaex`, &MyRights{"INBOX", "rwiptsldaex", RightsAll &^ (RightCreate | RightAnnotate)}},
		{"* XFOO {3}\r\nabc x", &Unknown{"XFOO {3}"}},
		{"* 3 XFOO", &Unknown{"3 XFOO"}},
		{`* GENURLAUTH "imap://a" x`, &GenURLAuthResponse{[]string{"imap://a", "x"}}},
		{"* URLFETCH \"imap://a\" {3}\r\nabc imap://b NIL", &URLFetchResponse{[]URLFetchData{{URL: "imap://a", Data: []byte("abc")}, {URL: "imap://b", Nil: true}}}},
		{"* URLFETCH a (BODYPARTSTRUCTURE NIL) (BINARY ~{2}\r\nab) b (BODY NIL)", &URLFetchResponse{[]URLFetchData{{URL: "a", Data: []byte("ab")}, {URL: "b", Nil: true}}}},
		{"* 1 FETCH (UID 4 FLAGS (\\Seen) MODSEQ (5) BODY[1.HEADER.FIELDS (\"a\" b)]<5> {3}\r\nabc BINARY.SIZE[1] 7 X-Y (1 \"2\") PREVIEW NIL)", &FetchResponse{
			Seq: 1, UID: 4, Flags: []string{`\Seen`}, ModSeq: 5, PreviewNil: true, BinarySizes: map[string]int64{"1": 7},
			Sections: []SectionData{{Label: "BODY[1.HEADER.FIELDS (a b)]<5>", Data: []byte("abc")}},
			Has:      map[FetchKind]bool{FetchUID: true, FetchFlags: true, FetchModSeq: true, FetchPreview: true}}},
		{`* 1 FETCH (INTERNALDATE " 3-Feb-2020 00:01:01 +0000" RFC822.SIZE 5 ENVELOPE ("d" NIL (("n" NIL "m" "h")) NIL NIL NIL NIL NIL NIL "i"))`, &FetchResponse{
			Seq: 1, InternalDate: time.Date(2020, 2, 3, 0, 1, 1, 0, time.UTC), Size: 5,
			Envelope: &Envelope{Date: "d", From: []Address{{Name: "n", Mailbox: "m", Host: "h"}}, MessageID: "i"},
			Has:      map[FetchKind]bool{FetchInternalDate: true, FetchRFC822Size: true, FetchEnvelope: true}}},
		{`* 1 FETCH (BODYSTRUCTURE (("TEXT" "PLAIN" ("A" "b") NIL NIL "7BIT" 5 1 NIL ("inline" NIL) ("en" "de") NIL)("image" "png" NIL "i" "d" "base64" 9) "mixed" ("boundary" "x") NIL "en" NIL))`, &FetchResponse{
			Seq: 1, Has: map[FetchKind]bool{FetchBodyStructure: true}, Body: &BodyStructure{Type: "multipart", Subtype: "mixed", Params: []string{"boundary", "x"}, Language: []string{"en"}, Extended: true, Parts: []*BodyStructure{
				{Type: "TEXT", Subtype: "PLAIN", Params: []string{"A", "b"}, Encoding: "7BIT", Size: 5, Lines: 1, Extended: true, Disposition: "inline", Language: []string{"en", "de"}},
				{Type: "image", Subtype: "png", ID: "i", Description: "d", Encoding: "base64", Size: 9}}}}},
	} {
		r := NewResponseReader(newInput(tc.in + "\r\n"))
		got, err := r.Read()
		if err != nil {
			t.Errorf("%q: %v", tc.in, err)
			continue
		}
		if diff := cmp.Diff(tc.want, got, cmp.Comparer(func(a, b time.Time) bool { return a.Equal(b) })); diff != "" {
			t.Errorf("%q: -want +got:\n%s", tc.in, diff)
		}
	}
}

// FuzzReadResponse: whatever a server sends, reading ends without panic.
func FuzzReadResponse(f *testing.F) {
	for _, s := range []string{
		"* OK [CAPABILITY IMAP4rev1] x\r\n", "* 1 FETCH (UID 1 BODY[] {3}\r\nabc ENVELOPE (NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL))\r\n",
		"* 1 FETCH (BODYSTRUCTURE ((\"a\" \"b\" NIL NIL NIL \"7bit\" 1 2) \"mixed\"))\r\n", "* ESEARCH (TAG \"x\") ALL 1:2\r\n", "* LIST () \"/\" x (\"CHILDINFO\" (\"a\"))\r\n",
		"* NAMESPACE ((\"\" \"/\")) NIL NIL\r\n", "* STATUS x (MESSAGES 1)\r\n", "+ x\r\n", "a NO [X] y\r\n", "* X {2+}\r\nab\r\n", "* QUOTA \"\" (STORAGE 1 2)\r\n",
		"* 1 FETCH (BODY ((((((\r\n", "* VANISHED 1:5\r\n", "* 7 UIDFETCH (FLAGS (x) BODY[] {1}\r\nx)\r\n", "* ID (\"a\" NIL)\r\n", "* THREAD (1 (2)((3)(4)))\r\n", "* SORT 1 2 (MODSEQ 5)\r\n", "* ESEARCH ADDTO (1 2:3) PARTIAL (-1:-2 NIL)\r\n",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r := NewResponseReader(newInput(s))
		for range 100 {
			_, err := r.Read()
			var ierr *Error
			if err != nil && !errors.As(err, &ierr) {
				return
			}
		}
	})
}
