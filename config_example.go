package main

import (
	"context"
	"embed"
	"flag"
	"fmt"
	"io/fs"
	"slices"
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
	Name, File string
	Text       string
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

func setupConfigExample(fs *flag.FlagSet) runFunc {
	asJSON := fs.Bool("json", false, "print a line of JSON for each example")
	return func(_ context.Context, p *program, args []string) error {
		all, err := listConfigExamples()
		if err != nil {
			return err
		}
		named := len(args) > 0
		if named {
			all = slices.DeleteFunc(all, func(ex configExample) bool { return ex.Name != args[0] })
		}
		for _, ex := range all {
			switch {
			case *asJSON:
				err = printJSONLine(p.stdout, ex)
			case named:
				_, err = fmt.Fprintf(p.stdout, "# Goes into %s.\n%s", ex.File, ex.Text)
			default:
				_, err = fmt.Fprintf(p.stdout, "%-14s %s\n", ex.Name, ex.File)
			}
			if err != nil {
				return err
			}
		}
		if named && len(all) == 0 {
			return fmt.Errorf("no example %q; \"mox config example\" lists them", args[0])
		}
		return nil
	}
}

func runLicenses(_ context.Context, p *program, _ []string) error { return licenses.Write(p.stdout) }
