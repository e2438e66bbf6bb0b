package webapiserver

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"mox/auth"
	"mox/smtp"
	"mox/store"
	"mox/webapi"
)

// Sending is a message to be sent.
type Sending struct {
	Who        *auth.Principal
	CID        int64 // for the log
	From       smtp.Path
	Recipients []smtp.Path  // each once
	Content    *store.Spool // finished; with field Bcc, which must not be sent. It stays the caller's
	SMTPUTF8   bool         // the header has UTF-8
	MessageID  string       // of the content, without angle brackets
	Subject    string

	Extra         map[string]string
	RequireTLS    *bool     // as in webapi.SendRequest
	FutureRelease time.Time // zero: now

	SaveSent bool // keep a copy in the mailbox for sent messages

	// Key, when not empty, makes that a request which is repeated is done once; Hash is of the
	// request.
	Key  string
	Hash []byte
}

// Sent says what Send did.
type Sent struct {
	MessageID   string // without angle brackets; for a repeated request that of the first
	Submissions []webapi.Submission
	// Again: the key was used before by the same request. Nothing was done now, and the
	// rest is what was returned then.
	Again bool
	// SaveError says why there is no copy. The message was sent all the same.
	SaveError error
}

// Errors of a Sender, besides [*smtp.Error] and [*webapi.Error].
var (
	// ErrKeyUsed: the key was used for another request.
	ErrKeyUsed = errors.New("the idempotency key was used for another message")
	// ErrUnsupported: the sender cannot do what was asked for; the text says what.
	ErrUnsupported = errors.New("not available")
)

// Sender sends messages: it checks that the account may use From, signs, and has the
// message durably when it returns nil.
type Sender interface {
	Send(ctx context.Context, m Sending) (Sent, error)
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
	m := Sending{
		Who: c.who, CID: c.cid, From: d.from.Path(), Recipients: d.rcpts, Content: spool, SMTPUTF8: d.utf8, MessageID: d.messageID, Subject: r.Subject,
		Extra: r.Extra, RequireTLS: r.RequireTLS, SaveSent: r.SaveSent, Key: r.IdempotencyKey, Hash: hash,
	}
	if r.FutureRelease != nil {
		m.FutureRelease = *r.FutureRelease
	}
	sent, err := c.s.c.Send.Send(ctx, m)
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
	return webapi.SendResult{MessageID: "<" + sent.MessageID + ">", Submissions: sent.Submissions}, nil
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
	if r.SaveSent && q.Limit > 0 && q.Used+size > q.Limit {
		return &webapi.Error{Code: webapi.CodeSentOverQuota, Message: "the account has no room for a copy of the message: use SaveSent false, or delete messages"}
	}
	return nil
}

// sendError makes of an error of the sender what the caller is told.
func (c *call) sendError(err error) error {
	var e *webapi.Error
	var se *smtp.Error
	switch {
	case errors.As(err, &e):
		return e
	case errors.Is(err, ErrKeyUsed):
		return &webapi.Error{Code: webapi.CodeIdempotencyConflict, Message: err.Error()}
	case errors.Is(err, ErrUnsupported):
		return userError("%v", err)
	case errors.As(err, &se) && se.Code != 451 && se.Permanent():
		return userError("%s", se.Text)
	case errors.As(err, &se) && se.Err == nil:
		// A refusal for now, with its reason for the caller.
		c.s.failure("submit")
		return &webapi.Error{Code: webapi.CodeServer, Message: se.Text}
	}
	c.s.failure("submit")
	return err
}
