package jmapserver

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"
	"time"

	"mox/jmap"
	"mox/message"
	"mox/store"
)

// Defaults of RFC 8621 4.2 and 4.9.
var (
	emailDefaults = append([]string{"id", "blobId", "threadId", "mailboxIds", "keywords", "size", "receivedAt"}, parseDefaults...)
	parseDefaults = []string{
		"messageId", "inReplyTo", "references", "sender", "from", "to", "cc", "bcc", "replyTo", "subject", "sentAt", "hasAttachment", "preview",
		"bodyValues", "textBody", "htmlBody", "attachments",
	}
	bodyDefaults = []string{"partId", "blobId", "size", "name", "type", "charset", "disposition", "cid", "language", "location"}
)

// headerProperties are those that stand for header fields in a form, RFC 8621 4.1.3.
var headerProperties = map[string]string{
	"messageId": "header:Message-ID:asMessageIds", "inReplyTo": "header:In-Reply-To:asMessageIds", "references": "header:References:asMessageIds",
	"sender": "header:Sender:asAddresses", "from": "header:From:asAddresses", "to": "header:To:asAddresses", "cc": "header:Cc:asAddresses",
	"bcc": "header:Bcc:asAddresses", "replyTo": "header:Reply-To:asAddresses", "subject": "header:Subject:asText", "sentAt": "header:Date:asDate",
}

// bodyOptions are further arguments of Email/get and Email/parse.
type bodyOptions struct {
	BodyProperties      *[]string `json:"bodyProperties"`
	FetchTextBodyValues bool      `json:"fetchTextBodyValues"`
	FetchHTMLBodyValues bool      `json:"fetchHTMLBodyValues"`
	FetchAllBodyValues  bool      `json:"fetchAllBodyValues"`
	MaxBodyValueBytes   int64     `json:"maxBodyValueBytes"`
}

type emailGetArgs struct {
	getArgs
	bodyOptions
}

// emailPlan is what is asked of Emails.
type emailPlan struct {
	bodyOptions
	props   []string
	headers map[string]*jmap.HeaderProperty // by property, of Emails and parts
	parts   []string                        // properties of parts
	fields  store.Fields                    // that are read for it
	common  bool                            // common header fields are enough
}

// maxProperties is how many properties can be asked for, of Emails and of parts each.
const maxProperties = 200

func checkProperties(argument string, props []string) error {
	if len(props) > maxProperties {
		return jmap.Errorf(jmap.ErrorInvalidArguments, "%s can have %d names, not %d", argument, maxProperties, len(props))
	}
	return nil
}

// newEmailPlan checks properties; an error is invalidArguments.
func newEmailPlan(props, defaults []string, o bodyOptions) (*emailPlan, error) {
	if props == nil {
		props = defaults
	}
	p := &emailPlan{bodyOptions: o, headers: map[string]*jmap.HeaderProperty{}, common: true, parts: bodyDefaults}
	if o.MaxBodyValueBytes < 0 {
		return nil, jmap.Errorf(jmap.ErrorInvalidArguments, "maxBodyValueBytes is negative")
	}
	if err := checkProperties("properties", props); err != nil {
		return nil, err
	}
	for _, name := range props {
		if slices.Contains(p.props, name) {
			continue
		}
		p.props = append(p.props, name)
		if err := p.add(name); err != nil {
			return nil, err
		}
	}
	if o.BodyProperties != nil {
		if err := checkProperties("bodyProperties", *o.BodyProperties); err != nil {
			return nil, err
		}
		p.parts = nil
		for _, name := range *o.BodyProperties {
			if err := p.addToParts(name); err != nil {
				return nil, err
			}
		}
	}
	return p, nil
}

func (p *emailPlan) add(name string) error {
	header := headerProperties[name]
	if strings.HasPrefix(name, "header:") {
		header = name
	}
	if header != "" {
		h, err := jmap.ParseHeaderProperty(header)
		if err != nil {
			return err
		}
		p.headers[name] = h
		p.fields |= store.FieldHeaders
		if !store.CommonHeader(h.Name) {
			p.common = false
			p.fields |= store.FieldParts
		}
		return nil
	}
	switch name {
	case "id", "blobId", "threadId", "mailboxIds", "keywords", "size", "receivedAt":
	case "preview":
		p.fields |= store.FieldPreview
	case "headers":
		p.common = false
		p.fields |= store.FieldParts
	case "hasAttachment", "bodyStructure", "textBody", "htmlBody", "attachments", "bodyValues":
		p.fields |= store.FieldParts
	default:
		return jmap.Errorf(jmap.ErrorInvalidArguments, "there is no property %.100q of an Email", name)
	}
	return nil
}

func (p *emailPlan) addToParts(name string) error {
	switch {
	case strings.HasPrefix(name, "header:"):
		h, err := jmap.ParseHeaderProperty(name)
		if err != nil {
			return err
		}
		p.headers[name] = h
	case name != "headers" && name != "subParts" && !slices.Contains(bodyDefaults, name):
		return jmap.Errorf(jmap.ErrorInvalidArguments, "there is no property %.100q of an EmailBodyPart", name)
	}
	if !slices.Contains(p.parts, name) {
		p.parts = append(p.parts, name)
	}
	return nil
}

// emailGet is Email/get, RFC 8621 4.2.
func emailGet(ctx context.Context, c *call, a *emailGetArgs) (*getResult, error) {
	var props []string
	if a.Properties != nil {
		props = append([]string{"id"}, *a.Properties...)
	}
	plan, err := newEmailPlan(props, emailDefaults, a.bodyOptions)
	if err != nil {
		return nil, err
	}
	m, err := c.open(ctx, a.AccountID)
	if err != nil {
		return nil, err
	}
	res, ids, err := c.getting(&a.getArgs, m.acc, m.seq())
	if err != nil {
		return nil, err
	}
	if a.IDs == nil {
		for e := range m.all() {
			ids = append(ids, emailID(e.body))
		}
		if err := c.checkMany(len(ids)); err != nil {
			return nil, err
		}
	}
	var list []*email
	for _, id := range ids {
		body, ok := parseEmailID(id)
		if e := m.email(body); ok && e != nil {
			list = append(list, e)
		} else {
			res.notFound(id)
		}
	}
	return res, c.getEmails(ctx, m, plan, list, res)
}

// getEmails answers with Emails in order.
func (c *call) getEmails(ctx context.Context, m *mails, plan *emailPlan, list []*email, res *getResult) error {
	one := func(e *email, r *store.Rendered) error {
		v := &emailView{c: c, ctx: ctx, m: m, e: e, plan: plan, r: r, blob: blobID(e.body), size: e.size}
		defer v.close()
		o, err := v.object()
		if errors.Is(err, store.ErrNoBody) || r != nil && r.Gone {
			res.notFound(emailID(e.body))
			return nil
		} else if err != nil {
			return err
		}
		b, err := c.encode(o)
		res.List = append(res.List, b)
		return err
	}
	if plan.fields == 0 { // all is in memory
		for _, e := range list {
			if err := one(e, nil); err != nil {
				return err
			}
		}
		return nil
	}
	msgs := make([]*store.Message, len(list))
	for i, e := range list {
		msgs[i] = &store.Message{Body: e.body}
	}
	for r, err := range m.acc.Rendered(ctx, msgs, plan.fields, true) {
		if err != nil {
			return err
		}
		if err := one(list[r.Index], r); err != nil {
			return err
		}
	}
	return nil
}

// emailView is an Email that is answered with, or a blob that is parsed as one.
type emailView struct {
	c    *call
	ctx  context.Context
	m    *mails
	plan *emailPlan
	e    *email          // nil: a blob
	r    *store.Rendered // nil: a blob, or nothing was read
	blob jmap.ID
	size int64

	ra     io.ReaderAt // nil: not open yet
	closer io.Closer
	root   *message.Part // nil: not decoded yet
	header *message.Header
	number map[*message.Part][]int
	bodies *message.Bodies
}

func (v *emailView) close() {
	if v.closer != nil {
		_ = v.closer.Close() // reading is over
	}
}

// tree is the part tree.
func (v *emailView) tree() (*message.Part, error) {
	if v.root == nil {
		p, err := message.DecodePart(v.r.Parts)
		if err != nil {
			return nil, err
		}
		v.root = p
	}
	if v.number == nil {
		v.number = map[*message.Part][]int{}
		if v.root.IsMultipart() {
			v.count(v.root, nil)
		} else {
			v.number[v.root] = []int{1}
		}
	}
	return v.root, nil
}

// count numbers parts as IMAP does, without those of messages in them.
func (v *emailView) count(p *message.Part, path []int) {
	v.number[p] = path
	for i, sub := range p.Parts {
		v.count(sub, append(slices.Clip(path), i+1))
	}
}

// lists are the parts to show.
func (v *emailView) lists() (*message.Bodies, error) {
	if v.bodies == nil {
		root, err := v.tree()
		if err != nil {
			return nil, err
		}
		b := root.Bodies()
		v.bodies = &b
	}
	return v.bodies, nil
}

// content opens the message.
func (v *emailView) content() (io.ReaderAt, error) {
	if v.ra == nil {
		r, err := v.m.acc.OpenBody(v.ctx, v.e.body)
		if err != nil {
			return nil, err
		}
		v.ra, v.closer = r, r
	}
	return v.ra, nil
}

// maxHeader is how much of a header is looked at.
const maxHeader = 1 << 20

// partHeader reads the header of a part.
func (v *emailView) partHeader(p *message.Part) (*message.Header, error) {
	ra, err := v.content()
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(io.LimitReader(p.Header(ra), maxHeader))
	if err := cmp.Or(err, v.c.charge(int64(len(b)))); err != nil {
		return nil, err
	}
	return message.ParseHeader(b), nil
}

// fieldsOf is the header of the message: of the common fields where these are enough.
func (v *emailView) fieldsOf() (*message.Header, error) {
	if v.header != nil {
		return v.header, nil
	}
	if v.r != nil && v.plan.common && v.r.HasHeaders {
		v.header = message.ParseHeader(v.r.Headers)
		return v.header, v.c.charge(int64(len(v.r.Headers)))
	}
	if v.r != nil && len(v.r.Parts) == 0 && v.root == nil { // the header is too large to be kept apart
		p, err := storedParts(v.ctx, v.m.acc, v.e.body)
		if errors.Is(err, errNoBlob) {
			err = store.ErrNoBody
		}
		if err != nil {
			return nil, err
		}
		v.root = p
	}
	root, err := v.tree()
	if err != nil {
		return nil, err
	}
	v.header, err = v.partHeader(root)
	return v.header, err
}

// object makes the Email.
func (v *emailView) object() (object, error) {
	if v.r != nil && v.r.Gone {
		return nil, nil
	}
	o := object{}
	for _, name := range v.plan.props {
		value, err := v.property(name)
		if err := cmp.Or(err, v.ctx.Err()); err != nil {
			return nil, err
		}
		o[name] = value
	}
	return o, nil
}

func (v *emailView) property(name string) (any, error) {
	if h := v.plan.headers[name]; h != nil {
		header, err := v.fieldsOf()
		if err != nil {
			return nil, err
		}
		return h.Value(header), nil
	}
	switch name {
	case "id", "threadId", "mailboxIds", "keywords", "receivedAt":
		return v.stored(name), nil
	case "blobId":
		return v.blob, nil
	case "size":
		return v.size, nil
	case "preview":
		return v.preview()
	case "headers":
		header, err := v.fieldsOf()
		if err != nil {
			return nil, err
		}
		return jmap.Headers(header), nil
	case "bodyValues":
		return v.bodyValues()
	case "hasAttachment":
		b, err := v.lists()
		return err == nil && hasAttachment(b), err
	case "bodyStructure":
		root, err := v.tree()
		if err != nil {
			return nil, err
		}
		return v.partObject(root, true)
	}
	b, err := v.lists()
	if err != nil {
		return nil, err
	}
	return v.partObjects(map[string][]*message.Part{"textBody": b.Text, "htmlBody": b.HTML, "attachments": b.Attachments}[name])
}

// stored are properties that do not come out of the message: RFC 8621 4.1.1; null for a blob.
func (v *emailView) stored(name string) any {
	if v.e == nil {
		return nil
	}
	switch name {
	case "id":
		return emailID(v.e.body)
	case "threadId":
		return threadID(v.e.thread)
	case "mailboxIds":
		return v.e.mailboxIDs()
	case "keywords":
		return v.m.keywords(v.e)
	}
	return jmap.UTCDate{Time: time.Unix(v.e.received, 0)}
}

func (v *emailView) preview() (any, error) {
	if v.r != nil {
		return string(v.r.Preview), nil
	}
	root, err := v.tree()
	if err != nil {
		return nil, err
	}
	return message.Preview(root, v.ra), nil
}

// hasAttachment tells whether there is something to offer as a file: RFC 8621 4.1.4. What is shown within the text, and signatures, are not.
func hasAttachment(b *message.Bodies) bool {
	return slices.ContainsFunc(b.Attachments, func(p *message.Part) bool {
		switch p.MediaType() {
		case "application/pgp-signature", "application/pkcs7-signature", "application/x-pkcs7-signature":
			return false
		}
		embedded := p.ID != "" && p.Type == "image" && p.Disposition != "attachment"
		return p.Disposition != "inline" && !embedded
	})
}

type emailParseArgs struct {
	AccountID  jmap.ID   `json:"accountId"`
	BlobIDs    []string  `json:"blobIds"`
	Properties *[]string `json:"properties"`
	bodyOptions
}

type emailParseResult struct {
	AccountID   jmap.ID                     `json:"accountId"`
	Parsed      map[jmap.ID]json.RawMessage `json:"parsed"` // Emails; these are null without any
	NotParsable []jmap.ID                   `json:"notParsable"`
	NotFound    []string                    `json:"notFound"`
}

// emailParse is Email/parse, RFC 8621 4.9.
func emailParse(ctx context.Context, c *call, a *emailParseArgs) (*emailParseResult, error) {
	props := parseDefaults
	if a.Properties != nil {
		props = *a.Properties
	}
	plan, err := newEmailPlan(props, nil, a.bodyOptions)
	if err != nil {
		return nil, err
	}
	m, err := c.open(ctx, a.AccountID)
	if err != nil {
		return nil, err
	}
	if err := c.checkMany(len(a.BlobIDs)); err != nil {
		return nil, err
	}
	res := &emailParseResult{AccountID: a.AccountID}
	for _, s := range a.BlobIDs {
		id, _ := c.resolveID(s)
		b, err := openBlob(ctx, m.acc, id)
		if errors.Is(err, errNoBlob) {
			res.NotFound = append(res.NotFound, s)
			continue
		} else if err != nil {
			return nil, err
		}
		o, err := c.parseBlob(ctx, m, plan, id, b)
		b.Close()
		if err != nil {
			return nil, err
		}
		if o == nil {
			res.NotParsable = append(res.NotParsable, id)
			continue
		}
		if res.Parsed == nil {
			res.Parsed = map[jmap.ID]json.RawMessage{}
		}
		if res.Parsed[id], err = c.encode(o); err != nil {
			return nil, err
		}
	}
	return res, nil
}

// parseBlob makes an Email of a blob; nil if it does not begin with a header field, and so is no message.
func (c *call) parseBlob(ctx context.Context, m *mails, plan *emailPlan, id jmap.ID, b *blob) (object, error) {
	root, err := b.parse()
	if err != nil {
		return nil, err
	}
	v := &emailView{c: c, ctx: ctx, m: m, plan: plan, blob: id, size: b.size, ra: b, root: root}
	header, err := v.partHeader(root)
	if err != nil {
		return nil, err
	}
	if f := header.Fields(); len(f) == 0 || f[0].Name() == "" {
		return nil, nil
	}
	v.header = header
	return v.object()
}
