package licenses

import (
	"encoding/json"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// TestComplete checks that the modules of a build here are all listed, at their versions.
func TestComplete(t *testing.T) {
	var b strings.Builder
	if err := Write(&b); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("go", "list", "-deps", "-f", "{{with .Module}}{{if not .Main}}{{.Path}} {{.Version}}{{end}}{{end}}", "..")
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	modules := strings.Fields(strings.ReplaceAll(string(out), " ", "@"))
	if len(modules) < 10 {
		t.Errorf("%d modules: are they listed?", len(modules))
	}
	for _, m := range modules {
		if heading := "\n" + strings.ReplaceAll(m, "@", " ") + ", "; !strings.Contains(b.String(), heading) {
			t.Errorf("no license of %s: run \"make licenses\"", m)
		}
	}
	own, err := os.ReadFile("../LICENSE")
	if err != nil || !strings.HasPrefix(b.String(), string(own)) {
		t.Errorf("mox's own license is not that of LICENSE (%v)", err)
	}
}

// TestFrontend checks that the npm packages whose licenses are listed are those, at their versions, that the pages are
// built with, and that the libraries of the pages are among them.
func TestFrontend(t *testing.T) {
	buf, err := os.ReadFile("../frontend/package-lock.json")
	if err != nil {
		t.Fatal(err)
	}
	var lock struct {
		Packages map[string]struct{ Version string }
	}
	if err := json.Unmarshal(buf, &lock); err != nil {
		t.Fatal(err)
	}
	listed := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^(\S+) (\S+), \S+\n==+$`).FindAllStringSubmatch(frontend, -1) {
		listed[m[1]] = true
		if v := lock.Packages["node_modules/"+m[1]].Version; v != m[2] {
			t.Errorf("%s is listed at version %s, and built with %q: run \"make frontend\"", m[1], m[2], v)
		}
	}
	for _, name := range []string{"preact", "@preact/signals", "@preact/signals-core"} {
		if !listed[name] {
			t.Errorf("no license of %s", name)
		}
	}
	var b strings.Builder
	if err := Write(&b); err != nil || !strings.Contains(b.String(), "\npreact ") {
		t.Errorf("licenses do not have that of preact (%v)", err)
	}
}
