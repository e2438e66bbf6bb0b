package ctl

import (
	"bufio"
	"context"
	"encoding/json"
	"io"

	"mox/admin"
	"mox/imapimport"
)

// importWords are for an import from another IMAP server, whose network part is in the command:
// they are the methods of [imapimport.Target] but Add, which is the stream "import".
var importWords = map[string]commandEntry{
	// Parameter: account. The output is JSON.
	"importmailboxes": {1, 1, func(ctx context.Context, a *admin.Admin, p []string, out io.Writer) error {
		return a.TakenOver(ctx, p[0], func(l imapimport.Local) error {
			boxes, err := l.Mailboxes(ctx)
			if err != nil {
				return err
			}
			return json.NewEncoder(out).Encode(boxes)
		})
	}},
	// Parameters: account, mailbox, and as input the changes.
	"importchange": {3, 3, func(ctx context.Context, a *admin.Admin, p []string, _ io.Writer) error {
		var changes []imapimport.Change
		if err := decode(p[2], &changes); err != nil {
			return err
		}
		return a.ChangeTakenOver(ctx, actor, p[0], p[1], changes)
	}},
	// Parameters: account, name.
	"importstate": {2, 2, func(ctx context.Context, a *admin.Admin, p []string, out io.Writer) error {
		return a.TakenOver(ctx, p[0], func(l imapimport.Local) error {
			b, err := l.State(ctx, p[1])
			if err == nil {
				_, err = out.Write(b)
			}
			return err
		})
	}},
	// Parameters: account, name, and as input the value.
	"importsetstate": {3, 3, func(ctx context.Context, a *admin.Admin, p []string, _ io.Writer) error {
		return a.TakenOver(ctx, p[0], func(l imapimport.Local) error { return l.SetState(ctx, p[1], []byte(p[2])) })
	}},
}

// importMessages lists the messages of a mailbox. Parameters: account, mailbox. A line of JSON
// for each.
func importMessages(ctx context.Context, a *admin.Admin, p []string, _ io.Reader, out io.Writer) error {
	return a.TakenOver(ctx, p[0], func(l imapimport.Local) error {
		buf := bufio.NewWriterSize(out, maxChunk)
		enc := json.NewEncoder(buf)
		if err := l.Messages(ctx, p[1], func(e imapimport.Entry) error { return enc.Encode(e) }); err != nil {
			return err
		}
		return buf.Flush()
	})
}
