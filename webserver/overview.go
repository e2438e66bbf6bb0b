package webserver

import (
	"bytes"
	"fmt"
	"html/template"
	"net/http"
)

// Overview is what the overview page of localserve tells.
type Overview struct {
	Version  string
	Host     string // to connect to
	Login    string
	Password string
	CertFile string // of the certificate authority to trust
	Services []OverviewService
	Metrics  string // URL
	API      string // URL of the HTTP API; empty: there is none
	Webmail  string // URL of the webmail; empty: there is none
	Account  string // URL of the account pages; empty: there are none
	Admin    string // URL of the admin pages; empty: there are none
	// AdminPassword is that of the admin pages.
	AdminPassword string
}

// OverviewService is one line of the table of ports.
type OverviewService struct {
	Name     string
	Port     int
	Security string // "none", "STARTTLS", "TLS"
	Use      string
}

var overviewTemplate = template.Must(template.New("overview").Parse(`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<title>mox localserve</title>
<style>
body { --line: #c8c8c8; --soft: #f1f1f1; --link: #0645ad; color: #1a1a1a; background: #fff; }
@media (prefers-color-scheme: dark) {
	body { --line: #444; --soft: #262626; --link: #9cc3ff; color: #eee; background: #141414; }
}
body { font: 16px/1.5 system-ui, sans-serif; max-width: 46rem; margin: 2rem auto; padding: 0 1rem; overflow-wrap: anywhere; }
a { color: var(--link); }
h1 { font-size: 1.5rem; margin-bottom: 0; }
h2 { font-size: 1.1rem; margin: 2rem 0 .5rem; }
p { margin: .5rem 0; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .35rem .75rem .35rem 0; border-bottom: 1px solid var(--line); vertical-align: top; overflow-wrap: normal; }
code, pre { font: .9em ui-monospace, monospace; background: var(--soft); border-radius: .25rem; }
code { padding: .1em .3em; }
pre { padding: .75rem; white-space: pre-wrap; }
.version { margin-top: 0; }
</style>
</head>
<body>
<main>
<h1>mox localserve is running</h1>
<p class="version">{{.Version}}</p>
<p>A whole mail server for testing. Any sender and any recipient is accepted; all mail arrives in one account.
Nothing leaves this machine.</p>
<h2>Log in</h2>
<p>Account <code>{{.Login}}</code>, password <code>{{.Password}}</code>.</p>
{{with .Webmail}}<p>The webmail is at <a href="{{.}}">{{.}}</a>.</p>
{{end}}{{with .Account}}<p>The account pages, where users change their settings, are at <a href="{{.}}">{{.}}</a>.</p>
{{end}}{{if .Admin}}<p>The admin pages are at <a href="{{.Admin}}">{{.Admin}}</a>, password <code>{{.AdminPassword}}</code>.</p>
{{end}}<h2>Connect to {{.Host}}</h2>
<table>
<thead><tr><th scope="col">Service</th><th scope="col">Port</th><th scope="col">Security</th><th scope="col">Use</th></tr></thead>
<tbody>
{{range .Services}}<tr><td>{{.Name}}</td><td><code>{{.Port}}</code></td><td>{{.Security}}</td><td>{{.Use}}</td></tr>
{{end}}</tbody>
</table>
<p>The certificate to trust is <code>{{.CertFile}}</code>. Metrics are at <a href="{{.Metrics}}">{{.Metrics}}</a>.
{{with .API}}The HTTP API, described and to try, is at <a href="{{.}}">{{.}}</a>.{{end}}</p>
<h2>Try</h2>
<pre>{{range .Try}}{{.}}
{{end}}</pre>
<h2>Ask for trouble</h2>
<p>Send to, or from, an address whose localpart ends in <code>temperror</code>, <code>permerror</code>, <code>timeout</code>
or a code such as <code>552</code>, and the answer is that. With <code>rcptto</code> in front (recipient) or
<code>mailfrom</code> (sender) it comes at RCPT or MAIL, otherwise after the data:
<code>rcpttopermerror@example.org</code>.</p>
</main>
</body>
</html>
`))

// port returns the port of a service, 0 if it is not there.
func (o Overview) port(name string) int {
	for _, s := range o.Services {
		if s.Name == name {
			return s.Port
		}
	}
	return 0
}

// Try are commands to start with.
func (o Overview) Try() []string {
	smtp, imap := o.port("SMTP"), o.port("IMAP")
	try := []string{
		fmt.Sprintf(`printf 'Subject: hi\r\n\r\nHello.\r\n' | curl --url smtp://%s:%d --mail-from a@example.org --mail-rcpt %s -T -`, o.Host, smtp, o.Login),
		fmt.Sprintf(`curl --user %s:%s 'imap://%s:%d/INBOX;MAILINDEX=1'`, o.Login, o.Password, o.Host, imap),
	}
	if o.API != "" {
		try = append(try, fmt.Sprintf(`curl --user %s:%s --json '{"To":[{"Address":"%s"}],"Subject":"hi","Text":"Hello."}' %sv0/Send`, o.Login, o.Password, o.Login, o.API))
	}
	return try
}

// ServeHTTP shows the page at / and nothing elsewhere.
func (o Overview) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/" {
		http.NotFound(w, r)
		return
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
		return
	}
	var b bytes.Buffer
	if err := overviewTemplate.Execute(&b, o); err != nil {
		http.Error(w, "internal error", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Write(b.Bytes())
}
