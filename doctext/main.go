package doctext

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Main is the process that runs the programs: it reads options and documents from in,
// until its end, and writes text to out. confine takes from the process what it does not
// need, given the directories of the configured programs. Errors are those of in, out and
// confine; what goes wrong with a document is told to who asked.
func Main(ctx context.Context, in io.Reader, out io.Writer, confine func(programs []string) error) error {
	r, w := bufio.NewReader(in), bufio.NewWriter(out)
	o, err := readOptions(r)
	if err != nil {
		return fmt.Errorf("reading options: %w", err)
	}
	o.setDefaults()
	programs := make([]string, len(o.Commands))
	for i, c := range o.Commands {
		if len(c.Argv) == 0 {
			return fmt.Errorf("%w: no program", errWire)
		}
		programs[i] = c.Argv[0]
	}
	if err := confine(programs); err != nil {
		return fmt.Errorf("confining process: %w", err)
	}
	for {
		switch err := o.answer(ctx, r, w); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("answering: %w", err)
		}
	}
}

// answer answers one request. io.EOF: there was none.
func (o *Options) answer(ctx context.Context, r *bufio.Reader, w *bufio.Writer) error {
	n, err := binary.ReadUvarint(r)
	if err != nil {
		return err
	}
	if n >= uint64(len(o.Commands)) {
		return fmt.Errorf("%w: command %d", errWire, n)
	}
	doc := newFrames(r)
	text, err := o.run(ctx, o.Commands[n], doc)
	if derr := doc.drain(); derr != nil {
		return derr
	}
	complaint := ""
	if err != nil {
		complaint = err.Error()
		text = nil
	}
	if err := writeFrame(w, []byte(complaint)); err != nil {
		return err
	}
	if _, err := writeFrames(w, bytes.NewReader(text)); err != nil {
		return err
	}
	return w.Flush()
}
