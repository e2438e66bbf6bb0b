// Command website makes the documentation site from the files of the project: README.md, the
// pages of docs/, the help of all commands and the fields of the configuration files. Nothing is
// copied by hand.
//
//	cd website && go run . -mox ../mox -out ../dist/site
//
// It is a module of its own, so that mox does not depend on what only this needs. A link
// between pages that leads nowhere is an error.
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"html/template"
	"log"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/text"
)

func main() {
	log.SetFlags(0)
	root := flag.String("root", "..", "`directory` of the project")
	mox := flag.String("mox", "../mox", "the `program`, for its help")
	out := flag.String("out", "../dist/site", "`directory` to write")
	flag.Parse()
	if flag.NArg() > 0 {
		flag.Usage()
		os.Exit(2)
	}
	s := &site{root: *root, out: *out, ids: map[string][]string{}}
	if err := errors.Join(s.read(*mox), s.write()); err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%d pages in %s\n", len(s.pages), *out)
}

// page is one of the site.
type page struct {
	Name    string // file name without .html
	Title   string
	Group   string // heading in the navigation
	Content template.HTML
	links   []string // to other pages: name#id
}

// site is all of them.
type site struct {
	root, out string
	pages     []*page
	ids       map[string][]string // anchors by page
}

// titles are of pages in the order of the navigation; others follow by name.
var titles = []struct{ group, name string }{
	{"Start", "index"}, {"Start", "quickstart"}, {"Start", "dns"}, {"Start", "clients"}, {"Start", "faq"},
	{"Mail", "reception"}, {"Mail", "junk"}, {"Mail", "sending"}, {"Mail", "imap"}, {"Mail", "search"}, {"Mail", "import"},
	{"Web", "tls"}, {"Web", "webserver"}, {"Web", "web"}, {"Web", "webapi"},
	{"Run", "service"}, {"Run", "upgrade"}, {"Run", "releases"}, {"Run", "backup"}, {"Run", "maintenance"}, {"Run", "monitoring"}, {"Run", "ban"}, {"Run", "performance"}, {"Run", "security"},
	{"Reference", "commands"}, {"Reference", "mox.conf"}, {"Reference", "domains.conf"}, {"Reference", "rfcs"}, {"Reference", "changelog"}, {"Reference", "architecture"},
}

func rank(name string) int {
	for i, t := range titles {
		if t.name == name {
			return i
		}
	}
	return len(titles)
}

// read makes all pages.
func (s *site) read(mox string) error {
	sources := map[string]string{"index": "README.md", "changelog": "CHANGELOG.md", "architecture": "ARCHITECTURE.md"}
	docs, err := filepath.Glob(filepath.Join(s.root, "docs", "*.md"))
	if err != nil {
		return err
	}
	for _, d := range docs {
		if name := strings.TrimSuffix(filepath.Base(d), ".md"); name != "README" {
			sources[name] = "docs/" + name + ".md"
		}
	}
	for name, file := range sources {
		if err := s.markdown(name, file); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
	}
	if err := s.commands(mox); err != nil {
		return err
	}
	for _, name := range []string{"mox.conf", "domains.conf"} {
		if err := s.config(name); err != nil {
			return err
		}
	}
	slices.SortFunc(s.pages, func(a, b *page) int {
		if d := rank(a.Name) - rank(b.Name); d != 0 {
			return d
		}
		return strings.Compare(a.Name, b.Name)
	})
	return nil
}

func (s *site) add(p *page) {
	p.Group = "Mail"
	if i := rank(p.Name); i < len(titles) {
		p.Group = titles[i].group
	}
	s.pages = append(s.pages, p)
}

// markdown adds a page from a file of markdown.
func (s *site) markdown(name, file string) error {
	source, err := os.ReadFile(filepath.Join(s.root, file))
	if err != nil {
		return err
	}
	p := &page{Name: name, Title: name}
	if name == "index" {
		p.Title = "Overview"
	}
	md := goldmark.New(goldmark.WithExtensions(extension.GFM), goldmark.WithParserOptions(parser.WithAutoHeadingID()))
	doc := md.Parser().Parse(text.NewReader(source))
	err = ast.Walk(doc, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if !entering {
			return ast.WalkContinue, nil
		}
		switch n := n.(type) {
		case *ast.Heading:
			if id, ok := n.AttributeString("id"); ok {
				s.ids[name] = append(s.ids[name], string(id.([]byte)))
			}
			if n.Level == 1 && p.Title == name {
				p.Title = plain(n, source)
			}
		case *ast.Link:
			n.Destination = []byte(p.link(path.Dir(file), string(n.Destination)))
		}
		return ast.WalkContinue, nil
	})
	if err != nil {
		return err
	}
	var b bytes.Buffer
	if err := md.Renderer().Render(&b, source, doc); err != nil {
		return err
	}
	p.Content = template.HTML(b.String())
	s.add(p)
	return nil
}

// plain is the text of a node.
func plain(n ast.Node, source []byte) string {
	var b strings.Builder
	_ = ast.Walk(n, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if t, ok := n.(*ast.Text); ok && entering {
			b.Write(t.Segment.Value(source))
		}
		return ast.WalkContinue, nil
	})
	return b.String()
}

// link turns a link of a file in dir to another file of the project into one to its page.
// Files without a page, such as code, are named by their path in the project.
func (p *page) link(dir, to string) string {
	if to == "" || strings.Contains(to, "://") || strings.HasPrefix(to, "mailto:") {
		return to
	}
	file, id, _ := strings.Cut(to, "#")
	name := p.Name
	if file != "" {
		file = path.Join(dir, file)
		switch {
		case file == "README.md":
			name = "index"
		case file == "CHANGELOG.md", file == "ARCHITECTURE.md":
			name = strings.ToLower(strings.TrimSuffix(file, ".md"))
		case file == "docs/commands.txt":
			name = "commands"
		case path.Dir(file) == "docs" && strings.HasSuffix(file, ".md"):
			name = strings.TrimSuffix(path.Base(file), ".md")
		case path.Dir(file) == "docs" && strings.HasSuffix(file, ".conf"):
			name = path.Base(file)
		default:
			return "source/" + file
		}
	}
	p.links = append(p.links, name+"#"+id)
	if id != "" {
		id = "#" + id
	}
	return name + ".html" + id
}

// commands adds the page of all commands, as "mox help" tells about them.
func (s *site) commands(mox string) error {
	help, err := exec.Command(mox, "helpall").Output()
	if err != nil {
		return fmt.Errorf("%s helpall: %w", mox, err)
	}
	var list, b strings.Builder
	for _, part := range strings.Split("\n"+string(help), "\n# ")[1:] {
		words, text, _ := strings.Cut(part, "\n")
		id := strings.ReplaceAll(strings.TrimPrefix(words, "mox "), " ", "-")
		s.ids["commands"] = append(s.ids["commands"], id)
		fmt.Fprintf(&list, "<a href=\"#%s\">%s</a> ", id, template.HTMLEscapeString(strings.TrimPrefix(words, "mox ")))
		fmt.Fprintf(&b, "<h2 id=%q>%s</h2>\n<pre class=\"help\">%s</pre>\n", id, template.HTMLEscapeString(words), template.HTMLEscapeString(strings.TrimSpace(text)))
	}
	s.add(&page{Name: "commands", Title: "Commands", Content: template.HTML("<h1>Commands</h1>\n<p class=\"index\">" + list.String() + "</p>\n" + b.String())})
	return nil
}

var reField = regexp.MustCompile(`^(\t*)#?(?:- )?([^\s#:][^:\s]*):`)

// config adds a page of a configuration file in which each field has an anchor, such as
// Listeners.public.SMTP.
func (s *site) config(name string) error {
	source, err := os.ReadFile(filepath.Join(s.root, "docs", name))
	if err != nil {
		return err
	}
	var b strings.Builder
	var at []string
	fmt.Fprintf(&b, "<h1>%s</h1>\n<pre class=\"conf\">", name)
	for line := range strings.Lines(string(source)) {
		esc := template.HTMLEscapeString(strings.TrimRight(line, "\n"))
		m := reField.FindStringSubmatch(line)
		if m == nil || len(m[1]) > len(at) {
			class := "value"
			if strings.HasPrefix(strings.TrimSpace(line), "# ") {
				class = "comment"
			}
			fmt.Fprintf(&b, "<span class=%q>%s</span>\n", class, esc)
			continue
		}
		at = append(at[:len(m[1])], m[2])
		id := strings.Join(at, ".")
		s.ids[name] = append(s.ids[name], id)
		fmt.Fprintf(&b, "<span class=\"field\" id=%q>%s <a href=\"#%s\">#</a></span>\n", id, esc, id)
	}
	b.WriteString("</pre>\n")
	s.add(&page{Name: name, Title: name, Content: template.HTML(b.String())})
	return nil
}

// write checks the links and writes all pages.
func (s *site) write() error {
	var errs []error
	for _, p := range s.pages {
		for _, l := range p.links {
			name, id, _ := strings.Cut(l, "#")
			known := slices.ContainsFunc(s.pages, func(p *page) bool { return p.Name == name })
			if !known || id != "" && !slices.Contains(s.ids[name], id) {
				errs = append(errs, fmt.Errorf("%s: the link to %s leads nowhere", p.Name, l))
			}
		}
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	if err := os.MkdirAll(s.out, 0o755); err != nil {
		return err
	}
	for _, p := range s.pages {
		var b bytes.Buffer
		if err := layout.Execute(&b, struct {
			*page
			Pages []*page
		}{p, s.pages}); err != nil {
			return err
		}
		html := strings.ReplaceAll(b.String(), `href="source/`, `data-file="`)
		if err := os.WriteFile(filepath.Join(s.out, p.Name+".html"), []byte(html), 0o644); err != nil {
			return err
		}
	}
	return nil
}
