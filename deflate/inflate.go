package deflate

import (
	"errors"
	"sync"
)

// ErrCorrupt says that input is not DEFLATE.
var ErrCorrupt = errors.New("compressed data is corrupt")

const (
	maxWindow   = 32 << 10 // RFC 1951 2: distances are at most that
	firstWindow = 512
)

type inflateState uint8

const (
	stateHeader inflateState = iota
	stateStoredSize
	stateStored
	stateDynamic     // the numbers of code lengths
	stateCodeLengths // of the code for code lengths
	stateLengths     // of literals and distances
	stateBlock
	stateDone // after the final block
)

// inflater decompresses, octet by octet if need be. The zero value is at the start of a
// stream.
type inflater struct {
	bits  uint64 // input that is not used yet, from the lowest bit
	nbits uint

	state inflateState
	final bool // this block is the last

	begun        int // what pos was when a block with fixed codes began
	stored       int // octets to come of a stored block
	length, dist int // of a match: octets to come, and how far back
	codes        *codes
	dynamic      *dynamic

	// window is what was given out last, of a length that is a power of two; it grows
	// up to maxWindow.
	window []byte
	pos    int // octets given out
}

// step is one of the states: it does what it can and reports whether it went on.
type step struct {
	in    *inflater
	dst   []byte
	src   []byte
	nd    int // octets of dst that are filled
	ns    int // octets of src that are used
	stuck bool
	err   error
}

var steps = [...]func(*step){
	stateHeader:      (*step).header,
	stateStoredSize:  (*step).storedSize,
	stateStored:      (*step).stored,
	stateDynamic:     (*step).numbers,
	stateCodeLengths: (*step).codeLengths,
	stateLengths:     (*step).lengths,
	stateBlock:       (*step).block,
	stateDone:        func(s *step) { s.stuck = true },
}

// inflate decompresses from src into dst until one of them is used up, or the stream has
// ended. What it has taken of src it does not need again.
func (f *inflater) inflate(dst, src []byte) (nd, ns int, err error) {
	s := &step{in: f, dst: dst, src: src}
	for !s.stuck && s.err == nil {
		if s.copyMatch(); s.nd == len(dst) {
			break
		}
		steps[f.state](s)
	}
	return s.nd, s.ns, s.err
}

// need reports whether there are n bits, at most 56.
func (s *step) need(n uint) bool {
	f := s.in
	for f.nbits <= 56 && s.ns < len(s.src) {
		f.bits |= uint64(s.src[s.ns]) << f.nbits
		f.nbits += 8
		s.ns++
	}
	if f.nbits < n {
		s.stuck = true
		return false
	}
	return true
}

func (s *step) drop(n uint) {
	s.in.bits >>= n
	s.in.nbits -= n
}

// take returns the next n bits, which need has seen.
func (s *step) take(n uint) int {
	v := s.in.bits & (1<<n - 1)
	s.drop(n)
	return int(v)
}

// put gives out an octet.
func (s *step) put(b byte) {
	f := s.in
	if f.pos == len(f.window) && f.pos < maxWindow {
		w := make([]byte, max(2*f.pos, firstWindow))
		copy(w, f.window)
		f.window = w
	}
	f.window[f.pos&(len(f.window)-1)] = b
	f.pos++
	s.dst[s.nd] = b
	s.nd++
}

func (s *step) copyMatch() {
	f := s.in
	for ; f.length > 0 && s.nd < len(s.dst); f.length-- {
		s.put(f.window[(f.pos-f.dist)&(len(f.window)-1)])
	}
}

// header: RFC 1951 3.2.3.
func (s *step) header() {
	if !s.need(3) {
		return
	}
	f := s.in
	f.final = s.take(1) == 1
	switch s.take(2) {
	case 0:
		s.drop(f.nbits & 7)
		f.state = stateStoredSize
	case 1:
		f.codes = fixedCodes()
		f.begun = f.pos
		f.state = stateBlock
	case 2:
		f.state = stateDynamic
	default:
		s.err = ErrCorrupt
	}
}

func (s *step) endBlock() {
	f := s.in
	f.codes = nil
	f.state = stateHeader
	if f.final {
		f.state = stateDone
	}
}

// storedSize: RFC 1951 3.2.4.
func (s *step) storedSize() {
	if !s.need(32) {
		return
	}
	size, not := s.take(16), s.take(16)
	if size != ^not&0xffff {
		s.err = ErrCorrupt
		return
	}
	s.in.stored = size
	s.in.state = stateStored
	if size == 0 {
		s.endBlock()
		// A flush: the reader may know that what comes is not compressed any more.
		s.stuck = s.nd > 0
	}
}

func (s *step) stored() {
	f := s.in
	for f.stored > 0 && s.nd < len(s.dst) {
		if !s.need(8) {
			return
		}
		s.put(byte(s.take(8)))
		f.stored--
	}
	if f.stored == 0 {
		s.endBlock()
	}
}

// dynamic is the codes of a block while they are read: RFC 1951 3.2.7.
type dynamic struct {
	literals, distances, lengths int // how many there are
	n                            int // read so far
	order                        [19]uint8
	code                         huffman
	sizes                        [288 + 32]uint8
}

var codeOrder = [19]uint8{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}

func (s *step) numbers() {
	if !s.need(14) {
		return
	}
	d := &dynamic{literals: s.take(5) + 257, distances: s.take(5) + 1, lengths: s.take(4) + 4}
	if d.literals > 286 || d.distances > 30 {
		s.err = ErrCorrupt
		return
	}
	s.in.dynamic, s.in.state = d, stateCodeLengths
}

func (s *step) codeLengths() {
	d := s.in.dynamic
	for ; d.n < d.lengths; d.n++ {
		if !s.need(3) {
			return
		}
		d.order[codeOrder[d.n]] = uint8(s.take(3))
	}
	if !d.code.build(d.order[:]) {
		s.err = ErrCorrupt
		return
	}
	d.n = 0
	s.in.state = stateLengths
}

// repeats are the codes for runs of lengths: how often, plus that many more bits.
var repeats = [3]struct {
	least int
	extra uint
}{{3, 2}, {3, 3}, {11, 7}}

func (s *step) lengths() {
	f := s.in
	d := f.dynamic
	for d.n < d.literals+d.distances {
		s.need(7 + 7)
		s.stuck = false
		sym, used := d.code.decode(f.bits, f.nbits)
		if used == 0 {
			s.fail(sym)
			return
		}
		if sym < 16 {
			s.drop(used)
			d.sizes[d.n] = uint8(sym)
			d.n++
			continue
		}
		r := repeats[sym-16]
		if f.nbits < used+r.extra {
			s.stuck = true
			return
		}
		s.drop(used)
		n := r.least + s.take(r.extra)
		if d.n+n > d.literals+d.distances || sym == 16 && d.n == 0 {
			s.err = ErrCorrupt
			return
		}
		for ; n > 0; n-- {
			if sym == 16 {
				d.sizes[d.n] = d.sizes[d.n-1]
			}
			d.n++
		}
	}
	c := &codes{}
	// RFC 1951 3.2.7: a block has an end.
	if d.sizes[256] == 0 || !c.literals.build(d.sizes[:d.literals]) || !c.distances.build(d.sizes[d.literals:d.n]) {
		s.err = ErrCorrupt
		return
	}
	f.codes, f.dynamic, f.state = c, nil, stateBlock
}

// fail handles what decode could not: too few bits, or no code.
func (s *step) fail(sym int) {
	if sym < 0 {
		s.err = ErrCorrupt
		return
	}
	s.stuck = true
}

// block decodes until the block or dst ends, or a match begins. A match is taken when all
// of its bits are there.
func (s *step) block() {
	f := s.in
	for s.nd < len(s.dst) {
		s.need(15 + 5 + 15 + 13)
		s.stuck = false
		sym, used := f.codes.literals.decode(f.bits, f.nbits)
		switch {
		case used == 0:
			s.fail(sym)
			return
		case sym < 256:
			s.drop(used)
			s.put(byte(sym))
		case sym == 256:
			s.drop(used)
			s.endBlock()
			return
		default:
			s.match(sym-257, used)
			return
		}
	}
}

// match takes a match whose length has a code of used bits.
func (s *step) match(sym int, used uint) {
	f := s.in
	if sym >= len(lengthCodes) {
		s.err = ErrCorrupt
		return
	}
	l := lengthCodes[sym]
	if f.nbits < used+l.extra {
		s.stuck = true
		return
	}
	rest, left := f.bits>>used, f.nbits-used
	length := l.base + int(rest&(1<<l.extra-1))
	rest, left = rest>>l.extra, left-l.extra
	ds, n := f.codes.distances.decode(rest, left)
	if n == 0 {
		s.fail(ds)
		return
	}
	if ds >= len(distanceCodes) {
		s.err = ErrCorrupt
		return
	}
	d := distanceCodes[ds]
	if left < n+d.extra {
		s.stuck = true
		return
	}
	dist := d.base + int(rest>>n&(1<<d.extra-1))
	if dist > f.pos || dist > maxWindow {
		s.err = ErrCorrupt
		return
	}
	s.drop(used + l.extra + n + d.extra)
	f.length, f.dist = length, dist
}

// giveBack returns whole octets that were taken from the input and not used.
func (f *inflater) giveBack() []byte {
	var b []byte
	keep := f.nbits & 7
	for v := f.bits >> keep; f.nbits > keep; f.nbits -= 8 {
		b = append(b, byte(v))
		v >>= 8
	}
	f.bits &= 1<<keep - 1
	return b
}

// between reports whether the inflater is between blocks, or has nothing to come.
func (f *inflater) between() bool {
	return (f.state == stateHeader || f.state == stateDone) && f.length == 0
}

// heldBack reports whether the inflater may be in what Z_PARTIAL_FLUSH sends of its block: it
// has fixed codes and nothing but its end, of which the last bits come with what follows.
func (f *inflater) heldBack() bool {
	return f.state == stateBlock && f.codes == fixedCodes() && !f.final && f.pos == f.begun && f.length == 0 && f.bits == 0
}

// codes of a block.
type codes struct{ literals, distances huffman }

var fixedCodes = sync.OnceValue(func() *codes {
	// RFC 1951 3.2.6.
	var sizes [288]uint8
	for i := range sizes {
		switch {
		case i < 144:
			sizes[i] = 8
		case i < 256:
			sizes[i] = 9
		case i < 280:
			sizes[i] = 7
		default:
			sizes[i] = 8
		}
	}
	c := &codes{}
	c.literals.build(sizes[:])
	for i := range sizes[:32] {
		sizes[i] = 5
	}
	c.distances.build(sizes[:32])
	return c
})

type rangeCode struct {
	base  int
	extra uint
}

// lengthCodes and distanceCodes: RFC 1951 3.2.5.
var (
	lengthCodes   = append(rangeCodes(3, 28, 4), rangeCode{258, 0})
	distanceCodes = rangeCodes(1, 30, 2)
)

// rangeCodes makes n codes; every few of them have one more bit.
func rangeCodes(base, n, few int) []rangeCode {
	list := make([]rangeCode, n)
	for i := range list {
		extra := uint(max(i/few-1, 0))
		list[i] = rangeCode{base, extra}
		base += 1 << extra
	}
	return list
}
