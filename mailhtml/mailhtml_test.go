package mailhtml

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

const pixel = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"

func show(t testing.TB, in string, o Options) (string, int) {
	t.Helper()
	w := NewWriter(o)
	if err := w.HTML(strings.NewReader(in)); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if _, err := w.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	check(t, b.String(), o)
	return b.String(), w.blocked
}

// check fails for what must not be in any document.
func check(t testing.TB, doc string, o Options) {
	t.Helper()
	root, err := html.Parse(strings.NewReader(doc))
	if err != nil {
		t.Fatalf("not HTML: %v", err)
	}
	for n := range root.Descendants() {
		if n.Type != html.ElementNode {
			continue
		}
		if !slices.Contains(elements, n.Data) && !slices.Contains([]string{"html", "head", "meta", "style", "body"}, n.Data) {
			t.Fatalf("element %q in %s", n.Data, doc)
		}
		if n.DataAtom == atom.Meta && n.Parent.DataAtom != atom.Head {
			t.Fatalf("meta in the body of %s", doc)
		}
		if n.DataAtom == atom.Style && n.FirstChild != nil {
			checkCSS(t, n.FirstChild.Data, o)
		}
		for _, a := range n.Attr {
			v := strings.ToLower(a.Val)
			switch {
			case strings.HasPrefix(a.Key, "on"), a.Key == "srcset", a.Key == "action", a.Key == "http-equiv", a.Key == "xlink:href":
				t.Fatalf("attribute %s=%q in %s", a.Key, a.Val, doc)
			case a.Key == "style":
				checkCSS(t, a.Val, o)
			case a.Key == "src" || a.Key == "background":
				if !strings.HasPrefix(v, "data:image/") && !(o.Images && strings.HasPrefix(v, "http")) {
					t.Fatalf("%s=%q in %s", a.Key, a.Val, doc)
				}
			case a.Key == "href":
				if !slices.ContainsFunc([]string{"http://", "https://", "mailto:", "tel:"}, func(s string) bool { return strings.HasPrefix(v, s) }) && !strings.HasPrefix(v, "http:") && !strings.HasPrefix(v, "https:") {
					t.Fatalf("href=%q in %s", a.Val, doc)
				}
			}
		}
	}
}

func checkCSS(t testing.TB, css string, o Options) {
	t.Helper()
	css = strings.ToLower(css)
	for _, bad := range []string{"@import", "expression(", "-moz-binding", "image-set(", "@font-face", "javascript:"} {
		if i := strings.Index(css, bad); i >= 0 && !strings.ContainsAny(css[:i], `"'`) {
			t.Fatalf("%s in CSS %q", bad, css)
		}
	}
	for i, part := range strings.Split(css, "url(") {
		if i > 0 && !strings.HasPrefix(part, `"data:image/`) && !(o.Images && strings.HasPrefix(part, `"http`)) && !strings.ContainsAny(strings.Join(strings.Split(css, "url(")[:i], ""), `"'`) {
			t.Fatalf("url(%.40q in CSS %q", part, css)
		}
	}
}

func TestHTML(t *testing.T) {
	inline := func(cid string) string {
		if cid == "a b@x" {
			return pixel
		}
		return ""
	}
	for in, want := range map[string]struct {
		has, hasNot string
		blocked     int
	}{
		`<p>Hello <b>world</b></p>`:                                                           {"<p>Hello <b>world</b></p>", "", 0},
		`<body bgcolor="#abcdef" text="red"><p>x`:                                             {`<div bgcolor="#abcdef" style="color:red"><p>x</p></div>`, "", 0},
		`<script>alert(1)</script>x<noscript>y</noscript>`:                                    {"x", "alert", 0},
		`<p onclick="alert(1)">x</p>`:                                                         {"<p>x</p>", "onclick", 0},
		`<a href="javascript:alert(1)">x</a>`:                                                 {"x", "javascript", 0},
		`<a href=" java&#10;script:alert(1)">x</a>`:                                           {"x", "alert", 0},
		`<a href="https://a.example/?a=1&amp;b=2">x</a>`:                                      {`rel="nofollow noreferrer noopener" target="_blank"`, "", 0},
		`<a href="/here">x</a><a href="#there">y</a>`:                                         {"x", "href", 0},
		`<a href="data:text/html,x">x</a>`:                                                    {"x", "data:", 0},
		`<base href="https://evil.example/"><meta http-equiv=refresh content="0">x`:           {"x", "evil", 0},
		`<form action="https://evil.example"><input name=a><button>b</button>x</form>`:        {"x", "evil", 0},
		`<iframe src="https://evil.example">a</iframe><object data=x></object><embed src=x>x`: {"x", "evil", 0},
		`<svg><script>alert(1)</script><a xlink:href="javascript:x">y</a></svg>x`:             {"x", "alert", 0},
		`<math><mtext><table><mglyph><style><img src=x onerror=alert(1)></style>`:             {"", "<img", 0},
		`<img src="https://t.example/p.gif" srcset="https://t.example/q.gif 2x" alt="A">`:     {`<img alt="A"`, "t.example", 1},
		`<img src="cid:a%20b@x"><img src="CID:other">`:                                        {pixel, "cid:", 0},
		`<img src="` + pixel + `">`:                                                           {pixel, "", 0},
		`<img src="data:image/svg+xml;base64,AAAA">`:                                          {"", "svg", 0},
		`<img src="x.png"><img src="//t.example/x.png"><img src="file:///etc/passwd">`:        {"", "x.png", 0},
		`<table background="https://t.example/b.png"><tr><td>x`:                               {"<table>", "t.example", 1},
		`<p style="color: red; background: url(https://t.example/b.png) no-repeat">x`:         {"color: red; background: none no-repeat", "t.example", 1},
		`<p style="background: u\72l(https://t.example/b.png)">x`:                             {"x", `u\72l`, 0},
		`<p style="width: expression(alert(1))">x`:                                            {"x", "expression", 0},
		`<style>@import "https://t.example/a.css"; @import url(https://t.example/b.css); p { color: blue } @media (max-width: 9px) { b { x: y } }</style><p>x`: {"p { color: blue } @media (max-width: 9px) { b { x: y } }", "@import", 1},
		`<style>@font-face { src: url("https://t.example/f.woff") } <!-- b { } --></style>`:                                                                    {"b { }", "t.example", 1},
		`<style>p { background: image-set("https://t.example/b.png" 1x) }</style>`:                                                                             {"x-none(", "image-set", 0},
		`<style>p::after { content: "</st` + "yle" + `><script>alert(1)</script>" }`:                                                                           {"", "<script", 0},
		`<title>a</title><textarea><script>x</script></textarea>y`:                                                                                             {"y", "<textarea", 0},
		strings.Repeat("<div>", 2000) + "x":                                                                                                                    {"", "", 0},
		"<!--[if mso]><p>x</p><![endif]-->y":                                                                                                                   {"y", "mso", 0},
	} {
		got, blocked := show(t, in, Options{Inline: inline})
		body := got[strings.Index(got, base)+len(base):]
		if !strings.Contains(body, want.has) || want.hasNot != "" && strings.Contains(body, want.hasNot) || blocked != want.blocked {
			t.Errorf("%.80s: blocked %d, got %s", in, blocked, body)
		}
	}
}

func TestImages(t *testing.T) {
	got, blocked := show(t, `<img src="https://t.example/p.gif"><p style="background: url('http://t.example/b.png')">x<td background="https://t.example/c">`, Options{Images: true})
	if blocked != 0 || strings.Count(got, "t.example") < 2 || !strings.Contains(got, `<meta name="mox-blocked" content="0">`) {
		t.Errorf("blocked %d: %s", blocked, got)
	}
	if strings.Contains(CSP(false), "http") || !strings.Contains(CSP(true), "img-src data: https: http:;") {
		t.Errorf("%s, %s", CSP(false), CSP(true))
	}
}

func TestTextAndImage(t *testing.T) {
	w := NewWriter(Options{})
	if err := w.Text(strings.NewReader("a <b> & c\nd")); err != nil {
		t.Fatal(err)
	}
	w.Image(pixel, `"><script>`)
	w.Image("https://t.example/", "x")
	var b bytes.Buffer
	if _, err := w.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	check(t, b.String(), Options{})
	if !strings.Contains(b.String(), "<pre>a &lt;b&gt; &amp; c\nd</pre>") || !strings.Contains(b.String(), pixel) {
		t.Errorf("got %s", b.String())
	}
}

// TestCost: nothing takes much more time or memory for being large or strange.
func TestCost(t *testing.T) {
	for name, in := range map[string]string{
		"url(": "<style>" + strings.Repeat("url(", 60_000), "url(\"": "<style>" + strings.Repeat(`url("`, 50_000), "url()": "<style>" + strings.Repeat("url()", 50_000), "comments": "<style>" + strings.Repeat("/*", 100_000),
		"strings": "<style>" + strings.Repeat(`"\n`, 80_000), "escapes": "<style>" + strings.Repeat(`\`, 200_000), "styles": strings.Repeat("<p style='a:url('>", 30_000),
		"tags": strings.Repeat("<p>", 3_000_000), "quotes": strings.Repeat(`"`, 9_000_000),
	} {
		w := NewWriter(Options{})
		if err := w.HTML(strings.NewReader(in)); err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		if _, err := w.WriteTo(&b); err != nil {
			t.Fatal(err)
		}
		if n := b.Len(); n > 25<<20 || strings.Count(b.String(), "<p") > MaxTags+2000 {
			t.Errorf("%s: %d octets", name, n)
		}
	}
}

func FuzzHTML(f *testing.F) {
	for _, s := range []string{`<p style="a:url(x)">x<style>@import "x"</style>`, `<svg><style><img src=x onerror=y>`, `<a href="java script:x">`, `<math><annotation-xml encoding="text/html"><script>`, `<img src=" https://x" style="background:\75rl(x)">`} {
		f.Add(s, false)
	}
	f.Fuzz(func(t *testing.T, in string, images bool) {
		show(t, in, Options{Images: images, Inline: func(string) string { return pixel }})
	})
}
