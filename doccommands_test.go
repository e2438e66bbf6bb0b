package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// reDocCommand finds a command in a page: in backquotes, in quotes, or at the beginning of a
// line of an example.
var reDocCommand = regexp.MustCompile("(?m)(?:[`\"]|^[ \t]*(?:\\$ |# )?(?:\\./)?)mox ((?:-config [^ \n]+ )?[a-z][^`\"\n|<>&;)]*)")

// TestDocCommands checks that every command that the documentation names is one, with flags
// that it has.
func TestDocCommands(t *testing.T) {
	files, err := filepath.Glob("docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	p, _, _ := testProgram()
	n := 0
	for _, file := range append(files, "README.md") {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range reDocCommand.FindAllStringSubmatch(string(text), -1) {
			words := strings.Fields(m[1])
			if words[0] == "-config" {
				words = words[2:]
			}
			cmd, rest := p.find(words)
			if cmd == nil {
				if prose(words) || len(p.withPrefix(leadingWords(words))) > 0 {
					continue
				}
				t.Errorf("%s: mox %s: no such command", file, m[1])
				continue
			}
			n++
			if cmd.raw {
				continue
			}
			fs := cmd.flagSet()
			for _, w := range rest {
				name, _, _ := strings.Cut(strings.TrimLeft(strings.Trim(w, "[]"), "-"), "=")
				if strings.HasPrefix(strings.Trim(w, "[]"), "-") && name != "" && name[0] > '9' && fs.Lookup(name) == nil {
					t.Errorf("%s: mox %s: no flag -%s", file, m[1], name)
				}
			}
		}
	}
	if n < 50 {
		t.Errorf("%d commands: are they found?", n)
	}
}

// prose tells that a line begins with the name of the program and goes on as a sentence.
func prose(words []string) bool {
	switch words[0] {
	case "is", "has", "does", "can", "and", "keeps", "listens", "answers", "with", "in", "on", "to", "as", "it", "itself", "was", "will", "for", "asks", "takes", "sends", "or", "from", "at", "by", "the", "runs", "of", "tells", "says", "makes", "gets", "uses", "starts", "then", "serves":
		return true
	}
	return false
}
