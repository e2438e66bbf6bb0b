package message

import (
	"bufio"
	"crypto/rand"
	"encoding/base32"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

// ErrNeedsUTF8 says that an address cannot be written without [ComposeOptions.UTF8]:
// its mailbox or host is not ASCII (RFC 6531: such mail needs SMTPUTF8).
var ErrNeedsUTF8 = errors.New("address needs SMTPUTF8")

// ErrCompose says that a [Composer] was given what it cannot write.
var ErrCompose = errors.New("cannot compose message")

// ComposeOptions say how a [Composer] writes. The zero value makes messages that any
// server takes.
type ComposeOptions struct {
	// UTF8 writes header text as raw UTF-8 (RFC 6532), for messages sent with SMTPUTF8.
	UTF8 bool
	// EightBit allows content-transfer-encoding 8bit for text, for messages sent with
	// 8BITMIME or only stored.
	EightBit bool
	// Random makes boundaries; nil stands for crypto/rand.
	Random io.Reader
}

// Composer writes a message to a writer: first header fields, in the order of the
// calls, then one body. The first error sticks and WriteBody returns it. All lines end
// with CRLF. Whatever strings it is given, each call writes one field.
type Composer struct {
	w   *bufio.Writer
	o   ComposeOptions
	err error
	buf []byte
}

// NewComposer returns a composer that writes to w.
func NewComposer(w io.Writer, o ComposeOptions) *Composer {
	if o.Random == nil {
		o.Random = rand.Reader
	}
	return &Composer{w: bufio.NewWriter(w), o: o}
}

func (c *Composer) fail(err error) {
	if c.err == nil {
		c.err = err
	}
}

func (c *Composer) write(b []byte) {
	if c.err != nil {
		return
	}
	if _, err := c.w.Write(b); err != nil {
		c.fail(fmt.Errorf("writing message: %w", err))
	}
}

// Raw writes a field whose value is in its final form, folded at white space.
func (c *Composer) Raw(name, value string) {
	if n, _, ok := fieldName([]byte(name + ":")); !ok || n != len(name) || !isASCII(name) {
		c.fail(fmt.Errorf("%w: field name %.40q", ErrCompose, name))
		return
	}
	c.buf = appendFolded(c.buf[:0], name, value)
	c.write(c.buf)
}

// Text writes an unstructured field such as Subject. The value is UTF-8 text.
func (c *Composer) Text(name, value string) { c.Raw(name, c.text(value)) }

// text encodes text for a header. What looks like an encoded-word is encoded too, so
// that it is shown as it was meant.
func (c *Composer) text(s string) string {
	s = lenientUTF8(s)
	if c.o.UTF8 && !strings.Contains(s, "=?") {
		return s
	}
	if !needsEncoding(s) && longestWord(s) > maxLine-100 {
		return string(appendEncodedWords(nil, s))
	}
	return EncodeWords(s)
}

func longestWord(s string) int {
	longest := 0
	for w := range strings.FieldsSeq(s) {
		longest = max(longest, len(w))
	}
	return longest
}

// Addresses writes an address field such as To, nothing for an empty list. Names are
// UTF-8 text. An address that is not ASCII is [ErrNeedsUTF8] without that option.
func (c *Composer) Addresses(name string, list []Address) {
	if len(list) == 0 {
		return
	}
	var b strings.Builder
	separator := "" // due before the next entry
	for _, a := range list {
		if a.Kind == AddressGroupEnd {
			b.WriteByte(';')
			separator = ", "
			continue
		}
		b.WriteString(separator)
		separator = ", "
		if a.Kind == AddressGroupStart {
			b.WriteString(c.phrase(a.Name))
			b.WriteByte(':')
			separator = " "
			continue
		}
		c.mailbox(&b, a)
	}
	c.Raw(name, b.String())
}

func (c *Composer) mailbox(b *strings.Builder, a Address) {
	addr := a.Addr()
	if !isASCII(addr) && !c.o.UTF8 {
		c.fail(fmt.Errorf("%w: %.100q", ErrNeedsUTF8, addr))
	}
	if a.Host == "" || a.Mailbox == "" || strings.ContainsAny(a.Host, "<>,; \t\r\n\x00") {
		c.fail(fmt.Errorf("%w: address %.100q", ErrCompose, addr))
	}
	if a.Name == "" {
		b.WriteString(addr)
		return
	}
	b.WriteString(c.phrase(a.Name))
	b.WriteString(" <")
	b.WriteString(addr)
	b.WriteByte('>')
}

// phrase writes a display name: as atoms, as a quoted string, or encoded.
func (c *Composer) phrase(name string) string {
	name = strings.TrimSpace(oneLine(lenientUTF8(name)))
	encode := strings.Contains(name, "=?") || longestWord(name) > maxLine-100
	if !encode && (c.o.UTF8 || !needsEncoding(name)) {
		if isPhrase(name) && !strings.Contains(name, "  ") {
			return name
		}
		return quoteString(name)
	}
	// RFC 2047 5 (3): an encoded-word in a phrase is a word of its own.
	return string(appendEncodedWords(nil, name))
}

// Date writes the Date field.
func (c *Composer) Date(t time.Time) { c.Raw("Date", FormatDate(t)) }

// MessageIDs writes Message-ID, In-Reply-To or References, nothing without ids. They
// are without angle brackets.
func (c *Composer) MessageIDs(name string, ids ...string) {
	if len(ids) == 0 {
		return
	}
	var b strings.Builder
	for i, id := range ids {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString("<" + cleanID(id) + ">")
	}
	c.Raw(name, b.String())
}

// NewMessageID returns a fresh message id at the host, without angle brackets. Random
// nil stands for crypto/rand.
func NewMessageID(host string, random io.Reader) (string, error) {
	id, err := randomName(random)
	if err != nil {
		return "", err
	}
	return id + "@" + host, nil
}

var nameEncoding = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// randomName returns 120 bits of random as 24 letters and digits.
func randomName(random io.Reader) (string, error) {
	if random == nil {
		random = rand.Reader
	}
	var b [15]byte
	if _, err := io.ReadFull(random, b[:]); err != nil {
		return "", fmt.Errorf("reading random: %w", err)
	}
	return nameEncoding.EncodeToString(b[:]), nil
}
