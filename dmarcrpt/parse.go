package dmarcrpt

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"mox/message"
)

const (
	maxElement = 256 << 10 // octets of a record, or of metadata or policy
	maxText    = 4096      // octets of a text; longer ones are cut
)

// Parse reads a report, packed or not. Its errors wrap [ErrReport], [ErrTooLarge], or that
// of r. What is missing is left at zero: whether a report has what its reader needs is for
// the reader to say.
func Parse(r io.Reader) (*Feedback, error) {
	b, err := unpack(r)
	if err != nil {
		return nil, err
	}
	return parseXML(b)
}

// parser reads elements one after the other, each bounded: memory follows the size of a
// report, and not what can be made of it.
type parser struct {
	src *byteSource
	dec *xml.Decoder
	f   Feedback
	// found: there was an element that only reports have.
	found bool
}

// byteSource gives octets one by one, up to end. The XML decoder then reads no further than
// it needs.
type byteSource struct {
	b       []byte
	at, end int
}

// errElement: an element is larger than any should be.
var errElement = fmt.Errorf("%w: element of more than %d octets", ErrTooLarge, maxElement)

func (s *byteSource) ReadByte() (byte, error) {
	if s.at >= s.end {
		if s.at < len(s.b) {
			return 0, errElement
		}
		return 0, io.EOF
	}
	s.at++
	return s.b[s.at-1], nil
}

// Read is there since the decoder is made of an io.Reader; it uses ReadByte alone.
func (s *byteSource) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	c, err := s.ReadByte()
	if err != nil {
		return 0, err
	}
	p[0] = c
	return 1, nil
}

func parseXML(b []byte) (*Feedback, error) {
	// The mark may come before a declaration that says something else.
	b = bytes.TrimLeft(bytes.TrimPrefix(b, []byte("\xef\xbb\xbf")), " \t\r\n\x00")
	if bytes.HasPrefix(b, []byte("\xff\xfe")) || bytes.HasPrefix(b, []byte("\xfe\xff")) {
		b = []byte(message.DecodeCharset("utf-16", b))
	}
	p := &parser{src: &byteSource{b: readable(b)}}
	p.src.end = len(p.src.b)
	p.dec = xml.NewDecoder(p.src)
	p.dec.Strict = false
	p.dec.Entity = nil // no entities but those of XML
	p.dec.CharsetReader = charsetReader
	if err := p.document(); err != nil {
		if !errors.Is(err, ErrTooLarge) && !errors.Is(err, ErrReport) {
			err = fmt.Errorf("%w: %w", ErrReport, err)
		}
		return nil, err
	}
	if !p.found {
		return nil, fmt.Errorf("%w: no element policy_published or record", ErrReport)
	}
	p.f.clean()
	return &p.f, nil
}

// declaration finds which charset an XML declaration names.
var declaration = regexp.MustCompile(`^<\?xml[^>]*encoding\s*=\s*["']([^"']*)["']`)

// readable makes of octets that XML does not allow others that it does.
func readable(b []byte) []byte {
	m := declaration.FindSubmatch(b[:min(len(b), 200)])
	if m == nil || bytes.EqualFold(m[1], []byte("utf-8")) {
		b = bytes.ToValidUTF8(b, []byte("\ufffd"))
	}
	for i, c := range b {
		if c < ' ' && c != '\t' && c != '\r' && c != '\n' && c != '\x1b' {
			b[i] = ' '
		}
	}
	return b
}

// charsetReader takes what a declaration says, and what it does not mean: a text that was
// made UTF-8 without changing the declaration is read as UTF-8.
func charsetReader(charset string, r io.Reader) (io.Reader, error) {
	c, err := message.CharsetReader(charset, r)
	if err != nil || strings.HasPrefix(strings.ToLower(charset), "utf-16") {
		return r, nil
	}
	return c, nil
}

// document reads the elements below the root, whatever that is called. RFC 9990 and 7489
// have different namespaces and some reports none: only local names count.
func (p *parser) document() error {
	depth := 0
	for {
		tok, err := p.dec.Token()
		if err == io.EOF {
			if depth > 0 {
				return fmt.Errorf("%w: it is cut off", ErrReport)
			}
			return nil
		} else if err != nil {
			return err
		}
		switch t := tok.(type) {
		case xml.StartElement:
			if depth == 0 {
				depth++
				continue
			}
			if err := p.element(t); err != nil {
				return err
			}
		case xml.EndElement:
			// What is after the root is of no concern.
			return nil
		}
	}
}

func (p *parser) element(t xml.StartElement) error {
	p.src.end = min(len(p.src.b), p.src.at+maxElement)
	defer func() { p.src.end = len(p.src.b) }()
	switch strings.ToLower(t.Name.Local) {
	case "version":
		return p.dec.DecodeElement(&p.f.Version, &t)
	case "report_metadata":
		return p.dec.DecodeElement(&p.f.Metadata, &t)
	case "policy_published":
		p.found = true
		return p.dec.DecodeElement(&p.f.Policy, &t)
	case "record":
		p.found = true
		if len(p.f.Records) >= MaxRecords {
			return fmt.Errorf("%w: more than %d records", ErrTooLarge, MaxRecords)
		}
		var r Record
		if err := p.dec.DecodeElement(&r, &t); err != nil {
			return err
		}
		r.bound()
		p.f.Records = append(p.f.Records, r)
		return nil
	}
	return p.dec.Skip()
}

// bound keeps as many results and reasons of a record as any has.
func (r *Record) bound() {
	const most = 20
	a, e := &r.AuthResults, &r.Row.PolicyEvaluated
	if len(a.DKIM) > most {
		a.DKIM = slices.Clone(a.DKIM[:most])
	}
	if len(a.SPF) > most {
		a.SPF = slices.Clone(a.SPF[:most])
	}
	if len(e.Reasons) > most {
		e.Reasons = slices.Clone(e.Reasons[:most])
	}
}

// clean makes texts what the rest of the program expects.
func (f *Feedback) clean() {
	m, p := &f.Metadata, &f.Policy
	for _, s := range []*string{&f.Version, &m.OrgName, &m.Email, &m.ExtraContactInfo, &m.ReportID, &m.Generator, &p.FO, &p.Pct} {
		tidy(s)
	}
	for i := range m.Errors {
		tidy(&m.Errors[i])
	}
	for _, s := range []*string{&p.DiscoveryMethod, &p.P, &p.SP, &p.NP, &p.ADKIM, &p.ASPF, &p.Testing} {
		word(s)
	}
	domain(&p.Domain)
	for i := range f.Records {
		f.Records[i].clean()
	}
}

func (r *Record) clean() {
	tidy(&r.Row.SourceIP)
	e := &r.Row.PolicyEvaluated
	word(&e.Disposition)
	word(&e.DKIM)
	word(&e.SPF)
	for i := range e.Reasons {
		word(&e.Reasons[i].Type)
		tidy(&e.Reasons[i].Comment)
	}
	domain(&r.Identifiers.EnvelopeTo)
	domain(&r.Identifiers.EnvelopeFrom)
	domain(&r.Identifiers.HeaderFrom)
	for i := range r.AuthResults.DKIM {
		d := &r.AuthResults.DKIM[i]
		domain(&d.Domain)
		domain(&d.Selector)
		word(&d.Result)
		tidy(&d.HumanResult)
	}
	for i := range r.AuthResults.SPF {
		s := &r.AuthResults.SPF[i]
		domain(&s.Domain)
		word(&s.Scope)
		word(&s.Result)
		tidy(&s.HumanResult)
		if w := oldSPF[s.Result]; w != "" {
			s.Result = w
		}
	}
}

// oldSPF are results of SPF by names that RFC 7208 does not have; RFC 7489, appendix C, tells
// of two of them.
var oldSPF = map[string]string{"unknown": "temperror", "error": "permerror", "hardfail": "fail"}

func tidy(s *string) {
	*s = strings.TrimSpace(strings.ToValidUTF8(*s, "\ufffd"))
	if len(*s) > maxText {
		*s = strings.TrimSpace(strings.ToValidUTF8((*s)[:maxText], ""))
	}
}

func word(s *string) {
	tidy(s)
	*s = strings.ToLower(*s)
}

func domain(s *string) {
	word(s)
	*s = strings.TrimSuffix(*s, ".")
}
