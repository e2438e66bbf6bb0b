package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"mox/message"
)

// stageSize is the size from which a body's chunks are written before the commit that
// adds the message, in slices, so that they do not hold up the committer.
const (
	stageSize  = 2 << 20
	stageSlice = 4 << 20
)

// Bounds of what is kept of a header, so that a message with an absurd one has no
// absurd row.
const (
	maxCommonHeaders = 64 << 10
	maxKeyText       = 4 << 10
	maxReferences    = 50
	maxHeader        = 1 << 20
)

// commonHeaders are the fields that [FieldHeaders] has: those that clients ask for to
// show a list of messages.
var commonHeaders = []string{
	"Return-Path", "Delivered-To", "Date", "From", "Sender", "Reply-To", "To", "Cc", "Bcc", "Subject", "Message-ID", "In-Reply-To", "References",
	"MIME-Version", "Content-Type", "Content-Transfer-Encoding", "Content-Disposition", "Content-Language",
	"List-Id", "List-Post", "List-Unsubscribe", "List-Unsubscribe-Post", "List-Archive", "List-Help", "List-Subscribe", "List-Owner", "Mailing-List",
	"Priority", "X-Priority", "Importance", "X-MSMail-Priority", "Newsgroups", "Disposition-Notification-To", "Auto-Submitted", "Precedence",
	"User-Agent", "X-Mailer", "Resent-Date", "Resent-From", "Resent-To", "Resent-Cc", "Resent-Message-ID", "Followup-To",
	"X-Uniform-Type-Identifier", "X-Universally-Unique-Identifier", "X-Draft-Info", "X-Mozilla-Draft-Info", "X-Identity-Key", "Thread-Topic", "Thread-Index",
}

var commonNames = message.NewFieldNames(commonHeaders)

// CommonHeader reports whether [FieldHeaders] has all fields of a name: a request for
// such fields only needs no body.
func CommonHeader(name string) bool {
	return slices.ContainsFunc(commonHeaders, func(h string) bool { return strings.EqualFold(h, name) })
}

// identity is what tells whether an account has a message already, and which thread it is of.
type identity struct {
	msgID  string
	thread threadKeys
	sort   message.SortKeys
}

// content is what is computed once for a Spool, however many mailboxes it goes to.
type content struct {
	headers []byte
	tooLong bool // headers is not kept: the header was cut, or has no empty line at its end

	envelope, envelopeUTF8, structure, structureUTF8, plain, plainUTF8 []byte
	preview                                                            string
	keys                                                               keyColumns
}

// keyColumns is a row of body_key.
type keyColumns struct {
	sent                                                  int64
	hasDate, reply                                        bool
	baseSubject, from, to, cc, displayFrom, displayTo     string
	textFrom, textTo, textCc, textBcc, textSubject, msgID string
}

// threadKeys is what threads are found by.
type threadKeys struct {
	msgID, subject int64   // hashes; 0: none
	refs           []int64 // hashes, the closest first
	reply, report  bool
}

// hashKey hashes a key of the table lookup, kind keeps the kinds of keys apart. Never 0.
func hashKey(kind, s string) int64 {
	sum := sha256.Sum256([]byte(kind + "\x00" + s))
	if h := int64(binary.BigEndian.Uint64(sum[:])); h != 0 {
		return h
	}
	return 1
}

// Prepare does in advance what adding a message with a finished spool does first: compressing it and
// what is shown of it. That can be done while the next message of a
// command comes in. What goes wrong is said by who adds it. It must be over before the spool is closed.
func (a *Account) Prepare(ctx context.Context, m *NewMessage) {
	if p, err := a.prepareMessage(m); err == nil && !a.holds(ctx, p) {
		_ = p.compress()
	}
}

// contained turns a panic of f into an error: who comes next would find nothing, after one in a goroutine of its own.
func contained[T any](f func() (T, error)) (v T, err error) {
	defer func() {
		if x := recover(); x != nil {
			err = fmt.Errorf("preparing message: panic: %v\n%s", x, debug.Stack())
		}
	}()
	return f()
}

// identify computes the spool's identity once.
func (sp *Spool) identify() (*identity, error) {
	sp.identified.Do(func() {
		sp.identity, sp.identityErr = contained(func() (*identity, error) {
			if sp.part == nil {
				return nil, fmt.Errorf("spool was not finished")
			}
			return identify(sp.part), nil
		})
	})
	return sp.identity, sp.identityErr
}

// prepare computes the spool's content once.
func (sp *Spool) prepare() (*content, error) {
	sp.once.Do(func() { sp.content, sp.contentErr = contained(sp.compute) })
	return sp.content, sp.contentErr
}

func (sp *Spool) compute() (*content, error) {
	id, err := sp.identify()
	if err != nil {
		return nil, err
	}
	p, c := sp.part, &content{}
	if err := c.readHeaders(sp, p); err != nil {
		return nil, fmt.Errorf("reading header: %w", err)
	}
	c.render(p)
	c.preview = message.Preview(p, sp)
	c.setKeys(p, id)
	return c, nil
}

// readHeaders keeps the common header fields.
func (c *content) readHeaders(sp *Spool, p *message.Part) error {
	n := p.HeaderSize()
	if n > maxHeader {
		n, c.tooLong = maxHeader, true
	}
	h := make([]byte, n)
	if _, err := sp.ReadAt(h, p.HeaderStart); err != nil && err != io.EOF {
		return err
	}
	// RFC 9051 6.4.5.1: with no body and no empty line, FETCH has no empty line either, which
	// the kept fields cannot tell.
	if p.BodySize() == 0 && !endsWithEmptyLine(h) {
		c.tooLong = true
		return nil
	}
	c.headers = commonFields(h)
	if len(c.headers) > maxCommonHeaders {
		c.headers, c.tooLong = nil, true
	}
	return nil
}

// endsWithEmptyLine reports whether a header has the line that ends it.
func endsWithEmptyLine(header []byte) bool {
	h, ok := bytes.CutSuffix(header, []byte("\n"))
	h = bytes.TrimSuffix(h, []byte("\r"))
	return ok && (len(h) == 0 || h[len(h)-1] == '\n')
}

// commonFields returns the common fields of a header, without the empty line.
func commonFields(header []byte) []byte {
	h := commonNames.AppendFields(nil, header, false)
	return bytes.TrimSuffix(h, []byte("\r\n"))
}

// render makes the wire bytes of FETCH. Variants for UTF8=ACCEPT are kept where they differ.
func (c *content) render(p *message.Part) {
	differ := func(a, b []byte) []byte {
		if bytes.Equal(a, b) {
			return nil
		}
		return b
	}
	c.envelope = p.AppendEnvelope(nil, false)
	c.envelopeUTF8 = differ(c.envelope, p.AppendEnvelope(nil, true))
	c.structure = p.AppendBodyStructure(nil, true, false)
	c.structureUTF8 = differ(c.structure, p.AppendBodyStructure(nil, true, true))
	if embeds(p) {
		c.plain = p.AppendBodyStructure(nil, false, false)
		c.plainUTF8 = differ(c.plain, p.AppendBodyStructure(nil, false, true))
	}
}

// embeds reports whether a message is embedded in p, whose envelope BODY has and the
// part tree has not.
func embeds(p *message.Part) bool {
	found := false
	p.Walk(func(_ []int, q *message.Part) bool {
		found = found || q.Message != nil
		return !found
	})
	return found
}

func cut(s string) string {
	if len(s) > maxKeyText {
		return strings.ToValidUTF8(s[:maxKeyText], "")
	}
	return s
}

func identify(p *message.Part) *identity {
	k := p.SortKeys(time.Time{})
	id := &identity{sort: k}
	if k.Subject != "" {
		id.thread.subject = hashKey("subject", k.Subject)
	}
	id.thread.reply = k.Reply
	id.thread.report = p.Type == "multipart" && p.Subtype == "report"
	e := p.Envelope
	if e == nil {
		return id
	}
	if ids := message.ParseMessageIDs(e.MessageID, 1); len(ids) > 0 {
		id.msgID = cut(ids[0])
		id.thread.msgID = hashKey("id", id.msgID)
	}
	id.thread.refs = references(e.References, e.InReplyTo)
	return id
}

func (c *content) setKeys(p *message.Part, id *identity) {
	k := &id.sort
	c.keys = keyColumns{
		sent: k.Date.Unix(), hasDate: !k.Date.IsZero(), reply: k.Reply, baseSubject: cut(k.Subject),
		from: cut(k.From), to: cut(k.To), cc: cut(k.Cc), displayFrom: cut(k.DisplayFrom), displayTo: cut(k.DisplayTo),
		msgID: id.msgID,
	}
	e := p.Envelope
	if e == nil {
		return
	}
	c.keys.textFrom, c.keys.textTo = addressText(e.From), addressText(e.To)
	c.keys.textCc, c.keys.textBcc = addressText(e.Cc), addressText(e.Bcc)
	c.keys.textSubject = cut(message.CasemapKey(message.DecodeWords(e.Subject)))
}

// references are the hashes of References and, after those, In-Reply-To, last first.
func references(references, inReplyTo string) []int64 {
	ids := append(message.ParseMessageIDs(references, 1000), message.ParseMessageIDs(inReplyTo, 10)...)
	slices.Reverse(ids)
	var refs []int64
	for _, id := range ids {
		if h := hashKey("id", cut(id)); len(refs) < maxReferences && !slices.Contains(refs, h) {
			refs = append(refs, h)
		}
	}
	return refs
}

// referencesOf are those of the common header fields of a body.
func referencesOf(headers []byte) []int64 {
	h := message.ParseHeader(headers)
	return references(h.Get("References"), h.Get("In-Reply-To"))
}

// addressText is a header field of addresses as text to search in: names and addresses,
// decoded and casemapped.
func addressText(list []message.Address) string {
	var b strings.Builder
	for i := range list {
		a := &list[i]
		if b.Len() > maxKeyText {
			break
		}
		if a.Name != "" {
			if b.Len() > 0 {
				b.WriteByte(' ')
			}
			b.WriteString(message.DecodeWords(a.Name))
		}
		if addr := a.Addr(); addr != "" && addr != a.Name {
			if b.Len() > 0 {
				b.WriteByte(' ')
			}
			b.WriteByte('<')
			b.WriteString(addr)
			b.WriteByte('>')
		}
	}
	return cut(message.CasemapKey(b.String()))
}

// prepared is a message ready for the committer.
type prepared struct {
	m      *NewMessage
	thread *threadKeys
	size   int64
	hash   [sha256.Size]byte
	held   bool   // an equal body was there when the message was prepared: nothing of the following is needed
	staged BodyID // where the chunks have been written, 0: not yet

	c       *content
	chunks  [][]byte // nil when the body is to be staged
	prefix  []byte   // stored chunk 0, nil without prefix
	headers []byte
	parts   []byte
}

// weight is about the number of bytes that adding it writes.
func (p *prepared) weight() int {
	n := 1024 + len(p.prefix) + len(p.headers) + len(p.parts)
	if p.c != nil {
		n += len(p.c.envelope) + len(p.c.structure)
	}
	if p.staged == 0 {
		for _, ch := range p.chunks {
			n += len(ch)
		}
	}
	return n
}

// prepareMessage finds out what a message is.
func (a *Account) prepareMessage(m *NewMessage) (*prepared, error) {
	id, err := m.Spool.identify()
	if err != nil {
		return nil, err
	}
	p := &prepared{m: m, thread: &id.thread, size: m.Spool.size + int64(len(m.Prefix))}
	if limit := a.s.o.MaxMessageSize; limit > 0 && p.size > limit || m.Spool.size > maxBodySize || len(m.Prefix) > maxHeader {
		return nil, fmt.Errorf("%w: %d bytes", ErrTooLarge, p.size)
	}
	h := sha256.New()
	h.Write(m.Spool.sum[:])
	h.Write(m.Prefix)
	h.Sum(p.hash[:0])
	return p, nil
}

// render makes what is shown of a message.
func (p *prepared) render() (err error) {
	sp := p.m.Spool
	if p.c, err = sp.prepare(); err != nil {
		return err
	}
	p.headers = p.c.headers
	part := sp.part
	if len(p.m.Prefix) > 0 {
		p.prefix = sp.s.codec.Encode(p.m.Prefix)
		if !p.c.tooLong {
			p.headers = append(commonFields(p.m.Prefix), p.c.headers...)
		}
		part = shifted(part, int64(len(p.m.Prefix)))
		part.HeaderStart = 0
	}
	p.parts = part.AppendBinaryStructure(nil)
	return nil
}

// compress makes all that is written of a message.
func (p *prepared) compress() (err error) {
	if err := p.render(); err != nil {
		return err
	}
	if p.chunks, err = p.m.Spool.encoded(); err != nil {
		return fmt.Errorf("reading message: %w", err)
	}
	return nil
}

// shifted returns a copy of a part tree whose offsets are n higher.
func shifted(p *message.Part, n int64) *message.Part {
	q := *p
	q.HeaderStart, q.BodyStart, q.BodyEnd = p.HeaderStart+n, p.BodyStart+n, p.BodyEnd+n
	if p.Message != nil {
		q.Message = shifted(p.Message, n)
	}
	if p.Parts != nil {
		q.Parts = make([]*message.Part, len(p.Parts))
		for i, c := range p.Parts {
			q.Parts[i] = shifted(c, n)
		}
	}
	return &q
}
