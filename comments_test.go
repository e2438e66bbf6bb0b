package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// commentFile puts comments and blank lines between all lines of a configuration file: comment FILE.
func commentFile(ts *testscript.TestScript, neg bool, args []string) {
	var out strings.Builder
	out.WriteString("# The first line.\n\n")
	n := 0
	for line := range strings.Lines(ts.ReadFile(args[0])) {
		text := strings.TrimLeft(line, "\t")
		if n++; strings.HasPrefix(text, "#") || text == "\n" {
			out.WriteString(line)
			continue
		}
		indent := line[:len(line)-len(text)]
		fmt.Fprintf(&out, "%s# About what is in line %d: %s%s%s\t# deeper\n", indent, n, text, line, indent)
		if n%3 == 0 {
			fmt.Fprintf(&out, "\n%s# Apart, by blank lines.\n\n", indent)
		}
	}
	out.WriteString("# The last line.\n")
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(out.String()), 0o660))
}

// keptLines checks that the lines of a file are all in another one, in their order: keptlines BEFORE
// AFTER.
func keptLines(ts *testscript.TestScript, neg bool, args []string) {
	after := strings.SplitAfter(ts.ReadFile(args[1]), "\n")
	n := 0
	for line := range strings.Lines(ts.ReadFile(args[0])) {
		n++
		for len(after) > 0 && after[0] != line {
			after = after[1:]
		}
		if len(after) == 0 {
			ts.Fatalf("%s:%d: line is lost in %s: %s", args[0], n, args[1], line)
		}
		after = after[1:]
	}
}
