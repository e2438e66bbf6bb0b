package main

import (
	"html"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestSite builds the site of the project as it is, whose links have to lead somewhere, and
// checks that it tells about commands and fields what the program does.
func TestSite(t *testing.T) {
	dir := t.TempDir()
	mox := filepath.Join(dir, "mox")
	if out, err := exec.Command("go", "build", "-C", "..", "-o", mox, ".").CombinedOutput(); err != nil {
		t.Fatalf("building mox: %v\n%s", err, out)
	}
	s := &site{root: "..", out: filepath.Join(dir, "site"), ids: map[string][]string{}}
	if err := s.read(mox); err != nil {
		t.Fatal(err)
	}
	if err := s.write(); err != nil {
		t.Fatal(err)
	}
	page := func(name string) string {
		b, err := os.ReadFile(filepath.Join(s.out, name+".html"))
		if err != nil {
			t.Fatal(err)
		}
		return html.UnescapeString(string(b))
	}
	commands := page("commands")
	if len(s.ids["commands"]) < 100 {
		t.Errorf("%d commands: are they found?", len(s.ids["commands"]))
	}
	for _, words := range []string{"serve", "config account add", "import imap", "queue list"} {
		help, err := exec.Command(mox, append([]string{"help"}, strings.Fields(words)...)...).Output()
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(commands, strings.TrimSpace(string(help))) {
			t.Errorf("the page of commands does not have the help of %s", words)
		}
	}
	for name, id := range map[string]string{"mox.conf": "Listeners.public.SMTP.Port", "domains.conf": "Domains.example.org.DKIM"} {
		if !strings.Contains(page(name), `id="`+id+`"`) {
			t.Errorf("%s has no anchor %s: %v", name, id, s.ids[name][:20])
		}
	}
	if !strings.Contains(page("index"), `<a href="changelog.html">CHANGELOG.md</a>`) {
		t.Error("README's link to CHANGELOG.md does not lead to its page")
	}
}
