package admin

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"mox/authres"
	"mox/config"
	"mox/message"
	"mox/queue"
	"mox/smtp"
	"mox/store"
	"mox/submit"
)

// Submitter sends for accounts. It is a *submit.Submit.
type Submitter interface {
	Send(ctx context.Context, sender submit.Sender, r submit.Request) (submit.Sent, error)
	Sign(ctx context.Context, snap *config.Snapshot, authors []smtp.Address, utf8 bool, r io.ReaderAt) (string, error)
}

// TestMail is a message to see how mail of this server fares.
type TestMail struct {
	From string // address of an account; empty: the first of the postmaster's account
	To   string // empty: From
	// MakeOnly: it is signed but not sent, for who brings it to the server by another way.
	MakeOnly bool
}

// TestSent is a test message that was made.
type TestSent struct {
	Account   string
	From, To  string // addresses
	MessageID string // without angle brackets
	ID        int64  `json:",omitempty"` // in the queue; 0: it is not there
	Local     bool   `json:",omitempty"` // it was delivered on this server
	// Message is as it goes out, with signatures; empty if Local.
	Message []byte `json:",omitempty"`
}

// testHold keeps a test message in the queue until it was read.
const testHold = 60 // seconds

const testSubject = "Test message"

const testText = `This is a test message. It was sent from %s to see whether mail from there arrives,
and how it is taken. There is no need to answer.
`

// SendTest makes a test message and sends it by the queue.
func (a *Admin) SendTest(ctx context.Context, actor Actor, t TestMail) (sent TestSent, rerr error) {
	defer func() {
		action, args := "send test message", []any{"account", sent.Account}
		if t.MakeOnly {
			action = "make test message"
		}
		if sent.ID != 0 {
			args = append(args, "queueid", sent.ID)
		}
		a.audit(ctx, actor, action, rerr, args...)
	}()
	if a.Submit == nil {
		return sent, errNoQueue
	}
	from, to, err := a.testAddresses(&sent, t)
	if err != nil {
		return sent, err
	}
	text, err := a.testMessage(&sent, from, to)
	if err != nil || t.MakeOnly {
		return sent, errors.Join(err, a.sign(ctx, &sent, from, text))
	}
	path := func(x smtp.Address) smtp.Path {
		return smtp.Path{Localpart: x.Localpart, IPDomain: smtp.IPDomain{Domain: x.Domain}}
	}
	r := submit.Request{From: path(from), To: []submit.Rcpt{{To: path(to)}}, Content: bytes.NewReader(text)}
	r.Params.HoldFor = testHold
	if local := a.Config.Snapshot().Domain(to.Domain); local != nil {
		r.Params.HoldFor = 0
	}
	out, err := a.Submit.Send(ctx, submit.Sender{Account: sent.Account, Login: sent.From}, r)
	if err != nil {
		return sent, err
	}
	sent.MessageID = out.MessageID
	if len(out.Queued) > 0 {
		sent.ID = out.Queued[0].ID
	}
	return sent, a.release(ctx, actor, &sent)
}

// release reads what is in the queue, and lets it go.
func (a *Admin) release(ctx context.Context, actor Actor, sent *TestSent) error {
	if sent.ID == 0 {
		sent.Local = true
		return nil
	}
	m, err := a.Queue.Get(ctx, sent.ID)
	if errors.Is(err, queue.ErrNotFound) || err == nil && m.Local {
		sent.Local = err != nil || m.Local
		return nil
	} else if err != nil {
		return err
	}
	var b bytes.Buffer
	if err := a.QueueDump(ctx, actor, sent.ID, &b); err != nil {
		return err
	}
	sent.Message = b.Bytes()
	a.Queue.Watch(sent.ID)
	_, err = a.QueueSchedule(ctx, actor, QueueFilter{IDs: []int64{sent.ID}}, queue.Shift{Now: true})
	return err
}

// testAddresses finds who sends, and to whom.
func (a *Admin) testAddresses(sent *TestSent, t TestMail) (from, to smtp.Address, err error) {
	snap := a.Config.Snapshot()
	if t.From == "" {
		if from, err = firstAddress(snap, snap.Static.Postmaster.Account); err != nil {
			return from, to, err
		}
	} else if from, err = smtp.ParseAddress(t.From); err != nil {
		return from, to, fmt.Errorf("sender %q: %w", t.From, err)
	}
	d := snap.Domain(from.Domain)
	if d == nil {
		return from, to, fmt.Errorf("sender %s: domain %s: %w", from, from.Domain, ErrNotFound)
	}
	dest := snap.Destination(d.Key(from.Localpart))
	if dest == nil {
		return from, to, fmt.Errorf("sender %s: no account has that address: %w", from, ErrNotFound)
	}
	to = from
	if t.To != "" {
		if to, err = smtp.ParseAddress(t.To); err != nil {
			return from, to, fmt.Errorf("recipient %q: %w", t.To, err)
		}
	}
	sent.Account, sent.From, sent.To = dest.Account, from.String(), to.String()
	return from, to, nil
}

// firstAddress is the first address of an account that is no catchall.
func firstAddress(snap *config.Snapshot, account string) (smtp.Address, error) {
	if acc := snap.Accounts[account]; acc != nil {
		for _, d := range acc.Destinations {
			if d.Key != "" && d.Address.Localpart != "" {
				return d.Address, nil
			}
		}
	}
	return smtp.Address{}, fmt.Errorf("account %q has no address to send from: give one with -from", account)
}

// testMessage makes the message.
func (a *Admin) testMessage(sent *TestSent, from, to smtp.Address) ([]byte, error) {
	host := a.Config.Snapshot().Hostname.ASCII
	id, err := message.NewMessageID(from.Domain.ASCII, nil)
	if err != nil {
		return nil, err
	}
	sent.MessageID = id
	var b bytes.Buffer
	c := message.NewComposer(&b, message.ComposeOptions{})
	c.Raw("From", "<"+sent.From+">")
	c.Raw("To", "<"+sent.To+">")
	c.Text("Subject", testSubject)
	c.Date(a.Now())
	c.MessageIDs("Message-ID", id)
	if err := c.WriteBody(message.TextBody(fmt.Sprintf(testText, host), false)); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// sign sets the message with its signatures.
func (a *Admin) sign(ctx context.Context, sent *TestSent, from smtp.Address, text []byte) error {
	fields, err := a.Submit.Sign(ctx, a.Config.Snapshot(), []smtp.Address{from}, from.Localpart.IsInternational(), bytes.NewReader(text))
	sent.Message = append([]byte(fields), text...)
	return err
}

// SendState is how far a message is.
type SendState struct {
	Done    bool
	Success bool   `json:",omitempty"`
	Event   string `json:",omitempty"` // that it ended with, one of package queue's
	Message queue.Message
}

// SendState returns how far a message is: in the queue, or what became of it.
func (a *Admin) SendState(ctx context.Context, id int64) (SendState, error) {
	if a.Queue == nil {
		return SendState{}, errNoQueue
	}
	m, err := a.Queue.Get(ctx, id)
	if err == nil {
		return SendState{Message: m}, nil
	} else if !errors.Is(err, queue.ErrNotFound) {
		return SendState{}, err
	}
	r, err := a.Queue.Ended(ctx, id)
	if err != nil {
		return SendState{}, err
	}
	return SendState{Done: true, Success: r.Success, Event: r.Event, Message: r.Message}, nil
}

// Arrival is a message that came to an account.
type Arrival struct {
	Mailbox  string
	Received time.Time
	// Results are the fields Authentication-Results of this server, without their name.
	Results []string
}

// maxArrivalHeader bounds the header that is read.
const maxArrivalHeader = 1 << 20

// Arrived looks for a message in an account; nil: it is not there.
func (a *Admin) Arrived(ctx context.Context, account, messageID string) (*Arrival, error) {
	acc, err := a.Store.Account(ctx, account)
	if err != nil {
		return nil, err
	}
	defer acc.Release()
	for _, box := range acc.Mailboxes() {
		set, err := acc.FindMessageID(ctx, box.ID, messageID)
		if err != nil {
			return nil, err
		}
		msgs, err := acc.MessagesAt(ctx, box.ID, set)
		if err != nil {
			return nil, err
		}
		for i := range msgs {
			if msgs[i].Flags&store.FlagDraft != 0 || strings.EqualFold(box.Name, "Sent") {
				continue
			}
			return a.arrival(ctx, acc, box.Name, &msgs[i])
		}
	}
	return nil, nil
}

func (a *Admin) arrival(ctx context.Context, acc *store.Account, mailbox string, m *store.Message) (*Arrival, error) {
	r := &Arrival{Mailbox: mailbox, Received: m.ReceivedTime()}
	body, err := acc.OpenBody(ctx, m.Body)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	b := make([]byte, min(body.Size(), maxArrivalHeader))
	if n, err := body.ReadAt(b, 0); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	} else {
		b = b[:n]
	}
	own := a.Config.Snapshot().Hostname
	for _, v := range message.ParseHeader(b).Values("Authentication-Results") {
		if authres.Claims(v, own) {
			r.Results = append(r.Results, strings.Join(strings.Fields(v), " "))
		}
	}
	r.Results = slices.Clip(r.Results)
	return r, nil
}
