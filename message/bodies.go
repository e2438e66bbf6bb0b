package message

import (
	"slices"
	"strings"
)

// Bodies are the parts of a message that a reader shows, and those that it lists.
type Bodies struct {
	Text        []*Part // to show to who prefers plain text
	HTML        []*Part // to show to who prefers HTML
	Attachments []*Part
}

// Bodies returns what to show of a message, by RFC 8621 4.1.4. The same part may be in several of the lists.
func (p *Part) Bodies() Bodies {
	var b Bodies
	b.parse([]*Part{p}, "mixed", false, &b.Text, &b.HTML)
	return b
}

// inlineMedia tells whether a part is shown among text, RFC 8621 4.1.4.
func (p *Part) inlineMedia() bool {
	return p.Type == "image" || p.Type == "audio" || p.Type == "video"
}

// inlineBody tells whether a part is one to be shown, as element i of a multipart.
func (p *Part) inlineBody(i int, multipart string) bool {
	media := p.inlineMedia()
	text := p.MediaType() == "text/plain" || p.MediaType() == "text/html"
	// RFC 8621 4.1.4: of multipart/related only the first part; a text with a name that is not the first is a file.
	return p.Disposition != "attachment" && (text || media) && (i == 0 || multipart != "related" && (media || p.Filename() == ""))
}

// parse is the algorithm of RFC 8621 4.1.4. text and html are nil where the parts are not for that list.
func (b *Bodies) parse(parts []*Part, multipart string, alternative bool, text, html *[]*Part) {
	textBefore, htmlBefore := length(text), length(html)
	for i, p := range parts {
		switch {
		case p.IsMultipart():
			sub := strings.ToLower(p.Subtype)
			b.parse(p.Parts, sub, alternative || sub == "alternative", text, html)
		case !p.inlineBody(i, multipart):
			b.Attachments = append(b.Attachments, p)
		case multipart == "alternative":
			b.choice(p, text, html)
		default:
			if alternative && p.MediaType() == "text/plain" {
				html = nil
			} else if alternative && p.MediaType() == "text/html" {
				text = nil
			}
			b.shown(p, text, html)
		}
	}
	if multipart == "alternative" && text != nil && html != nil {
		forBoth(text, textBefore, html, htmlBefore)
	}
}

// choice adds a part of a multipart/alternative.
func (b *Bodies) choice(p *Part, text, html *[]*Part) {
	switch p.MediaType() {
	case "text/plain":
		add(text, p)
	case "text/html":
		add(html, p)
	default:
		b.Attachments = append(b.Attachments, p)
	}
}

// shown adds a part that is shown, in both forms where there are both.
func (b *Bodies) shown(p *Part, text, html *[]*Part) {
	add(text, p)
	add(html, p)
	if (text == nil || html == nil) && p.inlineMedia() {
		b.Attachments = append(b.Attachments, p)
	}
}

// forBoth makes what an alternative had for one of the lists only be for both.
func forBoth(text *[]*Part, textBefore int, html *[]*Part, htmlBefore int) {
	newText, newHTML := (*text)[textBefore:], (*html)[htmlBefore:]
	if len(newText) == 0 {
		*text = append(*text, newHTML...)
	} else if len(newHTML) == 0 {
		*html = append(*html, newText...)
	}
}

func length(list *[]*Part) int {
	if list == nil {
		return 0
	}
	return len(*list)
}

// add adds a part to a list, if that is wanted. In an alternative within another the same part may be there already.
func add(list *[]*Part, p *Part) {
	if list != nil && !slices.Contains(*list, p) {
		*list = append(*list, p)
	}
}
