package main

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"strings"

	"mox/licenses"
)

// configExamples are in files NAME.FILE.conf, where FILE is the one that they belong in, mox
// or domains. Their lines go in at the left margin.
//
//go:embed testdata/example/*.conf
var configExamples embed.FS

const configExampleDir = "testdata/example"

// configExample is one of configExamples.
type configExample struct {
	name, file string
	text       string
}

func listConfigExamples() ([]configExample, error) {
	entries, err := fs.ReadDir(configExamples, configExampleDir)
	if err != nil {
		return nil, err
	}
	var all []configExample
	for _, e := range entries {
		text, err := fs.ReadFile(configExamples, configExampleDir+"/"+e.Name())
		if err != nil {
			return nil, err
		}
		name, file, _ := strings.Cut(strings.TrimSuffix(e.Name(), ".conf"), ".")
		all = append(all, configExample{name, file + ".conf", string(text)})
	}
	return all, nil
}

func runConfigExample(_ context.Context, p *program, args []string) error {
	all, err := listConfigExamples()
	if err != nil {
		return err
	}
	for _, ex := range all {
		if len(args) == 0 {
			fmt.Fprintf(p.stdout, "%-14s %s\n", ex.name, ex.file)
		} else if ex.name == args[0] {
			fmt.Fprintf(p.stdout, "# Goes into %s.\n%s", ex.file, ex.text)
			return nil
		}
	}
	if len(args) > 0 {
		return fmt.Errorf("no example %q; \"mox config example\" lists them", args[0])
	}
	return nil
}

func runLicenses(_ context.Context, p *program, _ []string) error { return licenses.Write(p.stdout) }
