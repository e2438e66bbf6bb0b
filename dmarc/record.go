package dmarc

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// ErrNotDMARC: a text is not a DMARC record of a version that is known. Such a text is
// to be ignored as if it were not there.
var ErrNotDMARC = errors.New("not a DMARC record")

// Bounds of records. What is over them is not read.
const (
	// MaxRecord is the most octets of a record; a longer text is [ErrNotDMARC].
	MaxRecord = 16 << 10
	// MaxURIs is how many addresses of each of the tags rua and ruf are kept.
	MaxURIs = 16
	// maxProblems is how many problems of a record are told.
	maxProblems = 16
)

// Policy is what a domain owner wants done with mail that fails.
type Policy string

// Policies. PolicyAbsent, the zero value, is that of a tag that is not there.
const (
	PolicyAbsent     Policy = ""
	PolicyNone       Policy = "none"
	PolicyQuarantine Policy = "quarantine"
	PolicyReject     Policy = "reject"
)

// Alignment is how closely an authenticated domain must match the author's.
type Alignment string

// Alignments: the same organizational domain, or the same domain.
const (
	Relaxed Alignment = "r"
	Strict  Alignment = "s"
)

// PSD tells whether a record is that of a public suffix domain.
type PSD string

// Values of PSD. PSDUnknown is the default.
const (
	PSDYes     PSD = "y"
	PSDNo      PSD = "n"
	PSDUnknown PSD = "u"
)

// Record is a DMARC policy record (RFC 9989 4.7). Fields of tags that are absent or
// invalid have their defaults.
type Record struct {
	// P, SP and NP are the policies for the domain, for its subdomains, and for
	// subdomains that do not exist. All are PolicyAbsent when one of them was invalid,
	// see BadPolicy. [Record.PolicyFor] applies the rules among them.
	P, SP, NP Policy
	// BadPolicy: one of the tags p, sp and np was there with an invalid value.
	BadPolicy bool

	ADKIM, ASPF Alignment // required of DKIM and of SPF; default Relaxed
	PSD         PSD       // default PSDUnknown
	Testing     bool      // t=y: the policy is not to be applied yet

	RUA, RUF []URI    // destinations of aggregate and of failure reports
	FO       []string // when to send failure reports: "0", "1", "d", "s"; default "0"

	// Tags of RFC 7489, removed by RFC 9989.
	Pct int      // percentage of failing mail that the policy is for; default 100
	RI  uint32   // seconds between aggregate reports; default 86400
	RF  []string // formats of failure reports; default "afrf"

	// Problems are faults that were passed over, in words for the owner.
	Problems []string
}

// Defaults of the tags of RFC 7489.
const (
	defaultPct = 100
	defaultRI  = 86400
	defaultRF  = "afrf"
)

// recordParser collects the tags of one record.
type recordParser struct {
	r    *Record
	seen map[string]bool
}

func (p *recordParser) problem(format string, args ...any) {
	if len(p.r.Problems) < maxProblems {
		p.r.Problems = append(p.r.Problems, fmt.Sprintf(format, args...))
	}
}

// Parse reads a record. The only error is [ErrNotDMARC]: the version must be first and
// right. All else that is wrong is replaced by defaults or ignored, and noted in
// Problems (RFC 9989 4.7).
func Parse(s string) (*Record, error) {
	if len(s) > MaxRecord {
		return nil, fmt.Errorf("%w: longer than %d octets", ErrNotDMARC, MaxRecord)
	}
	version, rest, more := strings.Cut(s, ";")
	// RFC 9989 4.8: "v", in either case, begins the record; its value is exact.
	name, value, ok := strings.Cut(version, "=")
	if !ok || !strings.EqualFold(trimEnd(name), "v") || trim(value) != "DMARC1" {
		return nil, fmt.Errorf("%w: does not start with v=DMARC1", ErrNotDMARC)
	}
	p := recordParser{r: newRecord(), seen: map[string]bool{"v": true}}
	for tag := ""; more; {
		tag, rest, more = strings.Cut(rest, ";")
		p.tag(trim(tag), !more)
	}
	p.finish()
	return p.r, nil
}

func newRecord() *Record {
	return &Record{
		ADKIM: Relaxed, ASPF: Relaxed, PSD: PSDUnknown, FO: []string{"0"},
		Pct: defaultPct, RI: defaultRI, RF: []string{defaultRF},
	}
}

func trim(s string) string    { return strings.Trim(s, " \t") }
func trimEnd(s string) string { return strings.TrimRight(s, " \t") }

// parseTag has the tags. A function reports false for an invalid value.
var parseTag = map[string]func(p *recordParser, value string) bool{
	"p":     func(p *recordParser, v string) bool { return parsePolicy(&p.r.P, v) },
	"sp":    func(p *recordParser, v string) bool { return parsePolicy(&p.r.SP, v) },
	"np":    func(p *recordParser, v string) bool { return parsePolicy(&p.r.NP, v) },
	"adkim": func(p *recordParser, v string) bool { return parseWord(&p.r.ADKIM, v, Relaxed, Strict) },
	"aspf":  func(p *recordParser, v string) bool { return parseWord(&p.r.ASPF, v, Relaxed, Strict) },
	"psd":   func(p *recordParser, v string) bool { return parseWord(&p.r.PSD, v, PSDYes, PSDNo, PSDUnknown) },
	"t":     parseTesting,
	"rua":   func(p *recordParser, v string) bool { return p.uris(&p.r.RUA, "rua", v) },
	"ruf":   func(p *recordParser, v string) bool { return p.uris(&p.r.RUF, "ruf", v) },
	"fo":    parseFO,
	"pct":   parsePct,
	"ri":    parseRI,
	"rf":    parseRF,
}

// tag takes one "name=value".
func (p *recordParser) tag(s string, last bool) {
	if s == "" {
		if !last {
			p.problem("empty tag")
		}
		return
	}
	name, value, ok := strings.Cut(s, "=")
	name, value = strings.ToLower(trimEnd(name)), strings.TrimLeft(value, " \t")
	if !ok || !isTagName(name) || !isTagValue(value) {
		p.problem("%q is not of the form tag=value", shorten(s))
		return
	}
	parse := parseTag[name]
	if parse == nil && name != "v" {
		return // RFC 9989 4.7: unknown tags MUST be ignored
	}
	// RFC 6376 3.2, whose syntax this is, has each tag once.
	if p.seen[name] {
		p.problem("tag %s again, only the first counts", name)
		return
	}
	p.seen[name] = true
	if !parse(p, value) {
		p.problem("invalid value %q of tag %s", shorten(value), name)
		if name == "p" || name == "sp" || name == "np" {
			p.r.BadPolicy = true
		}
	}
}

func isTagName(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < 'a' || s[i] > 'z' {
			return false
		}
	}
	return s != ""
}

func isTagValue(s string) bool {
	for i := 0; i < len(s); i++ {
		if (s[i] < ' ' || s[i] > '~') && s[i] != '\t' {
			return false
		}
	}
	return s != ""
}

// shorten bounds what of a record goes into the text of a problem.
func shorten(s string) string {
	const most = 64
	if len(s) > most {
		return s[:most] + "..."
	}
	return s
}

// finish applies what holds for the record as a whole.
func (p *recordParser) finish() {
	r := p.r
	if r.BadPolicy {
		// RFC 9989 4.10.1: as if a record with p=none was there, or none at all.
		r.P, r.SP, r.NP = PolicyAbsent, PolicyAbsent, PolicyAbsent
	} else if r.P == PolicyAbsent {
		p.problem("no tag p")
	}
	if len(r.RUF) == 0 {
		r.FO = []string{"0"} // RFC 9989 4.7: MUST be ignored without ruf
	}
}

func parseWord[T ~string](to *T, value string, words ...T) bool {
	for _, w := range words {
		if strings.EqualFold(value, string(w)) {
			*to = w
			return true
		}
	}
	return false
}

func parsePolicy(to *Policy, value string) bool {
	return parseWord(to, value, PolicyNone, PolicyQuarantine, PolicyReject)
}

func parseTesting(p *recordParser, value string) bool {
	var w string
	ok := parseWord(&w, value, "y", "n")
	p.r.Testing = w == "y"
	return ok
}

// parseFO takes every list of options, as RFC 7489 has it; RFC 9989 4.8 allows only
// some.
func parseFO(p *recordParser, value string) bool {
	var l []string
	have := map[string]bool{}
	for o := range strings.SplitSeq(value, ":") {
		var w string
		if !parseWord(&w, trim(o), "0", "1", "d", "s") {
			return false
		}
		if !have[w] {
			have[w] = true
			l = append(l, w)
		}
	}
	p.r.FO = l
	return true
}

func parsePct(p *recordParser, value string) bool {
	n, ok := parseDigits(value)
	if !ok || n > 100 {
		return false
	}
	p.r.Pct = int(n)
	return true
}

func parseRI(p *recordParser, value string) bool {
	n, ok := parseDigits(value)
	if ok {
		p.r.RI = uint32(n)
	}
	return ok
}

// parseDigits takes an unsigned number of 32 bits.
func parseDigits(s string) (uint64, bool) {
	n, err := strconv.ParseUint(s, 10, 32)
	return n, err == nil
}

// parseRF takes keywords of formats (RFC 7489 6.3), of which afrf was the only one.
func parseRF(p *recordParser, value string) bool {
	var l []string
	for f := range strings.SplitSeq(value, ":") {
		f = strings.ToLower(trim(f))
		if f == "" || len(l) == maxFormats || strings.Trim(f, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
			return false
		}
		l = append(l, f)
	}
	p.r.RF = l
	return true
}

const maxFormats = 8

// Applies tells whether mail is to be evaluated by the record at all. RFC 9989 4.10.1:
// a record without valid policy counts as p=none if it asks for aggregate reports, and
// otherwise not at all.
func (r *Record) Applies() bool { return r.P != PolicyAbsent || len(r.RUA) > 0 }

// PolicyFor returns the policy and the tag that it is from: for the domain of the
// record, for a subdomain, or for a subdomain that does not exist (RFC 9989 4.7).
func (r *Record) PolicyFor(subdomain, nonexistent bool) (Policy, string) {
	if subdomain && nonexistent && r.NP != PolicyAbsent {
		return r.NP, "np"
	}
	if subdomain && r.SP != PolicyAbsent {
		return r.SP, "sp"
	}
	if r.P == PolicyAbsent {
		return PolicyNone, "p"
	}
	return r.P, "p"
}

// String returns the record as published: its tags in the order of RFC 7489 and RFC
// 9989, without those that have their default.
func (r *Record) String() string {
	var b strings.Builder
	b.WriteString("v=DMARC1")
	tag := func(name, value string, print bool) {
		if print {
			b.WriteString("; " + name + "=" + value)
		}
	}
	tag("p", string(r.P), r.P != PolicyAbsent)
	tag("sp", string(r.SP), r.SP != PolicyAbsent)
	tag("np", string(r.NP), r.NP != PolicyAbsent)
	tag("adkim", string(r.ADKIM), r.ADKIM == Strict)
	tag("aspf", string(r.ASPF), r.ASPF == Strict)
	tag("psd", string(r.PSD), r.PSD == PSDYes || r.PSD == PSDNo)
	tag("t", "y", r.Testing)
	tag("rua", joinURIs(r.RUA), len(r.RUA) > 0)
	tag("ruf", joinURIs(r.RUF), len(r.RUF) > 0)
	fo := strings.Join(r.FO, ":")
	tag("fo", fo, fo != "" && fo != "0")
	tag("pct", strconv.Itoa(r.Pct), r.Pct != defaultPct)
	tag("ri", strconv.FormatUint(uint64(r.RI), 10), r.RI != defaultRI)
	rf := strings.Join(r.RF, ":")
	tag("rf", rf, rf != "" && rf != defaultRF)
	return b.String()
}
