package arc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"time"

	"mox/dkim"
	"mox/dns"
)

// ErrTooManySets says that a chain already has MaxSets sets.
var ErrTooManySets = errors.New("chain has no room for another set")

// ErrAuthResults says that given authentication results cannot be in a header field.
var ErrAuthResults = errors.New("invalid authentication results")

// DefaultHeaders returns the names of fields that an ARC-Message-Signature signs by
// default: what DKIM signs, what lists add, and the DKIM signatures (RFC 8617 4.1.2).
func DefaultHeaders() []string {
	return append(dkim.DefaultHeaders(), "Sender", "MIME-Version", "Content-Transfer-Encoding", "List-Id", "List-Unsubscribe", "List-Post", "DKIM-Signature")
}

// SealOptions say who seals.
type SealOptions struct {
	Domain dns.Domain
	// Selector is the key. With Headers nil DefaultHeaders are signed. Expiration does
	// not count.
	Selector dkim.Selector
	// AuthResults is what is said about the message as it arrived, as in an
	// Authentication-Results field after its name: "mx.example.org; spf=pass ...; arc=none".
	// It may be folded.
	AuthResults string
	// UTF8 writes internationalized names as they are, for messages sent with SMTPUTF8.
	UTF8 bool
	// MaxHeader is how large a header may be, in bytes. Default dkim.DefaultMaxHeader.
	MaxHeader int
	// Now is the clock, nil for time.Now.
	Now func() time.Time
}

// Seal returns the fields of a new ARC Set for the message that r has from its offset 0 to
// its end, to be put on top of it, other changes being done. Arrived is what Verify said
// about it when it came.
//
// It is "" for a message whose newest set says that the chain has failed: nothing is to be
// added then. The error is ErrTooManySets, ErrAuthResults, dkim.ErrSign, that of a key, or
// that of r.
func Seal(ctx context.Context, log *slog.Logger, o SealOptions, arrived Result, r io.ReaderAt) (string, error) {
	if errors.Is(arrived.Err, ErrChainFail) {
		return "", nil // RFC 8617 5.1, step 2
	}
	if o.Domain.IsZero() {
		return "", fmt.Errorf("%w: no domain", dkim.ErrSign)
	}
	n := arrived.highest + 1
	if n > MaxSets {
		return "", ErrTooManySets
	}
	m, err := dkim.ReadMessage(r, o.MaxHeader)
	if err != nil {
		return "", err
	}
	if err := m.Signable(); err != nil {
		return "", err
	}
	set := Set{Instance: n}
	results, err := resultsField(n, o.AuthResults)
	if err != nil {
		return "", err
	}
	set.rawResults = []byte(results)
	now := time.Now
	if o.Now != nil {
		now = o.Now
	}
	ams, err := o.messageSignature(m, n, now())
	if err != nil {
		return "", err
	}
	set.rawMessage = []byte(ams)

	// RFC 8617 5.1.2: the seal of a failed chain is about the new set only.
	sets := []Set{set}
	if arrived.Status == StatusPass {
		sets = append(slices.Clone(arrived.Sets), set)
	}
	seal, err := o.seal(sets, n, arrived.Status, now())
	if err != nil {
		return "", err
	}
	log.DebugContext(ctx, "message sealed", "domain", o.Domain, "selector", o.Selector.Name, "instance", n, "cv", string(arrived.Status))
	return seal + ams + results, nil
}

func (o SealOptions) messageSignature(m *dkim.Message, n int, now time.Time) (string, error) {
	s := o.Selector
	if s.Headers == nil {
		s.Headers = DefaultHeaders()
	}
	s.Expiration = 0
	// RFC 8617 4.1.2: what others may remove, and ARC's own fields, are not signed.
	s.Headers = slices.DeleteFunc(slices.Clone(s.Headers), func(h string) bool {
		h = strings.ToLower(h)
		return h == "authentication-results" || strings.HasPrefix(h, "arc-")
	})
	digests, err := m.HashBody([]dkim.BodyFormat{s.BodyFormat()})
	if err != nil {
		return "", err
	}
	tags := dkim.Tags{{Name: "i", Value: strconv.Itoa(n)}}
	tags = append(append(tags, s.Tags(o.Domain, o.UTF8)...), s.TimeTags(now)...)
	return s.SignField(m, fieldMessage, tags, s.SignedHeaders(m), digests[s.BodyFormat()])
}

// seal makes the ARC-Seal of the last of sets.
func (o SealOptions) seal(sets []Set, n int, cv Status, now time.Time) (string, error) {
	tags := dkim.Tags{{Name: "i", Value: strconv.Itoa(n)}, {Name: "cv", Value: string(cv)}}
	for _, t := range o.Selector.Tags(o.Domain, o.UTF8) {
		if t.Name != "c" {
			tags = append(tags, t)
		}
	}
	tags = append(tags, dkim.Tag{Name: "t", Value: strconv.FormatInt(now.Unix(), 10)}, dkim.Tag{Name: "b"})
	field := dkim.FormatField(fieldSeal, tags)
	sets[len(sets)-1].rawSeal = []byte(field)
	signature, err := o.Selector.SignDigest(sealDigests(sets)[len(sets)-1])
	if err != nil {
		return "", err
	}
	return dkim.FormatSignature(field, signature), nil
}

// resultsField returns the ARC-Authentication-Results. The results may have line ends
// only where the next line continues the field.
func resultsField(n int, results string) (string, error) {
	results = strings.TrimSpace(results)
	lines := strings.Split(strings.ReplaceAll(results, "\r\n", "\n"), "\n")
	for i, line := range lines {
		switch {
		case strings.Trim(line, " \t") == "":
			return "", fmt.Errorf("%w: empty line", ErrAuthResults)
		case i > 0 && line[0] != ' ' && line[0] != '\t':
			return "", fmt.Errorf("%w: line is not folded", ErrAuthResults)
		case strings.ContainsFunc(line, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }):
			return "", fmt.Errorf("%w: control character", ErrAuthResults)
		}
	}
	field := fieldResults + ": i=" + strconv.Itoa(n) + "; " + lines[0]
	for _, line := range lines[1:] {
		field += "\r\n" + line
	}
	return field + "\r\n", nil
}
