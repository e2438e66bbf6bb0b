package main

import (
	"bytes"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	if isUpgradeProgram() {
		os.Exit(upgradeProgram())
	}
	testscript.Main(m, map[string]func(){
		"mox":      func() { os.Exit(scriptStatus()) },
		"sendmail": func() { os.Exit(scriptStatus()) },
	})
}

// TestScripts runs testdata/script/*.txt: each uses the program as a person would.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(env *testscript.Env) error {
			env.Setenv("MOXCONF", "")
			return nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){"waitfile": waitFile, "replaceports": replacePorts, "dnsserver": dnsServer, "mailserver": mailServer, "mkconf": makeSubmitConf, "kept": keptMail, "fillqueue": fillQueue, "breakdb": breakDB, "flipbyte": flipByte, "append": appendFile, "damage": damage, "mkcert": makeCertificate, "waitport": waitPort, "waittext": waitText, "imapsocket": imapSocket, "comment": commentFile, "keptlines": keptLines, "sftpserver": sftpServer},
	})
}

// testProgram is the program with captured streams.
func testProgram() (p *program, stdout, stderr *bytes.Buffer) {
	stdout, stderr = new(bytes.Buffer), new(bytes.Buffer)
	return &program{commands: commands(), stdin: strings.NewReader(""), stdout: stdout, stderr: stderr, getenv: func(string) string { return "" }}, stdout, stderr
}

func TestExitStatus(t *testing.T) {
	for _, tc := range []struct {
		args   string
		status int
		stderr string // part of what is on standard error
	}{
		{"", 2, "usage: mox"},
		{"-x", 2, "flag provided but not defined"},
		{"-h", 0, ""},
		{"version", 0, ""},
		{"version -h", 0, ""},
		{"version extra", 2, "wrong number of arguments"},
		{"verison", 2, "mox version"},
		{"lcoalserve -initonly", 2, "mox localserve"},
		{"config", 2, "mox config account add account address"},
		{"config acount add", 2, "mox config account add"},
		{"config domain add example.org", 2, "usage: mox config domain add [-disabled] domain account [localpart]"},
		{"xyzzy", 2, "unknown command"},
		{"help config account", 0, ""},
		{"help xyzzy", 2, "unknown command"},
		{"completion tcsh", 2, "unknown shell"},
		{"-config /nonexistent/mox.conf config test", 1, "/nonexistent/mox.conf"},
		{"-config /nonexistent/mox.conf stop", 1, "/nonexistent/mox.conf"},
		{"-loglevel loud -config /nonexistent/mox.conf serve", 1, ""},
	} {
		p, _, stderr := testProgram()
		if got := p.main(strings.Fields(tc.args)); got != tc.status {
			t.Errorf("mox %s: exit status %d, want %d\n%s", tc.args, got, tc.status, stderr)
		}
		if !strings.Contains(stderr.String(), tc.stderr) {
			t.Errorf("mox %s: standard error lacks %q:\n%s", tc.args, tc.stderr, stderr)
		}
	}
}

// TestCommands keeps the table whole: every command has a line, its own words, a run
// function, and names itself in its usage.
func TestCommands(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range commands() {
		if c.short == "" || strings.HasSuffix(c.short, ".") {
			t.Errorf("%s: short text must be there and have no full stop", c.words)
		}
		if seen[c.words] {
			t.Errorf("%s is there twice", c.words)
		}
		seen[c.words] = true
		if (c.run == nil) == (c.setup == nil) {
			t.Errorf("%s needs run or setup, not both", c.words)
		}
		if c.max >= 0 && c.min > c.max {
			t.Errorf("%s: min %d over max %d", c.words, c.min, c.max)
		}
	}
}

// firstWords returns the first word of each listed command, in the order of the table.
func firstWords() []string {
	var l []string
	for _, c := range commands() {
		if w, _, _ := strings.Cut(c.words, " "); !c.unlisted && !slices.Contains(l, w) {
			l = append(l, w)
		}
	}
	return l
}

func TestComplete(t *testing.T) {
	for _, tc := range []struct{ typed, want string }{
		{"", strings.Join(firstWords(), " ")},
		{"se", "serve setaccountpassword setadminpassword send sendmail setup"},
		{"config acc", "account"},
		{"config account ", "list addresses add rm disable enable"},
		{"localserve -", "-dir -initonly -ip"},
		{"help config dom", "domain"},
		{"nothing ", ""},
	} {
		p, _, _ := testProgram()
		got := strings.Join(p.complete(strings.Split(tc.typed, " ")), " ")
		if got != tc.want {
			t.Errorf("complete %q: got %q, want %q", tc.typed, got, tc.want)
		}
	}
}

// TestJSON: each command that prints data does so as JSON too, with a flag, and its help says what
// is in it.
func TestJSON(t *testing.T) {
	shapes := jsonShapes()
	for _, c := range commands() {
		f := c.flagSet().Lookup("json")
		_, shaped := shapes[c.words]
		delete(shapes, c.words)
		switch {
		case f != nil && !shaped && !strings.Contains(c.help, "-json"):
			t.Errorf("%s: neither help nor jsonShapes tells what -json prints", c.words)
		case shaped && (f == nil || len(c.jsonHelp()) < 30):
			t.Errorf("%s is in jsonShapes without flag -json or without fields: %q", c.words, c.jsonHelp())
		case c.prints == printsData && f == nil:
			t.Errorf("%s prints data without flag -json; if it prints none, its row in the table says what else", c.words)
		case c.prints == printsJSON && f != nil:
			t.Errorf("%s prints JSON in any case, and has flag -json", c.words)
		}
	}
	for words := range shapes {
		t.Errorf("jsonShapes has %q, which is no command", words)
	}
}
