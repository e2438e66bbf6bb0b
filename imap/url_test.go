package imap

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const testToken = "91354a473744909de610943775f92038"

func TestParseURL(t *testing.T) {
	joe := URL{Absolute: true, User: "joe", Host: "example.com", Mailbox: "INBOX", UID: 20, Section: Section{Part: []int{1, 2}}}
	with := func(f func(u *URL)) URL {
		u := joe
		f(&u)
		return u
	}
	for _, tc := range []struct {
		in   string
		want URL
		out  string // in when empty
	}{
		// RFC 5092 9.
		{"imap://minbari.example.org/gray-council;UIDVALIDITY=385759045/;UID=20/;PARTIAL=0.1024",
			URL{Absolute: true, Host: "minbari.example.org", Mailbox: "gray-council", UIDValidity: 385759045, UID: 20, Partial: &Partial{0, 1024}}, ""},
		{"imap://;AUTH=GSSAPI@minbari.example.org/gray-council/;uid=20/;section=1.2",
			URL{Absolute: true, Auth: "GSSAPI", Host: "minbari.example.org", Mailbox: "gray-council", UID: 20, Section: Section{Part: []int{1, 2}}},
			"imap://;AUTH=GSSAPI@minbari.example.org/gray-council/;UID=20/;SECTION=1.2"},
		{"imap://psicorp.example.org/~peter/%E6%97%A5%E6%9C%AC%E8%AA%9E/%E5%8F%B0%E5%8C%97/;UID=1",
			URL{Absolute: true, Host: "psicorp.example.org", Mailbox: "~peter/\u65e5\u672c\u8a9e/\u53f0\u5317", UID: 1}, ""},
		{";UID=20", URL{UID: 20}, ""},
		// RFC 4469 A.
		{"/Drafts;UIDVALIDITY=385759045/;UID=20/;section=HEADER", URL{Mailbox: "Drafts", UIDValidity: 385759045, UID: 20, Section: Section{Spec: SectionHeader}},
			"/Drafts;UIDVALIDITY=385759045/;UID=20/;SECTION=HEADER"},
		{"/Drafts;UIDVALIDITY=385759045/;UID=20/;section=1.MIME", URL{Mailbox: "Drafts", UIDValidity: 385759045, UID: 20, Section: Section{Part: []int{1}, Spec: SectionMIME}},
			"/Drafts;UIDVALIDITY=385759045/;UID=20/;SECTION=1.MIME"},
		{"/INBOX;UIDVALIDITY=785799047/;UID=113330/;section=1.5.9", URL{Mailbox: "INBOX", UIDValidity: 785799047, UID: 113330, Section: Section{Part: []int{1, 5, 9}}},
			"/INBOX;UIDVALIDITY=785799047/;UID=113330/;SECTION=1.5.9"},
		// RFC 4467 7, RFC 5092 6.1.2.
		{"imap://joe@example.com/INBOX/;uid=20/;section=1.2;urlauth=submit+fred:internal:" + testToken,
			with(func(u *URL) {
				u.Access, u.Mechanism, u.Token = &Access{AccessSubmit, "fred"}, "INTERNAL", testToken
				u.Rump = "imap://joe@example.com/INBOX/;uid=20/;section=1.2;urlauth=submit+fred"
			}), "imap://joe@example.com/INBOX/;UID=20/;SECTION=1.2;URLAUTH=submit+fred:INTERNAL:" + testToken},
		{"IMAP://joe@example.com/inbox/;UID=20/;SECTION=1.2;EXPIRE=2026-01-02t03:04:05z;URLAUTH=authuser",
			with(func(u *URL) {
				u.Expire, u.Access = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), &Access{Kind: AccessAuthUser}
			}), "imap://joe@example.com/INBOX/;UID=20/;SECTION=1.2;EXPIRE=2026-01-02T03:04:05Z;URLAUTH=authuser"},
		{"imap://joe@example.com/INBOX/;UID=20/;SECTION=1.2;URLAUTH=user+j%40x.example", with(func(u *URL) { u.Access = &Access{AccessUser, "j@x.example"} }), ""},
		{"imap://joe@example.com/INBOX/;UID=20/;SECTION=1.2;URLAUTH=anonymous", with(func(u *URL) { u.Access = &Access{} }), ""},
		// RFC 4468 3.4.
		{"imap://harry@gryffindor.example.com/outbox;uidvalidity=1078863300/;uid=25;urlauth=submit+harry:internal:" + testToken,
			URL{Absolute: true, User: "harry", Host: "gryffindor.example.com", Mailbox: "outbox", UIDValidity: 1078863300, UID: 25, Access: &Access{AccessSubmit, "harry"}, Mechanism: "INTERNAL", Token: testToken,
				Rump: "imap://harry@gryffindor.example.com/outbox;uidvalidity=1078863300/;uid=25;urlauth=submit+harry"},
			"imap://harry@gryffindor.example.com/outbox;UIDVALIDITY=1078863300/;UID=25;URLAUTH=submit+harry:INTERNAL:" + testToken},
		// Others.
		{"imap://joe@x.example;AUTH=*@[::1]:143/a/;UID=1", URL{Absolute: true, User: "joe@x.example", Auth: "*", Host: "[::1]:143", Mailbox: "a", UID: 1}, "imap://joe%40x.example;AUTH=*@[::1]:143/a/;UID=1"},
		{"/a%20b/%3B%3f/;UID=1/;SECTION=HEADER.FIELDS%20(Subject%20%22To%22)/;PARTIAL=5", URL{Mailbox: "a b/;?", UID: 1, Section: Section{Spec: SectionHeaderFields, Fields: []string{"Subject", "To"}}, Partial: &Partial{5, 0}},
			"/a%20b/%3B%3F/;UID=1/;SECTION=HEADER.FIELDS%20(Subject%20To)/;PARTIAL=5"},
		{"/%2e%2E/x/;UID=1", URL{Mailbox: "../x", UID: 1}, "/%2E%2E/x/;UID=1"},
	} {
		got, err := ParseURL(tc.in)
		if err != nil {
			t.Errorf("%s: %v", tc.in, err)
			continue
		}
		if tc.want.Rump == "" {
			tc.want.Rump = tc.in
		}
		if diff := cmp.Diff(&tc.want, got); diff != "" {
			t.Errorf("%s: %s", tc.in, diff)
		}
		if tc.out == "" {
			tc.out = tc.in
		}
		if s := got.String(); s != tc.out {
			t.Errorf("%s: printed as %s, want %s", tc.in, s, tc.out)
		}
	}
}

func TestParseURLErrors(t *testing.T) {
	for _, s := range []string{
		"", "/", "x", "http://x/", "imap://", "imap://x", "imap://x/", "imap://x/INBOX", "imap://x/INBOX?SUBJECT%20x", "imap://x/INBOX;UIDVALIDITY=1", "//x/INBOX/;UID=1",
		"imap:///INBOX/;UID=1", "imap://@x/INBOX/;UID=1", "imap://joe;X=1@x/INBOX/;UID=1", "imap://joe;AUTH=%2A@x/INBOX/;UID=1", "imap://joe;AUTH=@x/INBOX/;UID=1", "imap://a;b/INBOX/;UID=1",
		"INBOX/;UID=1", ";UIDVALIDITY=1/;UID=1", ";SECTION=1", "/;UID=1", "//;UID=1", "/INBOX;UID=1", "/INBOX/;UID=0", "/INBOX/;UID=4294967296", "/INBOX/;UID=99999999999999999999", "/INBOX/;UID=1x", "/INBOX/;UID=", "/INBOX;UIDVALIDITY=0/;UID=1",
		"/INBOX/;UID=1/", "/INBOX/;UID=1/x", "/INBOX/;UID=1/;SECTION=", "/INBOX/;UID=1/;SECTION=0", "/INBOX/;UID=1/;SECTION=1]x", "/INBOX/;UID=1/;SECTION=X", "/INBOX/;UID=1/;SECTION=%00", "/INBOX/;UID=1/;SECTION=HEADER.FIELDS%20(%7b1%7d%0d%0ax)",
		"/INBOX/;UID=1/;PARTIAL=", "/INBOX/;UID=1/;PARTIAL=1.0", "/INBOX/;UID=1/;PARTIAL=1.", "/INBOX/;UID=1/;PARTIAL=.1", "/INBOX/;UID=1/;PARTIAL=99999999999999999999", "/INBOX/;UID=1/;PARTIAL=1/;SECTION=1",
		"/a/../b/;UID=1", "/foo/;UID=20/..", "/./;UID=1", "/a%/;UID=1", "/a%4/;UID=1", "/a%zz/;UID=1", "/a%00/;UID=1", "/a%ff/;UID=1", "/a b/;UID=1", "/\u00e9/;UID=1", "/a\"/;UID=1", "/" + strings.Repeat("a", 9000) + "/;UID=1",
		"/INBOX/;UID=1;URLAUTH=", "/INBOX/;UID=1;URLAUTH=x", "/INBOX/;UID=1;URLAUTH=user+", "/INBOX/;UID=1;URLAUTH=authuserx", "/INBOX/;UID=1;URLAUTH=anonymous:", "/INBOX/;UID=1;URLAUTH=anonymous:INTERNAL", "/INBOX/;UID=1;URLAUTH=anonymous:INTERNAL:12", "/INBOX/;UID=1;URLAUTH=anonymous:IN_X:" + testToken, "/INBOX/;UID=1;URLAUTH=anonymous::" + testToken,
		"/INBOX/;UID=1;URLAUTH=anonymous:INTERNAL:x" + testToken, "/INBOX/;UID=1;EXPIRE=2026-01-02T03:04:05Z", "/INBOX/;UID=1;EXPIRE=tomorrow;URLAUTH=anonymous", "/INBOX/;UID=1;URLAUTH=anonymous;EXPIRE=2026-01-02T03:04:05Z", "/INBOX/;URLAUTH=anonymous", "/INBOX;URLAUTH=anonymous",
	} {
		if u, err := ParseURL(s); !errors.Is(err, ErrURL) {
			t.Errorf("%.100s: %+v, %v", s, u, err)
		}
	}
}

// FuzzURL: no panic, and what is printed parses to the same.
func FuzzURL(f *testing.F) {
	for _, s := range []string{
		"imap://joe@example.com/INBOX/;uid=20/;section=1.2;urlauth=submit+fred:internal:" + testToken, "/a%20b/%3B%3f/;UID=1/;SECTION=HEADER.FIELDS%20(Subject%20%22To%22)/;PARTIAL=5",
		"imap://;AUTH=*@[::1]:143/a;UIDVALIDITY=1/;UID=1;EXPIRE=2026-01-02T03:04:05.5+01:00;URLAUTH=user+x%3A", ";UID=20", "/%2e/%2F;UIDVALIDITY=1/;UID=1",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		u, err := ParseURL(s)
		if err != nil {
			return
		}
		if !strings.HasPrefix(s, u.Rump) {
			t.Errorf("%q: rump %q", s, u.Rump)
		}
		out := u.String()
		again, err := ParseURL(out)
		if err != nil {
			t.Fatalf("%q: printed as %q: %v", s, out, err)
		}
		u.Rump, again.Rump = "", ""
		if !again.Expire.Equal(u.Expire) {
			t.Errorf("%q: expires %v, %v", s, u.Expire, again.Expire)
		}
		again.Expire = u.Expire
		if diff := cmp.Diff(u, again); diff != "" {
			t.Errorf("%q, %q: %s", s, out, diff)
		}
	})
}
