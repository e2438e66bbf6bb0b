package message

import (
	"io"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestDecodeWords(t *testing.T) {
	for _, test := range []struct{ in, want string }{
		{"", ""},
		{"plain text", "plain text"},
		// RFC 2047 8
		{"=?US-ASCII?Q?Keith_Moore?=", "Keith Moore"},
		{"=?ISO-8859-1?Q?Keld_J=F8rn_Simonsen?=", "Keld Jørn Simonsen"},
		{"=?ISO-8859-1?Q?Andr=E9?= Pirard", "André Pirard"},
		{"=?ISO-8859-1?B?SWYgeW91IGNhbiByZWFkIHRoaXMgeW8=?= =?ISO-8859-2?B?dSB1bmRlcnN0YW5kIHRoZSBleGFtcGxlLg==?=", "If you can read this you understand the example."},
		{"=?ISO-8859-1?Q?a?=", "a"},
		{"=?ISO-8859-1?Q?a?= b", "a b"},
		{"=?ISO-8859-1?Q?a?= =?ISO-8859-1?Q?b?=", "ab"},
		{"=?ISO-8859-1?Q?a?=  =?ISO-8859-1?Q?b?=", "ab"},
		{"=?ISO-8859-1?Q?a?=\r\n    =?ISO-8859-1?Q?b?=", "ab"},
		{"=?ISO-8859-1?Q?a_b?=", "a b"},
		{"=?ISO-8859-1?Q?a?= =?ISO-8859-2?Q?_b?=", "a b"},
		// RFC 2231 5
		{"=?US-ASCII*EN?Q?Keith_Moore?=", "Keith Moore"},
		// In the wild.
		{"=?utf-8?q?=C3?= =?utf-8?q?=A9?=", "é"},
		{"=?utf-8?B?w?==?utf-8?B?6k=?=", "\u00c3\u00e9"[:0] + DecodeCharset("utf-8", append(appendBase64(nil, "w"), appendBase64(nil, "6k=")...))},
		{"=?utf-8?Q?with space?=", "with space"},
		{"x=?utf-8?Q?=41?=y", "xAy"},
		{"=?utf-8?Q??=", ""},
		{"=?utf-8?B?SGVsbG8?=", "Hello"},
		{"=?nosuch?Q?=C3=A9=E9?=", "éé"},
		{"=?utf-8?Q?=FF?=", "\ufffd"},
		{"=?gb2312?B?1tDOxA==?=", "中文"},
		{"=?iso-2022-jp?B?GyRCRnxLXBsoQg==?=", "日本"},
		{"=?unicode-1-1-utf-7?Q?Hi_Mom_+Jjo-!?=", "Hi Mom ☺!"},
		{"=?utf-8?X?a?=", "=?utf-8?X?a?="},
		{"=?utf-8?Q?a", "=?utf-8?Q?a"},
		{"=??Q?a?=", "=??Q?a?="},
		{"=?=?=?", "=?=?=?"},
		{"caf\xe9", "café"},
		{"café", "café"},
		{"=?utf-8?q?a=0D=0ABcc=3A_x=00?=", "a Bcc: x "},
	} {
		if got := DecodeWords(test.in); got != test.want {
			t.Errorf("DecodeWords(%q) = %q, want %q", test.in, got, test.want)
		}
	}
}

func TestEncodeWords(t *testing.T) {
	for _, test := range []struct{ in, want string }{
		{"", ""},
		{"plain", "plain"},
		{"Grüße aus Köln", "=?utf-8?b?R3LDvMOfZSBhdXMgS8O2bG4=?="},
		{"ab é cd", "ab =?utf-8?b?w6k=?= cd"},
		{"A rather long subject with one é", "A rather long subject with one =?utf-8?b?w6k=?="},
		{"é and a long text in plain letters è", "=?utf-8?q?=C3=A9_and_a_long_text_in_plain_letters_=C3=A8?="},
		{"é ü", "=?utf-8?b?w6kgw7w=?="},
		{"日本語", "=?utf-8?b?5pel5pys6Kqe?="},
		{"is =?utf-8?q?it?=", "is =?utf-8?b?PT91dGYtOD9xP2l0Pz0=?="},
		{"a\r\nb", "a b"},
	} {
		got := EncodeWords(test.in)
		if got != test.want {
			t.Errorf("EncodeWords(%q) = %q, want %q", test.in, got, test.want)
		}
	}
	long := strings.Repeat("öffentliche Größe 漢字 ", 30)
	enc := EncodeWords(long)
	for _, w := range strings.Fields(enc) {
		if len(w) > 75 {
			t.Errorf("word of %d characters", len(w))
		}
	}
	if got := DecodeWords(enc); got != long {
		t.Errorf("got %q", got)
	}
}

func TestCharsets(t *testing.T) {
	for _, test := range []struct{ label, in, want string }{
		{"us-ascii", "abc", "abc"},
		{"US-ASCII", "caf\xe9", "café"},
		{"utf8", "\xc3\xa9", "é"},
		{"utf-8", "\xe9", "\ufffd"},
		{"latin1", "\xe9\x80", "é€"},
		{"iso-8859-1", "\x93x\x94", "“x”"},
		{"ISO_8859-1:1987", "\xe9", "é"},
		{"iso-8859-15", "\xa4", "€"},
		{"iso8859-2", "\xb1", "ą"},
		{"ISO_8859-5:1988", "\xb0", "А"},
		{"iso-8859-8-i", "\xe0", "א"},
		{"windows-1252", "\x80", "€"},
		{"win-1251", "\xc0", "А"},
		{"cp1250", "\xb9", "ą"},
		{"cp-850", "\x82", "é"},
		{"IBM437", "\x82", "é"},
		{"x-cp866", "\x80", "А"},
		{"koi8-r", "\xc1", "а"},
		{"KOI8-U", "\xa4", "є"},
		{"ansi_x3.110-1983", "\xe9", "é"},
		{"ks_c_5601-1987", "\xb0\xa1", "가"},
		{"gb2312", "\xd6\xd0\x81\x30\x89\x38", "中\u00e3"[:3] + DecodeCharset("gb18030", []byte("\x81\x30\x89\x38"))},
		{"x-gbk", "\xd6\xd0", "中"},
		{"big5", "\xa4\xa4", "中"},
		{"Shift_JIS", "\x82\xa0", "あ"},
		{"cp932", "\x82\xa0", "あ"},
		{"iso-2022-jp", "\x1b$B$\"\x1b(B", "あ"},
		{"euc-jp", "\xa4\xa2", "あ"},
		{"iso-2022-kr", "\x1b$)C\x0e0!\x0f a\x0e0!\r\n0!", "가 a가\r\n0!"},
		{"hz-gb-2312", "~{VPND~}", "中文"},
		{"utf-16", "\xfe\xff\x00\xe9", "é"},
		{"utf-16le", "\xe9\x00", "é"},
		{"utf-7", "A+ImIDkQ.+-", "A≢Α.+"},
		{"unicode-1-1-utf-7", "Hi Mom -+Jjo--!", "Hi Mom -☺-!"},
		{"utf-7", "+2D3cqQ-+2D0-", "💩\ufffd"},
		{"tis-620", "\xa1", "ก"},
		{`"windows-1252"`, "\x80", "€"},
		{"no-such", "\xe9é", "éé"},
		{"", "é", "é"},
	} {
		if got := DecodeCharset(test.label, []byte(test.in)); got != test.want {
			t.Errorf("DecodeCharset(%q, %q) = %q, want %q", test.label, test.in, got, test.want)
		}
		r, err := CharsetReader(test.label, strings.NewReader(test.in))
		if err != nil {
			if test.label != "" && test.label != "no-such" {
				t.Errorf("CharsetReader(%q): %v", test.label, err)
			}
			continue
		}
		if b, err := io.ReadAll(r); err != nil || string(b) != test.want {
			t.Errorf("CharsetReader(%q): %q %v", test.label, b, err)
		}
	}
}

func TestParseDate(t *testing.T) {
	for _, test := range []struct{ in, want string }{
		// RFC 5322 appendix A
		{"Fri, 21 Nov 1997 09:55:06 -0600", "1997-11-21T09:55:06-06:00"},
		{"Tue, 1 Jul 2003 10:52:37 +0200", "2003-07-01T10:52:37+02:00"},
		{"Thu, 13 Feb 1969 23:32:54 -0330", "1969-02-13T23:32:54-03:30"},
		{"Thu,\r\n      13\r\n        Feb\r\n          1969\r\n      23:32\r\n               -0330 (Newfoundland Time)", "1969-02-13T23:32:00-03:30"},
		{"21 Nov 97 09:55:06 GMT", "1997-11-21T09:55:06Z"},
		{"Fri, 21 Nov 1997 09(comment):   55  :  06 -0600", "1997-11-21T09:55:06-06:00"},
		// RFC 5322 4.3
		{"1 Jan 49 00:00 EST", "2049-01-01T00:00:00-05:00"},
		{"1 Jan 50 00:00 PDT", "1950-01-01T00:00:00-07:00"},
		{"1 Jan 104 00:00 Z", "2004-01-01T00:00:00Z"},
		{"1 Jan 2004 00:00 Q", "2004-01-01T00:00:00Z"},
		{"1 Jan 2004 00:00 -0000", "2004-01-01T00:00:00Z"},
		// In the wild.
		{"Mon, 1 Jan 2024 10:00:00", "2024-01-01T10:00:00Z"},
		{"Mon, 01 Jan 2024 10:00:00 +0100 (CET)", "2024-01-01T10:00:00+01:00"},
		{"Mon 1 Jan 2024 10:00:00 +01:00", "2024-01-01T10:00:00+01:00"},
		{"Mon Jan  1 10:00:00 2024", "2024-01-01T10:00:00Z"},
		{"Mon Jan  1 10:00:00 CET 2024", "2024-01-01T10:00:00+01:00"},
		{"Mon, 1 Jan 2024 10:00:00 GMT+0200", "2024-01-01T10:00:00+02:00"},
		{"Mon, 1 Jan 2024 10:00:00 GMT +0200", "2024-01-01T10:00:00+02:00"},
		{"2024-01-01T10:00:00Z", "2024-01-01T10:00:00Z"},
		{"2024-01-01T10:00:00.123+02:00", "2024-01-01T10:00:00+02:00"},
		{"2024-01-01 10:00:00 -0500", "2024-01-01T10:00:00-05:00"},
		{"1-Jan-2024 10:00:00 +0000", "2024-01-01T10:00:00Z"},
		{"January 1, 2024 3:05 PM", "2024-01-01T15:05:00Z"},
		{"1/31/2024 12:05:00 AM", "2024-01-31T00:05:00Z"},
		{"31.1.2024 12:05", "2024-01-31T12:05:00Z"},
		{"Wed, 31 Dec 2008 23:59:60 +0000", "2009-01-01T00:00:00Z"},
		{"Mon, 1 Jan 2024", "2024-01-01T00:00:00Z"},
		{"1 Jan 2024 00:00 +9999", "2024-01-01T00:00:00Z"},
		// Not dates.
		{"", ""}, {"hello", ""}, {"31 Feb 2024 00:00:00 +0000", ""}, {"0 Jan 2024", ""}, {"1 Jan 2024 25:00:00", ""}, {":::::", ""}, {"-- // ..", ""},
	} {
		got, err := ParseDate(test.in)
		s := got.Format(time.RFC3339)
		if err != nil {
			s = ""
		}
		if s != test.want {
			t.Errorf("ParseDate(%q) = %s %v, want %s", test.in, s, err, test.want)
		}
	}
	now := time.Date(2024, 2, 3, 4, 5, 6, 0, time.FixedZone("", -3*3600-1800))
	if s := FormatDate(now); s != "Sat, 3 Feb 2024 04:05:06 -0330" {
		t.Errorf("FormatDate: %s", s)
	}
}

func TestParseAddressList(t *testing.T) {
	mb := func(name, local, host string) Address { return Address{Name: name, Mailbox: local, Host: host} }
	for _, test := range []struct {
		in   string
		want []Address
	}{
		{"", nil},
		// RFC 5322 appendix A
		{"John Doe <jdoe@machine.example>", []Address{mb("John Doe", "jdoe", "machine.example")}},
		{`"Joe Q. Public" <john.q.public@example.com>`, []Address{mb("Joe Q. Public", "john.q.public", "example.com")}},
		{"Mary Smith <mary@x.test>, jdoe@example.org, Who? <one@y.test>", []Address{mb("Mary Smith", "mary", "x.test"), mb("", "jdoe", "example.org"), mb("Who?", "one", "y.test")}},
		{`<boss@nil.test>, "Giant; \"Big\" Box" <sysservices@example.net>`, []Address{mb("", "boss", "nil.test"), mb(`Giant; "Big" Box`, "sysservices", "example.net")}},
		{"A Group:Ed Jones <c@a.test>,joe@where.test,John <jdoe@one.test>;", []Address{
			{Kind: AddressGroupStart, Name: "A Group"}, mb("Ed Jones", "c", "a.test"), mb("", "joe", "where.test"), mb("John", "jdoe", "one.test"), {Kind: AddressGroupEnd}}},
		{"Undisclosed recipients:;", []Address{{Kind: AddressGroupStart, Name: "Undisclosed recipients"}, {Kind: AddressGroupEnd}}},
		{`Pete(A nice \) chap) <pete(his account)@silly.test(his host)>`, []Address{mb("Pete", "pete", "silly.test")}},
		{"A Group(Some people)\r\n     :Chris Jones <c@(Chris's host.)public.example>,\r\n         joe@example.org,\r\n  John <jdoe@one.test> (my dear friend); (the end of the group)", []Address{
			{Kind: AddressGroupStart, Name: "A Group"}, mb("Chris Jones", "c", "public.example"), mb("", "joe", "example.org"), mb("John", "jdoe", "one.test"), {Kind: AddressGroupEnd}}},
		{"(Empty list)(start)Hidden recipients  :(nobody(that I know))  ;", []Address{{Kind: AddressGroupStart, Name: "Hidden recipients"}, {Kind: AddressGroupEnd}}},
		{"Joe Q. Public <john.q.public@example.com>", []Address{mb("Joe Q. Public", "john.q.public", "example.com")}},
		{"Mary Smith <@node.test:mary@example.net>, , jdoe@test  . example", []Address{{Name: "Mary Smith", Route: "@node.test", Mailbox: "mary", Host: "example.net"}, mb("", "jdoe", "test.example")}},
		{"John Doe <jdoe@machine(comment).  example>", []Address{mb("John Doe", "jdoe", "machine.example")}},
		{"<@a.test,@b.test:c@d.test>", []Address{{Route: "@a.test,@b.test", Mailbox: "c", Host: "d.test"}}},
		// Quoted local parts, literals, UTF-8.
		{`"john doe"@example.com`, []Address{mb("", "john doe", "example.com")}},
		{`X <"a@b"@example.com>`, []Address{mb("X", "a@b", "example.com")}},
		{"a@[192.0.2.1], b@[IPv6:2001:db8::1], <c@[IPv6:::1]>", []Address{mb("", "a", "[192.0.2.1]"), mb("", "b", "[IPv6:2001:db8::1]"), mb("", "c", "[IPv6:::1]")}},
		{"Пример <почта@пример.рф>", []Address{mb("Пример", "почта", "пример.рф")}},
		{"=?utf-8?q?J=C3=B6rg?= <j@example.com>", []Address{mb("=?utf-8?q?J=C3=B6rg?=", "j", "example.com")}},
		{"a@b.test (The Name)", []Address{mb("The Name", "a", "b.test")}},
		// In the wild.
		{"root", []Address{mb("", "root", "")}},
		{"John Doe", []Address{mb("John Doe", "", "")}},
		{"a@b.test; c@d.test", []Address{mb("", "a", "b.test"), mb("", "c", "d.test")}},
		{"Name a@b.test", []Address{mb("Name", "a", "b.test")}},
		{"a@b.test <a@b.test>", []Address{mb("a@b.test", "a", "b.test")}},
		{`"Unclosed <a@b.test>`, []Address{mb("Unclosed", "a", "b.test")}},
		{"X <a@b.test, c@d.test", []Address{mb("X", "a", "b.test"), mb("", "c", "d.test")}},
		{"X (open <a@b.test>", []Address{mb("X open", "a", "b.test")}},
		{"O'Brien, Pat <pat@x.test>", []Address{mb("", "O'Brien", ""), mb("Pat", "pat", "x.test")}},
		{"Name <>", []Address{mb("Name", "", "")}},
		{"<>", nil}, {",,;,", nil}, {"(only)", nil},
		{"Group: a@b.test", []Address{{Kind: AddressGroupStart, Name: "Group"}, mb("", "a", "b.test"), {Kind: AddressGroupEnd}}},
		{"a@b@c.test", []Address{mb("", "a@b", "c.test")}},
	} {
		if got := ParseAddressList(test.in, 0); !reflect.DeepEqual(got, test.want) {
			t.Errorf("ParseAddressList(%q)\n= %+v, want\n  %+v", test.in, got, test.want)
		}
	}
	if got := ParseAddressList(strings.Repeat("a@b,", 10000), 0); len(got) != 4096 {
		t.Errorf("%d addresses", len(got))
	}
	if got := ParseAddressList("G:a@b,c@d,e@f;", 3); len(got) != 3 {
		t.Errorf("%d addresses of 3", len(got))
	}
}

func TestAddressStrings(t *testing.T) {
	for _, test := range []struct {
		a             Address
		addr, display string
	}{
		{Address{Mailbox: "a", Host: "b.test"}, "a@b.test", "a@b.test"},
		{Address{Name: "=?utf-8?q?J=C3=B6?=", Mailbox: "a", Host: "b.test"}, "a@b.test", "Jö <a@b.test>"},
		{Address{Name: "A, B", Mailbox: "a b", Host: "b.test"}, `"a b"@b.test`, `"A, B" <"a b"@b.test>`},
		{Address{Mailbox: "root"}, "root", "root"},
		{Address{Kind: AddressGroupStart, Name: "G"}, "", "G:"},
		{Address{Kind: AddressGroupEnd}, "", ";"},
	} {
		if got := test.a.Addr(); got != test.addr {
			t.Errorf("Addr %q, want %q", got, test.addr)
		}
		if got := test.a.String(); got != test.display {
			t.Errorf("String %q, want %q", got, test.display)
		}
	}
}

func TestParseMessageIDs(t *testing.T) {
	for _, test := range []struct {
		in   string
		want []string
	}{
		{"<a@b>", []string{"a@b"}},
		{"<a@b>\r\n <c@d><e@f>", []string{"a@b", "c@d", "e@f"}},
		{`Your message of "Mon" <a@b> (comment)`, []string{"a@b"}},
		{"<a@b <c@d>", []string{"c@d"}},
		{"<a@\r\n b>", []string{"a@b"}},
		{"a@b, c@d", []string{"a@b", "c@d"}},
		{"<>", nil}, {"", nil}, {"nothing", nil}, {"<a", nil},
	} {
		if got := ParseMessageIDs(test.in, 0); !reflect.DeepEqual(got, test.want) {
			t.Errorf("ParseMessageIDs(%q) = %q, want %q", test.in, got, test.want)
		}
	}
	if got := ParseMessageIDs("<a@b> <c@d> <e@f>", 2); !reflect.DeepEqual(got, []string{"c@d", "e@f"}) {
		t.Errorf("max: %q", got)
	}
}

func TestBaseSubject(t *testing.T) {
	for _, test := range []struct {
		in, want string
		reply    bool
	}{
		{"", "", false},
		{"Subject", "Subject", false},
		{"Re: Subject", "Subject", true},
		{"RE:RE: re : Subject", "Subject", true},
		{"Fwd: Fw: Subject", "Subject", true},
		{"Re[2]: Subject", "Subject", true},
		{"Re [a] : Subject", "Subject", true},
		{"[list] Re: [list] Subject", "Subject", true},
		{"[a][b] Subject", "Subject", false},
		{"[a][b]", "[b]", false},
		{"[a]", "[a]", false},
		{"Re: [a]", "[a]", true},
		{"[a] Re: [b]", "[b]", true},
		{"Subject (fwd)", "Subject", true},
		{"Subject (FWD) (fwd) ", "Subject", true},
		{"[fwd: Subject]", "[fwd: Subject]", false}, // it is a subj-blob that may not go, but see below
		{"[Fwd: [Fwd: Subject]]", "Subject", true},
		{"[Fwd: Re: Subject (fwd)]", "Subject", true},
		{"[Fwd: Subject] more", "more", false},
		{"  Re:  a \t b  ", "a b", true},
		{"Re", "Re", false},
		{"Re:", "", true},
		{"Reply: x", "Reply: x", false},
		{"=?utf-8?q?Re=3A_=C3=A9t=C3=A9?=", "été", true},
		{"=?utf-8?q?Re?=: x", "x", true},
		{"[unclosed Re: x", "[unclosed Re: x", false},
		{"[a[b] Re: x", "[a[b] Re: x", false},
		{"Re: Re", "Re", true},
	} {
		if test.in == "[fwd: Subject]" {
			// RFC 5256 2.1 (6): it starts with subj-fwd-hdr and ends with subj-fwd-trl.
			test.want, test.reply = "Subject", true
		}
		got, reply := BaseSubject(test.in)
		if got != test.want || reply != test.reply {
			t.Errorf("BaseSubject(%q) = %q %v, want %q %v", test.in, got, reply, test.want, test.reply)
		}
	}
}

func TestSortKeys(t *testing.T) {
	fallback := time.Date(2020, 1, 1, 0, 0, 0, 0, time.FixedZone("", 3600))
	p := mustParse(t, crlfed("From: =?utf-8?q?=C3=89mile?= <Emile@example.org>\nTo: G: a@b.test;\nCc: Carol@example.com\nSubject: Re: straße\nDate: 31 Dec 2000 16:01:33 -0800\n\n"))
	want := SortKeys{
		Date: time.Date(2001, 1, 1, 0, 1, 33, 0, time.UTC), Subject: "STRAßE", Reply: true,
		From: "EMILE", To: "G", Cc: "CAROL", DisplayFrom: "E\u0301MILE", DisplayTo: "G",
	}
	if got := p.SortKeys(fallback); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if got := mustParse(t, "Date: x\n\n").SortKeys(fallback); !got.Date.Equal(fallback) || got.Date.Location() != time.UTC {
		t.Errorf("fallback: %v", got.Date)
	}
	if CasemapKey("ａBc") != CasemapKey("Ａbc") || CasemapKey("é") != CasemapKey("e\u0301") {
		t.Error("casemap keys differ")
	}
}
