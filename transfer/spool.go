package transfer

import (
	"bytes"
	"io"
	"os"
)

// spoolMemory is how much of a spool is in memory.
const spoolMemory = 1 << 20

// Spool holds what is to be read again: small things in memory, others in a file that no
// directory names where the system can do that. The zero value is empty; Reset frees it.
type Spool struct {
	mem  bytes.Buffer
	file *os.File
	size int64
	dir  string // of the file; empty: the system's
}

// Write implements [io.Writer].
func (s *Spool) Write(p []byte) (int, error) {
	if s.file == nil && s.size+int64(len(p)) > spoolMemory {
		f, err := os.CreateTemp(s.dir, "mox-transfer-")
		if err != nil {
			return 0, err
		}
		_ = os.Remove(f.Name()) // close tries again
		s.file = f
		if _, err := s.mem.WriteTo(f); err != nil {
			return 0, err
		}
	}
	var n int
	var err error
	if s.file != nil {
		n, err = s.file.Write(p)
	} else {
		n, err = s.mem.Write(p)
	}
	s.size += int64(n)
	return n, err
}

// Reader returns a reader of all that was written.
func (s *Spool) Reader() io.ReadSeeker {
	if s.file != nil {
		return io.NewSectionReader(s.file, 0, s.size)
	}
	return bytes.NewReader(s.mem.Bytes())
}

// Reset empties it, to be written again.
func (s *Spool) Reset() {
	if s.file != nil {
		s.file.Close()
		_ = os.Remove(s.file.Name())
		s.file = nil
	}
	if s.mem.Cap() > spoolMemory {
		s.mem = bytes.Buffer{}
	}
	s.mem.Reset()
	s.size = 0
}
