package deflate

const (
	maxCode  = 15 // bits
	fastBits = 9
)

// huffman is a code of RFC 1951 3.2.2.
type huffman struct {
	count   [maxCode + 1]uint16 // of codes by their length
	symbols []uint16            // in order of their codes
	// fast has codes of up to fastBits by the bits that begin with them: symbol<<4 and the
	// length; 0 for others.
	fast [1 << fastBits]uint16
}

// build makes the code of which the lengths are given, 0 for symbols without. It reports
// false when there is no such code. A code may be incomplete only when it has one symbol or
// none: a block without matches has such distances.
func (h *huffman) build(sizes []uint8) bool {
	*h = huffman{}
	for _, n := range sizes {
		h.count[n]++
	}
	used := len(sizes) - int(h.count[0])
	h.count[0] = 0
	left := 1
	var offs [maxCode + 2]uint16
	for n := 1; n <= maxCode; n++ {
		left = left<<1 - int(h.count[n])
		if left < 0 {
			return false
		}
		offs[n+1] = offs[n] + h.count[n]
	}
	if left > 0 && used > int(h.count[1]) || left > 0 && used > 1 {
		return false
	}
	h.symbols = make([]uint16, used)
	for sym, n := range sizes {
		if n != 0 {
			h.symbols[offs[n]] = uint16(sym)
			offs[n]++
		}
	}
	h.fill()
	return true
}

// fill makes the table of short codes.
func (h *huffman) fill() {
	code, k := 0, 0
	for n := 1; n <= fastBits; n++ {
		code <<= 1
		for range h.count[n] {
			// Codes are packed from their highest bit: RFC 1951 3.1.1.
			for i := reverse(code, n); i < 1<<fastBits; i += 1 << n {
				h.fast[i] = h.symbols[k]<<4 | uint16(n)
			}
			code++
			k++
		}
	}
}

func reverse(code, n int) (r int) {
	for range n {
		r = r<<1 | code&1
		code >>= 1
	}
	return r
}

// decode returns the symbol that the first of n bits are the code of, and its length. The
// length is 0 when there are too few bits, and then the symbol is below 0 when no more bits
// would make a code of them.
func (h *huffman) decode(bits uint64, n uint) (sym int, used uint) {
	if e := h.fast[bits&(1<<fastBits-1)]; e != 0 && uint(e&15) <= n {
		return int(e >> 4), uint(e & 15)
	}
	code, first, index := 0, 0, 0
	for i := uint(1); i <= maxCode; i++ {
		if i > n {
			return 0, 0
		}
		code |= int(bits & 1)
		bits >>= 1
		count := int(h.count[i])
		if code-count < first {
			return int(h.symbols[index+code-first]), i
		}
		index += count
		first = (first + count) << 1
		code <<= 1
	}
	return -1, 0
}
