package arc

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mox/dns"
)

var discard = slog.New(slog.DiscardHandler)

// yamlNode is a mapping or a scalar of the subset of YAML that the suite is in: mappings
// by indentation, plain scalars, and block scalars "|" and ">-".
type yamlNode struct {
	key      string
	text     string
	children []*yamlNode
}

func (n *yamlNode) child(key string) *yamlNode {
	for _, c := range n.children {
		if c.key == key {
			return c
		}
	}
	return &yamlNode{}
}

// parseYAML returns the documents of a file.
func parseYAML(t *testing.T, data string) (docs []*yamlNode) {
	t.Helper()
	for doc := range strings.SplitSeq(strings.ReplaceAll(data, "\n--- \n", "\n---\n"), "\n---\n") {
		lines := strings.Split(doc, "\n")
		root := &yamlNode{}
		rest := parseMapping(t, root, lines, 0)
		if strings.TrimSpace(strings.Join(rest, "")) != "" {
			t.Fatalf("YAML not understood at %q", rest[0])
		}
		docs = append(docs, root)
	}
	return docs
}

func indent(line string) int { return len(line) - len(strings.TrimLeft(line, " ")) }

func blank(line string) bool { return strings.TrimSpace(line) == "" }

// parseMapping parses the lines of a mapping at an indentation and returns those after it.
func parseMapping(t *testing.T, parent *yamlNode, lines []string, at int) []string {
	t.Helper()
	for len(lines) > 0 {
		line := lines[0]
		if blank(line) || strings.HasPrefix(strings.TrimSpace(line), "#") {
			lines = lines[1:]
			continue
		}
		if indent(line) < at {
			return lines
		}
		key, value, ok := strings.Cut(line[at:], ":")
		if !ok || indent(line) > at {
			t.Fatalf("YAML: not a key at indentation %d: %q", at, line)
		}
		n := &yamlNode{key: key}
		parent.children = append(parent.children, n)
		lines = lines[1:]
		switch value = strings.TrimSpace(value); value {
		case "|", "|-", ">-", ">":
			n.text, lines = blockScalar(lines, at, value)
		case "":
			if next := nextIndent(lines); next > at {
				lines = parseMapping(t, n, lines, next)
			}
		default:
			n.text = strings.Trim(value, `"'`)
		}
	}
	return nil
}

func nextIndent(lines []string) int {
	for _, line := range lines {
		if !blank(line) {
			return indent(line)
		}
	}
	return 0
}

func blockScalar(lines []string, at int, style string) (string, []string) {
	n := 0
	for n < len(lines) && (blank(lines[n]) || indent(lines[n]) > at) {
		n++
	}
	block := lines[:n]
	by := nextIndent(block)
	for i, line := range block {
		block[i] = line[min(len(line), by):]
	}
	text := strings.Join(block, "\n")
	if style[0] == '>' {
		return strings.Join(strings.Fields(text), " "), lines[n:]
	}
	if text = strings.TrimRight(text, "\n"); style == "|" && text != "" {
		text += "\n"
	}
	return text, lines[n:]
}

func vectors(t *testing.T, name string) string {
	t.Helper()
	dir := os.Getenv("MOX_VECTORS")
	if dir == "" {
		dir = "../../shared/vectors"
	}
	data, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Skipf("no test vectors: %v", err)
	}
	return string(data)
}

// TestSuite runs the published validation suite.
func TestSuite(t *testing.T) {
	cases, names := 0, map[string]bool{}
	for _, doc := range parseYAML(t, vectors(t, "arc/arc-draft-validation-tests.yml")) {
		resolver := dns.MockResolver{TXT: map[string][]string{}}
		for _, rec := range doc.child("txt-records").children {
			resolver.TXT[rec.key] = []string{rec.text}
		}
		for _, tc := range doc.child("tests").children {
			// Four names occur twice; both of their cases are run.
			cases++
			names[tc.key] = true
			t.Run(fmt.Sprintf("%03d-%s", cases, tc.key), func(t *testing.T) {
				msg := strings.ReplaceAll(tc.child("message").text, "\n", "\r\n")
				now := func() time.Time { return time.Unix(1500000000, 0) }
				res, err := Verify(t.Context(), discard, resolver, Options{Now: now}, strings.NewReader(msg))
				if err != nil {
					t.Fatal(err)
				}
				want := Status(strings.ToLower(strings.TrimSpace(tc.child("cv").text)))
				if want == "" {
					// The draft that the suite is from gave chains sealed with cv=fail no
					// status; RFC 8617 5.2 step 2, and step 3 C for older seals, say fail.
					want = StatusFail
				}
				if res.Status != want || (res.Err == nil) != (want != StatusFail) {
					t.Errorf("%s: got %s (%v), want %s", tc.child("description").text, res.Status, res.Err, want)
				}
			})
		}
	}
	if len(names) != 171 || cases != 175 {
		t.Errorf("%d cases with %d names, not 175 with 171", cases, len(names))
	}
}
