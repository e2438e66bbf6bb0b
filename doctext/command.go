package doctext

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strings"
	"time"
)

// Command turns documents of some types into text.
type Command struct {
	Types []string // media types in lower case: "application/pdf"
	Argv  []string // the program, with its whole path, and its arguments
}

// Options say what is done for which documents. Zero fields have the defaults given.
type Options struct {
	Commands    []Command
	Timeout     time.Duration // of one document; 20 s
	MaxDocument int64         // octets of a document; what is larger has no text; 32 MiB
	MaxText     int64         // octets of text; the rest is cut off; 1 MiB
	Memory      uint64        // address space of a program, where the system can bound it; 1 GiB
}

func (o *Options) setDefaults() {
	if o.Timeout == 0 {
		o.Timeout = 20 * time.Second
	}
	if o.MaxDocument == 0 {
		o.MaxDocument = 32 << 20
	}
	if o.MaxText == 0 {
		o.MaxText = 1 << 20
	}
	if o.Memory == 0 {
		o.Memory = 1 << 30
	}
}

// command returns the number of the command for a type, -1 for none.
func (o *Options) command(mediaType string) int {
	return slices.IndexFunc(o.Commands, func(c Command) bool { return slices.Contains(c.Types, mediaType) })
}

// ErrTooLarge is returned for documents above Options.MaxDocument.
var ErrTooLarge = errors.New("document is too large")

// run runs a command on a document. All of doc is read, whatever the program does.
func (o *Options) run(ctx context.Context, c Command, doc io.Reader) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, o.Timeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, c.Argv[0], c.Argv[1:]...)
	cmd.Env = []string{"PATH=/usr/local/bin:/usr/bin:/bin", "LANG=C.UTF-8", "HOME=/"}
	cmd.Dir = "/"
	cmd.WaitDelay = 100 * time.Millisecond
	endWhole(cmd)
	text, message := &bounded{max: o.MaxText}, &bounded{max: 1 << 10}
	cmd.Stdout, cmd.Stderr = text, message
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("pipe to %s: %w", c.Argv[0], err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting program: %w", err)
	}
	if err := bound(cmd.Process.Pid, o); err != nil {
		cancel()
		_ = cmd.Wait() // it was killed: that is its error
		return nil, fmt.Errorf("bounding %s: %w", c.Argv[0], err)
	}
	// A program that has seen enough closes its input; that is no error.
	_, _ = io.Copy(in, doc)
	_ = in.Close()
	err = cmd.Wait()
	switch {
	case ctx.Err() == context.DeadlineExceeded:
		return nil, fmt.Errorf("%s took more than %s", c.Argv[0], o.Timeout)
	case err != nil:
		return nil, fmt.Errorf("%s: %w: %s", c.Argv[0], err, printable(message.kept))
	}
	return bytes.ToValidUTF8(text.kept, []byte("\uFFFD")), nil
}

// printable makes one line of what a program complained.
func printable(b []byte) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(string(bytes.TrimSpace(b)), "?"))
}

// bounded keeps the first max octets.
type bounded struct {
	kept []byte
	max  int64
}

func (b *bounded) Write(p []byte) (int, error) {
	if left := b.max - int64(len(b.kept)); left > 0 {
		b.kept = append(b.kept, p[:min(int64(len(p)), left)]...)
	}
	return len(p), nil
}
