package imap

// GenURLAuthResponse is the GENURLAUTH response, RFC 4467 7: URLs in the order asked for.
type GenURLAuthResponse struct{ URLs []string }

// URLFetchResponse is the URLFETCH response, RFC 4467 7 and RFC 5524 3.
type URLFetchResponse struct{ Items []URLFetchData }

// URLFetchData is what a URL leads to.
type URLFetchData struct {
	URL  string
	Data []byte
	// Nil: the URL cannot be used, or the content cannot be decoded.
	Nil bool
	// Body is the structure of the part, nil where it was not asked for, or there is none.
	Body *BodyStructure
}

func (*GenURLAuthResponse) response() {}
func (*URLFetchResponse) response()   {}

func readGenURLAuth(p *scanner, _ string) Response {
	g := &GenURLAuthResponse{}
	for p.err == nil && p.accept(' ') && !p.end() {
		p.count()
		g.URLs = append(g.URLs, p.astring("URL"))
	}
	return g
}

func readURLFetch(p *scanner, _ string) Response {
	u := &URLFetchResponse{}
	for p.err == nil && p.accept(' ') && !p.end() {
		p.count()
		d := URLFetchData{URL: p.astring("URL")}
		p.space()
		if p.peek() == '(' {
			p.urlFetchItems(&d)
		} else {
			d.Data, d.Nil = p.nilBytes()
		}
		u.Items = append(u.Items, d)
	}
	return u
}

// urlFetchItems: RFC 5524 5: url-metadata-el, which follow each other in parentheses of their own.
func (p *scanner) urlFetchItems(d *URLFetchData) {
	for more := true; more && p.err == nil; more = p.anotherItem() {
		p.count()
		p.expect('(')
		switch name := p.keyword("item"); name {
		case "BODY", "BINARY":
			p.space()
			d.Data, d.Nil = p.nilBytes()
		case "BODYPARTSTRUCTURE":
			p.space()
			if !p.acceptWord("NIL") {
				d.Body = p.bodyStructure()
			}
		default:
			p.fail("unknown item %q", clip(name))
		}
		p.expect(')')
	}
}

// anotherItem takes the space before another item.
func (p *scanner) anotherItem() bool {
	if p.pos+1 < len(p.line) && p.line[p.pos] == ' ' && p.line[p.pos+1] == '(' {
		p.pos++
		return true
	}
	return false
}
