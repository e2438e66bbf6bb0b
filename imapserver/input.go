package imapserver

import (
	"errors"
	"fmt"
	"io"

	"mox/imap"
	"mox/lineio"
)

// lineInput tolerates lines that end with LF alone, as hand-typed sessions have. A
// bare CR reaches the decoder, whose grammar has no place for it.
type lineInput struct{ *lineio.Conn }

// errInput wraps errors of reading from the client, after which nothing more can be.
var errInput = errors.New("reading from client")

func (in lineInput) ReadLine(max int) ([]byte, error) {
	line, err := in.Conn.ReadLine(max)
	switch {
	case err == nil, errors.Is(err, lineio.ErrBareLF), errors.Is(err, lineio.ErrBareCR):
		return line, nil
	case errors.Is(err, lineio.ErrLineTooLong), errors.Is(err, lineio.ErrEndless):
		// What follows the line may be the data of a literal that it announced: it must
		// not be taken for commands.
		return nil, fmt.Errorf("%w: %w", imap.ErrUnrecoverable, imap.Bad("line too long"))
	}
	return nil, fmt.Errorf("%w: %w", errInput, err)
}

func (in lineInput) Read(p []byte) (int, error) {
	n, err := in.Conn.Read(p)
	if err != nil && err != io.EOF {
		err = fmt.Errorf("%w: %w", errInput, err)
	}
	return n, err
}
