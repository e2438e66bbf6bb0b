package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"mox/config"
	"mox/ctl"
	"mox/store"
	"mox/transfer"
)

// message adds one message.
func (r *restore) message(ctx context.Context, args []string) error {
	return r.with(ctx, args[0], func(acc *store.Account) error {
		box, ok := acc.MailboxByName(args[1])
		if !ok {
			return fmt.Errorf("mailbox %q is not in the backup", args[1])
		}
		var set store.UIDSet
		if uid, err := strconv.ParseUint(args[2], 10, 32); err == nil && uid > 0 {
			set = store.NewUIDSet(store.UID(uid))
			if l, err := acc.MessagesAt(ctx, box.ID, set); err != nil || len(l) == 0 {
				return errors.Join(fmt.Errorf("mailbox %q has no message with UID %d in the backup", box.Name, uid), err)
			}
		} else if set, err = acc.FindMessageID(ctx, box.ID, args[2]); err != nil {
			return err
		} else if set.Len() == 0 {
			return fmt.Errorf("mailbox %q has no message with Message-ID %q in the backup", box.Name, args[2])
		}
		return r.add(ctx, args[0], acc, transfer.Selection{Mailbox: box.Name, Single: true, UIDs: set})
	})
}

// mailbox adds the messages of a mailbox.
func (r *restore) mailbox(ctx context.Context, args []string) error {
	return r.with(ctx, args[0], func(acc *store.Account) error {
		box, ok := acc.MailboxByName(args[1])
		if !ok {
			return fmt.Errorf("mailbox %q is not in the backup", args[1])
		}
		return r.add(ctx, args[0], acc, transfer.Selection{Mailbox: box.Name, Single: !r.below})
	})
}

func (r *restore) account(ctx context.Context, args []string) error {
	if r.whole {
		return r.replace(ctx, args[0])
	}
	return r.with(ctx, args[0], func(acc *store.Account) error { return r.add(ctx, args[0], acc, transfer.Selection{}) })
}

// add adds messages to the live account.
func (r *restore) add(ctx context.Context, account string, from *store.Account, sel transfer.Selection) error {
	c := &importCommand{p: r.p, json: r.asJSON}
	var src transfer.Source = transfer.FromAccount(from, sel)
	if r.to != "" {
		src = renamed{src, sel.Mailbox, strings.Trim(r.to, "/")}
	}
	client, err := r.p.dial(ctx)
	if errors.Is(err, ctl.ErrNotRunning) {
		snap, lerr := config.LoadOptions(r.p.configPath, config.Options{SkipFiles: true})
		if lerr != nil {
			return lerr
		}
		err = c.into(ctx, snap.DataPath(""), account, snap, src)
	} else if err == nil {
		defer client.Close()
		err = c.through(ctx, client, account, src)
	}
	if err := c.end(err); err != nil {
		return err
	}
	if c.last.Problems > 0 {
		return exitStatus(1)
	}
	return nil
}

// renamed is a Source with another name for a folder.
type renamed struct {
	transfer.Source
	from, to string
}

// Send implements transfer.Source.
func (r renamed) Send(ctx context.Context, to transfer.Receiver) error {
	return r.Source.Send(ctx, renaming{to, r})
}

type renaming struct {
	transfer.Receiver
	r renamed
}

func (x renaming) name(s string) string {
	if rest, ok := strings.CutPrefix(s, x.r.from); ok && (rest == "" || rest[0] == '/') && x.r.from != "" {
		return x.r.to + rest
	}
	if x.r.from == "" {
		return x.r.to + "/" + s
	}
	return s
}

// Folder implements transfer.Receiver.
func (x renaming) Folder(f transfer.Folder) error {
	f.Name = x.name(f.Name)
	return x.Receiver.Folder(f)
}

// Message implements transfer.Receiver.
func (x renaming) Message(m *transfer.Message) error {
	m.Folder = x.name(m.Folder)
	return x.Receiver.Message(m)
}
