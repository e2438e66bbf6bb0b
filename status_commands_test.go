package main

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestStatusCommands: what "mox status" tells people to run are commands, with flags that they have.
func TestStatusCommands(t *testing.T) {
	p, _, _ := testProgram()
	files, err := filepath.Glob("status/*.go")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, file := range files {
		src, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		for _, m := range regexp.MustCompile(`"mox ([a-z][^"%]*)`).FindAllStringSubmatch(string(src), -1) {
			n++
			words := strings.Fields(m[1])
			cmd, rest := p.find(words)
			if cmd == nil {
				t.Errorf("%s: no command %q", file, m[1])
				continue
			}
			fs := flag.NewFlagSet(cmd.words, flag.ContinueOnError)
			if cmd.setup != nil {
				cmd.setup(fs)
			}
			for _, w := range rest {
				if name, is := strings.CutPrefix(w, "-"); is && fs.Lookup(name) == nil {
					t.Errorf("%s: command %q has no flag %s", file, m[1], w)
				}
			}
		}
	}
	if n < 15 {
		t.Errorf("only %d commands found", n)
	}
}

// TestRemedies: commands within texts that tell people what to do exist.
func TestRemedies(t *testing.T) {
	p, _, _ := testProgram()
	n := 0
	for _, dir := range []string{"doctor", "refusal", "reportcard"} {
		files, err := filepath.Glob(dir + "/*.go")
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			src, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			for _, m := range regexp.MustCompile(`(?:[:(,"]|run|with) ?"?mox ([a-z]+[a-z0-9 -]*)`).FindAllStringSubmatch(string(src), -1) {
				n++
				if cmd, _ := p.find(strings.Fields(m[1])); cmd == nil {
					t.Errorf("%s: no command %q", file, m[1])
				}
			}
		}
	}
	if n < 25 {
		t.Errorf("only %d commands found", n)
	}
}
