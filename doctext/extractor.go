package doctext

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"time"
)

// ErrStopped is returned once the process has ended.
var ErrStopped = errors.New("the process that reads documents has ended")

// Extractor is the server's side. Its methods are safe for concurrent use; documents are
// worked on one after the other.
type Extractor struct {
	o    Options
	cmd  *exec.Cmd
	done chan struct{} // closed when the process has ended

	mu   sync.Mutex // held for a request and its answer
	in   io.WriteCloser
	w    *bufio.Writer
	r    *bufio.Reader
	dead error
}

// Start begins the process: this program with the arguments given, which must call [Main]
// with its standard streams. What it complains goes to the server's standard error.
func Start(exe string, args []string, o Options) (*Extractor, error) {
	o.setDefaults()
	cmd := exec.Command(exe, args...)
	cmd.Stderr = os.Stderr
	cmd.Env = []string{"LANG=C.UTF-8"}
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("pipe to the process that reads documents: %w", err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("pipe from the process that reads documents: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting the process that reads documents: %w", err)
	}
	e := &Extractor{o: o, cmd: cmd, done: make(chan struct{}), in: in, w: bufio.NewWriter(in), r: bufio.NewReader(out)}
	go func() {
		_, _ = cmd.Process.Wait() // its end is seen by who reads or writes next
		close(e.done)
	}()
	if err := writeOptions(e.w, o); err != nil {
		_ = e.Close()
		return nil, fmt.Errorf("telling the process that reads documents: %w", err)
	}
	return e, nil
}

// Handles reports whether there is a command for documents of a media type.
func (e *Extractor) Handles(mediaType string) bool { return e.o.command(mediaType) >= 0 }

// Text returns the text of a document, UTF-8, cut to Options.MaxText. When ctx ends before,
// its error is returned, and the document is ended in the background. Errors are of the
// document (it may be damaged, or what its name does not say), of reading it, or
// [ErrStopped].
func (e *Extractor) Text(ctx context.Context, mediaType string, doc io.Reader) ([]byte, error) {
	n := e.o.command(mediaType)
	if n < 0 {
		return nil, fmt.Errorf("no program for %s", mediaType)
	}
	e.mu.Lock()
	if err := ctx.Err(); err != nil {
		e.mu.Unlock()
		return nil, err
	}
	docErr, err := e.send(n, doc)
	if err != nil {
		defer e.mu.Unlock()
		return nil, e.drop(err)
	}
	type answer struct {
		text []byte
		err  error
	}
	c := make(chan answer, 1)
	go func() {
		defer e.mu.Unlock()
		text, err := e.receive()
		if docErr != nil && !errors.Is(err, ErrStopped) {
			text, err = nil, docErr // it was not whole
		}
		c <- answer{text, err}
	}()
	select {
	case a := <-c:
		return a.text, a.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// send sends a request. docErr is an error of reading the document; the request is
// whole then, too. e.mu is held.
func (e *Extractor) send(n int, doc io.Reader) (docErr, err error) {
	if e.dead != nil {
		return nil, e.dead
	}
	var b [binary.MaxVarintLen64]byte
	if _, err := e.w.Write(binary.AppendUvarint(b[:0], uint64(n))); err != nil {
		return nil, err
	}
	if docErr, err = writeFrames(e.w, &limited{r: doc, left: e.o.MaxDocument}); err != nil {
		return nil, err
	}
	return docErr, e.w.Flush()
}

// receive reads an answer. e.mu is held.
func (e *Extractor) receive() ([]byte, error) {
	complaint, err := readFrame(e.r, make([]byte, maxFrame))
	if err != nil {
		return nil, e.drop(err)
	}
	text, err := io.ReadAll(newFrames(e.r))
	if err != nil {
		return nil, e.drop(err)
	}
	if len(complaint) > 0 {
		return nil, errors.New(string(complaint))
	}
	return text, nil
}

// drop gives up the process after an error. e.mu is held.
func (e *Extractor) drop(err error) error {
	if e.dead == nil {
		e.dead = fmt.Errorf("%w: %w", ErrStopped, err)
		_ = e.in.Close()
	}
	return e.dead
}

// Close ends the process, also in the middle of a document.
func (e *Extractor) Close() error {
	_ = e.in.Close()
	select {
	case <-e.done:
		return nil
	case <-time.After(100 * time.Millisecond):
	}
	err := e.cmd.Process.Kill()
	<-e.done
	if err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("ending the process that reads documents: %w", err)
	}
	return nil
}

// limited reads at most left octets, then ErrTooLarge.
type limited struct {
	r    io.Reader
	left int64
}

func (l *limited) Read(p []byte) (int, error) {
	if l.left <= 0 {
		var one [1]byte
		if n, err := l.r.Read(one[:]); n == 0 && err != nil {
			return 0, err
		}
		return 0, ErrTooLarge
	}
	n, err := l.r.Read(p[:min(int64(len(p)), l.left)])
	l.left -= int64(n)
	return n, err
}
