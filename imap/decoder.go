package imap

import (
	"errors"
	"fmt"
	"io"
	"strings"
)

// Input is the connection a [Decoder] or [ResponseReader] reads.
type Input interface {
	// ReadLine returns the next line without CRLF, valid until the next read. A longer
	// line is an error.
	ReadLine(max int) ([]byte, error)
	io.Reader
}

// Limits bound what one command may be. The zero value allows nothing; start from
// [DefaultLimits].
type Limits struct {
	Line         int   // Octets of one line without literals.
	Literal      int64 // Octets of one literal, APPEND messages excepted.
	LiteralTotal int64 // Octets of all literals of a command together.
	Literals     int   // Number of literals of a command.
	Nesting      int   // Depth of search keys and of lists.
	Items        int   // Search keys, flags, list elements, fetch items of a command.
	Append       int64 // Octets of a message in APPEND.
}

// DefaultLimits are the limits after login. Lines are longer than RFC 7162 4 asks
// clients to stay below, for clients that send long UID sets.
var DefaultLimits = Limits{
	Line:         64 << 10,
	Literal:      100 << 10,
	LiteralTotal: 1000 << 10,
	Literals:     1000,
	Nesting:      100,
	Items:        20000,
	Append:       1<<63 - 1,
}

// LoginLimits are the limits before login.
var LoginLimits = Limits{
	Line:         16 << 10,
	Literal:      4 << 10,
	LiteralTotal: 16 << 10,
	Literals:     10,
	Nesting:      10,
	Items:        100,
}

// ErrUnrecoverable wraps errors after which the next command cannot be found in
// the input: the connection must be closed, with BYE.
var ErrUnrecoverable = errors.New("cannot resynchronize")

// Request is one command. Args is the typed command for Name, nil for commands
// without arguments.
type Request struct {
	Tag  string
	Name string // Upper case, without the UID prefix.
	UID  bool   // The command had the prefix UID.
	Args any
}

// Decoder reads commands. Not safe for concurrent use.
type Decoder struct {
	s  scanner
	in Input

	// Continue sends a command continuation request and flushes, for synchronizing
	// literals. Set by the owner before the first Decode.
	Continue func() error

	literals     int
	literalTotal int64
	ioErr        error
	appending    bool // NextAppend may be called
	single       bool // for one message only
	messages     int  // so far
	parts        int  // of the message so far, by CATENATE
}

// NewDecoder returns a decoder with [LoginLimits].
func NewDecoder(in Input, cont func() error) *Decoder {
	d := &Decoder{in: in, Continue: cont}
	d.s.literal = d.readLiteral
	d.s.limits = LoginLimits
	return d
}

// SetLimits replaces the limits from the next command on.
func (d *Decoder) SetLimits(l Limits) { d.s.limits = l }

// SetInput replaces the input, after STARTTLS.
func (d *Decoder) SetInput(in Input) { d.in = in }

// SetUTF8 says that mailbox names are UTF-8: RFC 6855 3 and RFC 9051 A.1, after
// ENABLE of UTF8=ACCEPT or IMAP4rev2.
func (d *Decoder) SetUTF8(on bool) { d.s.utf8 = on }

// Decode reads one command. On an [*Error] the returned Request has the tag when
// one could be read ("*" otherwise), the rest of the command has been skipped, and
// the next call reads the next command. Any other error is of the input; an error
// that wraps [ErrUnrecoverable] may also wrap an *Error to show.
//
// For APPEND and REPLACE only the mailbox has been read: see [Decoder.NextAppend].
func (d *Decoder) Decode() (*Request, error) {
	r := &Request{Tag: "*"}
	d.literals, d.literalTotal, d.appending, d.ioErr = 0, 0, false, nil
	if err := d.nextLine(); err != nil {
		return r, err
	}
	d.s.depth, d.s.items, d.s.err = 0, 0, nil
	d.request(r)
	if d.s.err == nil && !d.appending {
		d.finish()
	}
	if d.s.err != nil {
		return r, d.failed()
	}
	return r, nil
}

func (d *Decoder) nextLine() error {
	line, err := d.in.ReadLine(d.s.limits.Line)
	if err != nil {
		return err
	}
	d.s.line, d.s.pos = line, 0
	return nil
}

func (d *Decoder) request(r *Request) {
	p := &d.s
	tag := p.run(classTag, "tag")
	if p.err != nil {
		return
	}
	if len(tag) > maxTag {
		p.fail("tag too long")
		return
	}
	r.Tag = tag
	p.space()
	r.Name = p.keyword("command")
	if r.Name == "UID" {
		p.space()
		r.UID = true
		r.Name = p.keyword("command")
	}
	if p.err != nil {
		return
	}
	syn, ok := commands[r.Name]
	if !ok || r.UID && !syn.uid {
		name := r.Name
		if r.UID {
			name = "UID " + name
		}
		p.fail("unknown command %q", clip(name))
		return
	}
	if syn.parse != nil {
		r.Args = syn.parse(d, r)
	}
}

const maxTag = 100

func clip(s string) string {
	if len(s) > 40 {
		return s[:40] + "..."
	}
	return s
}

// finish checks that the command ends here.
func (d *Decoder) finish() {
	if d.s.err == nil && !d.s.end() {
		d.s.fail("unexpected text %q at end of command", clip(string(d.s.line[d.s.pos:])))
	}
}

// failed returns the error of the command after skipping what is left of it.
func (d *Decoder) failed() error {
	if d.ioErr != nil {
		return d.ioErr
	}
	err := d.s.err
	skipErr := d.skipRest()
	d.appending = false
	if skipErr != nil {
		return fmt.Errorf("%w: %w", skipErr, err)
	}
	return err
}

// skipRest reads past the non-synchronizing literals that the client sends without
// waiting: RFC 7888 4. A synchronizing literal ends the command, since the client
// waits for our answer before it sends it.
func (d *Decoder) skipRest() error {
	for {
		size, nonSync, ok := trailingLiteral(d.s.line)
		if !ok || !nonSync {
			d.s.line = nil
			return nil
		}
		if err := d.discard(size); err != nil {
			return err
		}
		if err := d.nextLine(); err != nil {
			return err
		}
	}
}

// discard reads size octets of a literal away, within the limits of a command.
func (d *Decoder) discard(size int64) error {
	d.literals++
	d.literalTotal += size
	limit := d.s.limits.LiteralTotal
	if d.appending {
		limit = maxRefused
	}
	if size > limit || d.literalTotal > limit || d.literals > d.s.limits.Literals {
		return ErrUnrecoverable
	}
	if _, err := io.CopyN(io.Discard, d.in, size); err != nil {
		return err
	}
	return nil
}

// trailingLiteral finds a literal announced at the end of a line, whatever stands
// before it.
func trailingLiteral(line []byte) (size int64, nonSync, ok bool) {
	s := string(line[max(0, len(line)-24):])
	i := strings.LastIndexByte(s, '{')
	if i < 0 || !strings.HasSuffix(s, "}") {
		return 0, false, false
	}
	digits := s[i+1 : len(s)-1]
	digits, nonSync = strings.CutSuffix(digits, "+")
	p := scanner{line: []byte(digits)}
	size = int64(p.number64("literal size"))
	return size, nonSync, p.err == nil && p.end()
}

// readLiteral is the scanner's literal callback.
func (d *Decoder) readLiteral(l literalHead) []byte {
	if d.refuseLiteral(l) {
		return nil
	}
	d.literals++
	d.literalTotal += l.size
	if !l.nonSync {
		if d.ioErr = d.Continue(); d.ioErr != nil {
			d.s.err = d.ioErr
			return nil
		}
	}
	data := make([]byte, l.size)
	if _, d.ioErr = io.ReadFull(d.in, data); d.ioErr == nil {
		d.ioErr = d.nextLine()
	}
	if d.ioErr != nil {
		d.s.err = d.ioErr
		return nil
	}
	return data
}

// refuseLiteral sets the error for a literal above the limits. RFC 7888 4: a
// refused non-synchronizing literal must be read and thrown away; failed does so.
func (d *Decoder) refuseLiteral(l literalHead) bool {
	lim := d.s.limits
	switch {
	case l.size > lim.Literal || d.literalTotal+l.size > lim.LiteralTotal:
		d.s.err = No(CodeTooBig, "literal too big")
	case d.literals >= lim.Literals:
		d.s.err = No(CodeTooBig, "too many literals")
	default:
		return false
	}
	return true
}
