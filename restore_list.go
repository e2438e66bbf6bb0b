package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"

	"mox/backup"
	"mox/message"
	"mox/store"
)

func (r *restore) list(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return r.listAll()
	}
	return r.with(ctx, args[0], func(acc *store.Account) error {
		if len(args) == 1 {
			for _, m := range acc.Mailboxes() {
				text := fmt.Sprintf("%s: %d messages, %s", m.Name, m.Messages, size(m.Size))
				if err := r.tell(text, restorableMailbox{m.Name, int64(m.Messages), m.Size}); err != nil {
					return err
				}
			}
			return nil
		}
		box, ok := acc.MailboxByName(args[1])
		if !ok {
			return fmt.Errorf("mailbox %q is not in the backup", args[1])
		}
		list, err := acc.MessagesAt(ctx, box.ID, store.AllUIDs())
		if err != nil {
			return err
		}
		for i := range list {
			if err := r.tellMessage(ctx, acc, &list[i]); err != nil {
				return err
			}
		}
		return nil
	})
}

// Lines of JSON of "restore list".
type (
	restorable        struct{ Backup, Account, File string }
	restorableMailbox struct {
		Mailbox        string
		Messages, Size int64
	}
	restorableMessage struct {
		UID           store.UID
		Received      time.Time
		Size          int64
		Flags         []string
		From, Subject string
	}
)

// tell prints a line, of text or of JSON.
func (r *restore) tell(text string, v any) error {
	if r.asJSON {
		return printJSONLine(r.p.stdout, v)
	}
	_, err := fmt.Fprintln(r.p.stdout, text)
	return err
}

// listAll prints the accounts of a backup, and its other files.
func (r *restore) listAll() error {
	name := r.src.name()
	if !r.asJSON {
		fmt.Fprintf(r.p.stdout, "backup %s\n", name)
	}
	for _, account := range r.accounts() {
		if err := r.tell("account "+account, restorable{Backup: name, Account: account}); err != nil {
			return err
		}
	}
	for _, path := range r.src.paths() {
		if _, ok := backup.AccountOf(path); ok {
			continue
		}
		if err := r.tell("file "+path, restorable{Backup: name, File: path}); err != nil {
			return err
		}
	}
	return nil
}

// tellMessage prints a line about a message.
func (r *restore) tellMessage(ctx context.Context, acc *store.Account, m *store.Message) error {
	from, subject := headerOf(ctx, acc, m.Body)
	v := restorableMessage{m.UID, m.ReceivedTime().UTC(), int64(m.Size), append(m.Flags.Names(), acc.Keywords(m.Keywords)...), from, subject}
	return r.tell(fmt.Sprintf("%d  %s  %s  [%s]  %s  %s", m.UID, v.Received.Local().Format("2006-01-02 15:04"), size(v.Size), strings.Join(v.Flags, " "), from, subject), v)
}

// maxShownHeader bounds what of a header is read to show From and Subject.
const maxShownHeader = 64 << 10

// headerOf returns From and Subject for people.
func headerOf(ctx context.Context, acc *store.Account, id store.BodyID) (from, subject string) {
	b, err := acc.OpenBody(ctx, id)
	if err != nil {
		return "(" + err.Error() + ")", ""
	}
	defer b.Close()
	h, err := message.ReadHeader(bufio.NewReader(io.NewSectionReader(b, 0, min(b.Size(), maxShownHeader))), maxShownHeader)
	if err != nil {
		return "(no header)", ""
	}
	show := func(name string) string {
		return strings.Map(func(c rune) rune {
			if unicode.IsControl(c) {
				return ' '
			}
			return c
		}, strings.TrimSpace(message.DecodeWords(h.Get(name))))
	}
	return show("From"), show("Subject")
}
