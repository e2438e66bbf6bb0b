package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/tools/go/packages"
)

// module writes a module mox with one package and loads it.
func module(t *testing.T, source string) map[string]*packages.Package {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{"go.mod": "module mox\n\ngo 1.26\n", "a/a.go": "package a\n\n" + source} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	p, err := load(dir, []string{"a"})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestCompare(t *testing.T) {
	old := module(t, "type T struct{ A int }\nfunc F(t T) error { return nil }\nfunc G() {}\n")
	current := module(t, "type T struct{ A, B int }\nfunc F(t *T) error { return nil }\n")
	incompatible, compatible := compare([]string{"a", "gone", "new"}, map[string]*packages.Package{"a": old["a"], "gone": old["a"]}, map[string]*packages.Package{"a": current["a"], "new": old["a"]})
	slices.Sort(incompatible)
	if got := strings.Join(incompatible, "|"); got != "a: F: changed from func(T) error to func(*T) error|a: G: removed|gone: package removed" {
		t.Error(got)
	}
	if got := strings.Join(compatible, "|"); got != "a: T.B: added|new: package added" {
		t.Error(got)
	}
	if err := judge(incompatible, incompatible); err != nil {
		t.Error(err)
	}
	if err := judge(incompatible, incompatible[1:]); err == nil || err.Error() != "not in apidiff/accepted.txt: "+incompatible[0] {
		t.Error(err)
	}
	if err := judge(incompatible[1:], incompatible); err == nil || err.Error() != "in apidiff/accepted.txt, but no change: "+incompatible[0] {
		t.Error(err)
	}
}

func TestLines(t *testing.T) {
	names, err := lines("packages.txt")
	if err != nil || !slices.Contains(names, "moxtest") || !slices.IsSorted(names) {
		t.Error(names, err)
	}
}
