package ctl

import (
	"context"
	"encoding/json"
	"io"

	"mox/admin"
	"mox/transfer"
)

// streamEntry is a command whose input and output flow.
type streamEntry struct {
	params int
	input  bool
	run    func(ctx context.Context, a *admin.Admin, params []string, in io.Reader, out io.Writer) error
}

// streams are the words of such commands.
var streams = map[string]streamEntry{
	"import":         {2, true, importMail},
	"export":         {2, false, exportMail},
	"importmessages": {2, false, importMessages},
	"deliver": {1, true, func(ctx context.Context, a *admin.Admin, p []string, in io.Reader, _ io.Writer) error {
		return a.Deliver(ctx, actor, p[0], in)
	}},
}

// ImportOptions are those of an import, as parameter.
type ImportOptions struct {
	Mailbox                string
	SpecialUse, Duplicates bool
}

// ImportLine is a line of the output of an import: one of these.
type ImportLine struct {
	Progress *transfer.Result `json:",omitempty"`
	Problem  string           `json:",omitempty"`
	Result   *transfer.Result `json:",omitempty"` // the last line, also before an error
}

// importMail adds mail to an account. Parameters: account, ImportOptions. Input is what a
// transfer.Encoder writes.
func importMail(ctx context.Context, a *admin.Admin, p []string, in io.Reader, out io.Writer) error {
	var o ImportOptions
	if err := decode(p[1], &o); err != nil {
		return err
	}
	enc := json.NewEncoder(out)
	res, err := a.Import(ctx, actor, p[0], transfer.Decode(in), transfer.Options{
		Mailbox: o.Mailbox, SpecialUse: o.SpecialUse, Duplicates: o.Duplicates,
		Progress: func(r transfer.Result) { _ = enc.Encode(ImportLine{Progress: &r}) },
		Problem:  func(text string) { _ = enc.Encode(ImportLine{Problem: text}) },
	})
	if werr := enc.Encode(ImportLine{Result: &res}); err == nil {
		err = werr
	}
	return err
}

// exportMail sends mail of an account. Parameters: account, a transfer.Selection. Output is
// what a transfer.Encoder writes.
func exportMail(ctx context.Context, a *admin.Admin, p []string, _ io.Reader, out io.Writer) error {
	var sel transfer.Selection
	if err := decode(p[1], &sel); err != nil {
		return err
	}
	e := transfer.NewEncoder(out)
	if err := a.Export(ctx, actor, p[0], sel, e); err != nil {
		_ = e.Flush()
		return err
	}
	return e.Close()
}
