package main

import "html/template"

// layout is the frame of every page.
var layout = template.Must(template.New("").Parse(`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1">
<title>{{.Title}} - mox</title>
<style>
:root{--bg:#fff;--fg:#1c1d1f;--dim:#65696f;--line:#e3e5e8;--link:#0b5cad;--code:#f5f6f8;--mark:#fff4c2}
@media(prefers-color-scheme:dark){:root{--bg:#17181a;--fg:#dfe1e4;--dim:#969aa1;--line:#303338;--link:#76b4f5;--code:#212327;--mark:#4a4218}}
*{box-sizing:border-box}
body{margin:0;font:16px/1.55 system-ui,sans-serif;color:var(--fg);background:var(--bg);display:grid;grid-template-columns:15rem minmax(0,1fr);min-height:100vh}
nav{padding:1.5rem 1rem;border-right:1px solid var(--line);font-size:.92rem}
nav b{display:block;margin:1.2em 0 .3em;color:var(--dim);font-weight:600;font-size:.8rem;text-transform:uppercase;letter-spacing:.05em}
nav a{display:block;padding:.15em .5em;border-radius:4px;color:inherit}
nav a[aria-current]{background:var(--code);font-weight:600}
nav .home{font-size:1.3rem;font-weight:700}
main{padding:1.5rem clamp(1rem,4vw,4rem) 5rem;max-width:64rem}
a{color:var(--link);text-decoration:none}a:hover{text-decoration:underline}a[data-file]{color:inherit}
h1{line-height:1.2;margin-top:.2em}h2{margin-top:2em;border-bottom:1px solid var(--line);padding-bottom:.2em}
pre,code{font:.86rem/1.5 ui-monospace,monospace;background:var(--code);border-radius:4px}
code{padding:.1em .3em;overflow-wrap:anywhere}pre{padding:.8em 1em;overflow-x:auto}pre code{padding:0}
pre.help,pre.conf{white-space:pre-wrap;tab-size:4}
.comment{color:var(--dim)}.field a{opacity:0}.field:hover a{opacity:1}:target{background:var(--mark)}
table{border-collapse:collapse;display:block;overflow-x:auto}th,td{border:1px solid var(--line);padding:.35em .6em;text-align:left;vertical-align:top}
.index a{white-space:nowrap;margin-right:.6em}
@media(max-width:50rem){body{display:block}nav{border-right:0;border-bottom:1px solid var(--line);padding:.8rem 1rem}nav details:not([open]){margin:0}}
</style>
</head>
<body>
<nav>
<a class="home" href="index.html">mox</a>
{{$name := .Name}}{{$group := ""}}{{range .Pages}}{{if ne .Group $group}}<b>{{.Group}}</b>{{$group = .Group}}{{end}}<a href="{{.Name}}.html"{{if eq .Name $name}} aria-current="page"{{end}}>{{.Title}}</a>
{{end}}</nav>
<main>
{{.Content}}
</main>
</body>
</html>
`))
