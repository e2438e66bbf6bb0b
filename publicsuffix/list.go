package publicsuffix

import (
	"bytes"
	"compress/flate"
	"crypto/sha256"
	_ "embed"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"

	"mox/dns"
)

// The format of list.flate, compressed: a line with the version of the list, then a line
// for each name, sorted: the name in ASCII and one character that tells which rules there
// are for it, '@' plus these bits. The rule "*.ck" is one for name "ck".
const (
	ruleICANN        = 1 << iota // "ck"
	rulePrivate                  //
	wildcardICANN                // "*.ck"
	wildcardPrivate              //
	exceptionICANN               // "!www.ck"
	exceptionPrivate             //

	rule      = ruleICANN | rulePrivate
	wildcard  = wildcardICANN | wildcardPrivate
	exception = exceptionICANN | exceptionPrivate
)

// list is the list in memory.
type list struct {
	version string
	text    string   // the lines
	starts  []uint32 // of lines in text
}

//go:embed list.flate
var compressed []byte

// load reads the list that is part of the program, once.
var load = sync.OnceValue(func() *list {
	text, err := io.ReadAll(flate.NewReader(bytes.NewReader(compressed)))
	if err != nil {
		panic("public suffix list: " + err.Error()) // the program is damaged
	}
	return index(string(text))
})

func index(s string) *list {
	l := &list{}
	l.version, l.text, _ = strings.Cut(s, "\n")
	l.starts = make([]uint32, 0, strings.Count(l.text, "\n"))
	start := 0
	for i := range len(l.text) {
		if l.text[i] == '\n' {
			l.starts = append(l.starts, uint32(start))
			start = i + 1
		}
	}
	return l
}

// line returns name and rules of a line.
func (l *list) line(i int) (string, byte) {
	s := l.text[l.starts[i]:]
	if i+1 < len(l.starts) {
		s = s[:l.starts[i+1]-l.starts[i]]
	}
	return s[:len(s)-2], s[len(s)-2] - '@'
}

// rules returns the rules for a name.
func (l *list) rules(name string) byte {
	lo, hi := 0, len(l.starts)
	for lo < hi {
		mid := int(uint(lo+hi) / 2)
		n, r := l.line(mid)
		switch c := strings.Compare(n, name); {
		case c == 0:
			return r
		case c < 0:
			lo = mid + 1
		default:
			hi = mid
		}
	}
	return 0
}

// Compile turns the list as publicsuffix.org has it into the compressed form that is part
// of the program. It fails for a list that is not whole.
func Compile(published []byte) ([]byte, error) {
	rules := map[string]byte{}
	version, section, shift := "", "", 0
	ended := 0
	for line := range strings.Lines(string(published)) {
		line = strings.TrimSpace(line)
		if comment, is := strings.CutPrefix(line, "//"); is {
			comment = strings.TrimSpace(comment)
			if v, is := strings.CutPrefix(comment, "VERSION:"); is {
				version = strings.TrimSpace(v)
			}
			switch comment {
			case "===BEGIN ICANN DOMAINS===":
				section, shift = "icann", 0
			case "===BEGIN PRIVATE DOMAINS===":
				section, shift = "private", 1
			case "===END ICANN DOMAINS===", "===END PRIVATE DOMAINS===":
				section = ""
				ended++
			}
			continue
		}
		// A rule ends at the first white space.
		fields := strings.Fields(line)
		if len(fields) == 0 {
			continue
		}
		name, bits, err := parseRule(fields[0])
		if err != nil {
			return nil, fmt.Errorf("rule %q: %w", fields[0], err)
		}
		if section == "" {
			return nil, fmt.Errorf("rule %q is in no section", fields[0])
		}
		rules[name] |= bits << shift
	}
	if ended != 2 || len(rules) == 0 {
		return nil, fmt.Errorf("list has not both of its sections")
	}
	if version == "" {
		// It can still be told which file it is.
		sum := sha256.Sum256(published)
		version = fmt.Sprintf("%d names, SHA-256 %x...", len(rules), sum[:8])
	}
	return pack(version, rules)
}

// parseRule returns the name of a rule, and the bit for it in section ICANN.
func parseRule(s string) (string, byte, error) {
	bits := byte(ruleICANN)
	if rest, is := strings.CutPrefix(s, "!"); is {
		s, bits = rest, exceptionICANN
	} else if rest, is := strings.CutPrefix(s, "*."); is {
		s, bits = rest, wildcardICANN
	}
	d, err := dns.ParseDomainLax(s)
	return d.ASCII, bits, err
}

func pack(version string, rules map[string]byte) ([]byte, error) {
	names := make([]string, 0, len(rules))
	for n := range rules {
		names = append(names, n)
	}
	slices.Sort(names)
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, flate.BestCompression)
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(w, "%s\n", version)
	for _, n := range names {
		fmt.Fprintf(w, "%s%c\n", n, '@'+rules[n])
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}
