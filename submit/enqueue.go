package submit

import (
	"context"
	"encoding/base32"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"mox/deliver"
	"mox/directory"
	"mox/message"
	"mox/queue"
	"mox/smtp"
	"mox/store"
)

// any tells whether anything is queued.
func (d *dispatch) any() bool { return slices.Contains(d.queued, true) }

// here are the recipients of this server.
func (tx *Transaction) here() []deliver.Recipient {
	var l []deliver.Recipient
	for i, r := range tx.rcpts {
		if !tx.remote[i] {
			l = append(l, r)
		}
	}
	return l
}

// enqueue queues the message for those who could not have it yet, once for all.
func (tx *Transaction) enqueue(ctx context.Context, m *deliver.Message, d *dispatch) error {
	tx.postpone(d)
	if !d.any() {
		return nil
	}
	content := queue.Content{Body: m.Spool, Size: m.Spool.Size(), Prefix: tx.prefix(m)}
	msgs, index, err := tx.messages(m, d, content)
	if err != nil {
		return err
	}
	added, err := tx.add(ctx, m, d, content, msgs, index)
	if err != nil {
		// The client is to send it again, and nobody is to get it twice.
		tx.s.c.Deliverer.Remember(m, tx.delivered(d))
		return queueError(err)
	}
	if added.Again {
		return tx.repeated(added.Stored)
	}
	tx.note(added.Messages, index)
	return nil
}

// add queues messages, and what the sender is told about the other recipients with them.
func (tx *Transaction) add(ctx context.Context, m *deliver.Message, d *dispatch, c queue.Content, msgs []queue.Message, index []int) (queue.Added, error) {
	if tx.once != nil {
		// All recipients are queued: there is nothing to tell yet.
		return tx.addOnce(ctx, c, msgs, index)
	}
	o := tx.outcome(m, d)
	if tx.from.IsZero() || len(o.notices) == 0 {
		return tx.s.c.Queue.Add(ctx, c, msgs)
	}
	spool := tx.s.c.Store.NewSpool()
	defer spool.Close()
	notice, err := tx.s.newNotice(ctx, spool, tx.notification(m, o.notices))
	if err != nil {
		return queue.Added{}, err
	}
	return tx.s.c.Queue.AddNotices(ctx, c, msgs, []queue.NewMessage{notice})
}

// postpone decides what is queued: also for recipients of this server who cannot have the
// message for now, if others have it. When there are failures that can only be told in the
// session, nothing is: the client will take the message as not sent, and may send it again.
func (tx *Transaction) postpone(d *dispatch) {
	served, told := d.any(), !tx.from.IsZero()
	for i, err := range d.results {
		if e := smtp.AsError(err); e == nil {
			served = true
		} else if e.Permanent() && !wantsFailure(tx.rcpts[i].Params.Notify) {
			told = false
		}
	}
	failed := slices.ContainsFunc(d.results, func(err error) bool { return err != nil && smtp.AsError(err).Permanent() })
	for i, err := range d.results {
		switch {
		case d.queued[i] && failed && !told:
			d.queued[i], d.results[i] = false, smtp.Errorf(554, "5.0.0", "not sent, as it failed for others")
		case err != nil && !smtp.AsError(err).Permanent() && served && (told || !failed) && tx.s.c.Queue != nil && !tx.s.c.Local:
			d.queued[i], d.results[i] = true, nil
		}
	}
}

// delivered are the recipients of this server that have the message.
func (tx *Transaction) delivered(d *dispatch) []deliver.Recipient {
	var l []deliver.Recipient
	for i, r := range tx.rcpts {
		if !d.queued[i] && d.results[i] == nil {
			l = append(l, r)
		}
	}
	return l
}

// queueError makes an error of the queue a reply.
func queueError(err error) error {
	switch {
	case errors.Is(err, queue.ErrOnceDiffers):
		return smtp.WrapErrorf(err, 554, "5.5.4", "idempotency key was used for another message")
	case errors.Is(err, queue.ErrInvalid):
		return smtp.WrapErrorf(err, 554, "5.6.0", "message cannot be queued: %v", err)
	case errors.Is(err, queue.ErrLimit):
		return smtp.WrapErrorf(err, 452, "4.3.1", "too many messages of your account are waiting to be sent")
	case errors.Is(err, queue.ErrDiskFull):
		return smtp.WrapErrorf(err, 452, "4.3.1", "insufficient storage")
	}
	return fmt.Errorf("queueing: %w", err)
}

// prefix are the fields above the message in the queue. Only a message for one recipient says
// for whom it is: others are not to know of each other.
func (tx *Transaction) prefix(m *deliver.Message) []byte {
	if m.Generated {
		return m.Add
	}
	var to smtp.Path
	if len(tx.rcpts) == 1 {
		to = tx.rcpts[0].To
	}
	return append([]byte(tx.s.c.Deliverer.Received(m, to)), m.Add...)
}

// messages are those to be queued, with the index of the recipient of each.
func (tx *Transaction) messages(m *deliver.Message, d *dispatch, c queue.Content) (msgs []queue.Message, index []int, _ error) {
	eight, err := eightBit(c)
	if err != nil {
		return nil, nil, err
	}
	for i := range tx.rcpts {
		if !d.queued[i] {
			continue
		}
		q, err := tx.message(m, i)
		if err != nil {
			return nil, nil, err
		}
		q.EightBit = eight
		// What is all ASCII can go to servers that do not know SMTPUTF8.
		q.SMTPUTF8 = m.SMTPUTF8 && (eight || q.Sender.IsInternational() || q.Recipient.IsInternational())
		if !tx.remote[i] && tx.release.IsZero() && tx.once == nil {
			// It was tried just now.
			q.NextAttempt = m.Received.Add(retryLocal)
		}
		msgs, index = append(msgs, q), append(index, i)
	}
	return msgs, index, nil
}

// retryLocal is when delivery to an account that failed for now is tried again.
const retryLocal = 5 * time.Minute

// message is the message for one recipient.
func (tx *Transaction) message(m *deliver.Message, i int) (queue.Message, error) {
	r := tx.rcpts[i]
	sender, id, err := tx.uniqueFrom()
	if err != nil {
		return queue.Message{}, err
	}
	q := queue.Message{
		Queued: m.Received, Account: tx.sender.Account, Sender: sender, Recipient: r.To, FromID: id, Local: !tx.remote[i],
		MessageID: tx.messageID, Subject: subject(m.Spool), BinaryMIME: tx.params.Body == smtp.BodyBinaryMIME, RequireTLS: tx.requireTLS(),
		EnvID: tx.params.EnvID, Ret: tx.params.Ret, Notify: r.Params.Notify, ORcpt: r.Params.ORcpt,
		NextAttempt: tx.release, FutureRelease: tx.releaseRequest(), Extra: tx.extra,
	}
	if r.To.IPDomain.IsZero() {
		q.Recipient.IPDomain.Domain = tx.s.c.Hostname // postmaster
	}
	return q, nil
}

// maxSubject is how much of a subject is in the queue, in octets.
const maxSubject = 500

func subject(s *store.Spool) string {
	e := s.Part().Envelope
	if e == nil {
		return ""
	}
	return shorten(message.DecodeWords(e.Subject), maxSubject)
}

// shorten cuts a text at the end of a character.
func shorten(s string, max int) string {
	if len(s) <= max {
		return s
	}
	for max > 0 && s[max]&0xc0 == 0x80 {
		max--
	}
	return s[:max]
}

// requireTLS is RFC 8689 4.1, 4.3: the parameter comes before the header.
func (tx *Transaction) requireTLS() *bool {
	yes, no := true, false
	switch {
	case tx.params.RequireTLS:
		return &yes
	case tx.wantTLS != nil:
		return tx.wantTLS
	case tx.tlsNo:
		return &no
	}
	return nil
}

// releaseRequest is RFC 4865 in words.
func (tx *Transaction) releaseRequest() string {
	switch {
	case tx.release.IsZero():
		return ""
	case tx.params.HoldFor > 0:
		return "for;" + strconv.FormatInt(tx.params.HoldFor, 10)
	}
	return "until;" + tx.release.UTC().Format(time.RFC3339)
}

// uniqueFrom is the reverse-path for one recipient. Logins that are configured for it get
// one that is never used again, by which notifications are told apart.
func (tx *Transaction) uniqueFrom() (smtp.Path, string, error) {
	d := tx.dir.Snapshot.Domain(tx.from.IPDomain.Domain)
	if tx.from.IsZero() || d == nil || d.FirstSeparator == "" || !tx.fromIDLogin() {
		return tx.from, "", nil
	}
	var b [16]byte
	if _, err := io.ReadFull(tx.s.c.Random, b[:]); err != nil {
		return smtp.Path{}, "", fmt.Errorf("making unique sender: %w", err)
	}
	// Lower case: some servers change localparts to that.
	id := strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(b[:]))
	from := tx.from
	// As it was written, without what was behind a separator.
	base := string(from.Localpart)
	if folded := d.FoldLocalpart(from.Localpart); len(folded) == len(base) {
		short, _, _ := d.SplitLocalpart(folded)
		base = base[:len(short)]
	} else {
		base, _, _ = d.SplitLocalpart(folded)
	}
	from.Localpart = smtp.Localpart(base + d.FirstSeparator + id)
	if len(from.Localpart) > smtp.MaxLocalpartLax {
		return tx.from, "", nil
	}
	return from, id, nil
}

// fromIDLogin tells whether the login wants unique senders.
func (tx *Transaction) fromIDLogin() bool {
	info := tx.dir.Snapshot.Accounts[tx.sender.Account]
	login, err := smtp.ParseAddressLax(tx.sender.Login)
	if info == nil || err != nil {
		return false
	}
	d := tx.dir.Snapshot.Domain(login.Domain)
	return d != nil && info.FromIDLogins[d.Key(login.Localpart)]
}

// logQueued logs the ids that a message has in the queue, by which its way can be followed.
func (tx *Transaction) logQueued(ctx context.Context) {
	var ids []int64
	for _, q := range tx.queued {
		if q.ID != 0 {
			ids = append(ids, q.ID)
		}
	}
	if len(ids) > 0 {
		tx.s.c.Log.InfoContext(ctx, "queued", "account", tx.sender.Account, "messageid", tx.messageID, "queueids", ids[:min(len(ids), maxLogged)], "recipients", len(ids))
	}
}

// maxLogged bounds ids in a line of the log.
const maxLogged = 100

// note keeps the IDs of messages that are queued.
func (tx *Transaction) note(msgs []queue.Message, index []int) {
	for k, q := range msgs {
		tx.queued = append(tx.queued, Queued{To: tx.rcpts[index[k]].To.XString(true), ID: q.ID, FromID: q.FromID, index: index[k]})
	}
}

// done tells history and webhooks what needs no queue any more: what was delivered at once,
// and, unless the client has heard of it, what failed.
func (tx *Transaction) done(ctx context.Context, m *deliver.Message, d *dispatch, err error) {
	info := tx.dir.Snapshot.Accounts[tx.sender.Account]
	wanted := tx.s.c.Queue != nil && info != nil && (info.Config.OutgoingWebhook != nil || info.Config.KeepRetiredMessagePeriod > 0)
	var msgs []queue.Message
	var results []queue.Result
	var index []int
	for i, r := range tx.rcpts {
		if d.queued[i] || d.results[i] != nil && err != nil {
			continue
		}
		if !wanted {
			tx.queued = append(tx.queued, Queued{To: r.To.XString(true), index: i})
			continue
		}
		q, merr := tx.message(m, i)
		if merr != nil {
			tx.s.c.Log.ErrorContext(ctx, "history of message", "account", tx.sender.Account, "err", merr)
			return
		}
		q.Size = m.Spool.Size() + int64(len(m.Add))
		res := queue.Result{Start: m.Received, Duration: max(0, tx.s.c.Now().Sub(m.Received)), Success: true, Code: 250, Enhanced: "2.0.0"}
		if e := smtp.AsError(d.results[i]); e != nil {
			res.Success, res.Code, res.Enhanced, res.Error = false, e.Code, e.Enhanced, e.Text
		}
		msgs, results, index = append(msgs, q), append(results, res), append(index, i)
	}
	if len(msgs) == 0 {
		return
	}
	// The client may be gone by now, but the message is delivered.
	added, aerr := tx.s.c.Queue.AddDone(context.WithoutCancel(ctx), msgs, results)
	if aerr != nil {
		tx.s.c.Log.ErrorContext(ctx, "history of messages and webhooks about them are lost", "account", tx.sender.Account, "err", aerr)
		added = msgs
	}
	tx.note(added, index)
}

// local tells whether mail for an address stays here.
func local(dir directory.View, to smtp.Path) bool {
	_, err := dir.ResolvePath(to)
	return !errors.Is(err, directory.ErrNotLocal)
}

// eightBit tells whether a message has octets that need 8BITMIME.
func eightBit(c queue.Content) (bool, error) {
	if !message.IsASCII(c.Prefix) {
		return true, nil
	}
	buf := make([]byte, 32<<10)
	r := io.NewSectionReader(c.Body, 0, c.Size)
	for {
		n, err := r.Read(buf)
		if !message.IsASCII(buf[:n]) {
			return true, nil
		}
		if err == io.EOF {
			return false, nil
		} else if err != nil {
			return false, fmt.Errorf("reading message: %w", err)
		}
	}
}
