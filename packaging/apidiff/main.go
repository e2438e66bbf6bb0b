// Command apidiff prints the incompatible changes of the packages in packages.txt, which are for programs of others,
// since the last release, and fails when one is not in accepted.txt.
//
//	go run ./apidiff [-all]
//
// It runs in directory packaging of a checkout with its history. The last release is the newest tag before this commit
// such as v1.2.3, or, as long as there is none, the commit in file baseline.
package main

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/exp/apidiff"
	"golang.org/x/tools/go/packages"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("apidiff: ")
	all := flag.Bool("all", false, "print compatible changes as well")
	flag.Parse()
	if err := run(*all); err != nil {
		log.Fatal(err)
	}
}

func run(all bool) error {
	names, err := lines("apidiff/packages.txt")
	if err != nil {
		return err
	}
	accepted, err := lines("apidiff/accepted.txt")
	if err != nil {
		return err
	}
	rev, err := lastRelease()
	if err != nil {
		return err
	}
	old, err := loadRevision(rev, names)
	if err != nil {
		return err
	}
	current, err := load("..", names)
	if err != nil {
		return err
	}
	incompatible, compatible := compare(names, old, current)
	fmt.Printf("since %s: %d incompatible changes, %d others\n", rev, len(incompatible), len(compatible))
	if all {
		printLines(compatible)
	}
	printLines(incompatible)
	return judge(incompatible, accepted)
}

// judge returns an error that tells which changes are not among the accepted ones, and the other way around.
func judge(incompatible, accepted []string) error {
	var errs []error
	for _, c := range incompatible {
		if !slices.Contains(accepted, c) {
			errs = append(errs, fmt.Errorf("not in apidiff/accepted.txt: %s", c))
		}
	}
	for _, c := range accepted {
		if !slices.Contains(incompatible, c) {
			errs = append(errs, fmt.Errorf("in apidiff/accepted.txt, but no change: %s", c))
		}
	}
	return errors.Join(errs...)
}

// compare returns sorted lines "package: name: change".
func compare(names []string, old, current map[string]*packages.Package) (incompatible, compatible []string) {
	for _, name := range names {
		o, c := old[name], current[name]
		switch {
		case o == nil && c == nil: // load has said so
		case o == nil:
			compatible = append(compatible, name+": package added")
		case c == nil:
			incompatible = append(incompatible, name+": package removed")
		default:
			for _, change := range apidiff.Changes(o.Types, c.Types).Changes {
				line := name + ": " + strings.ReplaceAll(change.Message, "\n", " ")
				if change.Compatible {
					compatible = append(compatible, line)
				} else {
					incompatible = append(incompatible, line)
				}
			}
		}
	}
	return incompatible, compatible
}

// loadRevision loads packages as they were, those that there were.
func loadRevision(rev string, names []string) (map[string]*packages.Package, error) {
	dir, err := os.MkdirTemp("", "apidiff")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	archive := filepath.Join(dir, "old.tar")
	if _, err := command("git", "-C", "..", "archive", "-o", archive, rev); err != nil {
		return nil, err
	}
	if _, err := command("tar", "-C", dir, "-xf", archive); err != nil {
		return nil, err
	}
	return load(dir, slices.DeleteFunc(slices.Clone(names), func(name string) bool {
		_, err := os.Stat(filepath.Join(dir, name))
		return err != nil
	}))
}

// load loads packages with their types, by name.
func load(dir string, names []string) (map[string]*packages.Package, error) {
	patterns := make([]string, len(names))
	for i, name := range names {
		patterns[i] = "./" + name
	}
	cfg := &packages.Config{Dir: dir, Mode: packages.NeedName | packages.NeedTypes | packages.NeedImports, Env: append(os.Environ(), "GOFLAGS=-buildvcs=false", "GOWORK=off")}
	found, err := packages.Load(cfg, patterns...)
	if err != nil {
		return nil, err
	}
	byName := map[string]*packages.Package{}
	for _, p := range found {
		for _, e := range p.Errors {
			return nil, fmt.Errorf("%s: %w", p.PkgPath, e)
		}
		byName[strings.TrimPrefix(p.PkgPath, "mox/")] = p
	}
	return byName, nil
}

// lastRelease is a tag or a commit.
func lastRelease() (string, error) {
	if tag, err := command("git", "describe", "--tags", "--abbrev=0", "--match", "v[0-9]*.[0-9]*.[0-9]*", "--exclude", "*-*"); err == nil {
		return strings.TrimSpace(tag), nil
	}
	l, err := lines("apidiff/baseline")
	if err != nil {
		return "", err
	}
	if len(l) != 1 {
		return "", errors.New("need one commit in apidiff/baseline")
	}
	if _, err := command("git", "cat-file", "-e", l[0]+"^{commit}"); err != nil {
		return "", fmt.Errorf("there is no release tag, and no commit %s of apidiff/baseline: is this a clone with all history?", l[0])
	}
	return l[0], nil
}

func command(name string, args ...string) (string, error) {
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w: %s", name, args[0], err, out)
	}
	return string(out), nil
}

// lines are those of a file, without comments and empty ones.
func lines(name string) (l []string, err error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	s := bufio.NewScanner(f)
	for s.Scan() {
		if text := strings.TrimSpace(s.Text()); text != "" && !strings.HasPrefix(text, "#") {
			l = append(l, text)
		}
	}
	return l, s.Err()
}

func printLines(l []string) {
	for _, line := range l {
		fmt.Println(line)
	}
}
