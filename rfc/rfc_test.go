package rfc

import (
	"bytes"
	"flag"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write docs/rfcs.md")

// TestReferences checks every reference in the code: the index has the RFC, and the RFC the
// section.
func TestReferences(t *testing.T) {
	index, err := Index()
	if err != nil {
		t.Fatal(err)
	}
	listed := map[int]bool{}
	for _, r := range index {
		listed[r.Number] = true
	}
	sections, err := Sections()
	if err != nil {
		t.Fatal(err)
	}
	refs, err := References("..")
	if err != nil {
		t.Fatal(err)
	}
	if len(refs) < 1000 {
		t.Errorf("%d references in all of the code: are they found?", len(refs))
	}
	for _, r := range refs {
		if strings.HasPrefix(r.File, "rfc/") {
			continue
		}
		have, known := sections[r.Number]
		switch {
		case !listed[r.Number]:
			t.Errorf("%s:%d: RFC %d is not in rfc/index.txt", r.File, r.Line, r.Number)
		case known && r.Section != "" && !slices.Contains(have, r.Section):
			t.Errorf("%s:%d: RFC %d has no section %s", r.File, r.Line, r.Number, r.Section)
		}
	}
}

// TestPage checks that docs/rfcs.md is the index's.
func TestPage(t *testing.T) {
	var b bytes.Buffer
	if err := WritePage(&b); err != nil {
		t.Fatal(err)
	}
	const page = "../docs/rfcs.md"
	if *update {
		if err := os.WriteFile(page, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	was, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(was, b.Bytes()) {
		t.Errorf("%s is not what the index says: run \"make docs\"", page)
	}
}

func TestIn(t *testing.T) {
	for line, want := range map[string][]Ref{
		"// RFC 5321 4.1.1.4: why":                {{Number: 5321, Section: "4.1.1.4"}},
		"(RFC 6066 3); RFC 9051.":                 {{Number: 6066, Section: "3"}, {Number: 9051}},
		"RFC 9051 6.4.3 and 6.4.9.":               {{Number: 9051, Section: "6.4.3"}, {Number: 9051, Section: "6.4.9"}},
		"RFC 5465 5.1 to 5.3, or so":              {{Number: 5465, Section: "5.1"}, {Number: 5465, Section: "5.3"}},
		"RFC 5322, section 3.6.4":                 {{Number: 5322, Section: "3.6.4"}},
		"RFC 5322 appendix A.1.2, A":              {{Number: 5322, Section: "A.1.2"}},
		"RFC 822 dates, RFC 4314 4 rights":        {{Number: 822}, {Number: 4314, Section: "4"}},
		"RFC 3501 A001 LOGIN":                     {{Number: 3501}},
		"RFC 2822 A mail":                         {{Number: 2822, Section: "A"}},
		"RFC 9051 is long, RFC 10022 is not":      {{Number: 9051}, {Number: 10022}},
		"XRFC 9051, RFC 12, RFC-822, an RFC 5 is": nil,
	} {
		if d := cmp.Diff(want, In(line)); d != "" {
			t.Errorf("%s (-want +got):\n%s", line, d)
		}
	}
}

func TestSectionsOf(t *testing.T) {
	const text = "Contents\n\n   1. Introduction .... 3\n   1.1. Terms .... 4\n   A. Examples\n\n1.  Introduction\n\n   The year 2021 was.\n     12 is indented.\n\n1.1.  Terms\nAppendix B.  More\n 3.4.1. STRUCTURE\n"
	got, err := SectionsOf(strings.NewReader(text))
	if d := cmp.Diff([]string{"1", "1.1", "A", "B", "3.4.1"}, got); d != "" || err != nil {
		t.Errorf("(-want +got), %v:\n%s", err, d)
	}
}

func FuzzIn(f *testing.F) {
	f.Add("RFC 9051 6.4.3 and 6.4.9.")
	f.Add("RFC 5322 appendix A.1.2, RFC 822")
	f.Fuzz(func(t *testing.T, line string) {
		for _, r := range In(line) {
			if !strings.Contains(line, r.Section) {
				t.Errorf("%q is not in %q", r.Section, line)
			}
		}
	})
}
