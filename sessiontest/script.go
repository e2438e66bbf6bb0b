package sessiontest

import (
	"bufio"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
)

type stepKind int

const (
	stepClient stepKind = iota // text of the client
	stepServer                 // line of the server
	stepSkip                   // any lines of the server
	stepAction
)

type step struct {
	line   int
	kind   stepKind
	conn   string // label, empty for the first
	text   string
	raw    bool // C=
	repeat int
}

type script struct {
	title string
	steps []step
}

var stepRE = regexp.MustCompile(`^([CS!])([0-9a-z]*)(\*[0-9]+)?(:|=|\.\.\.$|)( |$)`)

func parseFile(name string) (script, error) {
	f, err := os.Open(name)
	if err != nil {
		return script{}, err
	}
	defer f.Close()
	var sc script
	scan := bufio.NewScanner(f)
	scan.Buffer(nil, 16<<20)
	for n := 1; scan.Scan(); n++ {
		line := scan.Text()
		if c, ok := strings.CutPrefix(line, "#"); ok {
			if sc.title == "" {
				sc.title = strings.TrimSpace(c)
			}
			continue
		}
		if strings.TrimSpace(line) == "" {
			continue
		}
		st, err := parseStep(line)
		if err != nil {
			return script{}, fmt.Errorf("%s:%d: %w", name, n, err)
		}
		st.line = n
		sc.steps = append(sc.steps, st)
	}
	return sc, scan.Err()
}

func parseStep(line string) (step, error) {
	m := stepRE.FindStringSubmatch(line)
	if m == nil {
		return step{}, fmt.Errorf("not a step: %q", line)
	}
	st := step{conn: m[2], text: line[len(m[0]):], repeat: 1}
	if m[3] != "" {
		st.repeat, _ = strconv.Atoi(m[3][1:])
	}
	switch m[1] + m[4] {
	case "C:":
		st.kind = stepClient
	case "C=":
		s, err := strconv.Unquote(strings.TrimSpace(st.text))
		if err != nil {
			return step{}, fmt.Errorf("not a Go string: %s", st.text)
		}
		st.text, st.raw = s, true
	case "S:":
		st.kind = stepServer
	case "S...":
		st.kind = stepSkip
	case "!":
		st.kind = stepAction
	default:
		return step{}, fmt.Errorf("not a step: %q", line)
	}
	return st, nil
}

var varRE = regexp.MustCompile(`\$\{([a-z0-9]+)(=?)\}|\.\.\.`)

// pattern makes a regular expression of a pattern, and returns the names that its
// groups set.
func pattern(s string, vars map[string]string) (*regexp.Regexp, []string, error) {
	var b strings.Builder
	var names []string
	b.WriteString("(?s)^")
	last := 0
	for _, m := range varRE.FindAllStringSubmatchIndex(s, -1) {
		b.WriteString(regexp.QuoteMeta(s[last:m[0]]))
		last = m[1]
		switch {
		case s[m[0]:m[1]] == "...":
			b.WriteString(".*?")
		case m[4] < m[5]:
			b.WriteString("(.*?)")
			names = append(names, s[m[2]:m[3]])
		default:
			v, ok := vars[s[m[2]:m[3]]]
			if !ok {
				return nil, nil, fmt.Errorf("variable %s is not set", s[m[2]:m[3]])
			}
			b.WriteString(regexp.QuoteMeta(v))
		}
	}
	b.WriteString(regexp.QuoteMeta(s[last:]) + "$")
	re, err := regexp.Compile(b.String())
	return re, names, err
}

// expand replaces variables in text to be said.
func expand(s string, vars map[string]string) (string, error) {
	var err error
	s = varRE.ReplaceAllStringFunc(s, func(v string) string {
		if v == "..." {
			return v
		}
		name := strings.TrimSuffix(v[2:len(v)-1], "=")
		val, ok := vars[name]
		if !ok {
			err = fmt.Errorf("variable %s is not set", name)
		}
		return val
	})
	return s, err
}
