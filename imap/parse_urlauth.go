package imap

// ResetKey is RESETKEY, RFC 4467 7. Without Mailbox it is about all keys.
type ResetKey struct {
	Mailbox    string
	Mechanisms []string // Upper case.
}

// GenURLAuth is GENURLAUTH, RFC 4467 7.
type GenURLAuth struct{ URLs []URLMechanism }

// URLMechanism is a URL to be authorized by a mechanism, which is in upper case.
type URLMechanism struct{ URL, Mechanism string }

// URLFetch is URLFETCH, RFC 4467 7 and RFC 5524.
type URLFetch struct{ Items []URLFetchItem }

// URLFetchItem is one URL of URLFETCH. Extended says that it was in parentheses; then
// at least one of the others is set, and not both Body and Binary.
type URLFetchItem struct {
	URL                             string
	Extended                        bool
	Body, Binary, BodyPartStructure bool
}

// parseResetKey: "RESETKEY" [SP mailbox *(SP mechanism)].
func parseResetKey(d *Decoder, _ *Request) any {
	p := &d.s
	r := &ResetKey{}
	if !p.accept(' ') {
		return r
	}
	if r.Mailbox = p.mailbox(); r.Mailbox == "" {
		p.fail("mailbox name is empty")
	}
	for p.err == nil && p.accept(' ') {
		p.count()
		r.Mechanisms = append(r.Mechanisms, p.keyword("mechanism"))
	}
	return r
}

// parseGenURLAuth: "GENURLAUTH" 1*(SP url-rump SP mechanism).
func parseGenURLAuth(d *Decoder, _ *Request) any {
	p := &d.s
	g := &GenURLAuth{}
	p.space()
	for p.err == nil {
		p.count()
		u := URLMechanism{URL: p.astring("URL")}
		p.space()
		u.Mechanism = p.keyword("mechanism")
		g.URLs = append(g.URLs, u)
		if !p.accept(' ') {
			break
		}
	}
	return g
}

// parseURLFetch: "URLFETCH" 1*(SP url-fetch-arg).
func parseURLFetch(d *Decoder, _ *Request) any {
	p := &d.s
	f := &URLFetch{}
	p.space()
	for p.err == nil {
		p.count()
		item := URLFetchItem{}
		if p.accept('(') {
			p.urlFetchParams(&item)
		} else {
			item.URL = p.astring("URL")
		}
		f.Items = append(f.Items, item)
		if !p.accept(' ') {
			break
		}
	}
	return f
}

// urlFetchParams reads url-full *(SP url-fetch-param) ")" of RFC 5524.
func (p *scanner) urlFetchParams(item *URLFetchItem) {
	item.URL = p.astring("URL")
	item.Extended = true
	for p.err == nil && p.accept(' ') {
		p.count()
		switch name := p.keyword("URLFETCH parameter"); name {
		case "BODY":
			item.Body = true
		case "BINARY":
			item.Binary = true
		case "BODYPARTSTRUCTURE":
			item.BodyPartStructure = true
		default:
			p.fail("unknown URLFETCH parameter %q", clip(name))
		}
	}
	p.expect(')')
	switch {
	case item.Body && item.Binary:
		p.fail("both BODY and BINARY")
	case !item.Body && !item.Binary && !item.BodyPartStructure:
		// What is not asked for in another form is as without parentheses.
		item.Extended = false
	}
}
