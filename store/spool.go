package store

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"

	"mox/message"
)

const (
	spoolBlock    = 64 << 10 // unit of memory
	spoolInMemory = 1 << 20  // what one spool keeps in memory at most
)

// spoolMemory is the memory that spools may still take.
type spoolMemory struct {
	left atomic.Int64
	pool sync.Pool // *[spoolBlock]byte
}

// get returns a block, nil when none is left.
func (m *spoolMemory) get() *[spoolBlock]byte {
	if m.left.Add(-spoolBlock) < 0 {
		m.left.Add(spoolBlock)
		return nil
	}
	if b, ok := m.pool.Get().(*[spoolBlock]byte); ok {
		return b
	}
	return new([spoolBlock]byte)
}

func (m *spoolMemory) put(b *[spoolBlock]byte) {
	m.left.Add(spoolBlock)
	m.pool.Put(b)
}

// Spool holds an incoming message while it streams in: up to 1 MiB in memory, as far
// as the memory for all spools allows, and more in a temporary file that no directory
// names (on Windows, one that is deleted on Close).
//
// Write, Finish and Close are for one goroutine; once finished, everything else can be
// called concurrently, and the same Spool can be added to any number of accounts.
type Spool struct {
	s      *Store
	size   int64
	blocks []*[spoolBlock]byte // while in memory
	file   *os.File            // from then on all bytes
	buf    []byte              // for Write to file, less than spoolBlock bytes
	done   bool
	part   *message.Part
	sum    [sha256.Size]byte

	identified  sync.Once // guards identity and identityErr
	identity    *identity
	identityErr error

	once       sync.Once // guards content and contentErr
	content    *content
	contentErr error

	early     sync.WaitGroup // of Encode
	packed    sync.Once      // guards chunks and chunksErr, once early is over
	chunks    [][]byte
	chunksErr error

	held atomic.Pointer[Account] // one that had equal content when it was looked up, see [Account.holds]
}

// NewSpool returns an empty spool. It must be closed.
func (s *Store) NewSpool() *Spool { return &Spool{s: s} }

// Write adds to the message.
func (sp *Spool) Write(p []byte) (int, error) {
	if sp.done {
		return 0, errors.New("write to a finished spool")
	}
	n := 0
	for sp.file == nil && n < len(p) {
		at := int(sp.size) % spoolBlock
		if at == 0 {
			b := (*[spoolBlock]byte)(nil)
			if sp.size < spoolInMemory {
				b = sp.s.spools.get()
			}
			if b == nil {
				if err := sp.spill(); err != nil {
					return n, err
				}
				break
			}
			sp.blocks = append(sp.blocks, b)
		}
		k := copy(sp.blocks[len(sp.blocks)-1][at:], p[n:])
		n, sp.size = n+k, sp.size+int64(k)
	}
	if n == len(p) {
		return n, nil
	}
	k, err := sp.writeFile(p[n:])
	return n + k, err
}

// writeFile gathers small writes.
func (sp *Spool) writeFile(p []byte) (int, error) {
	if len(sp.buf)+len(p) > spoolBlock {
		if err := sp.flush(); err != nil {
			return 0, err
		}
	}
	if len(p) >= spoolBlock {
		n, err := sp.file.Write(p)
		sp.size += int64(n)
		return n, sp.fail(err)
	}
	sp.buf = append(sp.buf, p...)
	sp.size += int64(len(p))
	return len(p), nil
}

func (sp *Spool) flush() error {
	if len(sp.buf) == 0 {
		return nil
	}
	_, err := sp.file.Write(sp.buf)
	sp.buf = sp.buf[:0]
	return sp.fail(err)
}

func (sp *Spool) fail(err error) error {
	if err == nil {
		return nil
	}
	return sp.s.diskError("writing message to temporary file", err)
}

// spill moves what is in memory to a file.
func (sp *Spool) spill() error {
	f, err := os.CreateTemp(filepath.Join(sp.s.dir, "tmp"), "spool-")
	if err != nil {
		return sp.fail(err)
	}
	sp.file = f
	// The system frees the file with its last descriptor, however the process ends. Where
	// open files cannot be removed, Close does, and Open after a crash.
	_ = os.Remove(f.Name())
	sp.buf = make([]byte, 0, spoolBlock)
	left := sp.size
	for _, b := range sp.blocks {
		n := min(left, spoolBlock)
		if _, err := f.Write(b[:n]); err != nil {
			return sp.fail(err)
		}
		left -= n
	}
	sp.freeBlocks()
	return nil
}

func (sp *Spool) freeBlocks() {
	for _, b := range sp.blocks {
		sp.s.spools.put(b)
	}
	sp.blocks = nil
}

// Sizes of messages that Encode begins with: less is done at once, more would be much memory while a
// sender is checked.
const (
	minEncode = 4 << 10
	maxEncode = 256 << 10
)

// Encode is for a message that will most probably be added, and of which all is written: compressing it
// begins beside what comes before that, Finish first.
func (sp *Spool) Encode() {
	if sp.done || sp.file != nil || sp.size < minEncode || sp.size > maxEncode {
		return
	}
	sp.early.Go(func() {
		// Without chunks they are made when it is added, and a panic is met there.
		defer func() { _ = recover() }()
		if chunks, n, err := sp.s.codec.EncodeFrom(sp.reader(), sp.size); err == nil && n == sp.size {
			sp.chunks = chunks
		}
	})
}

// encoded returns the chunks of the message, nil for one that is to be staged.
func (sp *Spool) encoded() ([][]byte, error) {
	sp.early.Wait()
	sp.packed.Do(func() {
		if sp.chunks != nil || sp.size > stageSize {
			return
		}
		sp.chunks, sp.chunksErr = contained(func() ([][]byte, error) {
			chunks, _, err := sp.s.codec.EncodeFrom(sp.reader(), sp.size)
			return chunks, err
		})
	})
	return sp.chunks, sp.chunksErr
}

// Finish ends writing, and parses and hashes the message.
func (sp *Spool) Finish() error {
	if sp.done {
		return nil
	}
	if sp.file != nil {
		if err := sp.flush(); err != nil {
			return err
		}
		sp.buf = nil
	}
	sp.done = true
	h := sha256.New()
	part, err := message.Parse(io.TeeReader(sp.reader(), h), message.Limits{})
	if err != nil {
		return fmt.Errorf("parsing message: %w", err)
	}
	sp.part = part
	h.Sum(sp.sum[:0])
	return nil
}

func (sp *Spool) reader() *io.SectionReader { return io.NewSectionReader(sp, 0, sp.size) }

// Size is the number of bytes written.
func (sp *Spool) Size() int64 { return sp.size }

// Part is the parsed message, after Finish.
func (sp *Spool) Part() *message.Part { return sp.part }

// ReadAt reads the message, after Finish.
func (sp *Spool) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, errors.New("negative offset")
	}
	if sp.file != nil {
		return sp.file.ReadAt(p, off)
	}
	if sp.blocks == nil && sp.size > 0 {
		return 0, errors.New("read of a spool that was condensed or closed")
	}
	n := 0
	for n < len(p) && off < sp.size {
		b := sp.blocks[off/spoolBlock]
		k := copy(p[n:], b[off%spoolBlock:min(spoolBlock, off%spoolBlock+sp.size-off)])
		n, off = n+k, off+int64(k)
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// Close frees memory and file. What was added to an account stays there.
func (sp *Spool) Close() error {
	sp.done = true
	sp.early.Wait()
	sp.freeBlocks()
	if sp.file == nil {
		return nil
	}
	f := sp.file
	sp.file, sp.size = nil, 0
	err := f.Close()
	_ = os.Remove(f.Name()) // mostly gone already
	return err
}

// IsNoSpace tells whether an error is that the disk, or the quota of the user of the process, is full.
func IsNoSpace(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// NewSpool returns an empty spool of the account's store. It must be closed.
func (a *Account) NewSpool() *Spool { return a.s.NewSpool() }
