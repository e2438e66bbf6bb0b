// Command xr cross-references the code and the RFCs that it cites.
//
//	go run ./rfc/xr -texts DIR -sections        write rfc/sections.txt from the texts
//	go run ./rfc/xr -texts DIR -o OUT           write pages that show code and RFC side by side
//
// DIR has the texts as rfcNNNN.txt. Run it in the root of the code.
package main

import (
	"bufio"
	"cmp"
	"errors"
	"flag"
	"fmt"
	"html/template"
	"io/fs"
	"log"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"mox/rfc"
)

func main() {
	log.SetFlags(0)
	texts := flag.String("texts", "", "`directory` of the texts, named rfcNNNN.txt")
	sections := flag.Bool("sections", false, "write rfc/sections.txt")
	out := flag.String("o", "", "write pages to this `directory`")
	flag.Parse()
	if *texts == "" || *sections == (*out != "") || flag.NArg() > 0 {
		flag.Usage()
		os.Exit(2)
	}
	refs, err := rfc.References(".")
	if err == nil && *sections {
		err = writeSections(*texts, refs)
	} else if err == nil {
		err = writePages(*texts, *out, refs)
	}
	if err != nil {
		log.Fatal(err)
	}
}

func textPath(dir string, number int) string {
	return filepath.Join(dir, fmt.Sprintf("rfc%d.txt", number))
}

// cited returns the numbers of RFCs that refs name, in order.
func cited(refs []rfc.Ref) []int {
	set := map[int]bool{}
	for _, r := range refs {
		set[r.Number] = true
	}
	return slices.Sorted(maps.Keys(set))
}

// writeSections keeps what is known of RFCs whose texts are not in dir.
func writeSections(dir string, refs []rfc.Ref) error {
	known, err := rfc.Sections()
	if err != nil {
		return err
	}
	for _, n := range cited(refs) {
		f, err := os.Open(textPath(dir, n))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		} else if err != nil {
			return err
		}
		known[n], err = rfc.SectionsOf(f)
		f.Close()
		if err != nil {
			return err
		}
	}
	var b strings.Builder
	for _, n := range slices.Sorted(maps.Keys(known)) {
		fmt.Fprintf(&b, "%d %s\n", n, strings.Join(known[n], " "))
	}
	return os.WriteFile("rfc/sections.txt", []byte(b.String()), 0o644)
}

// line is one of a text or a file, as a page shows it.
type line struct {
	Number int
	Anchor string // of a section
	Text   string
	Refs   []rfc.Ref // from code to RFC; File and Line are those of the code
}

// page is a text or a file with what refers to it.
type page struct {
	Title string
	Lines []line
	Cited []rfc.Ref // of an RFC: where code refers to it, by section
	Known map[int]bool
}

func writePages(dir, out string, refs []rfc.Ref) error {
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	known := map[int]bool{}
	for _, n := range cited(refs) {
		if _, err := os.Stat(textPath(dir, n)); err == nil {
			known[n] = true
		}
	}
	byFile := map[string][]rfc.Ref{}
	byRFC := map[int][]rfc.Ref{}
	for _, r := range refs {
		byFile[r.File] = append(byFile[r.File], r)
		byRFC[r.Number] = append(byRFC[r.Number], r)
	}
	for file, refs := range byFile {
		lines, err := readLines(file)
		if err != nil {
			return err
		}
		for _, r := range refs {
			lines[r.Line-1].Refs = append(lines[r.Line-1].Refs, r)
		}
		if err := write(out, codeName(file), codePage, page{file, lines, nil, known}); err != nil {
			return err
		}
	}
	for n := range known {
		lines, err := readLines(textPath(dir, n))
		if err != nil {
			return err
		}
		markSections(lines)
		slices.SortStableFunc(byRFC[n], func(a, b rfc.Ref) int { return cmp.Compare(a.Section, b.Section) })
		if err := write(out, fmt.Sprintf("rfc%d.html", n), textPage, page{fmt.Sprintf("RFC %d", n), lines, byRFC[n], known}); err != nil {
			return err
		}
	}
	return write(out, "index.html", indexPage, struct {
		Files []string
		RFCs  []int
	}{slices.Sorted(maps.Keys(byFile)), slices.Sorted(maps.Keys(known))})
}

func codeName(file string) string { return strings.ReplaceAll(file, "/", "_") + ".html" }

func readLines(path string) ([]line, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var lines []line
	sc := bufio.NewScanner(f)
	sc.Buffer(nil, 4<<20)
	for n := 1; sc.Scan(); n++ {
		lines = append(lines, line{Number: n, Text: strings.Trim(sc.Text(), "\f")})
	}
	return lines, sc.Err()
}

// markSections gives the last line that looks like the heading of a section, after the table
// of contents, the section's name as anchor.
func markSections(lines []line) {
	at := map[string]int{}
	for i, l := range lines {
		if s, err := rfc.SectionsOf(strings.NewReader(l.Text)); err == nil && len(s) == 1 && !strings.Contains(l.Text, "....") {
			if _, ok := at[s[0]]; !ok {
				at[s[0]] = i
			}
		}
	}
	for s, i := range at {
		lines[i].Anchor = "s" + s
	}
}

func write(dir, name string, t *template.Template, data any) (rerr error) {
	f, err := os.Create(filepath.Join(dir, name))
	if err != nil {
		return err
	}
	defer func() { rerr = errors.Join(rerr, f.Close()) }()
	return t.Execute(f, data)
}

var funcs = template.FuncMap{"code": codeName}

const style = `<style>body{font:14px/1.35 ui-monospace,monospace;margin:1em}a{color:#06c;text-decoration:none}a:hover{text-decoration:underline}
span.n{color:#888;display:inline-block;width:4em;text-align:right;margin-right:1em}:target{background:#ff8}
@media(prefers-color-scheme:dark){body{background:#181818;color:#ddd}a{color:#6af}:target{background:#553}}</style>`

var indexPage = template.Must(template.New("").Funcs(funcs).Parse(`<!doctype html><meta charset="utf-8"><title>Code and RFCs</title>
<style>html,body{margin:0;height:100%}body{display:flex}nav{width:16em;overflow:auto;font:13px sans-serif;padding:.5em}iframe{flex:1;border:0;border-left:1px solid #888;height:100%}</style>
<nav><h3>RFCs</h3>{{range .RFCs}}<a target="rfc" href="rfc{{.}}.html">{{.}}</a> {{end}}
<h3>Code</h3>{{range .Files}}<div><a target="code" href="{{code .}}">{{.}}</a></div>{{end}}</nav>
<iframe name="code" title="code"></iframe><iframe name="rfc" title="RFC"></iframe>
`))

var codePage = template.Must(template.New("").Funcs(funcs).Parse(`<!doctype html><meta charset="utf-8"><title>{{.Title}}</title>` + style + `
<h2>{{.Title}}</h2><pre>{{$known := .Known}}{{range .Lines}}<span id="L{{.Number}}"><span class="n">{{.Number}}</span>{{.Text}}{{range .Refs}}{{if index $known .Number}} <a target="rfc" href="rfc{{.Number}}.html#s{{.Section}}">[{{.Number}}{{with .Section}} {{.}}{{end}}]</a>{{end}}{{end}}</span>
{{end}}</pre>
`))

var textPage = template.Must(template.New("").Funcs(funcs).Parse(`<!doctype html><meta charset="utf-8"><title>{{.Title}}</title>` + style + `
<h2>{{.Title}}</h2><details><summary>{{len .Cited}} places in the code</summary>{{range .Cited}}<div>{{with .Section}}<a href="#s{{.}}">{{.}}</a> {{end}}<a target="code" href="{{code .File}}#L{{.Line}}">{{.File}}:{{.Line}}</a></div>{{end}}</details>
<pre>{{range .Lines}}<span{{with .Anchor}} id="{{.}}"{{end}}>{{.Text}}</span>
{{end}}</pre>
`))
