package rfc

import (
	"bufio"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// Ref is a reference to an RFC in the code.
type Ref struct {
	File    string // below the directory that was looked through, with slashes
	Line    int    // from 1
	Number  int
	Section string // as "4.1.1.4" or "A.2"; empty: the RFC as a whole
}

const section = `(?:[1-9][0-9]{0,2}|[A-Z]\b)(?:\.[0-9]{1,3})*`

var (
	// reRef finds "RFC 5321", "RFC 5321 4.1.1.4", "RFC 4314, section 4", "RFC 5322 appendix A.2".
	reRef = regexp.MustCompile(`\bRFC ([0-9]{3,5})(?:,? [sS]ections?| [aA]ppendix)?(?:[ ,]+(` + section + `))?`)
	// reMore finds further sections of the same RFC, as in "6.4.3 and 6.4.9". These need a dot,
	// as "and 3" may be a number of anything.
	reMore = regexp.MustCompile(`^(?:,| and| to|, and) ([1-9][0-9]{0,2}(?:\.[0-9]{1,3})+)`)
)

// In returns the references in a line of text.
func In(line string) []Ref {
	var refs []Ref
	for _, m := range reRef.FindAllStringSubmatchIndex(line, -1) {
		n, _ := strconv.Atoi(line[m[2]:m[3]])
		ref := Ref{Number: n}
		end := m[1]
		// A word, a name of something or a date may follow: a section ends where a word does.
		if m[4] >= 0 && !wordAfter(line[m[5]:]) {
			ref.Section = line[m[4]:m[5]]
		}
		refs = append(refs, ref)
		for ref.Section != "" {
			more := reMore.FindStringSubmatchIndex(line[end:])
			if more == nil || wordAfter(line[end+more[3]:]) {
				break
			}
			refs = append(refs, Ref{Number: n, Section: line[end+more[2] : end+more[3]]})
			end += more[1]
		}
	}
	return refs
}

// wordAfter reports whether what came before is the beginning of a longer word.
func wordAfter(rest string) bool {
	return rest != "" && (rest[0] == '_' || rest[0] == '-' || rest[0] >= '0' && rest[0] <= '9' || rest[0]|0x20 >= 'a' && rest[0]|0x20 <= 'z')
}

// References returns those in the Go files below dir.
func References(dir string) ([]Ref, error) {
	var all []Ref
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if path != dir && (strings.HasPrefix(d.Name(), ".") || d.Name() == "node_modules" || d.Name() == "testdata") {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(path, ".go") {
			return nil
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		refs, err := inFile(path)
		for _, r := range refs {
			r.File = filepath.ToSlash(rel)
			all = append(all, r)
		}
		return err
	})
	return all, err
}

func inFile(path string) ([]Ref, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var all []Ref
	sc := bufio.NewScanner(f)
	sc.Buffer(nil, 4<<20)
	for n := 1; sc.Scan(); n++ {
		for _, r := range In(sc.Text()) {
			r.Line = n
			all = append(all, r)
		}
	}
	if err := sc.Err(); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return all, nil
}

var reHeading = regexp.MustCompile(`^ {0,4}(?:Appendix |APPENDIX )?(` + section + `)[.:]?(?:\s|$)`)

// SectionsOf returns the sections of the text of an RFC, in order, each once. Items of
// numbered lists may be among them.
func SectionsOf(text io.Reader) ([]string, error) {
	var all []string
	seen := map[string]bool{}
	sc := bufio.NewScanner(text)
	sc.Buffer(nil, 1<<20)
	for sc.Scan() {
		m := reHeading.FindStringSubmatch(sc.Text())
		if m != nil && !seen[m[1]] {
			seen[m[1]] = true
			all = append(all, m[1])
		}
	}
	return all, sc.Err()
}
