package licenses

import (
	"os"
	"os/exec"
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
