// Command coverage prints which part of the statements of each package tests run, its own or others, from the file that
// "go test -coverpkg=./... -coverprofile" wrote, and fails when a package is below its floor in floors.txt.
//
//	go run ./coverage [-update] ../dist/coverage.all ../dist/coverage.out
//
// It runs in directory packaging. The first file has each statement for each of the tests; the second, which it writes, has it
// once, and is for "go tool cover -html". What runs in processes that are killed or confined is not seen.
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"log"
	"maps"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/tools/cover"
)

const (
	floors = "coverage/floors.txt"
	// margin is how far below what is reached a floor is set, in percent points: timing decides which branches some tests take.
	margin = 3
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("coverage: ")
	update := flag.Bool("update", false, "write floors.txt anew, each floor just below what is reached now")
	flag.Parse()
	if flag.NArg() != 2 {
		log.Fatal("usage: coverage [-update] profile merged")
	}
	if err := run(flag.Arg(0), flag.Arg(1), *update); err != nil {
		log.Fatal(err)
	}
}

func run(profile, merged string, update bool) error {
	profiles, err := cover.ParseProfiles(profile)
	if err != nil {
		return err
	}
	if err := writeProfiles(merged, profiles); err != nil {
		return err
	}
	reached := count(profiles)
	text, err := os.ReadFile(floors)
	if err != nil {
		return err
	}
	if update {
		return os.WriteFile(floors, write(string(text), reached), 0o644)
	}
	least, err := parse(string(text))
	if err != nil {
		return err
	}
	var all statements
	for _, name := range slices.Sorted(maps.Keys(reached)) {
		s := reached[name]
		fmt.Printf("%5.1f %% of %5d  %s\n", s.percent(), s.all, name)
		all.all += s.all
		all.run += s.run
	}
	fmt.Printf("%5.1f %% of %5d  in all\n", all.percent(), all.all)
	return judge(reached, least)
}

// writeProfiles writes what ParseProfiles reads.
func writeProfiles(name string, profiles []*cover.Profile) error {
	if len(profiles) == 0 {
		return errors.New("the profile is empty")
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "mode: %s\n", profiles[0].Mode)
	for _, p := range profiles {
		for _, l := range p.Blocks {
			fmt.Fprintf(&b, "%s:%d.%d,%d.%d %d %d\n", p.FileName, l.StartLine, l.StartCol, l.EndLine, l.EndCol, l.NumStmt, l.Count)
		}
	}
	return os.WriteFile(name, b.Bytes(), 0o644)
}

// statements are those of a package, and those of them that tests run.
type statements struct{ all, run int }

func (s statements) percent() float64 {
	if s.all == 0 {
		return 100
	}
	return 100 * float64(s.run) / float64(s.all)
}

// count returns statements by the path of packages.
func count(profiles []*cover.Profile) map[string]statements {
	packages := map[string]statements{}
	for _, p := range profiles {
		s := packages[path.Dir(p.FileName)]
		for _, b := range p.Blocks {
			s.all += b.NumStmt
			if b.Count > 0 {
				s.run += b.NumStmt
			}
		}
		packages[path.Dir(p.FileName)] = s
	}
	return packages
}

// parse reads lines such as "mox/spf 91", a package and percents.
func parse(text string) (map[string]int, error) {
	least := map[string]int{}
	n := 0
	for line := range strings.Lines(text) {
		n++
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, percent, _ := strings.Cut(line, " ")
		v, err := strconv.Atoi(percent)
		if _, double := least[name]; err != nil || v < 0 || v > 100 || double {
			return nil, fmt.Errorf("%s:%d: %q: need a package, once, and percents from 0 to 100, such as: mox/spf 91", floors, n, line)
		}
		least[name] = v
	}
	return least, nil
}

// write returns the text with comments as they were, and floors just below what is reached.
func write(text string, reached map[string]statements) []byte {
	var b strings.Builder
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "#") {
			b.WriteString(line)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(reached)) {
		fmt.Fprintf(&b, "%s %d\n", name, max(0, int(reached[name].percent())-margin))
	}
	return []byte(b.String())
}

// judge returns an error for each package that is below its floor or has none, and for each floor without a package.
func judge(reached map[string]statements, least map[string]int) error {
	const how = `if it is meant, "make coverage UPDATE=-update" writes the floors anew`
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(reached)) {
		floor, ok := least[name]
		got := reached[name].percent()
		switch {
		case !ok:
			errs = append(errs, fmt.Errorf("%s has no line in %s: add %q", name, floors, fmt.Sprintf("%s %d", name, max(0, int(got)-margin))))
		case got < float64(floor):
			errs = append(errs, fmt.Errorf("%s: tests run %.1f %% of its statements, fewer than the %d %% of %s: is a test missing? (%s)", name, got, floor, floors, how))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(least)) {
		if _, ok := reached[name]; !ok {
			errs = append(errs, fmt.Errorf("%s has a line in %s, but is not in the profile: remove the line if there is no such package", name, floors))
		}
	}
	return errors.Join(errs...)
}
