package lineio

import "io"

// Source reads from R, and remembers the error by which that failed, other than io.EOF: so that what a
// decoder says of damaged content can be told from a failure to read it.
type Source struct {
	R   io.Reader
	Err error
}

// Read implements [io.Reader].
func (s *Source) Read(p []byte) (int, error) {
	n, err := s.R.Read(p)
	if err != nil && err != io.EOF {
		s.Err = err
	}
	return n, err
}
