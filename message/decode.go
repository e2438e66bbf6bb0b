package message

import (
	"bytes"
	"io"
)

const decodeBuffer = 8 << 10

// base64Reader decodes base64 leniently, see appendBase64.
type base64Reader struct {
	r   io.Reader
	err error
	in  []byte // buffer
	out []byte // decoded, not yet read, in buf
	buf []byte
	acc uint32
	n   int // characters in acc
}

func newBase64Reader(r io.Reader) *base64Reader {
	return &base64Reader{r: r, in: make([]byte, decodeBuffer), buf: make([]byte, 0, decodeBuffer)}
}

func (d *base64Reader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for len(d.out) == 0 {
		if d.err != nil {
			return 0, d.err
		}
		n, err := d.r.Read(d.in)
		d.err = err
		d.out = d.decode(d.buf[:0], d.in[:n])
		if err == io.EOF {
			d.out = appendBase64Tail(d.out, d.acc, d.n)
			d.acc, d.n = 0, 0
		}
	}
	n := copy(p, d.out)
	d.out = d.out[n:]
	return n, nil
}

func (d *base64Reader) decode(dst, src []byte) []byte {
	acc, n := d.acc, d.n
	for i := 0; i < len(src); {
		// Whole groups, as nearly all are.
		for n == 0 && i+4 <= len(src) {
			a, b, c, e := base64Table[src[i]], base64Table[src[i+1]], base64Table[src[i+2]], base64Table[src[i+3]]
			if a|b|c|e >= 64 {
				break
			}
			v := uint32(a)<<18 | uint32(b)<<12 | uint32(c)<<6 | uint32(e)
			dst = append(dst, byte(v>>16), byte(v>>8), byte(v))
			i += 4
		}
		if i >= len(src) {
			break
		}
		v := base64Table[src[i]]
		i++
		if v < 64 {
			acc = acc<<6 | uint32(v)
			if n++; n == 4 {
				dst = append(dst, byte(acc>>16), byte(acc>>8), byte(acc))
				acc, n = 0, 0
			}
		} else if v == base64Pad {
			dst = appendBase64Tail(dst, acc, n)
			acc, n = 0, 0
		}
	}
	d.acc, d.n = acc, n
	return dst
}

// lineDecoder reads lines for the decoders of quoted-printable and uuencode.
type lineDecoder struct {
	r          io.Reader
	err        error
	in         []byte
	start, end int
	out, buf   []byte
	// decode decodes a line without or with its line end, or a piece of a longer line
	// (partial). A piece may leave bytes, which come again with the next.
	decode func(dst, line []byte, partial bool) (out []byte, left int)
}

func (d *lineDecoder) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for len(d.out) == 0 {
		if !d.next() {
			return 0, d.err
		}
	}
	n := copy(p, d.out)
	d.out = d.out[n:]
	return n, nil
}

// next decodes the lines in the buffer, reading more as needed; false at the end.
func (d *lineDecoder) next() bool {
	d.out = d.buf[:0]
	for len(d.out) < decodeBuffer/2 {
		b := d.in[d.start:d.end]
		if i := bytes.IndexByte(b, '\n'); i >= 0 {
			d.out, _ = d.decode(d.out, b[:i+1], false)
			d.start += i + 1
			continue
		}
		if d.err != nil {
			if len(b) == 0 {
				break
			}
			d.out, _ = d.decode(d.out, b, false)
			d.start = d.end
			continue
		}
		if d.start > 0 {
			if len(d.out) > 0 {
				break // first give out what there is
			}
			copy(d.in, b)
			d.start, d.end = 0, len(b)
		}
		if d.end == len(d.in) {
			var left int
			d.out, left = d.decode(d.out, b, true)
			d.start = d.end - left
			continue
		}
		n, err := d.r.Read(d.in[d.end:])
		d.end += n
		d.err = err
	}
	d.buf = d.out[:0]
	return len(d.out) > 0 || d.err == nil || d.start < d.end
}

func newQPReader(r io.Reader) io.Reader {
	return &lineDecoder{r: r, in: make([]byte, decodeBuffer), decode: decodeQPLine}
}

// decodeQPLine decodes a line of quoted-printable.
//
// RFC 2045 6.7: white space at the end of a line was added on the way; what is no
// valid escape stands for itself.
func decodeQPLine(dst, line []byte, partial bool) (out []byte, left int) {
	body, ending := line, []byte(nil)
	if partial {
		// What the next piece may change: white space at the end, a cut escape.
		cut := len(bytes.TrimRight(body, " \t\r"))
		switch {
		case cut >= 1 && body[cut-1] == '=':
			cut--
		case cut >= 2 && body[cut-2] == '=':
			cut -= 2
		}
		if cut == 0 {
			cut = len(body) // nothing but white space
		}
		return appendQP(dst, body[:cut]), len(body) - cut
	}
	if n := len(body); n > 0 && body[n-1] == '\n' {
		body, ending = body[:n-1], line[n-1:]
		if n > 1 && body[n-2] == '\r' {
			body, ending = body[:n-2], line[n-2:]
		}
	}
	body = bytes.TrimRight(body, " \t")
	if n := len(body); n > 0 && body[n-1] == '=' {
		body, ending = body[:n-1], nil // soft line break
	}
	return append(appendQP(dst, body), ending...), 0
}

func appendQP(dst, b []byte) []byte {
	for len(b) > 0 {
		i := bytes.IndexByte(b, '=')
		if i < 0 {
			return append(dst, b...)
		}
		dst = append(dst, b[:i]...)
		b = b[i:]
		if len(b) >= 3 {
			if hi, lo := hexValue(b[1]), hexValue(b[2]); hi >= 0 && lo >= 0 {
				dst = append(dst, byte(hi<<4|lo))
				b = b[3:]
				continue
			}
		}
		dst = append(dst, '=')
		b = b[1:]
	}
	return dst
}

// newUUReader decodes the first uuencoded file. Where there is no "begin" line, as in
// a part of a split file, all lines that can be are data.
func newUUReader(r *io.SectionReader) io.Reader {
	state := uuState{began: !hasUUBegin(r)}
	return &lineDecoder{r: r, in: make([]byte, decodeBuffer), decode: state.decode}
}

type uuState struct{ began, ended bool }

var uuBegin = []byte("begin ")

// hasUUBegin looks for a begin line in the first bytes.
func hasUUBegin(r *io.SectionReader) bool {
	head := make([]byte, 4<<10)
	n, _ := r.ReadAt(head, 0)
	head = head[:n]
	return bytes.HasPrefix(head, uuBegin) || bytes.Contains(head, []byte("\nbegin "))
}

func (s *uuState) decode(dst, line []byte, partial bool) (out []byte, left int) {
	if s.ended || partial {
		return dst, 0
	}
	if !s.began {
		s.began = bytes.HasPrefix(line, uuBegin)
		return dst, 0
	}
	line = bytes.TrimRight(line, "\r\n")
	if bytes.HasPrefix(line, uuBegin) {
		return dst, 0
	}
	if string(line) == "end" {
		s.ended = true
		return dst, 0
	}
	if len(line) == 0 || line[0] < ' ' || line[0] > '`' {
		return dst, 0
	}
	n := int(line[0]-' ') & 63
	line = line[1:]
	start := len(dst)
	for len(dst)-start < n && len(line) > 0 {
		var v [4]byte
		for i := range v {
			if i < len(line) && line[i] >= ' ' && line[i] <= '`' {
				v[i] = (line[i] - ' ') & 63
			}
		}
		dst = append(dst, v[0]<<2|v[1]>>4, v[1]<<4|v[2]>>2, v[2]<<6|v[3])
		line = line[min(4, len(line)):]
	}
	if len(dst)-start > n {
		dst = dst[:start+n]
	}
	return dst, 0
}
