package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"path/filepath"
	"time"

	"mox/config"
	"mox/message"
	"mox/queue"
	"mox/sampledata"
	"mox/store"
)

// sampleCommands make data, and work through data, for tests of upgrades and measurements.
func sampleCommands() []command {
	return []command{
		{words: "gentestdata", args: "destdir", prints: printsDone, short: "write a data directory that has something of everything, for tests", min: 1, max: 1, run: runGenTestData, unlisted: true, help: genTestDataHelp},
		{words: "openaccounts", args: "datadir [account ...]", short: "open accounts, which brings them to the version of this program", min: 1, max: -1, setup: setupEachAccount(openedAccount), unlisted: true, help: openAccountsHelp},
		{words: "readmessages", args: "datadir [account ...]", short: "read and parse all messages of accounts", min: 1, max: -1, setup: setupEachAccount(readMessages), unlisted: true, help: readMessagesHelp},
		{words: "queuefillretired", prints: printsDone, short: "add made-up messages and webhook calls to the history of the queue", max: 0, setup: setupFillRetired, unlisted: true, help: fillRetiredHelp},
	}
}

const genTestDataHelp = `
Makes destdir/config, a configuration for loopback addresses and ports above 1023, and destdir/data, with rows
in every table that this version has. "mox verifydata destdir/data" checks it, now and with later
versions. The accounts are gentest and other at mox.example, with password moxmoxmox. A directory that is
not empty is refused. No server and no network is needed.`

const openAccountsHelp = `
Of those named, or of all. Prints for each how many mailboxes and messages it has and how long it took.
The server that uses the data directory must not run. With -json, a line for each: Account, Mailboxes,
Messages, Bytes, and Seconds.`

const readMessagesHelp = `
Of those named, or of all: content is read from the database and parsed, as FETCH of all parts needs it.
Prints for each account how many messages and bytes that were, how long it took, and how many a second.
Exits with 1 for a message that cannot be read. The server that uses the data directory must not run.
With -json, a line for each: Account, Mailboxes, Messages, Bytes, and Seconds.`

const fillRetiredHelp = `
They have accounts and addresses at random, half of them delivered, over the last days, and go as the history
of the configuration's accounts goes, or after a year where there is none. For trying commands and pages that
list the history. The server of the configuration must not run. Prints how many of each were added.`

func runGenTestData(ctx context.Context, p *program, args []string) error {
	if err := sampledata.Write(ctx, args[0], version(), p.errorLog("gentestdata")); err != nil {
		return err
	}
	_, err := fmt.Fprintf(p.stdout, "wrote %s and %s\n", filepath.Join(args[0], "config"), filepath.Join(args[0], "data"))
	return err
}

// accountWork is what was done with an account.
type accountWork struct {
	Account   string
	Mailboxes int
	Messages  int64
	Bytes     int64
	Seconds   float64
}

func (w accountWork) print(p *program, asJSON bool) error {
	if asJSON {
		return printJSONLine(p.stdout, w)
	}
	rate := 0.0
	if w.Seconds > 0 {
		rate = float64(w.Messages) / w.Seconds
	}
	_, err := fmt.Fprintf(p.stdout, "%s: %d mailboxes, %d messages, %d bytes, %.3f s, %.0f messages/s\n", w.Account, w.Mailboxes, w.Messages, w.Bytes, w.Seconds, rate)
	return err
}

// setupEachAccount makes a command that works with accounts of a data directory, one after the
// other.
func setupEachAccount(work func(context.Context, *store.Account, *accountWork) error) func(fs *flag.FlagSet) runFunc {
	return func(fs *flag.FlagSet) runFunc {
		asJSON := fs.Bool("json", false, "print a line of JSON for each account")
		return func(ctx context.Context, p *program, args []string) error {
			ctx, stop := interruptible(ctx)
			defer stop()
			dir, err := dataDirectory(args[0])
			if err != nil {
				return err
			}
			return p.withStore(dir, nil, func(s *store.Store) error {
				names := args[1:]
				if len(names) == 0 {
					if names, err = s.Names(); err != nil {
						return err
					}
				}
				for _, name := range names {
					if err := workOn(ctx, p, s, name, *asJSON, work); err != nil {
						return fmt.Errorf("account %q: %w", name, err)
					}
				}
				return nil
			})
		}
	}
}

// workOn opens an account, works with it, and prints what that was.
func workOn(ctx context.Context, p *program, s *store.Store, name string, asJSON bool, work func(context.Context, *store.Account, *accountWork) error) error {
	start := time.Now()
	acc, err := s.Account(ctx, name)
	if err != nil {
		return err
	}
	defer acc.Release()
	w := accountWork{Account: name, Mailboxes: len(acc.Mailboxes())}
	if err := work(ctx, acc, &w); err != nil {
		return err
	}
	w.Seconds = time.Since(start).Seconds()
	return w.print(p, asJSON)
}

// openedAccount counts what an account has.
func openedAccount(_ context.Context, acc *store.Account, w *accountWork) error {
	for _, m := range acc.Mailboxes() {
		w.Messages += int64(m.Messages)
		w.Bytes += m.Size
	}
	return nil
}

// readMessages reads and parses the content of all messages.
func readMessages(ctx context.Context, acc *store.Account, w *accountWork) error {
	for _, m := range acc.Mailboxes() {
		box, err := acc.OpenBox(ctx, m.ID)
		if err != nil {
			return err
		}
		for _, msg := range box.View().All() {
			n, err := readMessage(ctx, acc, msg.Body)
			if err != nil {
				box.Close()
				return fmt.Errorf("mailbox %q: UID %d: %w", m.Name, msg.UID, err)
			}
			w.Messages++
			w.Bytes += n
		}
		box.Close()
	}
	return nil
}

// readMessage returns the size of the content.
func readMessage(ctx context.Context, acc *store.Account, id store.BodyID) (int64, error) {
	r, err := acc.OpenBody(ctx, id)
	if err != nil {
		return 0, err
	}
	defer r.Close()
	if _, err := message.Parse(io.NewSectionReader(r, 0, r.Size()), message.Limits{}); err != nil {
		return 0, err
	}
	return r.Size(), ctx.Err()
}

// maxFill is the most that queuefillretired adds of each kind.
const maxFill = 1_000_000

func setupFillRetired(fs *flag.FlagSet) runFunc {
	n := fs.Int("n", 10_000, "`number` of messages, and of webhook calls")
	return func(ctx context.Context, p *program, _ []string) error {
		if *n < 1 || *n > maxFill {
			return usagef("-n must be from 1 to %d", maxFill)
		}
		ctx, stop := interruptible(ctx)
		defer stop()
		snap, err := config.LoadOptions(p.configPath, config.Options{SkipFiles: true})
		if err != nil {
			return err
		}
		// The store is opened for its lock: no server uses the directory.
		return p.withStore(snap.DataPath(""), snap, func(*store.Store) error { return p.fillRetired(ctx, snap, *n) })
	}
}

// madeUpPeriod is how long made-up history is kept of accounts that keep none.
const madeUpPeriod = 365 * 24 * time.Hour

func (p *program) fillRetired(ctx context.Context, snap *config.Snapshot, n int) (rerr error) {
	q, err := queue.Open(snap.DataPath(queue.FileName), queue.Options{
		Log: p.errorLog("queue"),
		Retired: func(account string) (messages, hooks time.Duration) {
			if info := snap.Accounts[account]; info != nil {
				messages, hooks = info.Config.KeepRetiredMessagePeriod, info.Config.KeepRetiredWebhookPeriod
			}
			if messages == 0 {
				messages = madeUpPeriod
			}
			if hooks == 0 {
				hooks = madeUpPeriod
			}
			return messages, hooks
		},
	})
	if err != nil {
		return err
	}
	defer func() { rerr = errors.Join(rerr, q.Close()) }()
	for left := n; left > 0; {
		batch := min(left, 1+rand.N(maxFillRecipients))
		if err := fillBatch(ctx, q, batch); err != nil {
			return err
		}
		left -= batch
	}
	_, err = fmt.Fprintf(p.stdout, "%d messages\n%d webhook calls\n", n, n)
	return err
}

// maxFillRecipients is the most recipients of a made-up message.
const maxFillRecipients = 20

// fillBatch adds a message to n recipients, and a call of a webhook for each, that are done.
func fillBatch(ctx context.Context, q *queue.Queue, n int) error {
	account := fmt.Sprintf("sample%d", rand.N(10))
	sender, err := queue.ParseAddress(account + "@sample.example")
	if err != nil {
		return err
	}
	at := time.Now().Add(-rand.N(7 * 24 * time.Hour))
	m := queue.Message{
		Account: account, Sender: sender, Queued: at.Add(-rand.N(time.Hour)), Size: rand.N[int64](100_000) + 100,
		MessageID: fmt.Sprintf("%x@sample.example", rand.Uint64()), Subject: fmt.Sprintf("Sample %d", rand.N(100_000)),
	}
	var msgs []queue.Message
	var results []queue.Result
	var hooks []queue.Hook
	for range n {
		domain := fmt.Sprintf("there%d.example", rand.N(50))
		if m.Recipient, err = queue.ParseAddress(fmt.Sprintf("user%d@%s", rand.N(1000), domain)); err != nil {
			return err
		}
		r, event := madeUpResult(at, "mx."+domain)
		msgs, results = append(msgs, m), append(results, r)
		hooks = append(hooks, queue.Hook{Account: account, URL: "https://hook.example/" + account, Event: event, MessageID: m.MessageID, Payload: []byte("{}")})
	}
	if _, err := q.AddDone(ctx, msgs, results); err != nil {
		return err
	}
	if hooks, err = q.HookAdd(ctx, hooks...); err != nil {
		return err
	}
	var outcomes []queue.HookOutcome
	for _, h := range hooks {
		if h.ID > 0 {
			outcomes = append(outcomes, queue.HookOutcome{ID: h.ID, Result: queue.HookResult{Start: at, Code: 200, Success: true}})
		}
	}
	return q.HookRecord(ctx, outcomes...)
}

// madeUpResult is that of a delivery, and the event that it is.
func madeUpResult(at time.Time, mta string) (queue.Result, string) {
	r := queue.Result{Start: at, Duration: rand.N(5 * time.Second), RemoteMTA: mta, RemoteIP: "192.0.2.1", Secure: true}
	if rand.N(2) == 0 {
		r.Code, r.Enhanced, r.Error = 550, "5.7.1", "made up"
		return r, queue.EventFailed
	}
	r.Success, r.Code = true, 250
	return r, queue.EventDelivered
}
