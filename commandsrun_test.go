package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// runElsewhere names the Go tests of this package that run commands which no script runs.
var runElsewhere = map[string]string{
	"serve":           "TestUpgrade",
	"dane dial":       "TestDANECommands",
	"dane dialmx":     "TestDANECommands",
	"dane makerecord": "TestDANEMakeRecord",
	"mtasts lookup":   "TestMTASTSCommands",
	"import imap":     "TestImportIMAP",
	"setup":           "TestSetup",
}

// TestCommandsRun: each command is run by a script of testdata, or by the test that is named.
func TestCommandsRun(t *testing.T) {
	run := scriptCommands(t)
	tests := goTests(t)
	for _, c := range commands() {
		test, named := runElsewhere[c.words]
		switch {
		case named && run[c.words]:
			t.Errorf("%s is run by a script: it need not be in runElsewhere", c.words)
		case named && !strings.Contains(strings.ToLower(tests[test]), lastWords(c.words)):
			t.Errorf("%s should be run by %s, which is not there or does not name it", c.words, test)
		case !named && !run[c.words]:
			t.Errorf("%s is run by no test", c.words)
		}
	}
	for words := range runElsewhere {
		if !slices.ContainsFunc(commands(), func(c command) bool { return c.words == words }) {
			t.Errorf("%s is no command", words)
		}
	}
}

// lastWords is the last word of a command.
func lastWords(words string) string { return words[strings.LastIndexByte(words, ' ')+1:] }

// scriptCommands are the words of all commands that scripts run.
func scriptCommands(t *testing.T) map[string]bool {
	t.Helper()
	p, _, _ := testProgram()
	run := map[string]bool{}
	for _, pattern := range []string{"testdata/script/*.txt", "testdata/stored/*.txt"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatal(pattern, err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			script, _, _ := strings.Cut(string(text), "\n-- ") // without its files
			for line := range strings.Lines(script) {
				if cmd, _ := p.find(scriptWords(line)); cmd != nil {
					run[cmd.words] = true
				}
			}
		}
	}
	return run
}

// scriptWords are the words of a line of a script that runs the program, without global flags.
func scriptWords(line string) []string {
	words := strings.Fields(strings.TrimPrefix(line, "! "))
	if len(words) > 0 && words[0] == "exec" {
		words = words[1:]
	}
	if len(words) == 0 || words[0] != "mox" && words[0] != "sendmail" {
		return nil
	}
	if words[0] == "mox" {
		words = words[1:]
	}
	fs := (&program{getenv: os.Getenv}).globalFlags()
	if fs.Parse(words) != nil {
		return nil
	}
	return fs.Args()
}

// goTests are the texts of the files of the tests of this package, by the name of the test.
func goTests(t *testing.T) map[string]string {
	t.Helper()
	files, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]string{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, part := range strings.Split(string(text), "\nfunc ")[1:] {
			name, _, _ := strings.Cut(part, "(")
			if strings.HasPrefix(name, "Test") {
				tests[name] = string(text)
			}
		}
	}
	return tests
}
