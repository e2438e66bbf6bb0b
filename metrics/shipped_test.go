package metrics

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// These tests read what is shipped for Prometheus and Grafana: each metric and label that they name
// must exist and be counted somewhere. Whether expressions mean what they should is for the interop
// case "metrics", which has Prometheus.

// external are metrics that are not of defs.go, with labels: those of Prometheus, and of its Go library.
var external = map[string][]string{
	"up": {}, "process_start_time_seconds": {}, "process_resident_memory_bytes": {}, "process_open_fds": {},
	"process_max_fds": {}, "process_cpu_seconds_total": {}, "go_goroutines": {},
}

// targetLabels are what Prometheus adds to all series.
var targetLabels = []string{"job", "instance"}

// known returns the labels of all names that may be asked for.
func known() map[string][]string {
	all := map[string][]string{}
	counters, gauges, histograms := All()
	for _, d := range counters {
		all[d.Name] = d.Labels
	}
	for _, d := range gauges {
		all[d.Name] = d.Labels
	}
	for _, d := range histograms {
		all[d.Name+"_count"], all[d.Name+"_sum"] = d.Labels, d.Labels
		all[d.Name+"_bucket"] = append(slices.Clone(d.Labels), "le")
	}
	for name, labels := range external {
		all[name] = labels
	}
	return all
}

// selector is a metric in an expression, with the labels by which it is selected.
type selector struct {
	name   string
	labels []string
}

var (
	stringsRE  = regexp.MustCompile(`"[^"]*"`)
	groupingRE = regexp.MustCompile(`\b(by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)`)
	selectorRE = regexp.MustCompile(`\b([a-z_][a-z0-9_]*)\b\s*(\{[^}]*\})?`)
	labelRE    = regexp.MustCompile(`([a-z_]+)\s*[!=]`)
)

// notMetrics are the words of PromQL in use here.
var notMetrics = []string{
	"sum", "max", "min", "increase", "rate", "time", "histogram_quantile", "topk", "clamp_min", "vector",
	"or", "and", "unless", "offset", "bool",
}

// parse returns the selectors of an expression and the labels that it groups by.
func parse(expr string) (selectors []selector, grouped []string) {
	expr = stringsRE.ReplaceAllString(expr, `""`)
	expr = groupingRE.ReplaceAllStringFunc(expr, func(g string) string {
		for label := range strings.SplitSeq(groupingRE.FindStringSubmatch(g)[2], ",") {
			grouped = append(grouped, strings.TrimSpace(label))
		}
		return " "
	})
	expr = regexp.MustCompile(`\[[^\]]*\]|offset \w+|\b[0-9][0-9.smhdw]*\b`).ReplaceAllString(expr, " ")
	for _, m := range selectorRE.FindAllStringSubmatch(expr, -1) {
		if slices.Contains(notMetrics, m[1]) {
			continue
		}
		s := selector{name: m[1]}
		for _, l := range labelRE.FindAllStringSubmatch(m[2], -1) {
			s.labels = append(s.labels, l[1])
		}
		selectors = append(selectors, s)
	}
	return selectors, grouped
}

// wrong returns what is wrong with the names in an expression.
func wrong(expr string, known map[string][]string) (problems []string) {
	selectors, grouped := parse(expr)
	if len(selectors) == 0 {
		return []string{"no metric"}
	}
	have := slices.Clone(targetLabels)
	for _, s := range selectors {
		labels, ok := known[s.name]
		if !ok {
			problems = append(problems, "no metric "+s.name)
			continue
		}
		for _, l := range s.labels {
			if !slices.Contains(labels, l) && !slices.Contains(targetLabels, l) {
				problems = append(problems, fmt.Sprintf("%s has no label %s", s.name, l))
			}
		}
		have = append(have, labels...)
	}
	for _, l := range grouped {
		if !slices.Contains(have, l) {
			problems = append(problems, "nothing has the label "+l)
		}
	}
	return problems
}

func TestWrong(t *testing.T) {
	for expr, want := range map[string]string{
		`sum by (pkg, instance) (increase(mox_panic_total[1h])) > 0`:                                "[]",
		`mox_panic_total{pkg="x", job!~"y{"} unless mox_panic_total offset 1h`:                      "[]",
		`histogram_quantile(0.9, sum by (le) (rate(mox_imap_command_duration_seconds_bucket[5m])))`: "[]",
		`mox_panics_total > 0`:                                            "[no metric mox_panics_total]",
		`rate(mox_panic_total{package=~"x"}[$__rate_interval])`:           "[mox_panic_total has no label package]",
		`sum by (package) (mox_panic_total)`:                              "[nothing has the label package]",
		`sum(mox_imap_command_duration_seconds)`:                          "[no metric mox_imap_command_duration_seconds]",
		`sum by (le) (rate(mox_imap_command_duration_seconds_count[5m]))`: "[nothing has the label le]",
		`1 > 0`: "[no metric]",
	} {
		if got := fmt.Sprint(wrong(expr, known())); got != want {
			t.Errorf("%s: got %s, want %s", expr, got, want)
		}
	}
}

// counted returns the names of metrics in code other than tests and this package: those that a
// running server can have.
func counted(t *testing.T) map[string]bool {
	t.Helper()
	byIdent := map[string]string{}
	file, err := parser.ParseFile(token.NewFileSet(), "defs.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range file.Decls {
		g, ok := d.(*ast.GenDecl)
		if !ok {
			continue
		}
		for _, spec := range g.Specs {
			v, ok := spec.(*ast.ValueSpec)
			if !ok || len(v.Values) != 1 {
				continue
			}
			if def, ok := v.Values[0].(*ast.CompositeLit); ok && len(def.Elts) > 0 {
				if kv, ok := def.Elts[0].(*ast.KeyValueExpr); ok {
					byIdent[v.Names[0].Name] = strings.Trim(kv.Value.(*ast.BasicLit).Value, `"`)
				}
			}
		}
	}
	uses := regexp.MustCompile(`\bmetrics\.([A-Z]\w+)`)
	// What the registry counts by itself.
	found := map[string]bool{Panic.Name: true, LoggingInfo.Name: true, LoggingWarn.Name: true, LoggingError.Name: true}
	err = filepath.WalkDir("../serve", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		for _, m := range uses.FindAllSubmatch(text, -1) {
			found[byIdent[string(m[1])]] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	// All lists every definition, or known would lack some.
	names := known()
	for ident, name := range byIdent {
		_, plain := names[name]
		_, histogram := names[name+"_count"]
		if !plain && !histogram {
			t.Errorf("%s is not in All", ident)
		}
	}
	return found
}

// checkExpressions checks expressions, by the name of what has them.
func checkExpressions(t *testing.T, expressions map[string][]string) {
	t.Helper()
	known, counted := known(), counted(t)
	for name, list := range expressions {
		for _, expr := range list {
			for _, problem := range wrong(expr, known) {
				t.Errorf("%s: %s, in %s", name, problem, expr)
			}
			selectors, _ := parse(expr)
			for _, s := range selectors {
				base := regexp.MustCompile(`_(count|sum|bucket)$`).ReplaceAllString(s.name, "")
				if _, ok := external[s.name]; !ok && !counted[base] && !counted[s.name] {
					t.Errorf("%s: nothing counts %s", name, s.name)
				}
			}
		}
	}
}

// alerts reads the expressions of prometheus.rules, by alert: YAML as that file has it.
func alerts(t *testing.T) map[string][]string {
	t.Helper()
	text, err := os.ReadFile("../prometheus.rules")
	if err != nil {
		t.Fatal(err)
	}
	found := map[string][]string{}
	name, folded := "", false
	for line := range strings.SplitSeq(string(text), "\n") {
		trimmed := strings.TrimSpace(line)
		switch alert, isAlert := strings.CutPrefix(trimmed, "- alert: "); {
		case isAlert:
			if found[alert] != nil {
				t.Errorf("two alerts %s", alert)
			}
			name, folded = alert, false
		case trimmed == "expr: >-":
			found[name], folded = []string{""}, true
		case strings.HasPrefix(trimmed, "expr: "):
			found[name], folded = []string{strings.TrimPrefix(trimmed, "expr: ")}, false
		case folded && strings.HasPrefix(line, strings.Repeat(" ", 10)):
			found[name][0] += trimmed + " "
		default:
			folded = false
		}
	}
	return found
}

// TestPrometheusRules: the shipped alerts are about metrics and labels that exist; each has a series
// by which it fires and one by which it does not in the tests for promtool, and a place in the docs.
func TestPrometheusRules(t *testing.T) {
	found := alerts(t)
	if len(found) < 20 {
		t.Errorf("only %d alerts", len(found))
	}
	checkExpressions(t, found)
	tests, err := os.ReadFile("../interop/metrics/rules_test.yml")
	if err != nil {
		t.Fatal(err)
	}
	doc, err := os.ReadFile("../docs/monitoring.md")
	if err != nil {
		t.Fatal(err)
	}
	for name := range found {
		if !strings.Contains(string(doc), "`"+name+"`") {
			t.Errorf("docs/monitoring.md lacks %s", name)
		}
		fires, quiet := 0, 0
		for _, c := range strings.Split(string(tests), "alertname: "+name+"\n")[1:] {
			c, _, _ = strings.Cut(c, "alertname: ")
			if strings.Contains(c, "exp_alerts: []") {
				quiet++
			} else if strings.Contains(c, "exp_labels:") {
				fires++
			}
		}
		if fires == 0 || quiet == 0 {
			t.Errorf("%s: %d tests where it fires, %d where it does not", name, fires, quiet)
		}
	}
}

// TestDashboard: the dashboard for Grafana is a valid model, and what it shows exists.
func TestDashboard(t *testing.T) {
	text, err := os.ReadFile("../packaging/grafana/mox.json")
	if err != nil {
		t.Fatal(err)
	}
	type panel struct {
		ID         int
		Title      string
		Type       string
		GridPos    struct{ X, Y, W, H int }
		Datasource struct{ Type, UID string }
		Targets    []struct {
			Expr  string
			RefID string `json:"refId"`
		}
	}
	var board struct {
		UID           string
		Title         string
		SchemaVersion int
		Panels        []panel
		Templating    struct {
			List []struct{ Name, Type, Query string }
		}
	}
	if err := json.Unmarshal(text, &board); err != nil {
		t.Fatal(err)
	}
	if board.UID == "" || board.Title != "mox" || board.SchemaVersion < 36 || len(board.Templating.List) == 0 {
		t.Errorf("board %+v", board)
	}
	expressions, ids, rows := map[string][]string{}, map[int]bool{}, []string{}
	var taken [200][24]bool
	for _, p := range board.Panels {
		if ids[p.ID] || p.ID == 0 || p.Title == "" {
			t.Errorf("panel %d %q: id or title", p.ID, p.Title)
		}
		ids[p.ID] = true
		g := p.GridPos
		if g.X < 0 || g.W < 1 || g.H < 1 || g.X+g.W > 24 || g.Y < 0 || g.Y+g.H > len(taken) {
			t.Fatalf("panel %q at %+v", p.Title, g)
		}
		for y := g.Y; y < g.Y+g.H; y++ {
			for x := g.X; x < g.X+g.W; x++ {
				if taken[y][x] {
					t.Fatalf("panel %q covers another", p.Title)
				}
				taken[y][x] = true
			}
		}
		if p.Type == "row" {
			rows = append(rows, p.Title)
			continue
		}
		if len(p.Targets) == 0 || p.Datasource.Type != "prometheus" {
			t.Errorf("panel %q has no query", p.Title)
		}
		for _, target := range p.Targets {
			if target.RefID == "" || expressions[p.Title+" "+target.RefID] != nil {
				t.Errorf("panel %q: refId %q", p.Title, target.RefID)
			}
			expressions[p.Title+" "+target.RefID] = []string{target.Expr}
			if !strings.Contains(target.Expr, `instance=~"$instance"`) {
				t.Errorf("panel %q is not of the chosen instance: %s", p.Title, target.Expr)
			}
		}
	}
	for _, want := range []string{"Reception", "Queue", "IMAP", "HTTP", "Certificates", "Backups", "Errors"} {
		if !slices.Contains(rows, want) {
			t.Errorf("no row %s in %q", want, rows)
		}
	}
	checkExpressions(t, expressions)
}
