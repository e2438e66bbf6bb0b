package logfile

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"mox/upkeep"
)

// Lines calls f for each line of r, until it returns an error. What is no line of the log is left out, as is one that is
// not ended or too long.
func Lines(r io.Reader, f func(*Line) error) error {
	br := bufio.NewReaderSize(r, MaxLine)
	for {
		b, err := br.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) {
			if err := skipLine(br); err != nil {
				return ended(err)
			}
			continue
		} else if err != nil {
			return ended(err)
		}
		if l, err := Parse(b); err == nil {
			if err := f(l); err != nil {
				return err
			}
		}
	}
}

func skipLine(br *bufio.Reader) error {
	for {
		if _, err := br.ReadSlice('\n'); !errors.Is(err, bufio.ErrBufferFull) {
			return err
		}
	}
}

func ended(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// ErrNone is for a directory without a log.
var ErrNone = errors.New("no log is there")

// Files calls f for each line in the files of a directory, the oldest first.
func Files(dir string, f func(*Line) error) error {
	_, _, err := files(dir, f)
	return err
}

// files is Files, and returns the newest file, which the caller closes, and how far it was read.
func files(dir string, f func(*Line) error) (last *os.File, at int64, _ error) {
	old, err := os.Open(filepath.Join(dir, oldName))
	if err == nil {
		err = Lines(old, f)
		old.Close()
	} else if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	if err != nil {
		return nil, 0, err
	}
	last, err = os.Open(filepath.Join(dir, name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, 0, fmt.Errorf("%w: %s", ErrNone, filepath.Join(dir, name))
	} else if err != nil {
		return nil, 0, err
	}
	c := &counter{r: last}
	if err := Lines(c, f); err != nil {
		last.Close()
		return nil, 0, err
	}
	return last, c.ended, nil
}

// counter counts what is read up to the end of the last line.
type counter struct {
	r     io.Reader
	n     int64
	ended int64
}

func (c *counter) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	if i := bytes.LastIndexByte(b[:n], '\n'); i >= 0 {
		c.ended = c.n + int64(i) + 1
	}
	c.n += int64(n)
	return n, err
}

// followEvery is the time between looks at a file that is followed.
const followEvery = 250 * time.Millisecond

// Follow is Files, and goes on with lines as they are written, until ctx ends. caught is called when what was
// there is through.
func Follow(ctx context.Context, dir string, caught func() error, f func(*Line) error) error {
	last, at, err := files(dir, f)
	if err != nil {
		return err
	}
	defer func() { last.Close() }()
	if err := caught(); err != nil {
		return err
	}
	for {
		if !upkeep.Sleep(ctx, followEvery) {
			return nil
		}
		// Looked at before reading: what is written to the old file until it is renamed is read.
		there, terr := os.Stat(filepath.Join(dir, name))
		c := &counter{r: io.NewSectionReader(last, at, 1<<62)}
		if err := Lines(c, f); err != nil {
			return err
		}
		at += c.ended
		own, err := last.Stat()
		if err != nil {
			return err
		}
		if terr != nil || os.SameFile(own, there) {
			continue
		}
		next, err := os.Open(filepath.Join(dir, name))
		if err != nil {
			continue
		}
		last.Close()
		last, at = next, 0
	}
}
