// Command gen writes licenses/third-party.txt and licenses/LICENSE. Run it at the root of
// the code, after a change of go.mod: it needs the modules in the module cache.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// systems are those that a binary can be built for; each may use modules of its own.
var systems = []string{"linux", "darwin", "freebsd", "openbsd", "netbsd", "windows"}

// names are those of license files, as a prefix in upper case.
var names = []string{"LICENSE", "LICENCE", "COPYING", "NOTICE", "PATENTS", "UNLICENSE"}

// module is a line of "go list".
type module struct{ Path, Version, Dir string }

func main() {
	log.SetFlags(0)
	var b strings.Builder
	err := collect(&b)
	if err == nil {
		err = os.WriteFile("licenses/third-party.txt", []byte(b.String()), 0o644)
	}
	own, oerr := os.ReadFile("LICENSE")
	if oerr == nil {
		oerr = os.WriteFile("licenses/LICENSE", own, 0o644)
	}
	if err := errors.Join(err, oerr); err != nil {
		log.Fatal(err)
	}
}

// collect writes the licenses of Go and of all modules.
func collect(b *strings.Builder) error {
	modules := map[string]module{}
	for _, system := range systems {
		if err := list(system, modules); err != nil {
			return err
		}
	}
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return err
	}
	all := []module{{Path: "Go's standard library", Dir: strings.TrimSpace(string(root))}}
	paths := []string{}
	for path := range modules {
		paths = append(paths, path)
	}
	slices.Sort(paths)
	for _, path := range paths {
		all = append(all, modules[path])
	}
	for _, m := range all {
		if err := add(b, m); err != nil {
			return err
		}
	}
	return nil
}

// list adds the modules of a build for a system.
func list(system string, modules map[string]module) error {
	cmd := exec.Command("go", "list", "-deps", "-json=Module", ".")
	cmd.Env = append(os.Environ(), "GOOS="+system, "GOARCH=amd64", "CGO_ENABLED=0")
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("go list for %s: %w", system, err)
	}
	dec := json.NewDecoder(bytes.NewReader(out))
	for {
		var p struct {
			Module *struct {
				Path, Version, Dir string
				Main               bool
			}
		}
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if m := p.Module; m != nil && !m.Main {
			modules[m.Path] = module{m.Path, m.Version, m.Dir}
		}
	}
}

// add writes the license files of a module, of which there has to be one.
func add(b *strings.Builder, m module) error {
	entries, err := os.ReadDir(m.Dir)
	if err != nil {
		return err
	}
	found := false
	for _, e := range entries {
		upper := strings.ToUpper(e.Name())
		if e.IsDir() || !slices.ContainsFunc(names, func(n string) bool { return strings.HasPrefix(upper, n) }) {
			continue
		}
		text, err := os.ReadFile(filepath.Join(m.Dir, e.Name()))
		if err != nil {
			return err
		}
		found = true
		heading := strings.TrimSpace(m.Path+" "+m.Version) + ", " + e.Name()
		fmt.Fprintf(b, "\n%s\n%s\n\n%s\n", heading, strings.Repeat("=", len(heading)), strings.TrimSpace(strings.ReplaceAll(string(text), "\r\n", "\n")))
	}
	if !found {
		return fmt.Errorf("%s has no license file", m.Path)
	}
	return nil
}
