package arc

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"mox/dkim"
	"mox/dns"
	"mox/message"
)

// MaxSets is how many sets a chain may have (RFC 8617 4.2.1).
const MaxSets = 50

// Status is the Chain Validation Status (RFC 8617 4.4), also the value of cv=.
type Status string

// The statuses.
const (
	StatusNone Status = "none" // no chain
	StatusPass Status = "pass"
	StatusFail Status = "fail"
)

// Why a chain failed. Result.Err wraps one of these.
var (
	ErrStructure = errors.New("structure of chain is not valid")
	ErrChainFail = errors.New("chain was sealed as failed")
	ErrMessage   = errors.New("message signature did not verify")
	ErrSeal      = errors.New("seal did not verify")
)

// The fields of a set.
const (
	fieldResults = "ARC-Authentication-Results"
	fieldMessage = "ARC-Message-Signature"
	fieldSeal    = "ARC-Seal"
)

// Set is an ARC Set (RFC 8617 4.2).
type Set struct {
	Instance int
	// AuthResults is the value of ARC-Authentication-Results after its instance tag,
	// unfolded: an authserv-id and its results, as in Authentication-Results.
	AuthResults string
	// MessageSignature is the ARC-Message-Signature.
	MessageSignature *dkim.Signature
	// Seal is the ARC-Seal, Validation its cv=. Seal.Domain is the sealing domain.
	Seal       *dkim.Signature
	Validation Status
	// Authentic: the key records of both signatures were vouched for by DNSSEC.
	Authentic bool

	// The fields as they are.
	rawResults, rawMessage, rawSeal []byte
}

// Domain returns the sealing domain.
func (s Set) Domain() dns.Domain {
	if s.Seal == nil {
		return dns.Domain{}
	}
	return s.Seal.Domain
}

// chain is what a message has of ARC fields.
type chain struct {
	sets    []Set // by instance, from 1
	highest int   // highest instance of any field
	count   int   // fields
	err     error // wraps ErrStructure or ErrChainFail
}

// readChain collects the sets of a message and checks their structure (RFC 8617 5.2,
// steps 1 to 3).
func readChain(m *dkim.Message) chain {
	c := chain{}
	for _, p := range parsers {
		if n := m.Count(p.field); n > MaxSets {
			c.count, c.highest = n, MaxSets
			c.fail(fmt.Errorf("%w: more than %d sets", ErrStructure, MaxSets))
			return c
		}
	}
	sets := make([]Set, MaxSets)
	for _, p := range parsers {
		for _, f := range m.Named(p.field) {
			c.count++
			i, put, err := p.parse(f)
			if i == 0 {
				c.fail(fmt.Errorf("%w: %s: %w", ErrStructure, p.field, err))
				continue
			}
			c.highest = max(c.highest, i)
			s := &sets[i-1]
			// RFC 8617 5.2, step 3 A: exactly one of each.
			if *p.raw(s) != nil {
				c.fail(fmt.Errorf("%w: two fields %s with instance %d", ErrStructure, p.field, i))
				continue
			}
			if err != nil {
				c.fail(fmt.Errorf("%w: %s of instance %d: %w", ErrStructure, p.field, i, err))
			}
			put(s)
			s.Instance, *p.raw(s) = i, f.Raw()
		}
	}
	c.sets = sets[:c.highest]
	c.check()
	return c
}

// parsers has the fields of a set. Parse returns the instance, 0 if there is none that is
// valid, and what puts the field into its set, also where it has an error.
var parsers = []struct {
	field string
	parse func(message.Field) (instance int, put func(*Set), err error)
	raw   func(*Set) *[]byte
}{
	{fieldResults, parseResults, func(s *Set) *[]byte { return &s.rawResults }},
	{fieldMessage, parseMessage, func(s *Set) *[]byte { return &s.rawMessage }},
	{fieldSeal, parseSeal, func(s *Set) *[]byte { return &s.rawSeal }},
}

func (c *chain) fail(err error) {
	if c.err == nil {
		c.err = err
	}
}

// check does steps 2 and 3 of RFC 8617 5.2, fields being parsed.
func (c *chain) check() {
	if n := len(c.sets); n > 0 && c.sets[n-1].Validation == StatusFail {
		c.err = ErrChainFail
		return
	}
	for i, s := range c.sets {
		if s.rawResults == nil || s.rawMessage == nil || s.rawSeal == nil {
			c.fail(fmt.Errorf("%w: set %d is not complete", ErrStructure, i+1))
			continue
		}
		want := StatusPass
		if i == 0 {
			want = StatusNone
		}
		if s.Validation != want {
			c.fail(fmt.Errorf("%w: seal %d has cv %.10q, must be %s", ErrStructure, i+1, s.Validation, want))
		}
	}
}

// parseInstance parses the value of i= (RFC 8617 4.2.1).
func parseInstance(s string) (int, error) {
	n, err := strconv.ParseUint(s, 10, 8)
	if err != nil || n < 1 || n > MaxSets || strings.HasPrefix(s, "+") {
		return 0, fmt.Errorf("instance %.20q is not from 1 to %d", s, MaxSets)
	}
	return int(n), nil
}

// parseResults parses an ARC-Authentication-Results: arc-info of RFC 8617 4.1.1.
func parseResults(f message.Field) (int, func(*Set), error) {
	tag, payload, ok := strings.Cut(skipCFWS(f.Value()), ";")
	name, number, eq := strings.Cut(tag, "=")
	if !ok || !eq || strings.TrimSpace(name) != "i" {
		return 0, nil, errors.New("does not start with an instance tag")
	}
	number = strings.TrimLeft(number, " \t")
	digits := len(number) - len(strings.TrimLeft(number, "0123456789"))
	if skipCFWS(number[digits:]) != "" {
		return 0, nil, errors.New("text after instance tag")
	}
	i, err := parseInstance(number[:digits])
	return i, func(s *Set) { s.AuthResults = strings.TrimSpace(payload) }, err
}

// skipCFWS skips white space and comments (RFC 5322 3.2.2) at the start.
func skipCFWS(s string) string {
	depth := 0
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '(':
			depth++
		case c == ')' && depth > 0:
			depth--
		case c == '\\' && depth > 0:
			i++
		case depth == 0 && c != ' ' && c != '\t':
			return s[i:]
		}
	}
	if depth > 0 {
		return s // a comment without end is none
	}
	return ""
}

func parseMessage(f message.Field) (int, func(*Set), error) {
	sig, err := dkim.ParseSignature(value(f), dkim.KindARCMessage)
	i, ierr := signatureInstance(sig, f)
	if err == nil && sig.Signed(fieldSeal) > 0 {
		// RFC 8617 4.1.2 forbids all ARC fields, but sealers sign their own results.
		err = errors.New("signs an ARC-Seal")
	}
	return i, func(s *Set) { s.MessageSignature = sig }, errors.Join(err, ierr)
}

func parseSeal(f message.Field) (int, func(*Set), error) {
	sig, err := dkim.ParseSignature(value(f), dkim.KindARCSeal)
	i, ierr := signatureInstance(sig, f)
	var cv Status
	if sig != nil {
		v, _ := sig.Tags.Get("cv")
		cv = Status(v)
		if _, ok := sig.Tags.Get("h"); ok && err == nil {
			err = errors.New("has tag h") // RFC 8617 4.1.3
		}
	}
	if err == nil && cv != StatusNone && cv != StatusPass && cv != StatusFail {
		err = fmt.Errorf("cv %.20q is not known", cv)
	}
	return i, func(s *Set) { s.Seal, s.Validation = sig, cv }, errors.Join(err, ierr)
}

// signatureInstance returns the instance of a signature field, also of one that is
// otherwise not valid, so that a new set gets a higher one.
func signatureInstance(s *dkim.Signature, f message.Field) (int, error) {
	var tags dkim.Tags
	if s != nil {
		tags = s.Tags
	} else if t, err := dkim.ParseTags(value(f)); err == nil {
		tags = t
	}
	i, ok := tags.Get("i")
	if !ok {
		return 0, errors.New("no instance tag")
	}
	return parseInstance(i)
}

// value is the value of a field with its folding, in which white space of values counts.
func value(f message.Field) string {
	_, v, _ := strings.Cut(string(f.Raw()), ":")
	return v
}
