package lineio

import "bytes"

// LineFunc is a writer that calls a function for each line that ends, without its LF. What
// follows the last LF is dropped. A line is held whole: for input that is trusted.
type LineFunc struct {
	Line func([]byte) error // an error ends the writing; the bytes are valid for the call

	buf []byte
}

// Write implements [io.Writer].
func (l *LineFunc) Write(p []byte) (int, error) {
	l.buf = append(l.buf, p...)
	for {
		i := bytes.IndexByte(l.buf, '\n')
		if i < 0 {
			return len(p), nil
		}
		if err := l.Line(l.buf[:i]); err != nil {
			return 0, err
		}
		l.buf = l.buf[i+1:]
	}
}
