package ctl

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"

	"mox/imapimport"
	"mox/lineio"
	"mox/transfer"
)

// ImportTarget is an account of a running server, for package imapimport.
type ImportTarget struct {
	Client  *Client
	Account string
}

func (t ImportTarget) do(ctx context.Context, out io.Writer, in any, command string, params ...string) error {
	stop := context.AfterFunc(ctx, func() { t.Client.conn.Close() })
	defer stop()
	var input io.Reader
	switch v := in.(type) {
	case nil:
	case []byte:
		input = bytes.NewReader(v)
	default:
		b, err := json.Marshal(v)
		if err != nil {
			return err
		}
		input = bytes.NewReader(b)
	}
	err := t.Client.DoInput(Request{Command: command, Params: append([]string{t.Account}, params...)}, input, out)
	if err != nil && ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// Mailboxes implements [imapimport.Target].
func (t ImportTarget) Mailboxes(ctx context.Context) ([]imapimport.Mailbox, error) {
	var out bytes.Buffer
	if err := t.do(ctx, &out, nil, "importmailboxes"); err != nil {
		return nil, err
	}
	var l []imapimport.Mailbox
	if err := json.Unmarshal(out.Bytes(), &l); err != nil {
		return nil, fmt.Errorf("output of the server: %w", err)
	}
	return l, nil
}

// Messages implements [imapimport.Target].
func (t ImportTarget) Messages(ctx context.Context, mailbox string, on func(imapimport.Entry) error) error {
	out := &lineio.LineFunc{Line: func(b []byte) error {
		var e imapimport.Entry
		if err := json.Unmarshal(b, &e); err != nil {
			return fmt.Errorf("output of the server: %w", err)
		}
		return on(e)
	}}
	return t.Client.Stream(ctx, Request{Command: "importmessages", Params: []string{t.Account, mailbox}}, nil, out)
}

// Add implements [imapimport.Target].
func (t ImportTarget) Add(ctx context.Context, problem func(string), send func(transfer.Receiver) error) (transfer.Result, error) {
	var res transfer.Result
	out := &lineio.LineFunc{Line: func(b []byte) error {
		var l ImportLine
		if err := json.Unmarshal(b, &l); err != nil {
			return fmt.Errorf("output of the server: %w", err)
		}
		switch {
		case l.Progress != nil:
			res = *l.Progress
		case l.Result != nil:
			res = *l.Result
		default:
			problem(l.Problem)
		}
		return nil
	}}
	err := t.Client.Stream(ctx, Request{Command: "import", Params: []string{t.Account, "{}"}}, func(w io.Writer) error {
		e := transfer.NewEncoder(w)
		if err := send(e); err != nil {
			// What there is can still be added.
			_ = e.Flush()
			return err
		}
		return e.Close()
	}, out)
	return res, err
}

// Change implements [imapimport.Target].
func (t ImportTarget) Change(ctx context.Context, mailbox string, changes []imapimport.Change) error {
	return t.do(ctx, io.Discard, changes, "importchange", mailbox)
}

// State implements [imapimport.Target].
func (t ImportTarget) State(ctx context.Context, name string) ([]byte, error) {
	var out bytes.Buffer
	err := t.do(ctx, &out, nil, "importstate", name)
	return out.Bytes(), err
}

// SetState implements [imapimport.Target].
func (t ImportTarget) SetState(ctx context.Context, name string, value []byte) error {
	return t.do(ctx, io.Discard, value, "importsetstate", name)
}
