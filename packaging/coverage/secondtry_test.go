package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/tools/cover"
)

const flakyTest = `package PKG

import (
	"os"
	"testing"
)

func Test(t *testing.T) {
	One()
	if mark := os.Getenv("PKG"); mark != "" {
		if _, err := os.Stat(mark); err != nil {
			os.WriteFile(mark, nil, 0o600)
			FAIL("by chance")
		}
	}
	Two()
}
`

// TestSecondTry: test.sh has packages that fail tried once more, with the profile of both tries; what the first one said
// is told apart.
func TestSecondTry(t *testing.T) {
	script, err := filepath.Abs("../test.sh")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("go.mod", "module scratch\n\ngo 1.26\n")
	for _, pkg := range []string{"good", "fails", "panics"} {
		write(pkg+"/x.go", "package "+pkg+"\n\nfunc One() int { return 1 }\n\nfunc Two() int { return 2 }\n")
		write(pkg+"/x_test.go", strings.NewReplacer("PKG", pkg, "FAIL", map[bool]string{true: "panic", false: "t.Fatal"}[pkg == "panics"]).Replace(flakyTest))
	}
	run := func(env ...string) (string, bool) {
		t.Helper()
		cmd := exec.Command("bash", script, "-coverpkg=./...", "-coverprofile=profile", "./...")
		cmd.Dir, cmd.Env = dir, append(os.Environ(), append(env, "GOFLAGS=", "GOWORK=off")...)
		out, err := cmd.CombinedOutput()
		return string(out), err == nil
	}
	out, ok := run("fails="+filepath.Join(dir, "mark1"), "panics="+filepath.Join(dir, "mark2"))
	if !ok || !strings.Contains(out, "=== failed, tested once more: scratch/fails scratch/panics\n") {
		t.Errorf("two that fail once: %v\n%s", ok, out)
	}
	for line := range strings.Lines(out) {
		if first := strings.HasPrefix(line, "first try: "); !first && (strings.Contains(line, "FAIL") || strings.Contains(line, "panic(")) {
			t.Errorf("not marked: %s", line)
		}
	}
	if !strings.Contains(out, "first try: --- FAIL: Test") || !strings.Contains(out, "first try: panic: by chance") {
		t.Errorf("what the first try said is missing:\n%s", out)
	}
	profiles, err := cover.ParseProfiles(filepath.Join(dir, "profile"))
	if err != nil {
		t.Fatal(err)
	}
	for name, s := range count(profiles) {
		if s.all != 2 || s.run != 2 {
			t.Errorf("%s: %+v, want all of 2 run", name, s)
		}
	}
	out, ok = run("fails=" + filepath.Join(dir, "none", "mark"))
	if ok || !strings.Contains(out, "\n--- FAIL: Test") {
		t.Errorf("one that fails twice: %v\n%s", ok, out)
	}
	write("good/y.go", "nonsense\n")
	out, ok = run()
	if ok || !strings.Contains(out, "=== failed\n") || strings.Contains(out, "once more") {
		t.Errorf("one that cannot be built: %v\n%s", ok, out)
	}
}
