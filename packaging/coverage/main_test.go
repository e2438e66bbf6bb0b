package main

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"golang.org/x/tools/cover"
)

const profile = `mode: set
mox/a/a.go:1.1,2.2 6 1
mox/a/a.go:3.1,4.2 2 0
mox/a/b.go:3.1,4.2 2 0
mox/a/a.go:1.1,2.2 6 0
mox/b/b.go:3.1,4.2 1 7
mox/main.go:3.1,4.2 3 0
`

func TestCount(t *testing.T) {
	name := filepath.Join(t.TempDir(), "coverage.out")
	if err := os.WriteFile(name, []byte(profile), 0o644); err != nil {
		t.Fatal(err)
	}
	profiles, err := cover.ParseProfiles(name)
	if err != nil {
		t.Fatal(err)
	}
	merged := name + ".merged"
	if err := writeProfiles(merged, profiles); err != nil {
		t.Fatal(err)
	}
	if again, err := cover.ParseProfiles(merged); err != nil || !reflect.DeepEqual(again, profiles) {
		t.Errorf("%v, %v", again, err)
	}
	reached := count(profiles)
	if want := (map[string]statements{"mox/a": {10, 6}, "mox/b": {1, 1}, "mox": {3, 0}}); !reflect.DeepEqual(reached, want) {
		t.Errorf("%v, want %v", reached, want)
	}
	text := write("# floors\nmox/gone 99\n", reached)
	if got := string(text); got != "# floors\nmox 0\nmox/a 57\nmox/b 97\n" {
		t.Errorf("%q", got)
	}
	least, err := parse(string(text))
	if err != nil {
		t.Fatal(err)
	}
	if err := judge(reached, least); err != nil {
		t.Error(err)
	}
}

func TestJudge(t *testing.T) {
	reached := map[string]statements{"mox/a": {10, 6}, "mox/b": {10, 6}, "mox/new": {10, 6}}
	err := judge(reached, map[string]int{"mox/a": 60, "mox/b": 61, "mox/gone": 0})
	if err == nil {
		t.Fatal("no error")
	}
	lines := strings.Split(err.Error(), "\n")
	if len(lines) != 3 || !strings.HasPrefix(lines[0], "mox/b: tests run 60.0 %") || !strings.Contains(lines[1], `add "mox/new 57"`) || !strings.HasPrefix(lines[2], "mox/gone has a line") {
		t.Error(err)
	}
}

func TestFloors(t *testing.T) {
	text, err := os.ReadFile("floors.txt")
	if err != nil {
		t.Fatal(err)
	}
	if least, err := parse(string(text)); err != nil || least["mox/spf"] < 50 {
		t.Error(least, err)
	}
	for _, wrong := range []string{"mox/spf", "mox/spf x", "mox/spf 101", "mox/spf -1", "mox/spf 90 1", "mox/spf 90\nmox/spf 91"} {
		if _, err := parse(wrong); err == nil {
			t.Errorf("%q is taken", wrong)
		}
	}
}
