package imap

import (
	"math"
	"slices"
	"strconv"
)

// Star is the number that stands for "*", the largest number in use. No message
// has the number or UID 0.
const Star = 0

// NumRange is a range of sequence numbers or UIDs, both ends included and in any
// order; either may be [Star].
type NumRange struct{ Start, Stop uint32 }

// NumSet is a sequence-set or uid-set as sent. The zero value is empty, which the
// grammar does not allow in commands.
type NumSet struct {
	Ranges []NumRange
	Saved  bool // RFC 5182: "$", the saved search result; Ranges is then empty.
}

// Resolve returns the ranges with [Star] replaced by last, ascending, disjoint and
// with adjacent ranges joined. The saved result is not resolved here.
func (s NumSet) Resolve(last uint32) []NumRange {
	out := make([]NumRange, 0, len(s.Ranges))
	for _, r := range s.Ranges {
		if r.Start == Star {
			r.Start = last
		}
		if r.Stop == Star {
			r.Stop = last
		}
		// RFC 9051 9: "2:4 and 4:2 are equivalent".
		if r.Start > r.Stop {
			r.Start, r.Stop = r.Stop, r.Start
		}
		out = append(out, r)
	}
	return Normalize(out)
}

// Normalize sorts ranges without stars in place, joins what overlaps or touches,
// and returns the shortened slice.
func Normalize(rs []NumRange) []NumRange {
	if !slices.IsSortedFunc(rs, func(a, b NumRange) int { return cmpUint32(a.Start, b.Start) }) {
		slices.SortFunc(rs, func(a, b NumRange) int { return cmpUint32(a.Start, b.Start) })
	}
	n := 0
	for _, r := range rs {
		if n > 0 && (r.Start <= rs[n-1].Stop || r.Start == rs[n-1].Stop+1) {
			rs[n-1].Stop = max(rs[n-1].Stop, r.Stop)
			continue
		}
		rs[n] = r
		n++
	}
	return rs[:n]
}

func cmpUint32(a, b uint32) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// Contains reports whether n is in the set, with last for [Star].
func (s NumSet) Contains(n, last uint32) bool {
	for _, r := range s.Ranges {
		a, b := r.Start, r.Stop
		if a == Star {
			a = last
		}
		if b == Star {
			b = last
		}
		if n >= min(a, b) && n <= max(a, b) {
			return true
		}
	}
	return false
}

// AppendNumSet writes a sequence-set.
func AppendNumSet(b []byte, s NumSet) []byte {
	if s.Saved {
		return append(b, '$')
	}
	return AppendRanges(b, s.Ranges)
}

// AppendRanges writes ranges joined by commas; 0 is written as "*".
func AppendRanges(b []byte, rs []NumRange) []byte {
	for i, r := range rs {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendSeqNumber(b, r.Start)
		if r.Stop != r.Start {
			b = append(b, ':')
			b = appendSeqNumber(b, r.Stop)
		}
	}
	return b
}

func appendSeqNumber(b []byte, n uint32) []byte {
	if n == Star {
		return append(b, '*')
	}
	return strconv.AppendUint(b, uint64(n), 10)
}

// RangeBuilder collects numbers added in ascending order into ranges. The zero
// value is ready.
type RangeBuilder struct{ Ranges []NumRange }

// Add adds a number not smaller than any before it.
func (rb *RangeBuilder) Add(n uint32) { rb.AddRange(n, n) }

// AddRange adds a range that starts not before the end of the last.
func (rb *RangeBuilder) AddRange(start, stop uint32) {
	if l := len(rb.Ranges); l > 0 && rb.Ranges[l-1].Stop+1 >= start {
		rb.Ranges[l-1].Stop = max(rb.Ranges[l-1].Stop, stop)
		return
	}
	rb.Ranges = append(rb.Ranges, NumRange{start, stop})
}

// Count returns how many numbers resolved ranges hold.
func Count(rs []NumRange) (n int) {
	for _, r := range rs {
		n += int(r.Stop-r.Start) + 1
	}
	return n
}

// ParseNumSet parses a sequence-set outside a command, for clients and tests.
func ParseNumSet(s string) (NumSet, error) {
	p := scanner{line: []byte(s), limits: DefaultLimits}
	set := p.numSet()
	if p.err == nil && p.pos != len(p.line) {
		p.fail("text after sequence set")
	}
	return set, p.err
}

// numSet reads a sequence-set: RFC 9051 9, RFC 5182 for "$".
func (p *scanner) numSet() (s NumSet) {
	if p.accept('$') {
		s.Saved = true
		return s
	}
	for {
		r := NumRange{Start: p.seqNumber()}
		r.Stop = r.Start
		if p.accept(':') {
			r.Stop = p.seqNumber()
		}
		if p.err != nil {
			return s
		}
		s.Ranges = append(s.Ranges, r)
		if !p.accept(',') {
			return s
		}
	}
}

func (p *scanner) seqNumber() uint32 {
	if p.accept('*') {
		return Star
	}
	n := p.number(math.MaxUint32, "sequence number")
	if n == 0 && p.err == nil {
		p.fail("sequence number 0")
	}
	return uint32(n)
}
