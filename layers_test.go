package main

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// layers is the house: imports go down. A package may import packages of lower
// layers, and within its own layer only packages listed before it. The root
// imports all. ARCHITECTURE.md says what each room is for.
var layers = []struct {
	name     string
	packages []string
}{
	{"base", []string{"licenses", "mlog", "otlp", "metrics", "ratelimit", "atomicfile", "lineio", "deflate", "proxyproto", "sconf", "db", "chunk", "upkeep", "logfile", "ownership"}},
	{"words", []string{"dns", "publicsuffix", "smtp", "imap", "sasl", "message", "mbox", "maildir", "authres", "dsn", "refusal", "trace", "ical", "vcard", "jmap", "dav", "webapi", "jsoncall"}},
	{"mechanism", []string{"spf", "dkim", "arc", "dmarc", "iprev", "dnsbl", "srs", "classifier", "dane", "mtasts", "tlsrpt", "dmarcrpt", "arf", "doctext", "mailhtml", "sieve", "smtpclient", "imapclient", "acme", "rdap", "updates", "sftp", "webpush", "milter"}},
	{"state", []string{"config", "directory", "store", "queue", "loginlog", "auth", "invite", "junk", "search", "tracelog", "reportdb", "mtastsdb", "ban", "autotls"}},
	{"flows", []string{"msgauth", "policy", "deliver", "submit", "list", "report", "inbound", "outbound", "mailops", "hook", "queuebox", "groupware", "transfer", "imapimport", "backup", "replica", "account", "dnsrecords", "clientconf", "dnscheck", "status", "admin", "service", "upgrade", "quickstart", "doctor", "reportcard"}},
	{"doors", []string{"ctl", "smtpserver", "imapserver", "pop3server", "sieveserver", "httpauth", "jmapserver", "davserver", "webapiserver", "webhandler", "discovery", "webserver", "page", "setup", "welcome", "websession", "webimport", "accountapi", "adminapi", "mailapi", "webaccount", "webadmin", "webmail"}},
	// The root package is between: it composes all doors, and moxtest embeds it.
	{"serving", []string{"serve", "sampledata"}},
	{"tests", []string{"sessiontest", "storetest", "moxtest", "integration", "interop", "rfc", "frontend"}},
}

// anywhere lists test helpers that tests of any layer may import.
var anywhere = []string{"sessiontest", "storetest"}

// confined says which packages alone may import an outside module, so that every
// other one compiles without it (DESIGN: SQLite behind db, Prometheus behind metrics).
var confined = map[string][]string{
	"modernc.org/sqlite":                  {"db"},
	"modernc.org/libc":                    {"db"},
	"github.com/prometheus/client_golang": {"metrics"},
	"github.com/miekg/dns":                {"dns"},
	"github.com/landlock-lsm/go-landlock": {"serve"},
	"rsc.io/qr":                           {"discovery"},
	"github.com/pkg/sftp":                 {"sftp"},
	"github.com/microcosm-cc/bluemonday":  {"mailhtml"},
	"golang.org/x/crypto/ssh":             {"sftp"},
}

type place struct{ layer, index int }

func places() map[string]place {
	m := map[string]place{}
	for i, l := range layers {
		for j, p := range l.packages {
			m[p] = place{i, j}
		}
	}
	return m
}

// goImport is one import statement.
type goImport struct {
	from, file string // package and file that import
	to         string // import path
	test       bool
}

// readImports parses the import clauses of every Go file below the root.
func readImports(t *testing.T) []goImport {
	t.Helper()
	var all []goImport
	fset := token.NewFileSet()
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		base := d.Name()
		if d.IsDir() {
			if path != "." && (strings.HasPrefix(base, ".") || base == "testdata" || base == "node_modules") {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(base, ".go") {
			return nil
		}
		f, err := parser.ParseFile(fset, path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, spec := range f.Imports {
			to, _ := strconv.Unquote(spec.Path.Value)
			all = append(all, goImport{filepath.ToSlash(filepath.Dir(path)), path, to, strings.HasSuffix(base, "_test.go")})
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// room is the top-level directory of a package, which is what the table names.
func room(pkg string) string {
	top, _, _ := strings.Cut(pkg, "/")
	return top
}

func TestLayers(t *testing.T) {
	at := places()
	for _, imp := range readImports(t) {
		to, inside := strings.CutPrefix(imp.to, "mox/")
		if !inside || imp.from == "." {
			continue
		}
		from, to := room(imp.from), room(to)
		if from == to || imp.test && slices.Contains(anywhere, to) {
			continue
		}
		pf, ok := at[from]
		if !ok {
			t.Errorf("%s: package %s is in no layer: add it to the table", imp.file, from)
			continue
		}
		pt, ok := at[to]
		if !ok {
			t.Errorf("%s: imports %s, which is in no layer", imp.file, to)
			continue
		}
		down := pt.layer < pf.layer || pt.layer == pf.layer && pt.index < pf.index
		// Tests may lean on what stands beside them in the layer, never on a higher one.
		if !down && !(imp.test && pt.layer == pf.layer) {
			t.Errorf("%s: %s (%s) imports %s (%s): imports go down", imp.file, from, layers[pf.layer].name, to, layers[pt.layer].name)
		}
	}
}

func TestConfined(t *testing.T) {
	for _, imp := range readImports(t) {
		for module, allowed := range confined {
			if (imp.to == module || strings.HasPrefix(imp.to, module+"/")) && !slices.Contains(allowed, room(imp.from)) {
				t.Errorf("%s: only %s may import %s", imp.file, strings.Join(allowed, ", "), module)
			}
		}
	}
}

// TestDependencies fails for a direct dependency without a reason in ARCHITECTURE.md.
func TestDependencies(t *testing.T) {
	mod, err := os.ReadFile("go.mod")
	if err != nil {
		t.Fatal(err)
	}
	doc, err := os.ReadFile("ARCHITECTURE.md")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(mod)) {
		f := strings.Fields(line)
		if len(f) != 2 || !strings.Contains(f[0], ".") || !strings.HasPrefix(f[1], "v") {
			continue // not a direct requirement
		}
		if !strings.Contains(string(doc), "`"+f[0]+"`") {
			t.Errorf("go.mod requires %s, which ARCHITECTURE.md does not list with its reason", f[0])
		}
	}
}

// TestRoomsExist keeps every package documented: a doc.go or package comment.
func TestPackageDocs(t *testing.T) {
	dirs := map[string]bool{}
	for _, imp := range readImports(t) {
		if !imp.test {
			dirs[imp.from] = true
		}
	}
	for dir := range dirs {
		pkgs, err := filepath.Glob(filepath.Join(dir, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		documented := false
		for _, file := range pkgs {
			f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.PackageClauseOnly|parser.ParseComments)
			if err != nil {
				t.Fatal(err)
			}
			documented = documented || f.Doc != nil && strings.TrimSpace(f.Doc.Text()) != ""
		}
		if !documented {
			t.Errorf("package %s has no package comment", dir)
		}
	}
}
