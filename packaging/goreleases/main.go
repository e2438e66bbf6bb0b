// Command goreleases compares the pair of releases of Go in .ci/go-releases, with which changes are tested, with what there is.
// It fails when a new release such as go1.28 is missing there, and tells of newer patches of the two.
//
//	go run ./goreleases [-update]
//
// It runs in directory packaging of a checkout, and asks where the Go command gets its toolchains from (go env GOPROXY).
package main

import (
	"bytes"
	"cmp"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

const file = "../.ci/go-releases"

func main() {
	log.SetFlags(0)
	log.SetPrefix("goreleases: ")
	update := flag.Bool("update", false, "write the newest pair to .ci/go-releases")
	flag.Parse()
	if err := run(*update); err != nil {
		log.Fatal(err)
	}
}

func run(update bool) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	mod, err := os.ReadFile("../go.mod")
	if err != nil {
		return err
	}
	cmd := exec.Command("go", "list", "-m", "-versions", "golang.org/toolchain")
	cmd.Stderr = os.Stderr
	versions, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("asking which releases of Go there are: %w", err)
	}
	newest, err := newestPair(strings.Fields(string(versions)))
	if err != nil {
		return err
	}
	if update {
		return os.WriteFile(file, replacePair(text, newest), 0o644)
	}
	pinned, err := readPair(text)
	if err != nil {
		return err
	}
	if err := checkMinimum(mod, pinned[0]); err != nil {
		return err
	}
	notices, err := judge(pinned, newest)
	for _, n := range notices {
		fmt.Println(n)
	}
	if err == nil {
		fmt.Printf("tested with %s and %s\n", pinned[0], pinned[1])
	}
	return err
}

// release is a stable one, such as go1.27.4.
type release struct{ minor, patch int }

func (r release) String() string { return fmt.Sprintf("go1.%d.%d", r.minor, r.patch) }

func compareReleases(a, b release) int {
	return cmp.Or(cmp.Compare(a.minor, b.minor), cmp.Compare(a.patch, b.patch))
}

var releaseSyntax = regexp.MustCompile(`^go1\.(\d{1,4})\.(\d{1,4})$`)

// parseRelease takes go1.27.4, and neither pre-releases nor anything before go1.21, whose first releases had two numbers.
func parseRelease(s string) (r release, ok bool) {
	m := releaseSyntax.FindStringSubmatch(s)
	if m == nil {
		return r, false
	}
	r.minor, _ = strconv.Atoi(m[1])
	r.patch, _ = strconv.Atoi(m[2])
	return r, r.minor >= 21
}

// newestPair returns the newest patch of the two newest releases, the older one first. Versions are those of module
// golang.org/toolchain: v0.0.1-go1.27.4.linux-amd64.
func newestPair(versions []string) (pair [2]release, err error) {
	newest := map[int]release{}
	for _, v := range versions {
		name, ok := strings.CutPrefix(v, "v0.0.1-")
		if !ok {
			continue
		}
		name, ok = strings.CutSuffix(name, ".linux-amd64")
		if r, isRelease := parseRelease(name); ok && isRelease && (newest[r.minor] == release{} || r.patch > newest[r.minor].patch) {
			newest[r.minor] = r
		}
	}
	all := make([]release, 0, len(newest))
	for _, r := range newest {
		all = append(all, r)
	}
	slices.SortFunc(all, compareReleases)
	if len(all) < 2 {
		return pair, errors.New("found no two releases of Go in the answer")
	}
	return [2]release(all[len(all)-2:]), nil
}

// readPair returns the two releases of a file, the older one first.
func readPair(text []byte) (pair [2]release, err error) {
	n := 0
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		r, ok := parseRelease(line)
		if !ok || n == 2 {
			return pair, fmt.Errorf("%s: %q: need two lines such as go1.27.4", file, line)
		}
		pair[n] = r
		n++
	}
	if n != 2 || pair[1].minor != pair[0].minor+1 {
		return pair, fmt.Errorf("%s: need two releases, each newer by one than the other: go1.26.8, go1.27.4", file)
	}
	return pair, nil
}

// replacePair keeps comments.
func replacePair(text []byte, pair [2]release) []byte {
	var b bytes.Buffer
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "#") {
			b.WriteString(line)
		}
	}
	fmt.Fprintf(&b, "%s\n%s\n", pair[0], pair[1])
	return b.Bytes()
}

var goLine = regexp.MustCompile(`(?m)^go 1\.(\d+)(?:\.(\d+))?$`)

// checkMinimum returns an error if go.mod does not say that the older release is enough: it has a line such as "go 1.26.0".
func checkMinimum(mod []byte, older release) error {
	m := goLine.FindSubmatch(mod)
	if m == nil {
		return errors.New("go.mod has no line such as \"go 1.26.0\"")
	}
	var need release
	need.minor, _ = strconv.Atoi(string(m[1]))
	need.patch, _ = strconv.Atoi(string(m[2]))
	if compareReleases(need, older) > 0 {
		return fmt.Errorf("go.mod needs %s, but changes are tested with %s too", need, older)
	}
	return nil
}

// judge returns lines about newer patches, and an error if there is a release of which no patch is pinned.
func judge(pinned, newest [2]release) (notices []string, err error) {
	if newest[1].minor != pinned[1].minor {
		return nil, fmt.Errorf("the two newest releases of Go are %s and %s, but .ci/go-releases has %s and %s: "+
			"run \"make goreleases UPDATE=-update\" and mend what they break", newest[0], newest[1], pinned[0], pinned[1])
	}
	for i, p := range pinned {
		if p.patch > newest[i].patch {
			return nil, fmt.Errorf("there is no %s of .ci/go-releases; the newest is %s", p, newest[i])
		}
		if p != newest[i] {
			notices = append(notices, fmt.Sprintf("%s is there, tested is %s: \"make goreleases UPDATE=-update\"", newest[i], p))
		}
	}
	return notices, nil
}
