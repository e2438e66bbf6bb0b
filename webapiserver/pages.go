package webapiserver

import (
	"bytes"
	"encoding/json"
	"html/template"
	"net/http"
	"reflect"
	"strings"

	"mox/jsoncall"
	"mox/webapi"
)

// pageCSP allows the style in the page, and forms that send to this server.
const pageCSP = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

var pageTemplates = template.Must(template.New("pages").Parse(`{{define "head"}}<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<title>{{.}}</title>
<style>
:root { color-scheme: light dark; --line: #c8c8c8; --soft: #f3f3f3; --link: #0645ad; --good: #1b6e2d; --bad: #a31515; --text: #1a1a1a; --back: #fff; }
@media (prefers-color-scheme: dark) {
	:root { --line: #4a4a4a; --soft: #232323; --link: #9cc3ff; --good: #7fd492; --bad: #ff9d94; --text: #eee; --back: #141414; }
}
body { font: 16px/1.5 system-ui, sans-serif; color: var(--text); background: var(--back); max-width: 52rem; margin: 1.5rem auto 4rem; padding: 0 1rem; overflow-wrap: anywhere; }
a { color: var(--link); }
h1 { font-size: 1.5rem; margin: .75rem 0 0; }
h2 { font-size: 1.1rem; margin: 2rem 0 .5rem; }
p { margin: .5rem 0; }
nav ul { display: flex; flex-wrap: wrap; gap: 0 1rem; margin: 0; padding: 0; list-style: none; }
nav a { display: inline-block; padding: .2rem 0; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .35rem .75rem .35rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
th:nth-child(1), th:nth-child(2) { width: 1%; }
table.index th:nth-child(2) { width: auto; }
td:nth-child(1) { overflow-wrap: normal; }
td.type { min-width: 8rem; overflow-wrap: normal; }
code, pre { font: .9em/1.5 ui-monospace, monospace; background: var(--soft); border-radius: .25rem; }
code { padding: .1em .3em; }
pre { padding: .75rem; white-space: pre-wrap; }
label { display: block; margin: .75rem 0 .25rem; }
textarea { width: 100%; box-sizing: border-box; font: .9em/1.5 ui-monospace, monospace; color: inherit; background: var(--soft); border: 1px solid var(--line); border-radius: .25rem; padding: .5rem; }
input { max-width: 100%; font: inherit; }
button { font: inherit; padding: .4rem 1.25rem; margin-top: 1rem; }
:focus-visible { outline: 3px solid var(--link); outline-offset: 2px; }
.good { color: var(--good); }
.bad { color: var(--bad); }
@media (max-width: 40rem) {
	thead { position: absolute; clip-path: inset(50%); width: 1px; height: 1px; overflow: hidden; white-space: nowrap; }
	table, tbody, tr, td { display: block; }
	tr { padding: .5rem 0; border-bottom: 1px solid var(--line); }
	td { display: inline; padding: 0 .5rem 0 0; border: 0; }
	td:last-child:not(.scope) { display: block; }
	td.type::before, td.scope::before { content: "("; }
	td.type::after, td.scope::after { content: ")"; }
}
</style>
</head>
<body>
<main>
{{end}}

{{define "index"}}{{template "head" "mox HTTP API"}}<h1>HTTP API</h1>
<p>Send mail and work on messages, from programs. Each method is called by POST of a JSON object; credentials are an address of
the account with its password (HTTP basic), or a token of <code>mox token add</code> (<code>Authorization: Bearer</code>).
Calls of webhooks tell what becomes of messages. The <a href="openapi.json">OpenAPI document</a> has all of it for programs.</p>
<table class="index">
<thead><tr><th scope="col">Method</th><th scope="col">Does</th><th scope="col">Scope</th></tr></thead>
<tbody>
{{range .}}<tr><td><a href="{{.Name}}">{{.Name}}</a></td><td>{{.Summary}}</td><td class="scope">{{.Scope}}</td></tr>
{{end}}</tbody>
</table>
</main>
</body>
</html>
{{end}}

{{define "fields"}}{{if .Fields}}<table>
<thead><tr><th scope="col">Field</th><th scope="col">Type</th><th scope="col">Meaning</th></tr></thead>
<tbody>
{{range .Fields}}<tr><td><code>{{.Name}}</code></td><td class="type">{{.Type}}{{if .Required}}, required{{end}}</td><td>{{.Doc}}</td></tr>
{{end}}</tbody>
</table>
{{else}}<p>No fields.</p>
{{end}}{{end}}

{{define "method"}}{{template "head" .Name}}<nav aria-label="Page"><ul><li><a href="./">HTTP API</a></li><li><a href="#request-fields">Request</a></li><li><a href="#result">Result</a></li>
<li><a href="#shell">From a shell</a></li><li><a href="#try">Try</a></li></ul></nav>
<h1>{{.Name}}</h1>
<p>{{.Summary}} {{.Doc}}</p>
<p>Tokens need scope <code>{{.Scope}}</code>.{{if .New}} This method is not in v0 of the first release.{{end}}</p>
<h2 id="request-fields">Request</h2>
{{template "fields" .RequestType}}
<pre>{{.RequestExample}}</pre>
<h2 id="result">Result</h2>
{{if .Raw}}<p>Not JSON, but {{.Raw}}.</p>
{{else}}{{template "fields" .ResultType}}
<pre>{{.ResultExample}}</pre>
{{end}}{{range .Types}}<h2>{{.Name}}</h2>
{{template "fields" .}}
{{end}}<h2 id="shell">From a shell</h2>
<pre>curl --user me@example.org --header 'Content-Type: application/json' --data '{{.Compact}}' {{.URL}}</pre>
<h2 id="try">Try</h2>
<p>The browser asks for address and password. This really does it.</p>
<form method="post" action="{{.Name}}?answer=page" enctype="multipart/form-data">
<label for="request">Request</label>
<textarea id="request" name="request" rows="{{.Rows}}" spellcheck="false">{{.RequestExample}}</textarea>
{{if .Files}}<label for="attached">Files to attach</label>
<input id="attached" type="file" name="attachedfile" multiple>
<label for="alternative">Alternatives to the text</label>
<input id="alternative" type="file" name="alternativefile" multiple>
{{end}}<div><button type="submit">Call {{.Name}}</button></div>
</form>
</main>
</body>
</html>
{{end}}

{{define "answer"}}{{template "head" .Title}}<nav aria-label="Page"><ul><li><a href="./">HTTP API</a></li><li><a href="{{.Method}}#try">{{.Method}}</a></li></ul></nav>
<h1>{{.Title}}</h1>
<p class="{{if .Good}}good{{else}}bad{{end}}">Status {{.Status}} {{.StatusText}}</p>
<pre>{{.JSON}}</pre>
<p>Programs get this as one line of JSON. To call it again, go back: your browser kept the request.</p>
</main>
</body>
</html>
{{end}}`))

// answerPage is how an answer is shown to somebody who has used the form of a page.
type answerPage struct {
	Method, Title, JSON, StatusText string
	Status                          int
	Good                            bool
}

// answerPage writes an answer as a page.
func (c *call) answerPage(status int, v any) error {
	var text, b bytes.Buffer
	e := json.NewEncoder(&text)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		return err
	}
	p := answerPage{Method: c.method, Title: c.method + ": done", JSON: strings.TrimSpace(text.String()), Status: status, StatusText: http.StatusText(status), Good: status == http.StatusOK}
	if !p.Good {
		p.Title = c.method + ": not done"
	}
	if err := pageTemplates.ExecuteTemplate(&b, "answer", p); err != nil {
		return err
	}
	pageHeader(c.w)
	c.w.WriteHeader(status)
	c.w.Write(b.Bytes())
	return nil
}

// pageHeader sets the header of a page.
func pageHeader(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", pageCSP)
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Referrer-Policy", "same-origin")
}

// typeDoc is a struct in a page.
type typeDoc struct {
	Name   string
	Fields []fieldDoc
}

type fieldDoc struct {
	Name, Type, Doc string
	Required        bool // in requests
}

type methodPage struct {
	webapi.Method
	RequestType, ResultType                typeDoc
	Types                                  []typeDoc // others that those name
	RequestExample, ResultExample, Compact string
	URL                                    string
	Rows                                   int
}

// page answers a GET below v0/.
func (s *Server) page(w http.ResponseWriter, r *http.Request, name string) {
	if name == "openapi.json" {
		w.Header().Set("Content-Type", "application/json")
		w.Write(s.openapi())
		return
	}
	var b bytes.Buffer
	err := error(nil)
	if name == "" {
		err = pageTemplates.ExecuteTemplate(&b, "index", webapi.Methods())
	} else {
		for _, m := range webapi.Methods() {
			if m.Name == name {
				err = pageTemplates.ExecuteTemplate(&b, "method", newMethodPage(m, r))
			}
		}
	}
	if err != nil {
		s.c.Log.Error("making page", "err", err)
		http.Error(w, "500 - internal error", http.StatusInternalServerError)
		return
	}
	pageHeader(w)
	w.Write(b.Bytes())
}

func newMethodPage(m webapi.Method, r *http.Request) methodPage {
	p := methodPage{Method: m, RequestExample: jsoncall.Example(m.Request, "  "), Compact: strings.ReplaceAll(jsoncall.Example(m.Request, ""), "'", `'\''`)}
	p.Rows = strings.Count(p.RequestExample, "\n") + 2
	scheme := r.URL.Scheme
	if scheme == "" {
		scheme = "http"
	}
	// RequestURI has the path as it was before the mount point was stripped.
	path, _, _ := strings.Cut(r.RequestURI, "?")
	p.URL = scheme + "://" + r.Host + path
	seen := map[reflect.Type]bool{}
	p.RequestType = p.describe(reflect.TypeOf(m.Request), seen)
	if m.Raw == "" {
		p.ResultExample = jsoncall.Example(m.Result, "  ")
		p.ResultType = p.describe(reflect.TypeOf(m.Result), seen)
	}
	return p
}

// describe returns the fields of a struct, and adds to p.Types the structs in it that
// were not described yet.
func (p *methodPage) describe(t reflect.Type, seen map[reflect.Type]bool) typeDoc {
	seen[t] = true
	d := typeDoc{Name: t.Name()}
	for _, f := range jsoncall.Fields(t) {
		d.Fields = append(d.Fields, fieldDoc{f.Name, jsoncall.TypeName(f.Type), jsoncall.Doc(f), jsoncall.Required(f)})
	}
	for _, f := range jsoncall.Fields(t) {
		e := f.Type
		for e.Kind() == reflect.Slice || e.Kind() == reflect.Pointer {
			e = e.Elem()
		}
		if e.Kind() == reflect.Struct && e.Name() != "Time" && !seen[e] {
			i := len(p.Types)
			p.Types = append(p.Types, typeDoc{})
			sub := p.describe(e, seen)
			p.Types[i] = sub
		}
	}
	return d
}
