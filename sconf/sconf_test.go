package sconf

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"
)

type service struct {
	Enabled bool `sconf-doc:"Whether the service runs."`
	Port    int  `sconf:"optional" sconf-doc:"Port to listen on. Default 25."`
}

type rule struct {
	Match map[string]string `sconf:"optional"`
	To    string            `sconf-doc:"Where to."`
	Tags  []string          `sconf:"optional"`
}

type account struct {
	Domain       string             `sconf:"optional"`
	Destinations map[string]dest    `sconf:"optional"`
	Filter       *filter            `sconf:"optional"`
	Rules        []rule             `sconf:"optional"`
	Tickets      *bool              `sconf:"optional"`
	Weights      map[string]float64 `sconf:"optional"`
}

type dest struct {
	Mailbox string `sconf:"optional"`
	Rules   []rule `sconf:"optional"`
}

type filter struct {
	Threshold float64
	Params    struct {
		Top   int
		Ones  bool    `sconf:"optional"`
		Small float32 `sconf:"optional"`
	}
}

type conf struct {
	DataDir  string `sconf-doc:"Where data is kept.\nRelative to this file."`
	Level    string
	Size     int64         `sconf:"optional"`
	Count    uint16        `sconf:"optional"`
	Wait     time.Duration `sconf:"optional" sconf-doc:"How long to wait. Default 72h. A longer text that has to be broken into several lines because it does not fit."`
	Key      []byte        `sconf:"optional"`
	SMTP     service       `sconf:"optional"`
	Nested   [][]string    `sconf:"optional"`
	Accounts map[string]account
	Names    []string `sconf:"optional"`
	Rules    []rule   `sconf:"optional"`
	Computed int      `sconf:"-"`
	hidden   int
}

const sample = `# Header of the file.

DataDir: ../data dir # not a comment
# Level of logs.
Level: info
Size: -5
Count: 65535
Wait: 1h30m
Key: aGVsbG8=
SMTP:
	Enabled: true

	# The port.
	Port: 1025
Nested:
	-
		- a
		- b
	-

Accounts:
	# First one.
	mjl:
		Domain: example.org
		Destinations:
			mjl@example.org: nil
			@example.org:
				Mailbox: Catch: all
		Filter:
			Threshold: 0.95
			Params:
				Top: 10
				Small: 0.5
		Tickets: false
		Weights:
			a b: 1.5
		# End of mjl.

	# Second.
	ä:
		Rules:
			-
				Match:
					^x-foo: ^bar$
				To: A

			# Second rule.
			-
				To: B
				Tags:
					- one
					- two words
# Names follow.
Names:
	# x is first
	- x
	- y
	- 
	- z
# End.
`

func parse(t *testing.T, text string) conf {
	t.Helper()
	var c conf
	if _, err := Parse([]byte(text), "test.conf", &c); err != nil {
		t.Fatalf("parsing: %v\n%s", err, text)
	}
	return c
}

func same(a, b conf) bool {
	return equal(reflect.ValueOf(a), reflect.ValueOf(b))
}

func sampleConf() conf {
	no := false
	f := &filter{Threshold: 0.95}
	f.Params.Top = 10
	f.Params.Small = 0.5
	return conf{
		DataDir: "../data dir # not a comment", Level: "info", Size: -5, Count: 65535, Wait: 90 * time.Minute, Key: []byte("hello"),
		SMTP:   service{true, 1025},
		Nested: [][]string{{"a", "b"}, {}},
		Accounts: map[string]account{
			"mjl": {
				Domain:       "example.org",
				Destinations: map[string]dest{"mjl@example.org": {}, "@example.org": {Mailbox: "Catch: all"}},
				Filter:       f, Tickets: &no, Weights: map[string]float64{"a b": 1.5},
			},
			"ä": {Rules: []rule{{Match: map[string]string{"^x-foo": "^bar$"}, To: "A"}, {To: "B", Tags: []string{"one", "two words"}}}},
		},
		Names: []string{"x", "y", "", "z"},
	}
}

func TestParse(t *testing.T) {
	var c conf
	c.hidden = 1 // Not touched.
	doc, err := Parse([]byte(sample), "test.conf", &c)
	if err != nil {
		t.Fatal(err)
	}
	if !same(c, sampleConf()) {
		t.Errorf("got %+v", c)
	}
	for path, line := range map[string]int{
		"DataDir": 3, "SMTP": 10, "SMTP Port": 14, "Accounts mjl Filter Params Top": 32, "Accounts ä Rules [1] Tags [1]": 52,
		"Accounts mjl Nope": 23, "": 1, "Nested [1]": 19, "Names [2]": 58,
	} {
		p := Path(strings.Fields(path))
		if got := doc.Line(p); got != line {
			t.Errorf("%s: line %d, want %d", p, got, line)
		}
		if got := doc.Has(p); got != !strings.Contains(path, "Nope") {
			t.Errorf("%s: has %v", p, got)
		}
	}
	e := doc.Errorf(Path{"SMTP"}.Key("Port"), "port %d is taken", 25)
	if e.Error() != "test.conf:14: SMTP.Port: port 25 is taken" {
		t.Error(e)
	}

	for name, text := range map[string]string{
		"crlf":          strings.ReplaceAll(sample, "\n", "\r\n"),
		"bom":           "\ufeff" + sample,
		"no last eol":   strings.TrimSuffix(sample, "\n"),
		"blank at ends": "\n\n" + sample + "\n\n",
	} {
		if !same(parse(t, text), sampleConf()) {
			t.Errorf("%s: other value", name)
		}
	}
}

func TestParseErrors(t *testing.T) {
	tests := []struct{ text, want string }{
		{"DataDir x\n", `f:1: missing colon after key "DataDir x"`},
		{"DataDir:x\n", `f:1: missing space after colon of "DataDir"`},
		{"DataDir: x\n  Level: x\n", `f:2: indentation is by tabs, not spaces`},
		{"DataDir: x\n\t\nLevel: x\n", `f:2: line with only whitespace; remove it or make it empty`},
		{"DataDir: x\n \n", `f:2: indentation is by tabs, not spaces`},
		{"DataDir: x\n\tLevel: x\n", `f:2: unexpected indentation; the line before has a value and takes no lines below it`},
		{"SMTP: \n\tEnabled: true\n", `f:2: unexpected indentation; the line before has a space after its colon and so an empty value, remove that space`},
		{"SMTP:\n\t\tEnabled: true\n", `f:2: indented too deep: at most 1 tabs are expected here, found 2`},
		{"\tSMTP:\n", `f:1: indented too deep: at most 0 tabs are expected here, found 1`},
		{": x\n", `f:1: missing key before colon`},
		{"- x\n", `f:1: list item outside of a list`},
		{"Names:\n\t- a\n\tb: c\n", `f:3: Names.b: key among list items; fields of a list item are one tab deeper than its dash`},
		{"Names:\n\tb: c\n\t- a\n", `f:3: Names[1]: list item among keys`},
		{"Level: a\nDataDir: x\nLevel: b\n", `f:3: Level: key given twice, first on line 1`},
		{"Accounts:\n\ta: nil\n\tb: nil\n\ta: nil\n", `f:4: Accounts.a: key given twice, first on line 2`},
		{"DataDir: \x1b[0m\n", `f:1: control character 0x1b is not allowed`},
		{"DataDir: x\ry\n", `f:1: control character 0x0d is not allowed`},
		{"DataDir: \xff\n", `f:1: invalid UTF-8`},
		{strings.Repeat("x", MaxLineLength+1), fmt.Sprintf("f:1: line is longer than %d bytes", MaxLineLength)},
		{ok("Sise: 1"), `f:4: Sise: unknown field; did you mean "Size"?`},
		{ok("size: 1"), `f:4: size: unknown field; did you mean "Size"?`},
		{ok("Quux: 1"), `f:4: Quux: unknown field`},
		{ok("Si\u202eze: 1"), `f:4: Si\u202eze: unknown field`},
		{ok("SMTP:\n\tEnabled: true\n\tNames:"), `f:6: SMTP.Names: unknown field; there is one in a section around this, is it indented too deep?`},
		{ok("SMTP:\n\tPort: 1"), `f:4: SMTP.Enabled: missing required field`},
		{ok("SMTP:\n\tEnabled: yes"), `f:5: SMTP.Enabled: bad boolean "yes", must be true or false`},
		{ok("SMTP:\n\tEnabled:"), `f:5: SMTP.Enabled: missing value`},
		{ok("SMTP: true"), `f:4: SMTP: unexpected value "true", need fields on the following lines, one tab deeper`},
		{ok("SMTP: nil"), `f:4: SMTP: unexpected value "nil", need fields on the following lines, one tab deeper`},
		{ok("SMTP:\n\t- x"), `f:5: SMTP: need fields`},
		{ok("Names: x"), `f:4: Names: unexpected value "x", need list items on the following lines, one tab deeper`},
		{ok("Names:\n\tx: y"), `f:5: Names: need list items`},
		{ok("Names:\n\t-\n\t\t- x"), `f:6: Names[0]: unexpected lines below, need a value on the same line`},
		{ok("Rules:\n\t- To: x"), `f:5: Rules[0]: unexpected value "To: x", need fields on the following lines, one tab deeper than the dash, which stands alone`},
		{ok("Size: 1.5"), `f:4: Size: bad number "1.5", must be an integer`},
		{ok("Size: 0x10"), `f:4: Size: bad number "0x10", must be an integer`},
		{ok("Count: 65536"), `f:4: Count: bad number "65536", must be from 0 to 65535`},
		{ok("Wait: 3 days"), `f:4: Wait: bad duration "3 days"; examples are 30s, 15m, 1h30m, 72h`},
		{ok("Wait: 10"), `f:4: Wait: bad duration "10"; examples are 30s, 15m, 1h30m, 72h`},
		{ok("Key: %"), `f:4: Key: bad base64 data`},
		{ok("Computed: 1"), `f:4: Computed: unknown field`},
		{ok("hidden: 1"), `f:4: hidden: unknown field`},
		{"Accounts:\n\ta:\n\t\tWeights:\n\t\t\tx: NaN\n\t\t\ty: 1_0\n", "f:1: DataDir: missing required field\nf:1: Level: missing required field\nf:4: Accounts.a.Weights.x: bad number \"NaN\"\nf:5: Accounts.a.Weights.y: bad number \"1_0\""},
		{"Accounts:\n\ta:\n\t\tFilter: nil\n", "f:1: DataDir: missing required field\nf:1: Level: missing required field\nf:3: Accounts.a.Filter: unexpected value \"nil\", need fields on the following lines, one tab deeper"},
		{deep(MaxDepth + 1), fmt.Sprintf("f:%d: nested deeper than %d levels", MaxDepth+1, MaxDepth)},
		{"", "f:1: DataDir: missing required field\nf:1: Level: missing required field\nf:1: Accounts: missing required field"},
	}
	for _, tc := range tests {
		var c conf
		_, err := Parse([]byte(tc.text), "f", &c)
		if err == nil || err.Error() != tc.want {
			t.Errorf("%.60q:\ngot  %v\nwant %v", tc.text, err, tc.want)
		}
		if errs, ok := errors.AsType[Errors](err); !ok || len(errs) == 0 {
			t.Errorf("%.60q: got %T", tc.text, err)
		}
	}

	_, err := Parse(bytes.Repeat([]byte("\n"), MaxLines+1), "f", &conf{})
	if err == nil || !strings.Contains(err.Error(), "too many lines") {
		t.Error(err)
	}
	_, err = Parse(make([]byte, MaxSize+1), "", &conf{})
	if err == nil || !strings.Contains(err.Error(), "larger than") {
		t.Error(err)
	}
	var many strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&many, "Field%d: x\n", i)
	}
	_, err = Parse([]byte(many.String()), "f", &conf{})
	if errs, _ := errors.AsType[Errors](err); len(errs) != MaxErrors {
		t.Errorf("%d errors", len(errs))
	}
}

func ok(more string) string {
	return "DataDir: d\nLevel: l\nAccounts:\n" + more + "\n"
}

func deep(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(strings.Repeat("\t", i) + "x:\n")
	}
	return b.String()
}

func TestTypeErrors(t *testing.T) {
	var bad struct{ C chan int }
	if _, err := Parse([]byte("C: x\n"), "", &bad); !errors.Is(err, ErrType) {
		t.Error(err)
	}
	for _, dst := range []any{nil, bad, (*conf)(nil), new(int)} {
		if _, err := Parse(nil, "", dst); !errors.Is(err, ErrType) {
			t.Errorf("%T: %v", dst, err)
		}
	}
	for _, v := range []any{bad, 1, nil, (*conf)(nil)} {
		if err := Write(&bytes.Buffer{}, v); !errors.Is(err, ErrType) {
			t.Errorf("%T: %v", v, err)
		}
		if err := Describe(&bytes.Buffer{}, v); !errors.Is(err, ErrType) {
			t.Errorf("%T: %v", v, err)
		}
	}
	type loop struct{ L []loop }
	if err := Describe(&bytes.Buffer{}, loop{}); err == nil {
		t.Error("endless type described")
	}
}

func TestWrite(t *testing.T) {
	var b bytes.Buffer
	c := sampleConf()
	if err := Write(&b, &c); err != nil {
		t.Fatal(err)
	}
	want := `DataDir: ../data dir # not a comment
Level: info
Size: -5
Count: 65535
Wait: 1h30m
Key: aGVsbG8=
SMTP:
	Enabled: true
	Port: 1025
Nested:
	-
		- a
		- b
	-
Accounts:
	mjl:
		Domain: example.org
		Destinations:
			@example.org:
				Mailbox: Catch: all
			mjl@example.org: nil
		Filter:
			Threshold: 0.95
			Params:
				Top: 10
				Small: 0.5
		Tickets: false
		Weights:
			a b: 1.5
	ä:
		Rules:
			-
				Match:
					^x-foo: ^bar$
				To: A
			-
				To: B
				Tags:
					- one
					- two words
Names:
	- x
	- y
	-
	- z
`
	if b.String() != want {
		t.Errorf("got %s", b.String())
	}
	if !same(parse(t, b.String()), c) {
		t.Error("does not parse back")
	}

	for _, d := range []time.Duration{0, time.Hour, 72 * time.Hour, time.Minute, 90 * time.Second, 10 * time.Minute, 100*time.Hour + time.Second, -time.Hour, time.Millisecond} {
		if got, err := time.ParseDuration(durationText(d)); err != nil || got != d {
			t.Errorf("%s: %s", d, durationText(d))
		}
	}
}

func TestWriteErrors(t *testing.T) {
	base := func() conf { return conf{Accounts: map[string]account{}} }
	set := func(fn func(c *conf)) conf { c := base(); fn(&c); return c }
	tests := []struct {
		c    conf
		want string
	}{
		{set(func(c *conf) { c.Level = "a\nb" }), "Level: text of several lines cannot be written"},
		{set(func(c *conf) { c.Level = "\xff" }), "Level: invalid UTF-8"},
		{set(func(c *conf) { c.Names = []string{"a", "\x00"} }), "Names[1]: control character 0x00 is not allowed"},
		{set(func(c *conf) { c.Accounts["a:b"] = account{} }), "Accounts.a:b: a key with a colon cannot be written"},
		{set(func(c *conf) { c.Accounts[""] = account{} }), "Accounts.: an empty key cannot be written"},
		{set(func(c *conf) { c.Accounts["#a"] = account{} }), `Accounts.#a: a key that begins with "#" cannot be written`},
		{set(func(c *conf) { c.Accounts["- a"] = account{} }), `Accounts.- a: a key that begins with "-" cannot be written`},
	}
	for _, tc := range tests {
		var b bytes.Buffer
		if err := Write(&b, tc.c); err == nil || err.Error() != tc.want || b.Len() != 0 {
			t.Errorf("got %v, want %s", err, tc.want)
		}
		if _, err := Rewrite([]byte(ok("")), tc.c); err == nil || err.Error() != tc.want {
			t.Errorf("rewrite: got %v, want %s", err, tc.want)
		}
	}
}

func TestWriteDocs(t *testing.T) {
	var b bytes.Buffer
	if err := WriteDocs(&b, conf{DataDir: "d", Wait: time.Hour, SMTP: service{Port: 5}, Rules: []rule{{To: "x"}}}); err != nil {
		t.Fatal(err)
	}
	want := `# Where data is kept.
# Relative to this file.
DataDir: d

Level:

# How long to wait. Default 72h. A longer text that has to be broken into several lines
# because it does not fit. (optional)
Wait: 1h

# (optional)
SMTP:
	# Whether the service runs.
	Enabled: false

	# Port to listen on. Default 25. (optional)
	Port: 5

Accounts:

# (optional)
Rules:
	-
		# Where to.
		To: x
`
	if b.String() != want {
		t.Errorf("got %s", b.String())
	}
	parse(t, b.String())
}

func uncomment(text string) string {
	lines := strings.Split(text, "\n")
	for i, l := range lines {
		rest := strings.TrimLeft(l, "\t")
		if strings.HasPrefix(rest, "#") && !strings.HasPrefix(rest, "# ") {
			lines[i] = strings.Repeat("\t", len(l)-len(rest)) + rest[1:]
		}
	}
	return strings.Join(lines, "\n")
}

func TestDescribe(t *testing.T) {
	var b bytes.Buffer
	if err := Describe(&b, &conf{DataDir: "data", Level: "info", Wait: time.Hour, Accounts: map[string]account{"a": {}, "b": {}}}); err != nil {
		t.Fatal(err)
	}
	text := b.String()
	if !strings.HasPrefix(text, `# Where data is kept.
# Relative to this file.
DataDir: data

Level: info

# (optional)
#Size: 0

# (optional)
#Count: 0

# How long to wait. Default 72h. A longer text that has to be broken into several lines
# because it does not fit. (optional)
#Wait: 1h

# (optional)
#Key:

# (optional)
#SMTP:
	# Whether the service runs.
	#Enabled: false

	# Port to listen on. Default 25. (optional)
	#Port: 0

# (optional)
#Nested:
	#-
		#-

Accounts:
	a:
		# (optional)
		#Domain:

		# (optional)
		#Destinations:
			#x:
				# (optional)
				#Mailbox:
`) {
		t.Error(text)
	}
	c := parse(t, text)
	if len(c.Accounts) != 2 || c.Wait != 0 {
		t.Errorf("got %+v", c)
	}
	c = parse(t, uncomment(text))
	if c.Wait != time.Hour || c.Accounts["b"].Filter == nil || len(c.Accounts["a"].Destinations["x"].Rules) != 1 {
		t.Errorf("uncommented: %+v", c)
	}
}

func TestSuggest(t *testing.T) {
	valid := []string{"Listeners", "Hostname", "Postmaster", "LogLevel"}
	for word, want := range map[string]string{
		"Listener": "Listeners", "hostname": "Hostname", "HostName": "Hostname", "Psotmaster": "Postmaster", "loglevle": "LogLevel",
		"X": "", "Domain": "", strings.Repeat("a", 100): "", "": "",
	} {
		if got := Suggest(word, valid); got != want {
			t.Errorf("%s: %q", word, got)
		}
	}
}
