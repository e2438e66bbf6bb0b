package submit

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"mox/deliver"
	"mox/queue"
	"mox/smtp"
	"mox/store"
)

// Request is a message that a program sends for a user.
type Request struct {
	// From is the reverse-path and To the recipients, as in SMTP: the same is checked.
	From   smtp.Path
	Params smtp.MailParams // also HoldFor and HoldUntil
	To     []Rcpt
	// Content is the message. Lines may end in LF, unless Params.Body is BINARYMIME.
	Content io.Reader
	// MaxSize bounds Content, in octets; 0: 100 MiB.
	MaxSize int64

	// RequireTLS: nil is as the header says; true REQUIRETLS; false TLS-Required: No.
	RequireTLS *bool
	// Extra is for webhooks, with what X-Mox-Extra- fields have.
	Extra map[string]string
	// Peer is the client; the zero value for one inside this server, or by other protocols
	// than SMTP: then there is no Received field.
	Peer smtp.Peer

	// Key makes that a request that is repeated with the same Key, within Keep (0: 24 hours),
	// is done once, also across restarts: the answer is that of the first. Recipients of
	// this server are then queued too, so that all of it is one commit. Hash is of the
	// request: another one with the same Key is refused; nil: not compared.
	Key  string
	Hash []byte
	Keep time.Duration

	// SaveSent puts a copy into the mailbox for sent mail.
	SaveSent bool
}

// Rcpt is a recipient of a Request.
type Rcpt struct {
	To     smtp.Path
	Params smtp.RcptParams
}

// Sent is what became of a Request.
type Sent struct {
	MessageID string   // without angle brackets
	Queued    []Queued // for each recipient, in their order
	// Again: the request was done before.
	Again bool `json:"-"`
	// SaveError says why there is no copy in the mailbox for sent mail. The message was sent
	// all the same.
	SaveError error `json:"-"`
}

// Queued is a recipient who will have the message, or has it.
type Queued struct {
	To string // address
	// ID is that of the message in the queue and its history; 0: it has none there, as the
	// message was delivered at once and nobody wants to know more.
	ID     int64
	FromID string // see config.Account.FromIDLoginAddresses

	index int
}

// DefaultMaxSize is the default of Request.MaxSize.
const DefaultMaxSize = 100 << 20

// Send sends a message with the checks of a Transaction, and returns once it is safe:
// delivered or queued. Errors are those of a Transaction, [*smtp.Error] or failures of our
// own; after one nothing was sent, except what its text says.
func (s *Submit) Send(ctx context.Context, sender Sender, r Request) (Sent, error) {
	if r.Key != "" {
		k := onceKey{sender.Account, r.Key}
		if err := s.enter(ctx, k); err != nil {
			return Sent{}, err
		}
		defer s.leave(k)
		sent, err := s.before(ctx, k, r)
		if err != nil || sent != nil {
			return *sent, err
		}
	}
	tx, err := s.Begin(ctx, r.Peer, sender)
	if err != nil {
		return Sent{}, err
	}
	if err := tx.give(ctx, r); err != nil {
		tx.Abort()
		return Sent{}, err
	}
	// Finish ends the spool, and the copy comes after it.
	copied, err := tx.copy(r.SaveSent)
	if err != nil {
		tx.Abort()
		return Sent{}, err
	}
	defer copied.Close()
	if _, err := tx.Finish(ctx); err != nil {
		return Sent{}, err
	}
	if tx.again != nil {
		return *tx.again, nil
	}
	sent := Sent{MessageID: tx.messageID, Queued: tx.queued}
	slices.SortFunc(sent.Queued, func(a, b Queued) int { return a.index - b.index })
	if r.SaveSent {
		// The message is on its way, whatever becomes of the program that asked.
		sent.SaveError = tx.save(context.WithoutCancel(ctx), copied)
	}
	return sent, nil
}

// onceKey identifies requests.
type onceKey struct{ account, key string }

// enter waits until no other request with the same key is under way.
func (s *Submit) enter(ctx context.Context, k onceKey) error {
	if s.c.Queue == nil {
		return errors.New("idempotency keys need a queue")
	}
	for {
		s.mu.Lock()
		other, ok := s.busy[k]
		if !ok {
			s.busy[k] = make(chan struct{})
		}
		s.mu.Unlock()
		if !ok {
			return nil
		}
		select {
		case <-other:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (s *Submit) leave(k onceKey) {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.busy[k])
	delete(s.busy, k)
}

// once is what the queue is to know of a request.
func (k onceKey) once(r Request) queue.Once {
	return queue.Once{Account: k.account, Key: k.key, Hash: r.Hash, Keep: r.Keep}
}

// before returns what was answered to the same request before; nil: there was none.
func (s *Submit) before(ctx context.Context, k onceKey, r Request) (*Sent, error) {
	b, err := s.c.Queue.OnceResult(ctx, k.once(r))
	if errors.Is(err, queue.ErrNotFound) {
		return nil, nil
	} else if err != nil {
		return &Sent{}, queueError(err)
	}
	return decodeSent(b)
}

func decodeSent(b []byte) (*Sent, error) {
	sent := &Sent{Again: true}
	if err := json.Unmarshal(b, sent); err != nil {
		return &Sent{}, fmt.Errorf("reading answer to a request: %w", err)
	}
	return sent, nil
}

// addOnce is AddOnce of the queue, with the answer to the request.
func (tx *Transaction) addOnce(ctx context.Context, c queue.Content, msgs []queue.Message, index []int) (queue.Added, error) {
	once := *tx.once
	once.Result = func(a queue.Added) []byte {
		sent := Sent{MessageID: tx.messageID}
		for k, q := range a.Messages {
			sent.Queued = append(sent.Queued, Queued{To: tx.rcpts[index[k]].To.XString(true), ID: q.ID, FromID: q.FromID})
		}
		b, err := json.Marshal(sent)
		if err != nil {
			return nil // there is nothing in it that cannot be encoded
		}
		return b
	}
	return tx.s.c.Queue.AddOnce(ctx, once, c, msgs)
}

// repeated takes the answer to the same request before.
func (tx *Transaction) repeated(stored []byte) error {
	sent, err := decodeSent(stored)
	tx.again = sent
	return err
}

// RecipientError says for which recipient a request was refused.
type RecipientError struct {
	To  smtp.Path
	Err error
}

// Error implements error.
func (e *RecipientError) Error() string {
	return fmt.Sprintf("recipient %s: %v", e.To.LogString(), e.Err)
}

// Unwrap returns the cause.
func (e *RecipientError) Unwrap() error { return e.Err }

// give gives the request to the transaction, up to the end of its data.
func (tx *Transaction) give(ctx context.Context, r Request) error {
	tx.generated = r.Peer.Hello == (smtp.Host{}) && !r.Peer.Remote.IsValid()
	if r.RequireTLS != nil && *r.RequireTLS {
		r.Params.RequireTLS = true
	}
	tx.wantTLS, tx.extra = r.RequireTLS, nil
	for k, v := range r.Extra {
		if tx.extra == nil {
			tx.extra = map[string]string{}
		}
		tx.extra[k] = v
	}
	if r.Key != "" {
		once := onceKey{tx.sender.Account, r.Key}.once(r)
		tx.once = &once
	}
	if len(r.To) == 0 {
		return smtp.Errorf(554, "5.5.1", "no recipients")
	}
	if err := tx.Mail(ctx, r.From, r.Params); err != nil {
		return err
	}
	for _, to := range r.To {
		if err := tx.Rcpt(ctx, to.To, to.Params); err != nil {
			return &RecipientError{to.To, err}
		}
	}
	w, err := tx.Data(ctx)
	if err != nil {
		return err
	}
	most := r.MaxSize
	if most == 0 {
		most = DefaultMaxSize
	}
	if r.Params.Body != smtp.BodyBinaryMIME {
		w = &crlfWriter{w: w}
	}
	n, err := io.Copy(w, io.LimitReader(r.Content, most+1))
	if err != nil {
		return err
	}
	if n > most {
		return smtp.Errorf(552, "5.3.4", "message too large, at most %d octets", most)
	}
	return nil
}

// crlfWriter ends lines with CRLF.
type crlfWriter struct {
	w    io.Writer
	last byte
}

func (c *crlfWriter) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		i := bytes.IndexByte(p, '\n')
		line := p
		if i >= 0 {
			line = p[:i]
		}
		if len(line) > 0 {
			c.last = line[len(line)-1]
			if _, err := c.w.Write(line); err != nil {
				return 0, err
			}
		}
		if i < 0 {
			break
		}
		end := "\r\n"
		if c.last == '\r' {
			end = "\n"
		}
		c.last = '\n'
		if _, err := io.WriteString(c.w, end); err != nil {
			return 0, err
		}
		p = p[i+1:]
	}
	return n, nil
}

// copy is what was given, for the mailbox for sent mail: with Bcc, so that the user knows who
// has it. The spool is empty if it is not wanted.
func (tx *Transaction) copy(want bool) (*store.Spool, error) {
	s := tx.s.c.Store.NewSpool()
	if !want {
		return s, nil
	}
	if err := tx.spool.Finish(); err != nil {
		return s, deliver.Error(err)
	}
	if _, err := io.Copy(s, io.NewSectionReader(tx.spool, 0, tx.spool.Size())); err != nil {
		return s, deliver.Error(err)
	}
	if err := s.Finish(); err != nil {
		return s, deliver.Error(err)
	}
	return s, nil
}

// ErrNoSent says that an account has no mailbox for sent mail.
var ErrNoSent = errors.New("no mailbox for sent mail")

// save puts a copy into the mailbox for sent mail: the one with that special use (RFC 6154),
// or else the one called so.
func (tx *Transaction) save(ctx context.Context, s *store.Spool) error {
	acc, err := tx.s.c.Store.Account(ctx, tx.sender.Account)
	if err != nil {
		return err
	}
	defer acc.Release()
	box, ok := sentMailbox(acc)
	if !ok {
		return ErrNoSent
	}
	now := tx.s.c.Now()
	_, err = acc.Add(ctx, box.ID, []store.NewMessage{{Spool: s, Prefix: tx.copyFields, Received: now, Saved: now, Flags: store.FlagSeen}})
	if err != nil {
		return fmt.Errorf("saving copy of sent message: %w", err)
	}
	return nil
}

func sentMailbox(acc *store.Account) (store.Mailbox, bool) {
	all := acc.Mailboxes()
	for _, b := range all {
		if b.SpecialUse&store.UseSent != 0 {
			return b, true
		}
	}
	for _, b := range all {
		if strings.EqualFold(b.Name, "Sent") {
			return b, true
		}
	}
	return store.Mailbox{}, false
}
