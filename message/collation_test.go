package message

import (
	"strings"
	"testing"
)

func TestCollationKey(t *testing.T) {
	for _, tc := range []struct {
		c        Collation
		in, want string
	}{
		{UnicodeCasemap, "straße é", "STRAßE E\u0301"},
		{ASCIICasemap, "aZé[", "AZé["},
		{ASCIICasemap, "AB", "AB"},
		{Octet, "aZé", "aZé"},
	} {
		if got := tc.c.Key(tc.in); got != tc.want {
			t.Errorf("%v of %q: %q, want %q", tc.c, tc.in, got, tc.want)
		}
	}
	if s := Octet.String(); s != "i;octet" {
		t.Error(s)
	}
}

func TestSortKeysBy(t *testing.T) {
	p := top(t, "From: =?utf-8?q?J=C3=BCrgen?= <jP@x.example>\r\nTo: <b@y.example>\r\nSubject: Re: [list] Grüße\r\n\r\n")
	k := p.SortKeysBy(Octet)
	if k.Subject != "Grüße" || !k.Reply || k.From != "jP" || k.DisplayFrom != "Jürgen" || k.DisplayTo != "b@y.example" {
		t.Errorf("%+v", k)
	}
	if k = p.SortKeysBy(ASCIICasemap); k.Subject != "GRüßE" || k.From != "JP" {
		t.Errorf("%+v", k)
	}
}

func top(t *testing.T, s string) *Part {
	t.Helper()
	p, err := ParseTop(strings.NewReader(s), Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return p
}
