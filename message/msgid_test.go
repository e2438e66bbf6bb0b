package message

import (
	"slices"
	"testing"
)

// RFC 5256 3: which ids a message refers to.
func TestReferences(t *testing.T) {
	for _, tc := range []struct {
		references, inReplyTo string
		want                  []string
	}{
		{"<a@x> <b@x>\r\n <c@x>", "<d@x>", []string{"a@x", "b@x", "c@x"}},
		{"", "<d@x> <e@x>", []string{"d@x"}},
		{"garbage", "Your message of Monday <d@x> from joe@example.org", []string{"d@x"}},
		{"", "Your message of Monday, joe@example.org", nil},
		{"", "", nil},
		{"a@x b@x", "", []string{"a@x", "b@x"}},
	} {
		if got := References(tc.references, tc.inReplyTo, 100); !slices.Equal(got, tc.want) {
			t.Errorf("%q, %q: %q, want %q", tc.references, tc.inReplyTo, got, tc.want)
		}
	}
	if got := References("<a@x> <b@x> <c@x>", "", 2); !slices.Equal(got, []string{"b@x", "c@x"}) {
		t.Errorf("cut: %q", got)
	}
	for in, want := range map[string]string{
		`"01KF8JCEOCBS0045PS"@xxx.yyy.com`: "01KF8JCEOCBS0045PS@xxx.yyy.com", // the RFC's example
		`"a\"b"@x`:                         `a"b@x`,
		`a@x`:                              "a@x",
		`"a`:                               "a",
	} {
		if got := UnquoteMessageID(in); got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
}
