package tlsrpt

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"mox/lineio"
)

// Errors of parsing.
var (
	ErrReport   = errors.New("invalid TLS report")
	ErrTooLarge = errors.New("TLS report is too large")
)

// Bounds of reports that are read.
const (
	MaxSize     = 20 << 20 // octets, not compressed
	MaxPolicies = 1000
	MaxDetails  = 20_000 // failure details of all policies
	maxStrings  = 1000   // of a policy
	maxString   = 4096   // octets of a text; longer ones are cut
)

// Parse reads a report, compressed with gzip or not. Its errors wrap [ErrReport],
// [ErrTooLarge], or that of r. What is missing is left at zero: whether a report has what
// its reader needs is for the reader to say.
func Parse(r io.Reader) (*Report, error) {
	text, err := read(r)
	if err != nil {
		return nil, err
	}
	return parse(text)
}

// read returns the JSON text.
func read(r io.Reader) ([]byte, error) {
	src := &lineio.Source{R: r}
	br := bufio.NewReader(src)
	if magic, _ := br.Peek(2); string(magic) == "\x1f\x8b" {
		text, err := gunzip(br)
		if err != nil && src.Err == nil && !errors.Is(err, ErrTooLarge) {
			err = fmt.Errorf("%w: compressed data is damaged: %w", ErrReport, err)
		}
		return text, err
	}
	return readBounded(br)
}

func gunzip(r io.Reader) ([]byte, error) {
	z, err := gzip.NewReader(r)
	if err != nil {
		return nil, fmt.Errorf("reading TLS report: %w", err)
	}
	// Octets after the compressed data are of no concern.
	z.Multistream(false)
	return readBounded(z)
}

func readBounded(r io.Reader) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r, MaxSize+1))
	if err != nil {
		return nil, fmt.Errorf("reading TLS report: %w", err)
	}
	if len(b) > MaxSize {
		return nil, fmt.Errorf("%w: more than %d octets", ErrTooLarge, MaxSize)
	}
	return b, nil
}

// wireReport is Report as others send it.
type wireReport struct {
	OrganizationName text `json:"organization-name"`
	DateRange        struct {
		Start timestamp `json:"start-datetime"`
		End   timestamp `json:"end-datetime"`
	} `json:"date-range"`
	ContactInfo text            `json:"contact-info"`
	ReportID    text            `json:"report-id"`
	Policies    json.RawMessage `json:"policies"`
}

type wireResult struct {
	Policy struct {
		Type   text  `json:"policy-type"`
		String texts `json:"policy-string"`
		Domain text  `json:"policy-domain"`
		MXHost texts `json:"mx-host"`
	} `json:"policy"`
	Summary struct {
		Success number `json:"total-successful-session-count"`
		Failure number `json:"total-failure-session-count"`
	} `json:"summary"`
	Details json.RawMessage `json:"failure-details"`
}

type wireDetails struct {
	ResultType            text   `json:"result-type"`
	SendingMTAIP          text   `json:"sending-mta-ip"`
	ReceivingMXHostname   text   `json:"receiving-mx-hostname"`
	ReceivingMXHelo       text   `json:"receiving-mx-helo"`
	ReceivingIP           text   `json:"receiving-ip"`
	FailedSessionCount    number `json:"failed-session-count"`
	AdditionalInformation text   `json:"additional-information"`
	FailureReasonCode     text   `json:"failure-reason-code"`
	FailureErrorCode      text   `json:"failure-error-code"` // as the example of RFC 8460 has it
}

func parse(b []byte) (*Report, error) {
	b = bytes.TrimPrefix(b, []byte("\xef\xbb\xbf"))
	var w wireReport
	if err := json.NewDecoder(bytes.NewReader(withoutControls(b))).Decode(&w); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrReport, err)
	}
	r := &Report{
		OrganizationName: string(w.OrganizationName), ContactInfo: string(w.ContactInfo), ReportID: string(w.ReportID),
		DateRange: DateRange{time.Time(w.DateRange.Start), time.Time(w.DateRange.End)},
	}
	if w.Policies == nil {
		return nil, fmt.Errorf("%w: no policies", ErrReport)
	}
	details := 0
	err := each(w.Policies, MaxPolicies, func(p *wireResult) error {
		res, err := p.result(&details)
		r.Policies = append(r.Policies, res)
		return err
	})
	if err != nil {
		return nil, err
	}
	return r, nil
}

// withoutControls makes control characters spaces. RFC 8259 7: they are not allowed in
// strings, but some fold long lines as in the RFC's example.
func withoutControls(b []byte) []byte {
	inside, escaped := false, false
	for i, c := range b {
		switch {
		case escaped:
			escaped = false
		case inside && c == '\\':
			escaped = true
		case c == '"':
			inside = !inside
		case inside && c < ' ':
			b[i] = ' '
		}
	}
	return b
}

// result converts one, adding to the number of details.
func (w *wireResult) result(details *int) (Result, error) {
	r := Result{
		Policy: Policy{
			Type: PolicyType(strings.ToLower(string(w.Policy.Type))), Domain: strings.ToLower(strings.TrimSuffix(string(w.Policy.Domain), ".")),
			String: w.Policy.String, MXHost: w.Policy.MXHost,
		},
		Summary: Summary{int64(w.Summary.Success), int64(w.Summary.Failure)},
	}
	if w.Details == nil {
		return r, nil
	}
	err := each(w.Details, MaxDetails-*details, func(d *wireDetails) error {
		*details++
		code := d.FailureReasonCode
		if code == "" {
			code = d.FailureErrorCode
		}
		r.FailureDetails = append(r.FailureDetails, FailureDetails{
			ResultType: ResultType(strings.ToLower(string(d.ResultType))), SendingMTAIP: string(d.SendingMTAIP),
			ReceivingMXHostname: string(d.ReceivingMXHostname), ReceivingMXHelo: string(d.ReceivingMXHelo), ReceivingIP: string(d.ReceivingIP),
			FailedSessionCount: int64(d.FailedSessionCount), AdditionalInformation: string(d.AdditionalInformation), FailureReasonCode: string(code),
		})
		return nil
	})
	return r, err
}

// each decodes the elements of an array, or what is in place of one: null for an empty
// one, or its only element.
func each[T any](raw json.RawMessage, max int, f func(*T) error) error {
	if raw = bytes.TrimSpace(raw); string(raw) == "null" {
		return nil
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	array := raw[0] == '['
	if array {
		if _, err := dec.Token(); err != nil {
			return fmt.Errorf("%w: %w", ErrReport, err)
		}
	}
	for n := 0; dec.More(); n++ {
		if n >= max {
			return fmt.Errorf("%w: too many policies or failures", ErrTooLarge)
		}
		var v T
		if err := dec.Decode(&v); err != nil {
			return fmt.Errorf("%w: %w", ErrReport, err)
		}
		if err := f(&v); err != nil {
			return err
		}
	}
	return nil
}

// text is a string, or a number or word in place of one. Arrays and objects are nothing.
type text string

func (t *text) UnmarshalJSON(b []byte) error {
	switch b[0] {
	case '"':
		var s string
		if err := json.Unmarshal(b, &s); err != nil {
			return err
		}
		*t = text(cut(strings.TrimSpace(s)))
	case '{', '[', 'n':
	default:
		*t = text(cut(string(b)))
	}
	return nil
}

func cut(s string) string {
	if len(s) > maxString {
		return strings.ToValidUTF8(s[:maxString], "")
	}
	return s
}

// texts is an array of strings, or its only element.
type texts []string

func (l *texts) UnmarshalJSON(b []byte) error {
	return each(b, maxStrings, func(t *text) error {
		if *t != "" {
			*l = append(*l, string(*t))
		}
		return nil
	})
}

// number is a count: also as a string or with a fraction, and never below 0.
type number int64

// maxCount is so that sums cannot overflow.
const maxCount = 1 << 40

func (n *number) UnmarshalJSON(b []byte) error {
	s := strings.Trim(string(b), "\" ")
	if s == "" || s == "null" {
		return nil
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return fmt.Errorf("%.40q is not a number", s)
	}
	if !(f > 0) {
		f = 0
	}
	*n = number(min(f, maxCount))
	return nil
}

// timestamp is a time of RFC 3339, or nearly so; or seconds since 1970.
type timestamp time.Time

var layouts = []string{
	time.RFC3339, "2006-01-02T15:04:05", "2006-01-02 15:04:05Z07:00", "2006-01-02 15:04:05", "2006-01-02T15:04:05Z0700",
	"2006-01-02 15:04:05 -0700 MST", "2006-01-02T15:04Z07:00", "2006-01-02", "01/02/2006 15:04:05",
}

func (t *timestamp) UnmarshalJSON(b []byte) error {
	s := strings.ToUpper(strings.Trim(string(b), "\" "))
	if s == "" || s == "NULL" {
		return nil
	}
	if n, err := strconv.ParseInt(s, 10, 64); err == nil && n >= 0 && n < 1<<33 {
		*t = timestamp(time.Unix(n, 0).UTC())
		return nil
	}
	for _, l := range layouts {
		v, err := time.Parse(l, s)
		if err == nil && v.Year() > 0 && v.UTC().Year() > 0 && v.UTC().Year() < 10000 {
			*t = timestamp(v.UTC())
			return nil
		}
	}
	return fmt.Errorf("%.40q is not a time", s)
}
