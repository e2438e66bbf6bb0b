package db

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
)

// Lock keeps other processes out of a directory.
type Lock struct{ f *os.File }

// LockFile takes the lock that the file at path stands for, making the file. It is
// released by Close, and by the system when the process ends in whatever way. When
// another process (or another part of this one) has it, the error is ErrInUse and
// names the process.
func LockFile(path string) (*Lock, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening lock: %w", err)
	}
	if err := lockFile(f); err != nil {
		holder, _ := io.ReadAll(io.LimitReader(f, 32))
		f.Close()
		if !errors.Is(err, ErrInUse) {
			return nil, fmt.Errorf("locking %s: %w", path, err)
		}
		if pid := strings.TrimSpace(string(holder)); pid != "" {
			return nil, fmt.Errorf("%w (process %s)", ErrInUse, pid)
		}
		return nil, ErrInUse
	}
	// The content only informs; the lock is what counts.
	if err := f.Truncate(0); err == nil {
		_, err = f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
		if err != nil {
			f.Close()
			return nil, fmt.Errorf("writing lock: %w", err)
		}
	}
	return &Lock{f}, nil
}

// Close releases the lock. The file stays.
func (l *Lock) Close() error { return l.f.Close() }
