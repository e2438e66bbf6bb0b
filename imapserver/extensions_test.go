package imapserver

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// transcripts is where the transcripts are.
const transcripts = "testdata/*/*.txt"

// shownCapabilities returns the capabilities that transcripts say they show, by lines
//
//	# CAPABILITY: NAME
//
// among the comments at their top, with the files.
func shownCapabilities(t *testing.T) map[string][]string {
	t.Helper()
	files, err := filepath.Glob(transcripts)
	if err != nil || len(files) == 0 {
		t.Fatal("no transcripts", err)
	}
	shown := map[string][]string{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			if !strings.HasPrefix(line, "#") {
				break
			}
			if name, ok := strings.CutPrefix(line, "# CAPABILITY: "); ok {
				name = strings.TrimSpace(name)
				shown[name] = append(shown[name], file)
			}
		}
	}
	return shown
}

// TestConformance demands that each capability of the table is shown by a transcript, which
// says so at its top (see shownCapabilities): best by the examples of its RFC first. Who adds
// a capability adds the transcript, or the line to one that is there.
func TestConformance(t *testing.T) {
	shown := shownCapabilities(t)
	for _, e := range extensions {
		if len(shown[e.name]) == 0 {
			t.Errorf("capability %s is announced, but no transcript in %s has the line \"# CAPABILITY: %s\" at its top", e.name, transcripts, e.name)
		}
	}
	for name, files := range shown {
		if !slices.ContainsFunc(extensions, func(e extension) bool { return e.name == name }) {
			t.Errorf("%v: capability %s is not in the table", files, name)
		}
	}
}

var update = flag.Bool("update", false, "write the table of capabilities into docs/imap.md")

const (
	tableStart = "<!-- capabilities: written by \"make docs\" from imapserver/extensions.go -->\n"
	tableEnd   = "<!-- end of capabilities -->\n"
)

// capabilityTable is the table of all extensions for the docs.
func capabilityTable() string {
	var b strings.Builder
	b.WriteString("| Capability | RFC | Announced |\n| --- | --- | --- |\n")
	for _, e := range extensions {
		when := [...]string{always: "always", beforeLogin: "before login", afterLogin: "after login"}[e.when]
		if e.available != nil {
			when += ", where it can be used"
		}
		fmt.Fprintf(&b, "| %s | %s | %s |\n", e.name, e.rfc, when)
	}
	return b.String()
}

// TestCapabilityTable compares the table of docs/imap.md; with -update it writes it.
func TestCapabilityTable(t *testing.T) {
	const path = "../docs/imap.md"
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok1 := strings.Cut(string(text), tableStart)
	_, after, ok2 := strings.Cut(rest, tableEnd)
	if !ok1 || !ok2 {
		t.Fatalf("%s has no place for the table", path)
	}
	want := before + tableStart + "\n" + capabilityTable() + "\n" + tableEnd + after
	if want == string(text) {
		return
	}
	if !*update {
		t.Fatalf("the table of capabilities in %s is not current: run \"make docs\"", path)
	}
	if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
		t.Fatal(err)
	}
}
