package webhandler

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"html/template"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// listing is what the page of a directory shows.
type listing struct {
	Path    string
	Up      bool
	Entries []listEntry
	More    int // the limit, if there are more entries than that
}

// listEntry is a file or directory.
type listEntry struct {
	Name    string // directories with a slash
	Dir     bool
	Bytes   int64
	ModTime time.Time
}

// URL is relative. RFC 3986 4.2: "./" for names that have a colon.
func (e listEntry) URL() template.URL {
	u := url.URL{Path: "./" + e.Name}
	return template.URL(u.EscapedPath())
}

// Size is for people.
func (e listEntry) Size() string {
	if e.Dir {
		return ""
	}
	if e.Bytes < 1000 {
		return fmt.Sprintf("%d B", e.Bytes)
	}
	n := float64(e.Bytes)
	for _, unit := range []string{"kB", "MB", "GB"} {
		if n /= 1000; n < 999.5 {
			return fmt.Sprintf("%.3g %s", n, unit)
		}
	}
	return fmt.Sprintf("%.0f GB", n)
}

// Time is when it changed.
func (e listEntry) Time() string { return e.ModTime.UTC().Format("2006-01-02 15:04") }

var listingTemplate = template.Must(template.New("listing").Parse(`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<link rel="icon" href="data:,">
<title>Files of {{.Path}}</title>
<style>
body { --line: #d8d8d8; --over: #f3f3f3; --link: #0645ad; --quiet: #595959; color: #1a1a1a; background: #fff; }
@media (prefers-color-scheme: dark) {
	body { --line: #3a3a3a; --over: #222; --link: #9cc3ff; --quiet: #a8a8a8; color: #eee; background: #141414; }
}
body { font: 16px/1.5 system-ui, sans-serif; max-width: 56rem; margin: 2rem auto; padding: 0 1rem; }
a { color: var(--link); }
h1 { font-size: 1.3rem; overflow-wrap: anywhere; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .3rem .5rem; border-bottom: 1px solid var(--line); vertical-align: top; }
th { color: var(--quiet); font-weight: 600; }
tbody tr:hover { background: var(--over); }
td:first-child { overflow-wrap: anywhere; }
.size { text-align: right; white-space: nowrap; }
.time { color: var(--quiet); white-space: nowrap; font-variant-numeric: tabular-nums; }
@media (max-width: 30rem) { .time { display: none; } }
</style>
</head>
<body>
<main>
<h1>Files of {{.Path}}</h1>
{{if .Up}}<p><a href="../">Parent directory</a></p>
{{end}}{{if .Entries}}<table>
<thead><tr><th scope="col">Name</th><th scope="col" class="size">Size</th><th scope="col" class="time">Changed (UTC)</th></tr></thead>
<tbody>
{{range .Entries}}<tr><td><a href="{{.URL}}">{{.Name}}</a></td><td class="size">{{.Size}}</td><td class="time">{{.Time}}</td></tr>
{{end}}</tbody>
</table>
{{else}}<p>There are no files here.</p>
{{end}}{{if .More}}<p>There are more files; the first {{.More}} that were found are shown.</p>
{{end}}</main>
</body>
</html>
`))

// serveListing shows the open directory.
func (f *fileRequest) serveListing() {
	l := listing{Path: f.r.URL.Path, Up: f.name != "."}
	found, err := f.file.ReadDir(f.limits().ListEntries + 1)
	if err != nil && !errors.Is(err, io.EOF) {
		f.log.Error("listing directory", "err", err, "handler", f.static.name)
		http.Error(f.w, "500 - the directory cannot be read", http.StatusInternalServerError)
		return
	}
	if n := f.limits().ListEntries; len(found) > n {
		found, l.More = found[:n], n
	}
	for _, d := range found {
		if e, ok := f.entry(d); ok {
			l.Entries = append(l.Entries, e)
		}
	}
	slices.SortFunc(l.Entries, func(a, b listEntry) int {
		if a.Dir != b.Dir {
			return map[bool]int{true: -1, false: 1}[a.Dir]
		}
		return cmp.Or(cmp.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name)), cmp.Compare(a.Name, b.Name))
	})
	var page bytes.Buffer
	if err := listingTemplate.Execute(&page, l); err != nil {
		f.log.Error("making listing", "err", err, "handler", f.static.name)
		http.Error(f.w, "500 - the directory cannot be shown", http.StatusInternalServerError)
		return
	}
	f.sendPage(page.Bytes())
}

// sendPage sends the page of a listing. Names of files are not ours: it can run nothing,
// whatever they are.
func (f *fileRequest) sendPage(page []byte) {
	h := f.w.Header()
	for name, value := range map[string]string{
		"Content-Type":            "text/html; charset=utf-8",
		"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'",
		"X-Content-Type-Options":  "nosniff",
	} {
		if h.Get(name) == "" {
			h.Set(name, value)
		}
	}
	w := f.w
	if f.compress {
		c := f.gzip.writer(w, f.r)
		defer c.Close()
		w = c
	}
	// The client is gone if this fails.
	_, _ = w.Write(page)
}

// entry is that of a directory; hidden ones, links that lead out of the root and others that
// could not be fetched are not listed.
func (f *fileRequest) entry(d fs.DirEntry) (listEntry, bool) {
	if strings.HasPrefix(d.Name(), ".") {
		return listEntry{}, false
	}
	info, err := d.Info()
	if err == nil && info.Mode()&fs.ModeSymlink != 0 {
		info, err = f.in.Stat(filepath.Join(f.name, d.Name()))
	}
	if err != nil || !info.IsDir() && !info.Mode().IsRegular() {
		return listEntry{}, false
	}
	e := listEntry{Name: d.Name(), Dir: info.IsDir(), Bytes: info.Size(), ModTime: info.ModTime()}
	if e.Dir {
		e.Name += "/"
	}
	return e, true
}
