package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"

	"mox/message"
)

func messageCommands() []command {
	return []command{
		{words: "message parse", args: "file", prints: printsJSON, short: "print the MIME structure of a message as JSON", min: 1, max: 1, setup: setupMessageParse, help: messageParseHelp},
	}
}

const messageParseHelp = `
Offsets and sizes are in octets, DecodedSize is that without Content-Transfer-Encoding. Texts
of the header are decoded. Broken MIME is no error: what is printed is how this server, and
IMAP clients with it, understand the message.

UTF-8 in a header is allowed in messages sent with SMTPUTF8 only. Without -smtputf8 it is an
error, after the structure is printed.`

// jsonPart is a part of a message as "message parse" prints it. Names are those of the HTTP
// API, as far as it has them.
type jsonPart struct {
	HeaderOffset, BodyOffset, EndOffset int64
	Lines                               int64 // of the body
	ContentType                         string
	ContentTypeParams                   map[string]string `json:",omitempty"`
	ContentTransferEncoding             string            `json:",omitempty"`
	ContentDisposition                  string            `json:",omitempty"`
	ContentDispositionParams            map[string]string `json:",omitempty"`
	Filename                            string            `json:",omitempty"`
	ContentID                           string            `json:",omitempty"`
	ContentDescription                  string            `json:",omitempty"`
	ContentMD5                          string            `json:",omitempty"`
	ContentLocation                     string            `json:",omitempty"`
	ContentLanguage                     []string          `json:",omitempty"`
	DecodedSize                         *int64            `json:",omitempty"` // of a leaf whose encoding is known
	Unterminated                        bool              `json:",omitempty"` // a multipart without its last delimiter
	Envelope                            *jsonEnvelope     `json:",omitempty"`
	Parts                               []*jsonPart       `json:",omitempty"`
	Message                             *jsonPart         `json:",omitempty"`
}

type jsonEnvelope struct {
	Date, Subject, MessageID, InReplyTo string
	References                          []string      `json:",omitempty"`
	From, Sender, ReplyTo, To, Cc, Bcc  []jsonAddress `json:",omitempty"`
}

type jsonAddress struct {
	Group   string `json:",omitempty"` // begins a group
	Name    string `json:",omitempty"`
	Address string `json:",omitempty"`
}

func setupMessageParse(fs *flag.FlagSet) runFunc {
	utf8 := fs.Bool("smtputf8", false, "the message was sent with SMTPUTF8: UTF-8 in headers is right")
	return func(_ context.Context, p *program, args []string) error {
		return runMessageParse(p, args[0], *utf8)
	}
}

func runMessageParse(p *program, file string, utf8 bool) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	root, err := message.Parse(f, message.Limits{})
	if err != nil {
		return fmt.Errorf("reading message: %w", err)
	}
	part, err := newJSONPart(root, f)
	if err != nil {
		return fmt.Errorf("reading message: %w", err)
	}
	enc := json.NewEncoder(p.stdout)
	enc.SetIndent("", "\t")
	enc.SetEscapeHTML(false)
	if err := enc.Encode(part); err != nil {
		return err
	}
	if utf8 {
		return nil
	}
	if eight, err := headerHasUTF8(root, f); err != nil || eight {
		return errors.Join(err, errors.New("header has other than ASCII, which needs SMTPUTF8"))
	}
	return nil
}

// headerHasUTF8 tells whether the header of the message is not ASCII.
func headerHasUTF8(root *message.Part, ra io.ReaderAt) (bool, error) {
	r := bufio.NewReader(root.Header(ra))
	for {
		c, err := r.ReadByte()
		if err == io.EOF {
			return false, nil
		} else if err != nil || c >= 0x80 {
			return c >= 0x80, err
		}
	}
}

func newJSONPart(p *message.Part, ra io.ReaderAt) (*jsonPart, error) {
	j := &jsonPart{
		HeaderOffset: p.HeaderStart, BodyOffset: p.BodyStart, EndOffset: p.BodyEnd, Lines: p.Lines,
		ContentType: p.MediaType(), ContentTypeParams: jsonParams(p.Params), ContentTransferEncoding: p.Encoding,
		ContentDisposition: p.Disposition, ContentDispositionParams: jsonParams(p.DispositionParams), Filename: p.Filename(),
		ContentID: p.ID, ContentDescription: jsonText(p.Description), ContentMD5: p.MD5, ContentLocation: p.Location,
		ContentLanguage: p.Language, Unterminated: p.Unterminated(), Envelope: newJSONEnvelope(p.Envelope),
	}
	if len(p.Parts) == 0 && p.Message == nil {
		switch n, err := p.DecodedSize(ra); {
		case err == nil:
			j.DecodedSize = &n
		case !errors.Is(err, message.ErrUnknownCTE):
			return nil, err
		}
	}
	for _, child := range p.Parts {
		c, err := newJSONPart(child, ra)
		if err != nil {
			return nil, err
		}
		j.Parts = append(j.Parts, c)
	}
	if p.Message != nil {
		var err error
		if j.Message, err = newJSONPart(p.Message, ra); err != nil {
			return nil, err
		}
	}
	return j, nil
}

func jsonParams(l []message.Param) map[string]string {
	m := map[string]string{}
	for _, p := range l {
		m[p.Name] = p.Value
	}
	return m
}

func jsonText(s string) string { return strings.TrimSpace(message.DecodeWords(s)) }

func newJSONEnvelope(e *message.Envelope) *jsonEnvelope {
	if e == nil {
		return nil
	}
	return &jsonEnvelope{
		Date: e.Date, Subject: jsonText(e.Subject), MessageID: e.MessageID, InReplyTo: e.InReplyTo,
		References: message.ParseMessageIDs(e.References, 0),
		From:       jsonAddresses(e.From), Sender: jsonAddresses(e.Sender), ReplyTo: jsonAddresses(e.ReplyTo),
		To: jsonAddresses(e.To), Cc: jsonAddresses(e.Cc), Bcc: jsonAddresses(e.Bcc),
	}
}

func jsonAddresses(l []message.Address) []jsonAddress {
	var out []jsonAddress
	for _, a := range l {
		switch a.Kind {
		case message.AddressMailbox:
			out = append(out, jsonAddress{Name: a.DisplayName(), Address: a.Addr()})
		case message.AddressGroupStart:
			out = append(out, jsonAddress{Group: a.DisplayName()})
		}
	}
	return out
}
