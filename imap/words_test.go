package imap

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestUTF7(t *testing.T) {
	for name, wire := range map[string]string{
		"a":                  "a",
		"a&b":                "a&-b",
		"~peter/mail/台北/日本語": "~peter/mail/&U,BTFw-/&ZeVnLIqe-", // RFC 3501 5.1.3
		"Entwürfe":           "Entw&APw-rfe",
		"☺!":                 "&Jjo-!",
		"😀":                  "&2D3eAA-",
		"\x01":               "&AAE-",
		"":                   "",
	} {
		if got := EncodeUTF7(name); got != wire {
			t.Errorf("encoding %q: %q, want %q", name, got, wire)
		}
		if got, ok := DecodeUTF7(wire); !ok || got != name {
			t.Errorf("decoding %q: %q, want %q", wire, got, name)
		}
	}
	// RFC 3501 5.1.3: superfluous shifts and encoded ASCII are not allowed.
	for _, s := range []string{"&", "&Jjo", "&Jjo-&Jjo-", "&AGE-", "&2D0-", "&J-", "&Jjp!-", "ü", "a\x7f", "&3gA-"} {
		if got, ok := DecodeUTF7(s); ok {
			t.Errorf("decoding %q: %q", s, got)
		}
	}
}

func FuzzUTF7(f *testing.F) {
	f.Add("a&-b&Jjo-")
	f.Add("☺&")
	f.Fuzz(func(t *testing.T, s string) {
		if name, ok := DecodeUTF7(s); ok && EncodeUTF7(name) != s {
			t.Errorf("%q decodes to %q, which encodes to %q", s, name, EncodeUTF7(name))
		}
		if clean := strings.ToValidUTF8(s, "?"); clean == s {
			if name, ok := DecodeUTF7(EncodeUTF7(s)); !ok || name != s {
				t.Errorf("%q encodes to %q, which decodes to %q", s, EncodeUTF7(s), name)
			}
		}
	})
}

func TestNumSet(t *testing.T) {
	for _, tc := range []struct {
		in   string
		last uint32
		want []NumRange
	}{
		{"1", 9, []NumRange{{1, 1}}},
		{"*", 9, []NumRange{{9, 9}}},
		{"4:2", 9, []NumRange{{2, 4}}},
		{"2,4:7,9,12:*", 15, []NumRange{{2, 2}, {4, 7}, {9, 9}, {12, 15}}}, // RFC 9051 9
		{"*:4,5:7", 10, []NumRange{{4, 10}}},
		{"3291:*", 5, []NumRange{{5, 3291}}},
		{"4294967295,1,4294967294", 5, []NumRange{{1, 1}, {4294967294, 4294967295}}},
	} {
		s, err := ParseNumSet(tc.in)
		if err != nil {
			t.Errorf("%s: %v", tc.in, err)
			continue
		}
		if diff := cmp.Diff(tc.want, s.Resolve(tc.last)); diff != "" {
			t.Errorf("%s: %s", tc.in, diff)
		}
		if got := string(AppendNumSet(nil, s)); got != tc.in {
			t.Errorf("%s: printed as %s", tc.in, got)
		}
	}
}

func TestAppend(t *testing.T) {
	for got, want := range map[string]string{
		string(AppendString(nil, `a"\b`, false)):                  `"a\"\\b"`,
		string(AppendString(nil, "é", false)):                     "{2}\r\né",
		string(AppendString(nil, "é", true)):                      `"é"`,
		string(AppendString(nil, "\xff", true)):                   "{1}\r\n\xff",
		string(AppendString(nil, "a\r\n\x00", false)):             "{4}\r\na\r\n\x1a",
		string(AppendAString(nil, "a]b")):                         "a]b",
		string(AppendAString(nil, "nil")):                         `"nil"`,
		string(AppendAString(nil, "")):                            `""`,
		string(AppendAString(nil, "a b")):                         `"a b"`,
		string(AppendMailbox(nil, "ü", false)):                    "&APw-",
		string(AppendMailbox(nil, "ü", true)):                     `"ü"`,
		string(AppendStatus(nil, "a", OK, "X 1", "té\n")):         "a OK [X 1] t? \r\n",
		string(AppendDateTime(nil, date("2020-02-03").Unix()+61)): `" 3-Feb-2020 00:01:01 +0000"`,
		string(AppendDateTime(nil, 1e9)):                          time.Unix(1e9, 0).UTC().Format(`"` + DateTimeLayout + `"`),
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// TestRights: RFC 4314 2.1: letters and sets of rights; 2.1.1: the obsolete ones.
func TestRights(t *testing.T) {
	for in, want := range map[string]string{
		"":              "",
		"lrswida":       "lrswiteda",
		"lrswikda":      "lrswiktecda",
		"c":             "kxc",
		"d":             "ted",
		"x":             "xc",
		"aetxkpiwsrl":   "lrswipkxtecda",
		"lrswipkxteacd": "lrswipkxtecda",
		"nlra":          "lran",
	} {
		r, err := ParseRights(in)
		if err != nil || r.String() != want {
			t.Errorf("%q: %q, %v, want %q", in, r, err, want)
		}
		if again, err := ParseRights(r.Letters()); err != nil || again != r {
			t.Errorf("%q parses back to %q, %v", r.Letters(), again, err)
		}
	}
	for _, in := range []string{"L", "q", "lr0", "l r", "+l", "ü"} {
		if r, err := ParseRights(in); err == nil {
			t.Errorf("%q: %q", in, r)
		}
	}
	// RFC 4314 7: new-rights, and that String and Letters agree on what is new.
	if r, err := ParseRights(NewRights); err != nil || r != RightCreate|RightDelete|RightDeleteFlag|RightExpunge|RightAnnotate {
		t.Errorf("%s: %v %v", NewRights, r, err)
	}
}
