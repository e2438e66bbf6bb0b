package message

import (
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/transform"
)

// utf7Encoding decodes UTF-7 (RFC 2152). It is only for old mail: nothing is written in it.
type utf7Encoding struct{}

func (utf7Encoding) NewDecoder() *encoding.Decoder {
	return &encoding.Decoder{Transformer: &utf7Decoder{}}
}

func (utf7Encoding) NewEncoder() *encoding.Encoder { return encoding.Nop.NewEncoder() }

// utf7Decoder holds the state between bytes: outside of base64, or in it with bits
// that are no character yet and a first surrogate.
type utf7Decoder struct {
	shifted bool // after '+'
	empty   bool // right after '+'
	bits    uint32
	nbits   uint
	high    rune // a high surrogate that waits for its other half
}

func (d *utf7Decoder) Reset() { *d = utf7Decoder{} }

func (d *utf7Decoder) Transform(dst, src []byte, atEOF bool) (nDst, nSrc int, err error) {
	put := func(r rune) { nDst += utf8.EncodeRune(dst[nDst:], r) }
	for ; nSrc < len(src); nSrc++ {
		if len(dst)-nDst < 2*utf8.UTFMax {
			return nDst, nSrc, transform.ErrShortDst
		}
		c := src[nSrc]
		if !d.shifted {
			switch {
			case c == '+':
				*d = utf7Decoder{shifted: true, empty: true}
			case c < utf8.RuneSelf:
				put(rune(c))
			default:
				put(utf8.RuneError)
			}
			continue
		}
		if v := base64Table[c]; v < 64 {
			d.empty = false
			d.bits, d.nbits = d.bits<<6|uint32(v), d.nbits+6
			if d.nbits >= 16 {
				d.nbits -= 16
				d.unit(rune(d.bits>>d.nbits&0xffff), put)
			}
			continue
		}
		// RFC 2152 rule 2: any other character ends it; "-" is absorbed, "+-" is "+".
		d.flush(put)
		if c == '-' {
			if d.empty {
				put('+')
			}
		} else if c < utf8.RuneSelf {
			put(rune(c))
		} else {
			put(utf8.RuneError)
		}
		d.shifted = false
	}
	if atEOF && d.high != 0 {
		if len(dst)-nDst < utf8.UTFMax {
			return nDst, nSrc, transform.ErrShortDst
		}
		d.flush(put)
	}
	return nDst, nSrc, nil
}

// unit takes a unit of UTF-16.
func (d *utf7Decoder) unit(u rune, put func(rune)) {
	if d.high != 0 {
		high := d.high
		d.high = 0
		if r := utf16.DecodeRune(high, u); r != utf8.RuneError {
			put(r)
			return
		}
		put(utf8.RuneError)
	}
	switch {
	case u >= 0xd800 && u < 0xdc00:
		d.high = u
	case utf16.IsSurrogate(u):
		put(utf8.RuneError)
	default:
		put(u)
	}
}

// flush ends base64: a lone surrogate is an error.
func (d *utf7Decoder) flush(put func(rune)) {
	if d.high != 0 {
		d.high = 0
		put(utf8.RuneError)
	}
}
