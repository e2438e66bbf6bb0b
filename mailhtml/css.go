package mailhtml

import (
	"net/url"
	"strings"

	"github.com/gorilla/css/scanner"
)

// maxCSS is how many octets of one piece of CSS are kept.
const maxCSS = 512 << 10

// css returns CSS without what loads anything, or ran scripts in browsers of old. What the scanner does not understand ends it.
func (w *Writer) css(text string) string {
	if len(text) > maxCSS {
		return ""
	}
	var b strings.Builder
	s := scanner.New(text)
	for {
		t := s.Next()
		switch t.Type {
		case scanner.TokenEOF, scanner.TokenError:
			return b.String()
		case scanner.TokenComment, scanner.TokenCDO, scanner.TokenCDC, scanner.TokenBOM:
			b.WriteByte(' ') // nothing new comes from what was around it
		case scanner.TokenURI:
			b.WriteString(w.cssURL(t.Value))
		case scanner.TokenAtKeyword:
			if name := strings.ToLower(t.Value); name != "@media" && name != "@supports" && name != "@keyframes" && name != "@-webkit-keyframes" && name != "@page" {
				b.WriteString("@x-none ") // a rule that no browser knows, in place of @import, @font-face and others
				continue
			}
			b.WriteString(t.Value)
		case scanner.TokenFunction, scanner.TokenIdent, scanner.TokenHash:
			b.WriteString(cssWord(t.Value))
		case scanner.TokenString, scanner.TokenS:
			b.WriteString(t.Value)
		default:
			// Such as the dimension of "0url(", which is one for this scanner only perhaps.
			if strings.Contains(strings.ToLower(t.Value), "url") || strings.Contains(t.Value, `\`) {
				b.WriteString("x-none")
				continue
			}
			b.WriteString(t.Value)
		}
	}
}

// badWords are functions and properties that load or run something, without escapes.
var badWords = map[string]bool{"expression(": true, "image(": true, "image-set(": true, "-webkit-image-set(": true, "src(": true, "url(": true, "cross-fade(": true, "-moz-binding": true, "behavior": true}

// cssWord returns a name; one that is bad, or has escapes that could hide that, is replaced.
func cssWord(s string) string {
	if strings.Contains(s, `\`) || badWords[strings.ToLower(s)] || strings.HasSuffix(strings.ToLower(s), "url(") {
		if strings.HasSuffix(s, "(") {
			return "x-none("
		}
		return "x-none"
	}
	return s
}

// cssURL returns what to put in place of url(...).
func (w *Writer) cssURL(s string) string {
	inner := strings.TrimSpace(s)
	if len(inner) < len("url()") || strings.Contains(s, `\`) {
		return "none"
	}
	inner = strings.Trim(strings.TrimSpace(inner[len("url("):len(inner)-1]), `"'`)
	p := w.picture(inner)
	if p == "" || strings.ContainsAny(p, `"'()<>\`+" \n\r\t\f") {
		return "none"
	}
	return `url("` + p + `")`
}

// unescape is the Content-ID of a cid: URL, RFC 2392 2.
func unescape(s string) string {
	if u, err := url.PathUnescape(s); err == nil {
		return u
	}
	return s
}
