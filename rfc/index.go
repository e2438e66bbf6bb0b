package rfc

import (
	_ "embed"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// Status says what mox does of an RFC.
type Status string

const (
	Yes        Status = "yes"        // followed, all that applies to a server like mox
	Partial    Status = "partial"    // followed in part
	Planned    Status = "planned"    // not yet
	Read       Status = "read"       // understood where others send it, as mail in old formats
	Background Status = "background" // terms, registries, advice, formats that others build on
	Obsolete   Status = "obsolete"   // followed by its successor, named for older peers
)

// statuses are all, in the order in which docs/rfcs.md explains them.
var statuses = []struct {
	status Status
	means  string
}{
	{Yes, "followed, all that applies to a server like mox"},
	{Partial, "followed in part"},
	{Planned, "not yet"},
	{Read, "understood where others send it"},
	{Background, "terms, registries, advice, and formats that others build on"},
	{Obsolete, "replaced by a later one that mox follows; older peers may go by it"},
}

// RFC is a line of the index.
type RFC struct {
	Number int
	Status Status
	Topic  string // the part of mail it belongs to, such as "SMTP"
	Title  string
}

//go:embed index.txt
var indexText string

//go:embed sections.txt
var sectionsText string

// Index returns all RFCs of the index, in its order: by topic.
func Index() ([]RFC, error) {
	var all []RFC
	seen := map[int]bool{}
	for i, line := range strings.Split(strings.TrimSuffix(indexText, "\n"), "\n") {
		if strings.HasPrefix(line, "#") || line == "" {
			continue
		}
		f := strings.Split(line, "\t")
		if len(f) != 4 {
			return nil, fmt.Errorf("index.txt:%d: %d fields, want number, status, topic, title", i+1, len(f))
		}
		n, err := strconv.Atoi(f[0])
		if err != nil {
			return nil, fmt.Errorf("index.txt:%d: %w", i+1, err)
		}
		if seen[n] {
			return nil, fmt.Errorf("index.txt:%d: RFC %d is there twice", i+1, n)
		}
		seen[n] = true
		r := RFC{n, Status(f[1]), f[2], f[3]}
		if !slices.ContainsFunc(statuses, func(s struct {
			status Status
			means  string
		}) bool {
			return s.status == r.Status
		}) {
			return nil, fmt.Errorf("index.txt:%d: unknown status %q", i+1, f[1])
		}
		all = append(all, r)
	}
	return all, nil
}

// Sections returns the sections of the RFCs whose texts were at hand, by number.
func Sections() (map[int][]string, error) {
	m := map[int][]string{}
	for line := range strings.Lines(sectionsText) {
		f := strings.Fields(line)
		if len(f) == 0 {
			continue
		}
		n, err := strconv.Atoi(f[0])
		if err != nil {
			return nil, fmt.Errorf("sections.txt: %w", err)
		}
		m[n] = f[1:]
	}
	return m, nil
}

// WritePage writes docs/rfcs.md: what mox does of which RFC, by topic.
func WritePage(w io.Writer) error {
	all, err := Index()
	if err != nil {
		return err
	}
	var b strings.Builder
	b.WriteString("# RFCs\n\nMade from [rfc/index.txt](../rfc/index.txt). Comments in the code name the sections that they follow; a test checks that these exist.\n\n| Status | Meaning | RFCs |\n| --- | --- | --- |\n")
	for _, s := range statuses {
		n := 0
		for _, r := range all {
			if r.Status == s.status {
				n++
			}
		}
		fmt.Fprintf(&b, "| %s | %s | %d |\n", s.status, s.means, n)
	}
	topic := ""
	for _, r := range all {
		if r.Topic != topic {
			topic = r.Topic
			fmt.Fprintf(&b, "\n## %s\n\n| RFC | Status | Title |\n| --- | --- | --- |\n", topic)
		}
		fmt.Fprintf(&b, "| [%d](https://www.rfc-editor.org/rfc/rfc%d) | %s | %s |\n", r.Number, r.Number, r.Status, r.Title)
	}
	_, err = io.WriteString(w, b.String())
	return err
}
