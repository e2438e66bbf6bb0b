package main

import (
	"slices"
	"strings"
	"testing"
)

// TestManPages checks that each listed command has a page, and that pages hold nothing that
// roff takes for a request of ours.
func TestManPages(t *testing.T) {
	p, _, _ := testProgram()
	pages, err := p.manPages()
	if err != nil {
		t.Fatal(err)
	}
	macros := []string{".TH", ".SH", ".TP", ".BR", ".PP", ".RS", ".RE", ".nf", ".fi"}
	for name, text := range pages {
		depth := 0
		for line := range strings.Lines(text) {
			word, _, _ := strings.Cut(strings.TrimSpace(line), " ")
			if (line[0] == '.' || line[0] == '\'') && !slices.Contains(macros, word) {
				t.Errorf("%s: request %q", name, line)
			}
			depth += map[string]int{".nf": 1, ".fi": -1}[word]
		}
		if depth != 0 {
			t.Errorf("%s: examples do not end", name)
		}
	}
	for i := range p.commands {
		c := &p.commands[i]
		page := pages[manName(c)+".1"]
		if c.unlisted != (page == "") {
			t.Errorf("%s: unlisted %v, page %q", c.words, c.unlisted, page)
		}
		if !c.unlisted && !strings.Contains(pages["mox.1"], ".BR "+manLine(manName(c))+" (1)\n"+manLine(c.short)) {
			t.Errorf("mox.1 lacks %s", c.words)
		}
	}
	for in, want := range map[string]string{".config": `\&.config`, `a\b -x`: `a\eb \-x`, "'tis": `\&'tis`} {
		if got := manLine(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}
