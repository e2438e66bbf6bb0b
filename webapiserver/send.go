package webapiserver

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"mox/queue"
	"mox/smtp"
	"mox/submit"
	"mox/webapi"
)

// Sender sends messages: it checks that the account may use From, signs, and has the
// message durably when it returns nil. It is a *submit.Submit.
type Sender interface {
	Send(ctx context.Context, who submit.Sender, r submit.Request) (submit.Sent, error)
}

func userError(format string, args ...any) error {
	return &webapi.Error{Code: webapi.CodeUser, Message: fmt.Sprintf(format, args...)}
}

func (c *call) send(ctx context.Context, r *webapi.SendRequest) (webapi.SendResult, error) {
	r.AlternativeFiles = append(r.AlternativeFiles, c.files.alternative...)
	r.InlineFiles = append(r.InlineFiles, c.files.inline...)
	r.AttachedFiles = append(r.AttachedFiles, c.files.attached...)
	if key := c.r.Header.Get(webapi.HeaderIdempotencyKey); key != "" {
		if r.IdempotencyKey != "" && r.IdempotencyKey != key {
			return webapi.SendResult{}, userError("IdempotencyKey and the header field %s differ", webapi.HeaderIdempotencyKey)
		}
		r.IdempotencyKey = key
	}
	return c.sendOne(ctx, r)
}

func (c *call) sendBatch(ctx context.Context, r *webapi.SendBatchRequest) (webapi.SendBatchResult, error) {
	result := webapi.SendBatchResult{Items: []webapi.SendBatchItem{}}
	if limit := c.s.c.Limits.Batch; len(r.Messages) > limit {
		return result, userError("more than %d messages", limit)
	}
	if c.r.Header.Get(webapi.HeaderIdempotencyKey) != "" {
		return result, userError("of a batch, each message has its own IdempotencyKey")
	}
	for i := range r.Messages {
		sent, err := c.sendOne(ctx, &r.Messages[i])
		if err == nil {
			result.Items = append(result.Items, webapi.SendBatchItem{Result: &sent})
			continue
		}
		var e *webapi.Error
		if !errors.As(err, &e) {
			c.s.failure("internal")
			c.s.c.Log.Error("sending message of batch", "err", err, "cid", c.cid, "account", c.who.Account)
			e = &webapi.Error{Code: webapi.CodeServer, Message: fmt.Sprintf("internal error, see log lines with cid %x", c.cid)}
		}
		result.Items = append(result.Items, webapi.SendBatchItem{Error: e})
	}
	return result, nil
}

// sendOne sends a message and counts it.
func (c *call) sendOne(ctx context.Context, r *webapi.SendRequest) (webapi.SendResult, error) {
	result, err := c.compose(ctx, r)
	outcome := "ok"
	if err != nil {
		var e *webapi.Error
		outcome = string(webapi.CodeServer)
		if errors.As(err, &e) {
			outcome = string(e.Code)
		}
	}
	if c.s.c.Metrics.Submission != nil {
		c.s.c.Metrics.Submission(outcome)
	}
	return result, err
}

// compose makes the message and sends it.
func (c *call) compose(ctx context.Context, r *webapi.SendRequest) (webapi.SendResult, error) {
	var result webapi.SendResult
	hash, err := requestHash(r)
	if err != nil {
		return result, err
	}
	d, err := c.draft(r)
	if err != nil {
		return result, err
	}
	spool := c.s.c.Store.NewSpool()
	defer spool.Close()
	if err := d.write(spool); err != nil {
		return result, composeError(err)
	}
	if err := spool.Finish(); err != nil {
		return result, err
	}
	if limit := c.s.c.Limits.Message; spool.Size() > limit {
		return result, &webapi.Error{Code: webapi.CodeMessageTooLarge, Message: fmt.Sprintf("message of %d octets, at most %d are allowed", spool.Size(), limit)}
	}
	if err := c.roomForSent(r, spool.Size()); err != nil {
		return result, err
	}
	m := submit.Request{
		From: d.from.Path(), Params: smtp.MailParams{SMTPUTF8: d.utf8}, Content: io.NewSectionReader(spool, 0, spool.Size()), MaxSize: c.s.c.Limits.Message,
		RequireTLS: r.RequireTLS, Extra: r.Extra, SaveSent: r.SaveSent, Key: r.IdempotencyKey, Hash: hash,
	}
	for _, to := range d.rcpts {
		m.To = append(m.To, submit.Rcpt{To: to})
	}
	if r.FutureRelease != nil {
		m.Params.HoldUntil = r.FutureRelease.UTC().Truncate(time.Second)
	}
	sent, err := c.s.c.Send.Send(ctx, submit.Sender{Account: c.who.Account, Login: c.who.Login}, m)
	if err != nil {
		return result, c.sendError(err)
	}
	if sent.Again {
		c.w.Header().Set("Idempotent-Replayed", "true")
	}
	if sent.SaveError != nil {
		c.s.failure("storesent")
		c.s.c.Log.Error("keeping copy of sent message", "err", sent.SaveError, "cid", c.cid, "account", c.who.Account)
	}
	result.MessageID = "<" + sent.MessageID + ">"
	for _, q := range sent.Queued {
		result.Submissions = append(result.Submissions, webapi.Submission{Address: q.To, QueueMsgID: q.ID, FromID: q.FromID})
	}
	return result, nil
}

// requestHash is that of a request without its key.
func requestHash(r *webapi.SendRequest) ([]byte, error) {
	c := *r
	c.IdempotencyKey = ""
	b, err := json.Marshal(c)
	if err != nil {
		return nil, err
	}
	h := sha256.Sum256(b)
	return h[:], nil
}

// roomForSent checks, before anything is sent, that there is room for a copy.
func (c *call) roomForSent(r *webapi.SendRequest, size int64) error {
	q := c.account.Quota()
	if r.SaveSent && q.Room(1, size) != nil {
		return &webapi.Error{Code: webapi.CodeSentOverQuota, Message: "the account has no room for a copy of the message: use SaveSent false, or delete messages"}
	}
	return nil
}

// refusals are the codes of what package submit refuses.
var refusals = map[string]webapi.Code{
	"badfrom": webapi.CodeBadFrom, "domaindisabled": webapi.CodeDomainDisabled,
	"messagelimiterror": webapi.CodeMessageLimitReached, "recipientlimiterror": webapi.CodeRecipientLimitReached,
}

// sendError makes of an error of the sender what the caller is told.
func (c *call) sendError(err error) error {
	var refusal *submit.Refusal
	var reply *smtp.Error
	switch {
	case errors.As(err, &refusal) && refusals[refusal.Result] != "":
		// The envelope sender is no field of a request: it is made of From.
		return &webapi.Error{Code: refusals[refusal.Result], Message: strings.Replace(refusal.Reply.Text, "MAIL FROM", "From", 1)}
	case errors.Is(err, queue.ErrOnceDiffers):
		return &webapi.Error{Code: webapi.CodeIdempotencyConflict, Message: "the IdempotencyKey was used for another message"}
	case errors.As(err, &reply) && reply.Permanent():
		return userError("%s", reply.Text)
	}
	c.s.failure("submit")
	if reply != nil && reply.Err == nil {
		// Refused for now, with a reason that is for the caller.
		return &webapi.Error{Code: webapi.CodeServer, Message: reply.Text}
	}
	return err
}
