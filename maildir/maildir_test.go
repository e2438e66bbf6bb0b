package maildir

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestParseFile(t *testing.T) {
	for _, tc := range []struct {
		name, unique, letters string
		time                  int64
		ok                    bool
	}{
		{"1204680122.27c448113a5dcb4a.mail:2,RS", "1204680122.27c448113a5dcb4a.mail", "RS", 1204680122, true},
		{"1204680122.M1P2.host,S=12,W=13:2,", "1204680122.M1P2.host,S=12,W=13", "", 1204680122, true},
		{"1204680122.M1P2.host;2,Sa", "1204680122.M1P2.host", "Sa", 1204680122, true},
		{"1204680122.x", "1204680122.x", "", 1204680122, true},
		{"12.x:2,S", "12.x", "S", 0, true},
		{"99999999999.x:2,S", "99999999999.x", "S", 0, true},
		{"name:1,x", "name:1,x", "", 0, true},
		{".nfs0", "", "", 0, false},
		{"", "", "", 0, false},
	} {
		f, ok := ParseFile(tc.name)
		sec := int64(0)
		if !f.Time.IsZero() {
			sec = f.Time.Unix()
		}
		if ok != tc.ok || f.Unique != tc.unique || f.Letters != tc.letters || sec != tc.time {
			t.Errorf("%q: %+v %v", tc.name, f, ok)
		}
	}
	if got := (File{"1.x", "FS", time.Time{}}).Name(); got != "1.x:2,FS" {
		t.Error(got)
	}
}

func TestFlags(t *testing.T) {
	list, err := ParseKeywords(strings.NewReader("0 $Junk\n2 work\nnothing\n99 x\n-1 y\n"))
	if err != nil || !slices.Equal(list, []string{"$Junk", "", "work"}) {
		t.Fatalf("%q %v", list, err)
	}
	if got := Flags("DFPRSTabcdZ", list); !slices.Equal(got, []string{`\Draft`, `\Flagged`, `$Forwarded`, `\Answered`, `\Seen`, `\Deleted`, "$Junk", "work"}) {
		t.Errorf("%q", got)
	}
	var k Keywords
	if s, rest := k.Letters([]string{"work", `\Seen`, "other", `\draft`, "WORK"}); s != "DSab" || rest != nil {
		t.Errorf("%q %q", s, rest)
	}
	for i := range 30 {
		k.Letters([]string{fmt.Sprint("k", i)})
	}
	if s, rest := k.Letters([]string{"k23", "k24"}); s != "z" || !slices.Equal(rest, []string{"k24"}) {
		t.Errorf("%q %q", s, rest)
	}
	var b bytes.Buffer
	if _, err := k.WriteTo(&b); err != nil || !strings.HasPrefix(b.String(), "0 work\n1 other\n2 k0\n") {
		t.Errorf("%q %v", b.String(), err)
	}
	back, err := ParseKeywords(&b)
	if err != nil || !slices.Equal(back, k.list) {
		t.Errorf("%q %v", back, err)
	}
}

func TestFolderName(t *testing.T) {
	for _, tc := range []struct{ dir, name string }{
		{".", ""}, {"", ""}, {".Work.Sub", "Work/Sub"}, {"Work/Sub", "Work/Sub"}, {".Entw&APw-rfe", "Entwürfe"}, {"R&D", "R&D"}, {"%63ur/a%2Fb", "cur/a/b"}, {"a/.b.c", "a/b/c"},
	} {
		if got := FolderName(tc.dir); got != tc.name {
			t.Errorf("%q: %q", tc.dir, got)
		}
	}
}

func TestSubscriptions(t *testing.T) {
	for _, tc := range []struct{ in, want string }{
		{"", ""}, {"INBOX\nWork/Sub\n", "INBOX Work/Sub"}, {"V\t2\n\nINBOX\nWork\tSub\n", "INBOX Work/Sub"}, {"Entw&APw-rfe\r\n", "Entwürfe"},
	} {
		got, err := ParseSubscriptions(strings.NewReader(tc.in))
		if err != nil || strings.Join(got, " ") != tc.want {
			t.Errorf("%q: %q %v", tc.in, got, err)
		}
	}
}

func FuzzNames(f *testing.F) {
	for _, s := range []string{"cur", "a.b", ".x", "a/b", "%41", "x.mbox", "Entw&APw-rfe", "tmp", " x "} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		ParseFile(s)
		if strings.Contains(s, "/") || s == "" {
			FolderName(s)
			return
		}
		e := EscapeLevel(s)
		if got := UnescapeLevel(e); got != s {
			t.Errorf("%q: %q: %q", s, e, got)
		}
		if got := FolderName(e); got != s {
			t.Errorf("folder %q: %q: %q", s, e, got)
		}
		if e == "." || e == ".." || strings.ContainsAny(e, `/\:`) || slices.Contains(reserved, e) {
			t.Errorf("%q: %q", s, e)
		}
	})
}

func FuzzFiles(f *testing.F) {
	f.Add("0 a\n1 b\n")
	f.Add("V\t2\n\na\tb\n")
	f.Fuzz(func(t *testing.T, s string) {
		ParseSubscriptions(strings.NewReader(s))
		ParseExtra(strings.NewReader(s))
		if l, err := ParseKeywords(strings.NewReader(s)); err == nil && len(l) > MaxKeywords {
			t.Error(l)
		}
	})
}
