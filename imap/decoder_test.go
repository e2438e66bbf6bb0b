package imap

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// textInput reads lines of a string.
type textInput struct{ r *bufio.Reader }

func newInput(s string) textInput { return textInput{bufio.NewReader(strings.NewReader(s))} }

func (in textInput) ReadLine(max int) ([]byte, error) {
	line, err := in.r.ReadBytes('\n')
	if err != nil {
		return nil, err
	}
	if len(line) > max+2 {
		return nil, ErrUnrecoverable
	}
	return bytes.TrimSuffix(bytes.TrimSuffix(line, []byte("\n")), []byte("\r")), nil
}

func (in textInput) Read(p []byte) (int, error) { return in.r.Read(p) }

func newTestDecoder(s string) (*Decoder, *int) {
	continued := new(int)
	d := NewDecoder(newInput(s), func() error { *continued++; return nil })
	d.SetLimits(DefaultLimits)
	return d, continued
}

func num(n uint64) *uint64 { return &n }

func set(s string) NumSet {
	ns, err := ParseNumSet(s)
	if err != nil {
		panic(err)
	}
	return ns
}

func date(s string) time.Time {
	t, err := time.Parse("2006-01-02", s)
	if err != nil {
		panic(err)
	}
	return t
}

func TestDecode(t *testing.T) {
	ns := set("1:3")
	for _, tc := range []struct {
		in   string
		want Request
	}{
		{"a NOOP", Request{"a", "NOOP", false, nil}},
		{"A.1 capability", Request{"A.1", "CAPABILITY", false, nil}},
		{`a LOGIN joe "pa\"ss"`, Request{"a", "LOGIN", false, &Login{"joe", `pa"ss`}}},
		{"a LOGIN {3}\r\njoe {0+}\r\n", Request{"a", "LOGIN", false, &Login{"joe", ""}}},
		{"a AUTHENTICATE plain", Request{"a", "AUTHENTICATE", false, &Authenticate{Mechanism: "PLAIN"}}},
		{"a AUTHENTICATE PLAIN =", Request{"a", "AUTHENTICATE", false, &Authenticate{"PLAIN", []byte{}, true}}},
		{"a AUTHENTICATE PLAIN YWI=", Request{"a", "AUTHENTICATE", false, &Authenticate{"PLAIN", []byte("ab"), true}}},
		{"a ID NIL", Request{"a", "ID", false, &ID{}}},
		{`a ID ("name" "x" "y" NIL)`, Request{"a", "ID", false, &ID{[]IDParam{{"name", "x", false}, {"y", "", true}}}}},
		{"a ENABLE condstore UTF8=ACCEPT", Request{"a", "ENABLE", false, &Enable{[]string{"CONDSTORE", "UTF8=ACCEPT"}}}},
		{"a SELECT inBox", Request{"a", "SELECT", false, &Select{Mailbox: "INBOX"}}},
		{"a EXAMINE inbox/x (CONDSTORE)", Request{"a", "EXAMINE", false, &Select{Mailbox: "INBOX/x", CondStore: true}}},
		{"a SELECT x (QRESYNC (1 2 1:3 (1:3 1:3)))", Request{"a", "SELECT", false, &Select{Mailbox: "x", QResync: &QResync{1, 2, &ns, &ns, &ns}}}},
		{"a SELECT x (QRESYNC (1 2 (1:3 1:3)) CONDSTORE)", Request{"a", "SELECT", false, &Select{Mailbox: "x", CondStore: true, QResync: &QResync{1, 2, nil, &ns, &ns}}}},
		{"a SELECT x (QRESYNC (1 2 1:3))", Request{"a", "SELECT", false, &Select{Mailbox: "x", QResync: &QResync{1, 2, &ns, nil, nil}}}},
		{"a SELECT x (QRESYNC (1 2))", Request{"a", "SELECT", false, &Select{Mailbox: "x", QResync: &QResync{1, 2, nil, nil, nil}}}},
		{"a CREATE &Jjo-", Request{"a", "CREATE", false, &Create{Mailbox: "☺"}}},
		{`a CREATE x (USE (\Sent \Drafts))`, Request{"a", "CREATE", false, &Create{"x", []string{`\Sent`, `\Drafts`}}}},
		{"a RENAME a {1}\r\nb", Request{"a", "RENAME", false, &Rename{"a", "b"}}},
		{`a LIST "" %`, Request{"a", "LIST", false, &List{Patterns: []string{"%"}}}},
		{`a LIST (SUBSCRIBED RECURSIVEMATCH) "" ("a*" b%) RETURN (CHILDREN STATUS (MESSAGES UNSEEN))`, Request{"a", "LIST", false, &List{
			Patterns: []string{"a*", "b%"}, Extended: true, Select: ListOptions{Subscribed: true, RecursiveMatch: true},
			Return: ListReturn{Children: true, Status: []StatusAtt{StatusMessages, StatusUnseen}}}}},
		{`a LSUB "" *`, Request{"a", "LSUB", false, &List{Patterns: []string{"*"}}}},
		{"a STATUS x (UIDNEXT MAILBOXID)", Request{"a", "STATUS", false, &Status{"x", []StatusAtt{StatusUIDNext, StatusMailboxID}}}},
		{"a COMPRESS Deflate", Request{"a", "COMPRESS", false, &Compress{"DEFLATE"}}},
		{"a UID SEARCH UIDAFTER 5 UIDBEFORE 9", Request{"a", "SEARCH", true, &Search{Key: SearchKey{Op: SearchAnd, Keys: []SearchKey{{Op: SearchUID, Set: set("6:4294967295")}, {Op: SearchUID, Set: set("1:8")}}}}}},
		{"a UIDBATCHES 500 3:2", Request{"a", "UIDBATCHES", false, &UIDBatches{500, 2, 3}}},
		{"a UNAUTHENTICATE", Request{"a", "UNAUTHENTICATE", false, nil}},
		{"a UID EXPUNGE 1,3:*", Request{"a", "EXPUNGE", true, &UIDExpunge{set("1,3:*")}}},
		{"a EXPUNGE", Request{"a", "EXPUNGE", false, nil}},
		{"a COPY $ x", Request{"a", "COPY", false, &Copy{NumSet{Saved: true}, "x"}}},
		{`a STORE 1 +flags.silent (\Seen x)`, Request{"a", "STORE", false, &Store{set("1"), StoreAdd, true, []string{`\Seen`, "x"}, nil, nil}}},
		{`a UID STORE 1 (UNCHANGEDSINCE 0) FLAGS \Seen x`, Request{"a", "STORE", true, &Store{set("1"), StoreReplace, false, []string{`\Seen`, "x"}, num(0), nil}}},
		{"a STORE 1 -FLAGS ()", Request{"a", "STORE", false, &Store{Set: set("1"), Op: StoreRemove}}},
		{"a FETCH 1 FAST", Request{"a", "FETCH", false, &Fetch{Set: set("1"), Atts: fetchMacros["FAST"]}}},
		{"a FETCH 1 (BODY BODY[] BODY.PEEK[1.2.HEADER.FIELDS (a {1}\r\nb)]<5.6>)", Request{"a", "FETCH", false, &Fetch{Set: set("1"), Atts: []FetchAtt{
			{Kind: FetchBody}, {Kind: FetchSection},
			{Kind: FetchSection, Peek: true, Section: Section{[]int{1, 2}, SectionHeaderFields, []string{"a", "b"}}, Partial: &Partial{5, 6}}}}}},
		{"a FETCH 1 (BINARY[1] BINARY.SIZE[] PREVIEW (LAZY) BODY[1.MIME])", Request{"a", "FETCH", false, &Fetch{Set: set("1"), Atts: []FetchAtt{
			{Kind: FetchBinary, Section: Section{Part: []int{1}}}, {Kind: FetchBinarySize}, {Kind: FetchPreview, Lazy: true},
			{Kind: FetchSection, Section: Section{Part: []int{1}, Spec: SectionMIME}}}}}},
		{"a UID FETCH 1 PREVIEW (CHANGEDSINCE 5 VANISHED)", Request{"a", "FETCH", true, &Fetch{set("1"), []FetchAtt{{Kind: FetchPreview}}, num(5), true, nil}}},
		{"a SEARCH NOT FILTER on-the-road", Request{"a", "SEARCH", false, &Search{Key: SearchKey{Op: SearchNot, Keys: []SearchKey{{Op: SearchFilter, Str: "on-the-road"}}}}}},
		{`a ESEARCH IN (mailboxes "folder1" subtree-one (a b)) RETURN (COUNT) unseen`, Request{"a", "ESEARCH", false, &MultiSearch{
			Sources: []SearchSource{{NotifyMailboxes, []string{"folder1"}}, {NotifySubtreeOne, []string{"a", "b"}}},
			Search:  Search{Return: &SearchReturn{Count: true}, Key: SearchKey{Op: SearchNot, Keys: []SearchKey{{Op: SearchFlag, Str: `\Seen`}}}},
		}}},
		{"a SORT RETURN (RELEVANCY ALL) (RELEVANCY) UTF-8 FUZZY TEXT Helo", Request{"a", "SORT", false, &Sort{[]SortCriterion{{Key: SortRelevancy}}, Search{Charset: "UTF-8", Return: &SearchReturn{Relevancy: true, All: true}, Key: SearchKey{Op: SearchFuzzy, Keys: []SearchKey{{Op: SearchText, Str: "Helo"}}}}}}},
		{"a SEARCH RETURN () 1:3", Request{"a", "SEARCH", false, &Search{Return: &SearchReturn{All: true}, Key: SearchKey{Op: SearchSeq, Set: ns}}}},
		{"a SEARCH CHARSET utf-8 UNSEEN (OR BEFORE 1-Feb-2020 NOT TEXT {1}\r\nx)", Request{"a", "SEARCH", false, &Search{Charset: "UTF-8", Key: SearchKey{Op: SearchAnd, Keys: []SearchKey{
			{Op: SearchNot, Keys: []SearchKey{{Op: SearchFlag, Str: `\Seen`}}},
			{Op: SearchOr, Keys: []SearchKey{{Op: SearchBefore, Date: date("2020-02-01")}, {Op: SearchNot, Keys: []SearchKey{{Op: SearchText, Str: "x"}}}}}}}}}},
		{`a SEARCH RETURN (MIN SAVE) MODSEQ "/flags/\\seen" all 7`, Request{"a", "SEARCH", false, &Search{Return: &SearchReturn{Min: true, Save: true}, ModSeq: true, Key: SearchKey{Op: SearchModSeq, Num: 7}}}},
		{"a UID FETCH 1 FLAGS (PARTIAL -1:-3 CHANGEDSINCE 5)", Request{"a", "FETCH", true, &Fetch{Set: set("1"), Atts: []FetchAtt{{Kind: FetchFlags}}, ChangedSince: num(5), Partial: &PartialRange{1, 3, true}}}},
		{"a SEARCH RETURN (COUNT PARTIAL 5:1 UPDATE CONTEXT) ALL", Request{"a", "SEARCH", false, &Search{Return: &SearchReturn{Count: true, Update: true, Context: true, Partial: &PartialRange{5, 1, false}}}}},
		{"a SORT (SUBJECT REVERSE DATE ANNOTATION /altsubject value.shared) utf-8 ALL", Request{"a", "SORT", false, &Sort{[]SortCriterion{{Key: SortSubject}, {Key: SortDate, Reverse: true}, {Key: SortAnnotation, Entry: "/altsubject", Shared: true}}, Search{Charset: "UTF-8"}}}},
		{"a UID SORT RETURN () (displayfrom) \"US-ASCII\" MODSEQ 5", Request{"a", "SORT", true, &Sort{[]SortCriterion{{Key: SortDisplayFrom}}, Search{Charset: "US-ASCII", Return: &SearchReturn{All: true}, Key: SearchKey{Op: SearchModSeq, Num: 5}, ModSeq: true}}}},
		{"a THREAD references UTF-8 1:3", Request{"a", "THREAD", false, &Thread{ThreadReferences, Search{Charset: "UTF-8", Key: SearchKey{Op: SearchSeq, Set: ns}}}}},
		{"a CANCELUPDATE \"B01\" \"c\"", Request{"a", "CANCELUPDATE", false, &CancelUpdate{[]string{"B01", "c"}}}},
		{"a COMPARATOR \"cz;*\" i;basic", Request{"a", "COMPARATOR", false, &Comparator{[]string{"cz;*", "i;basic"}}}},
		{"a COMPARATOR", Request{"a", "COMPARATOR", false, &Comparator{}}},
		{"a LANGUAGE FR-CA \"EN-CA\" *", Request{"a", "LANGUAGE", false, &Language{[]string{"FR-CA", "EN-CA", "*"}}}},
		{"a GETMETADATA \"\" /shared/comment", Request{"a", "GETMETADATA", false, &GetMetadata{Entries: []string{"/shared/comment"}}}},
		{`a GETMETADATA (MAXSIZE 5 DEPTH infinity) inbox ("/private/x y" /shared/a)`, Request{"a", "GETMETADATA", false, &GetMetadata{"INBOX", num(5), DepthInfinity, []string{"/private/x y", "/shared/a"}}}},
		{`a GETMETADATA "INBOX" (DEPTH 1) (/private/filters/values)`, Request{"a", "GETMETADATA", false, &GetMetadata{"INBOX", nil, 1, []string{"/private/filters/values"}}}},
		{"a GETMETADATA x /shared/a /shared/b", Request{"a", "GETMETADATA", false, &GetMetadata{Mailbox: "x", Entries: []string{"/shared/a", "/shared/b"}}}},
		{"a SETMETADATA INBOX (/private/comment NIL /shared/a ~{2+}\r\n\x00b /shared/b \"\")", Request{"a", "SETMETADATA", false, &SetMetadata{"INBOX", []MetadataValue{{"/private/comment", nil}, {"/shared/a", []byte("\x00b")}, {"/shared/b", []byte{}}}}}},
		{`a LIST "" % RETURN (METADATA (/shared/comment))`, Request{"a", "LIST", false, &List{Patterns: []string{"%"}, Extended: true, Return: ListReturn{Metadata: []string{"/shared/comment"}}}}},
		{"a NOTIFY none", Request{"a", "NOTIFY", false, &Notify{}}},
		{"a notify set status (selected MessageNew (uid body.peek[header.fields (from)]) MessageExpunge) (subtree (Lists a) (MessageNew MessageExpunge FlagChange))", Request{"a", "NOTIFY", false, &Notify{Status: true, Groups: []NotifyGroup{
			{Filter: NotifySelected, Events: EventMessageNew | EventMessageExpunge, Fetch: []FetchAtt{{Kind: FetchUID}, {Kind: FetchSection, Peek: true, Section: Section{Spec: SectionHeaderFields, Fields: []string{"from"}}}}},
			{Filter: NotifySubtree, Mailboxes: []string{"Lists", "a"}, Events: EventMessageNew | EventMessageExpunge | EventFlagChange}}}}},
		{"a NOTIFY SET (mailboxes inbox (SubscriptionChange)) (personal none)", Request{"a", "NOTIFY", false, &Notify{Groups: []NotifyGroup{{Filter: NotifyMailboxes, Mailboxes: []string{"INBOX"}, Events: EventSubscriptionChange}, {Filter: NotifyPersonal}}}}},
		{"a NOTIFY SET (inboxes (MessageNew Foo))", Request{"a", "NOTIFY", false, &Notify{Groups: []NotifyGroup{{Filter: NotifyInboxes, Events: EventMessageNew}}, Unknown: []string{"Foo"}}}},
		{"a SELECT x (ANNOTATE)", Request{"a", "SELECT", false, &Select{Mailbox: "x", Annotate: true}}},
		{"a FETCH 1 (ANNOTATION (/comment value))", Request{"a", "FETCH", false, &Fetch{Set: set("1"), Atts: []FetchAtt{{Kind: FetchAnnotation, Annotation: &AnnotationFetch{[]string{"/comment"}, []AnnotationAttribute{{false, AnnotationBoth}}}}}}}},
		{"a FETCH 1 ANNOTATION ((/* \"/1.2/%\") (value.priv size.shared size))", Request{"a", "FETCH", false, &Fetch{Set: set("1"), Atts: []FetchAtt{{Kind: FetchAnnotation, Annotation: &AnnotationFetch{[]string{"/*", "/1.2/%"}, []AnnotationAttribute{{false, AnnotationPrivate}, {true, AnnotationShared}, {true, AnnotationBoth}}}}}}}},
		{"a STORE 1 (UNCHANGEDSINCE 3) ANNOTATION (/comment (value.priv \"x\" value.shared NIL) /1/flags/seen (value.shared ~{1+}\r\n\x00))", Request{"a", "STORE", false, &Store{Set: set("1"), UnchangedSince: num(3), Annotations: []AnnotationValue{
			{"/comment", AnnotationPrivate, []byte("x")}, {"/comment", AnnotationShared, nil}, {"/1/flags/seen", AnnotationShared, []byte{0}}}}}},
		{"a SEARCH ANNOTATION * value.priv \"IMAP4\"", Request{"a", "SEARCH", false, &Search{Key: SearchKey{Op: SearchAnnotation, Annotation: &AnnotationSearch{"*", AnnotationPrivate, []byte("IMAP4")}}}}},
		{"a SEARCH NOT ANNOTATION /comment value NIL", Request{"a", "SEARCH", false, &Search{Key: SearchKey{Op: SearchNot, Keys: []SearchKey{{Op: SearchAnnotation, Annotation: &AnnotationSearch{"/comment", AnnotationBoth, nil}}}}}}},
		{"a GETQUOTA \"\"", Request{"a", "GETQUOTA", false, &GetQuota{}}},
		{"a SETACL INBOX/x Chris +cd", Request{"a", "SETACL", false, &SetACL{"INBOX/x", "Chris", RightsAdd, RightCreate | RightDelete | RightDeleteFlag | RightExpunge}}},
		{"a SETACL inbox {3+}\r\n-\xc3\xbc -lr", Request{"a", "SETACL", false, &SetACL{"INBOX", "-ü", RightsRemove, RightLookup | RightRead}}},
		{`a SETACL x anyone ""`, Request{"a", "SETACL", false, &SetACL{Mailbox: "x", Identifier: "anyone"}}},
		{"a DELETEACL x $team", Request{"a", "DELETEACL", false, &ACLIdentifier{"x", "$team"}}},
		{"a LISTRIGHTS x y", Request{"a", "LISTRIGHTS", false, &ACLIdentifier{"x", "y"}}},
		{"a GETACL x", Request{"a", "GETACL", false, &Mailbox{"x"}}},
		{"a MYRIGHTS x", Request{"a", "MYRIGHTS", false, &Mailbox{"x"}}},
		{"a APPEND x {3}", Request{"a", "APPEND", false, &Append{"x"}}},
		{"a RESETKEY", Request{"a", "RESETKEY", false, &ResetKey{}}},
		{"a RESETKEY inbox internal xsample", Request{"a", "RESETKEY", false, &ResetKey{"INBOX", []string{"INTERNAL", "XSAMPLE"}}}},
		{"a GENURLAUTH \"x\" internal y z", Request{"a", "GENURLAUTH", false, &GenURLAuth{[]URLMechanism{{"x", "INTERNAL"}, {"y", "Z"}}}}},
		{"a URLFETCH x (y) (\"z\" BINARY bodypartstructure) (w BODY)", Request{"a", "URLFETCH", false, &URLFetch{[]URLFetchItem{{URL: "x"}, {URL: "y"}, {URL: "z", Extended: true, Binary: true, BodyPartStructure: true}, {URL: "w", Extended: true, Body: true}}}}},
		{"a REPLACE 4 Drafts {3}", Request{"a", "REPLACE", false, &Replace{4, "Drafts"}}},
		{"a uid replace * inbox {3}", Request{"a", "REPLACE", true, &Replace{Star, "INBOX"}}},
	} {
		d, _ := newTestDecoder(tc.in + "\r\n")
		r, err := d.Decode()
		if err != nil {
			t.Errorf("%q: %v", tc.in, err)
			continue
		}
		if diff := cmp.Diff(tc.want, *r); diff != "" {
			t.Errorf("%q: -want +got:\n%s", tc.in, diff)
		}
	}
}

func TestDecodeBad(t *testing.T) {
	deep := strings.Repeat("(", 200) + "ALL" + strings.Repeat(")", 200)
	for _, in := range []string{
		"", " ", "a", "a ", "a COMPRESS", "a SEARCH UIDAFTER 0", "a SEARCH UIDBEFORE 1:2", "a COMPRESS DEFLATE x", "a UNAUTHENTICATE x", "a  NOOP", "a NOOP ", "+ NOOP", "a UID", "a UID NOOP", "a FOO", "a LOGIN x", "a LOGIN x \"", "a LOGIN x \"\\x\"",
		"a LOGIN x y z", "a AUTHENTICATE PLAIN a", "a AUTHENTICATE PLAIN", "a SELECT", "a SELECT &", "a SELECT &AGE-", "a SELECT x (FOO)",
		"a SELECT x (QRESYNC (0 1))", "a SELECT x (QRESYNC (1 0))", "a SELECT x (QRESYNC (1 1 1:*))", "a SELECT x (QRESYNC (1 1 1:3 (1:3 1)))",
		"a SELECT x (QRESYNC (1 1 1:3 (3,1 1,3)))", "a FETCH 0 FLAGS", "a FETCH 1: FLAGS", "a FETCH 4294967296 FLAGS", "a FETCH 1", "a FETCH 1 ()",
		"a FETCH 1 (ALL)", "a FETCH 1 FOO", "a FETCH 1 BODY[", "a FETCH 1 BODY[MIME]", "a FETCH 1 BODY[0]", "a FETCH 1 BODY[1.]", "a FETCH 1 BODY[]<1.0>",
		"a FETCH 1 BODY[HEADER.FIELDS ()]", "a FETCH 1 BINARY[TEXT]", "a FETCH 1 FLAGS (VANISHED)", "a FETCH 1 FLAGS (CHANGEDSINCE 1 VANISHED)",
		"a FETCH 1 FLAGS (CHANGEDSINCE 0)", "a STORE 1 FLAGS", "a STORE 1 XFLAGS ()", "a STORE 1 FLAGS (\\)", "a SEARCH", "a SEARCH NOT", "a SEARCH OR 1",
		"a SEARCH BEFORE 1-Foo-2020", "a SEARCH BEFORE 32-Jan-2020", "a SEARCH LARGER -1", "a SEARCH YOUNGER 0", "a SEARCH RETURN (FOO) ALL", "a SEARCH " + deep,
		"a LIST \"\"", "a LIST (RECURSIVEMATCH) \"\" *", "a LIST (FOO) \"\" *", "a LIST \"\" * RETURN (FOO)", "a LIST \"\" () ", "a STATUS x ()", "a STATUS x (FOO)",
		"a GETMETADATA", "a GETMETADATA x", "a GETMETADATA x ()", "a GETMETADATA x /a*", "a GETMETADATA x a", "a GETMETADATA x //a", "a GETMETADATA (FOO) x /a",
		"a GETMETADATA (DEPTH 2) x /a", "a GETMETADATA (MAXSIZE -1) x /a", "a SETMETADATA x ()", "a SETMETADATA x (/a)", "a SETMETADATA x (/a b)", "a SETMETADATA x (/a/ NIL)",
		"a SETMETADATA x (/shared/a {1+}\r\n\x00)", "a LIST \"\" * RETURN (METADATA)", "a LIST \"\" * RETURN (METADATA ())",
		"a SORT (ANNOTATION) UTF-8 ALL", "a SORT (ANNOTATION /a value) UTF-8 ALL", "a SORT (ANNOTATION /a size.priv) UTF-8 ALL", "a SORT (ANNOTATION /* value.priv) UTF-8 ALL",
		"a FETCH 1 ANNOTATION", "a FETCH 1 ANNOTATION (/comment)", "a FETCH 1 ANNOTATION (/comment foo)", "a FETCH 1 ANNOTATION (/comment value.)", "a FETCH 1 ANNOTATION (comment value)",
		"a FETCH 1 ANNOTATION (/0/comment value)", "a FETCH 1 ANNOTATION (/1./comment value)", "a FETCH 1 ANNOTATION (/1.x/comment value)", "a FETCH 1 ANNOTATION (/comment Value)",
		"a STORE 1 ANNOTATION (/comment (value \"x\"))", "a STORE 1 ANNOTATION (/comment (size.priv \"1\"))", "a STORE 1 ANNOTATION (/comm* (value.priv \"x\"))", "a STORE 1 ANNOTATION ()",
		"a STORE 1 ANNOTATION (/comment ())", "a STORE 1 ANNOTATION.SILENT (/comment (value.priv \"x\"))", "a SEARCH ANNOTATION /comment size.priv \"1\"", "a SEARCH ANNOTATION /comment value",
		"a NOTIFY", "a NOTIFY SET", "a NOTIFY SET STATUS", "a NOTIFY NONE x", "a NOTIFY SET ()", "a NOTIFY SET (foo (MessageNew MessageExpunge))", "a NOTIFY SET (personal ())",
		"a NOTIFY SET (personal (MessageNew))", "a NOTIFY SET (personal (MessageExpunge))", "a NOTIFY SET (personal (FlagChange))", "a NOTIFY SET (personal (AnnotationChange))",
		"a NOTIFY SET (selected (MailboxName))", "a NOTIFY SET (personal (MessageNew (UID) MessageExpunge))", "a NOTIFY SET (selected NONE) (selected-delayed NONE)",
		"a NOTIFY SET (subtree (MessageNew MessageExpunge))", "a NOTIFY SET (selected (MessageNew (FOO) MessageExpunge))", "a NOTIFY SET (selected (MessageNew () MessageExpunge))",
		"a ENABLE", "a ID", "a ID (\"x\")", "a CREATE x (FOO)", "a APPEND x", "a REPLACE 0 x {3}", "a RESETKEY x y z(", "a GENURLAUTH", "a GENURLAUTH x", "a GENURLAUTH x y z", "a URLFETCH", "a URLFETCH (x BODY BINARY)", "a URLFETCH (x FOO)", "a URLFETCH (x", "a URLFETCH x y)", "a REPLACE 1:2 x {3}", "a REPLACE $ x {3}", "a REPLACE 1 x", "a UID APPEND x {3}", "a COPY 1", "a LOGIN x \xff", "a LOGIN x \"\xff\"", "a LOGIN x {1x}", "a LOGIN x {1", "a LOGIN \x00 x",
	} {
		if in == "a AUTHENTICATE PLAIN" {
			continue
		}
		d, _ := newTestDecoder(in + "\r\nb NOOP\r\n")
		_, err := d.Decode()
		var ierr *Error
		want := BAD
		if strings.HasPrefix(in, "a SELECT &") {
			want = NO // what is no name is understood all the same
		}
		if !errors.As(err, &ierr) || ierr.Type != want {
			t.Errorf("%q: got %v, want %s", in, err, want)
			continue
		}
		if r, err := d.Decode(); err != nil || r.Tag != "b" {
			t.Errorf("%q: next command: %v, %v", in, r, err)
		}
	}
}

// TestLiterals: RFC 7888 4: synchronizing literals are asked for, refused ones skipped.
func TestLiterals(t *testing.T) {
	for _, tc := range []struct {
		in        string
		continued int
		code      string
		bad       bool
		lost      bool
	}{
		{"a LOGIN {1}\r\nx {1}\r\ny\r\n", 2, "", false, false},
		{"a LOGIN {1+}\r\nx {1+}\r\ny\r\n", 0, "", false, false},
		{"a FOO {3+}\r\nxyz {2+}\r\n\r\n\r\n", 0, "", true, false},
		{"a FOO {3}\r\n", 0, "", true, false},
		{"a LOGIN {200000}\r\n", 0, CodeTooBig, false, false},
		{"a LOGIN {200000+}\r\n" + strings.Repeat("x", 200000) + " y\r\n", 0, CodeTooBig, false, false},
		{"a LOGIN {2000000+}\r\n", 0, CodeTooBig, false, true},
		{"a LOGIN {99999999999999999999}\r\n", 0, "", true, false},
	} {
		d, continued := newTestDecoder(tc.in + "b NOOP\r\n")
		_, err := d.Decode()
		var ierr *Error
		switch {
		case *continued != tc.continued:
			t.Errorf("%.40q: %d continuations", tc.in, *continued)
		case !tc.bad && tc.code == "" && err != nil, (tc.bad || tc.code != "") && !errors.As(err, &ierr):
			t.Errorf("%.40q: %v", tc.in, err)
		case ierr != nil && (ierr.Code != tc.code || (ierr.Type == BAD) != tc.bad):
			t.Errorf("%.40q: %v", tc.in, ierr)
		case errors.Is(err, ErrUnrecoverable) != tc.lost:
			t.Errorf("%.40q: recoverable: %v", tc.in, err)
		}
		if tc.lost {
			continue
		}
		if r, err := d.Decode(); err != nil || r.Tag != "b" {
			t.Errorf("%.40q: next command: %v, %v", tc.in, r, err)
		}
	}
}

func TestDecodeAppend(t *testing.T) {
	in := "a APPEND x (\\Seen) \" 1-Feb-2020 01:02:03 +0100\" {3+}\r\nabc ~{2}\r\nde UTF8 (~{1+}\r\nf)\r\nb NOOP\r\n"
	d, continued := newTestDecoder(in)
	if _, err := d.Decode(); err != nil {
		t.Fatal(err)
	}
	var got []string
	for {
		m, err := d.NextAppend()
		if err != nil {
			t.Fatal(err)
		}
		if m == nil {
			break
		}
		r, err := d.AcceptAppend(&m.MessageLiteral)
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, string(data))
		if err := d.FinishAppend(m); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff([]string{"abc", "de", "f"}, got); diff != "" || *continued != 1 {
		t.Errorf("%s, %d continuations", diff, *continued)
	}
	if r, err := d.Decode(); err != nil || r.Tag != "b" {
		t.Errorf("next command: %v, %v", r, err)
	}
}

// FuzzDecode: whatever a client sends, decoding ends without panic, and each command
// or error leaves the input where the next command is looked for.
func FuzzDecode(f *testing.F) {
	for _, s := range []string{
		"a LOGIN {3}\r\njoe {0+}\r\n\r\n", "a SELECT x (QRESYNC (1 2 1:3 (1:3 1:3)))\r\n", "a FETCH 1:* (BODY[1.2.HEADER.FIELDS (a b)]<1.2> PREVIEW (LAZY)) (CHANGEDSINCE 1)\r\n",
		"a SEARCH RETURN (ALL SAVE) CHARSET UTF-8 OR (NOT 1,2 UNSEEN) MODSEQ \"/flags/x\" all 3\r\n", "a LIST (SUBSCRIBED) \"\" (a b) RETURN (STATUS (MESSAGES))\r\n",
		"a APPEND x (\\Seen) \" 1-Feb-2020 01:02:03 +0100\" {3+}\r\nabc ~{2}\r\nde UTF8 (~{1+}\r\nf)\r\nb NOOP\r\n", "a UID STORE $ (UNCHANGEDSINCE 3) +FLAGS.SILENT \\Seen\r\n",
		"a CREATE &Jjo- (USE (\\Sent))\r\n", "a ID (\"a\" NIL)\r\n", "a AUTHENTICATE PLAIN =\r\n", "a STATUS \"x\" (MESSAGES)\r\n", "a UID SORT RETURN (PARTIAL -1:-5 COUNT UPDATE) (SUBJECT REVERSE DATE) UTF-8 ALL\r\n",
		"a THREAD REFS UTF-8 TEXT {1+}\r\nx\r\n", "a COMPARATOR \"-i;*\"\r\n", "a LANGUAGE en *\r\n", "a CANCELUPDATE \"x\"\r\n", "a UID FETCH 1:* FLAGS (PARTIAL 1:5)\r\n", "\x00\r\n", "a NOOP {100+}\r\n",
		"a UID REPLACE 4 x (\\Seen) {2+}\r\nab\r\nb NOOP\r\n", "a APPEND x CATENATE (URL \"/x;UIDVALIDITY=1/;UID=2/;SECTION=1.MIME\" TEXT {2+}\r\nab URL {2+}\r\n/x UTF8 (~{2+}\r\nab)) (\\Seen) {2+}\r\nab\r\n",
		"a COMPRESS DEFLATE\r\n", "a RESETKEY x INTERNAL\r\n", "a GENURLAUTH \"x\" INTERNAL y Z\r\n", "a URLFETCH x (y BINARY BODYPARTSTRUCTURE) \"z\"\r\n",
		"a CREATE &Jjo- (USE (\\Sent))\r\n", "a ID (\"a\" NIL)\r\n", "a AUTHENTICATE PLAIN =\r\n", "a STATUS \"x\" (MESSAGES)\r\n", "\x00\r\n", "a NOOP {100+}\r\n",
		"a FETCH 1 (ANNOTATION ((/* /1.2/%) (value size.priv)))\r\n", "a STORE 1 ANNOTATION (/c (value.priv ~{1+}\r\n\x00 value.shared NIL))\r\nb SEARCH ANNOTATION /% value \"x\"\r\n",
		"a APPEND x ANNOTATION (/c (value.priv {1+}\r\nx)) {2+}\r\nab\r\n",
		"a NOTIFY SET STATUS (selected (MessageNew (UID BODY.PEEK[1]) MessageExpunge)) (subtree (a \"b\") (MailboxName FlagChange)) (mailboxes {1+}\r\nx NONE)\r\n",
		"a GETMETADATA (DEPTH 1 MAXSIZE 3) INBOX (/private/a \"/shared/b\")\r\n", "a SETMETADATA \"\" (/shared/a ~{2+}\r\n\x00b /private/b NIL)\r\n",
		"a CREATE &Jjo- (USE (\\Sent))\r\n", "a ID (\"a\" NIL)\r\n", "a AUTHENTICATE PLAIN =\r\n", "a STATUS \"x\" (MESSAGES)\r\n", "a SETACL x {2+}\r\n-y +lrcd\r\n", "a LISTRIGHTS x \"y z\"\r\n", "a LIST \"\" * RETURN (MYRIGHTS)\r\n", "\x00\r\n", "a NOOP {100+}\r\n",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d, _ := newTestDecoder(s)
		for range 100 {
			r, err := d.Decode()
			var ierr *Error
			if err != nil && (!errors.As(err, &ierr) || errors.Is(err, ErrUnrecoverable)) {
				return
			}
			if err == nil && (r.Name == "APPEND" || r.Name == "REPLACE") {
				fuzzAppend(d)
			}
		}
	})
}

func fuzzAppend(d *Decoder) {
	for {
		m, err := d.NextAppend()
		if err != nil || m == nil {
			return
		}
		if m.Catenate {
			if !fuzzParts(d) {
				return
			}
			continue
		}
		if !fuzzLiteral(d, &m.MessageLiteral) || d.FinishAppend(m) != nil {
			return
		}
	}
}

func fuzzParts(d *Decoder) bool {
	for {
		c, err := d.NextPart()
		if err != nil || c == nil {
			return err == nil
		}
		if c.URL == "" && (!fuzzLiteral(d, &c.MessageLiteral) || d.FinishPart(c) != nil) {
			return false
		}
	}
}

// fuzzLiteral reads a literal, or refuses those with an odd size.
func fuzzLiteral(d *Decoder, a *MessageLiteral) bool {
	if a.Size%2 == 1 {
		_ = d.SkipAppend()
		return false
	}
	r, err := d.AcceptAppend(a)
	if err != nil {
		return false
	}
	n, err := io.Copy(io.Discard, r)
	return err == nil && n == a.Size
}
