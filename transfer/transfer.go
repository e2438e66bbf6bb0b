package transfer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// Message is a message on its way. It is valid until the Receiver returns.
type Message struct {
	Folder   string    // levels separated by "/"; empty: the folder that was asked for itself
	Flags    []string  // by their names in IMAP: \Seen, $Junk, any keyword
	Labels   []string  // of Gmail, besides Flags
	Received time.Time // zero: not known
	Where    string    // where it was read, for people
	// Body is the content, with lines that end in CRLF. An error is of this message only;
	// the Source goes on.
	Body io.Reader
}

// Subscription says whether a folder is subscribed to.
type Subscription int8

// The states; the zero value is that nothing is known.
const (
	SubscriptionUnknown Subscription = iota
	Subscribed
	Unsubscribed
)

// Folder is a folder on its way, before its messages.
type Folder struct {
	Name         string
	Subscription Subscription
	NameOnly     bool // there is a subscription, and no folder
}

// Receiver takes what a Source sends. Methods are called one after the other. An error of
// Folder or Message ends the Source.
type Receiver interface {
	Folder(f Folder) error
	Message(m *Message) error
	// Problem is told about something that is left out.
	Problem(text string)
}

// Source sends all it has. It returns the Receiver's error as it is.
type Source interface {
	Send(ctx context.Context, r Receiver) error
}

// Format is a format of files.
type Format string

// The formats.
const (
	AnyFormat Format = "" // for reading: whatever is found
	Maildir   Format = "maildir"
	Mbox      Format = "mbox"
)

// ParseFormat returns the format of a name.
func ParseFormat(s string) (Format, error) {
	switch f := Format(s); f {
	case Maildir, Mbox:
		return f, nil
	}
	return "", fmt.Errorf("unknown format %q, it is maildir or mbox", s)
}

// Limits bound what is read. Zero fields stand for defaults.
type Limits struct {
	Entries  int   // files and directories. Default 10 million
	Folders  int   // Default 20,000
	Message  int64 // octets of one message. Default 512 MiB
	Expanded int64 // octets that come out of an archive. Default 1 GiB and 200 times its size
	// Directory is the octets of the directory of a zip file, of which several times as much is kept in
	// memory: some 130 for each file. Default 1 GiB.
	Directory int64
}

func (l *Limits) setDefaults() {
	if l.Entries == 0 {
		l.Entries = 10_000_000
	}
	if l.Folders == 0 {
		l.Folders = 20_000
	}
	if l.Message == 0 {
		l.Message = 512 << 20
	}
	if l.Directory == 0 {
		l.Directory = 1 << 30
	}
}

// ErrLimit is returned where a limit is passed.
var ErrLimit = errors.New("limit exceeded")

// ErrNothing is returned by a Source that found nothing of the format it was to read.
var ErrNothing = errors.New("no mail found")
