package jmapserver

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"mox/jmap"
	"mox/message"
	"mox/queue"
	"mox/smtp"
	"mox/store"
	"mox/submit"
)

// submissionSetArgs are RFC 8621 7.5.
type submissionSetArgs struct {
	setArgs
	OnSuccessUpdateEmail  map[string]jmap.PatchObject `json:"onSuccessUpdateEmail"`
	OnSuccessDestroyEmail []string                    `json:"onSuccessDestroyEmail"`
}

// submissionSetting is an EmailSubmission/set call under way.
type submissionSetting struct {
	*setting
	a   *submissionSetArgs
	all map[jmap.ID]*submission
	// emails are those of submissions that were created, updated or destroyed.
	emails map[jmap.ID]jmap.ID
}

// submissionSet is EmailSubmission/set.
func submissionSet(ctx context.Context, c *call, a *submissionSetArgs) (*setResult, error) {
	acc, err := c.account(ctx, a.AccountID)
	if err != nil {
		return nil, err
	}
	// What became of others meanwhile is not a change of this call.
	all, err := c.submissions(ctx, acc)
	if err != nil {
		return nil, err
	}
	st, ctx, err := c.begin(ctx, &a.setArgs)
	if err != nil {
		return nil, err
	}
	s := &submissionSetting{st, a, all, map[jmap.ID]jmap.ID{}}
	for _, k := range a.creations() {
		if err := s.create(ctx, k, a.Create[k]); err != nil {
			s.notCreated(k, err)
		}
	}
	s.eachUpdate(&a.setArgs, func(_ string, id jmap.ID, p jmap.PatchObject) error { return s.update(ctx, id, p) })
	s.eachDestroy(&a.setArgs, func(id jmap.ID) error {
		sub := s.all[id]
		if sub == nil {
			return errNoSubmission()
		}
		if err := changeKept(ctx, acc, keptSubmissions, id, nil); err != nil {
			return err
		}
		s.emails[id] = sub.EmailID
		return nil
	})
	res := st.done()
	return res, s.afterwards(ctx)
}

func errNoSubmission() error {
	return jmap.SetErrorf(jmap.SetNotFound, "there is no such submission")
}

// afterwards makes the implicit Email/set call, RFC 8621 7.5.
func (s *submissionSetting) afterwards(ctx context.Context) error {
	args := &setArgs{AccountID: s.a.AccountID, Update: map[string]jmap.PatchObject{}}
	for key, p := range s.a.OnSuccessUpdateEmail {
		if email, ok := s.emailOf(key); ok {
			args.Update[string(email)] = p
		}
	}
	for _, key := range s.a.OnSuccessDestroyEmail {
		if email, ok := s.emailOf(key); ok {
			args.Destroy = append(args.Destroy, string(email))
		}
	}
	if len(args.Update)+len(args.Destroy) == 0 {
		return nil
	}
	res, err := emailSet(ctx, s.call, args)
	if err != nil {
		return s.answerAlso("error", s.failed(err, "Email/set"))
	}
	return s.answerAlso("Email/set", res)
}

// emailOf is the Email of a submission that was changed.
func (s *submissionSetting) emailOf(key string) (jmap.ID, bool) {
	id, ok := s.resolveID(key)
	if !ok {
		return "", false
	}
	email, ok := s.emails[id]
	return email, ok
}

// outgoing is a message that is to be sent.
type outgoing struct {
	body   store.BodyID
	size   int64
	header *message.Header
	utf8   bool // its header is not ASCII
	open   func() (*store.BodyReader, error)
}

// create sends an Email.
func (s *submissionSetting) create(ctx context.Context, k jmap.ID, b json.RawMessage) error {
	var in struct {
		IdentityID string    `json:"identityId"`
		EmailID    string    `json:"emailId"`
		Envelope   *envelope `json:"envelope"`
	}
	if err := decodeObject(b, &in); err != nil {
		return err
	}
	ids, err := s.identities(ctx, s.acc)
	if err != nil {
		return err
	}
	identityID, _ := s.resolveID(in.IdentityID)
	who := ids.byID[identityID]
	if who == nil {
		return jmap.InvalidProperty("identityId", "there is no identity %.100q", in.IdentityID)
	}
	emailID, _ := s.resolveID(in.EmailID)
	m, err := s.outgoing(ctx, emailID)
	if err != nil {
		return err
	}
	env := in.Envelope
	if env == nil {
		if env, err = s.envelopeOf(m.header, who); err != nil {
			return err
		}
	}
	req, err := s.request(env, m)
	if err != nil {
		return err
	}
	thread, err := s.acc.Thread(ctx, m.body)
	if err != nil {
		return err
	}
	sub := &submission{IdentityID: identityID, EmailID: emailID, ThreadID: threadID(thread), Envelope: *env, Delivery: map[string]*delivered{}}
	sub.SendAt = jmap.UTCDate{Time: s.releaseOf(req)}
	if err := s.send(ctx, m, req, sub); err != nil {
		return err
	}
	return s.keep(ctx, k, b, sub)
}

// releaseOf is when a message will be released.
func (s *submissionSetting) releaseOf(req *submit.Request) time.Time {
	now := s.s.c.Now().UTC().Truncate(time.Second)
	if h := req.Params.HoldFor; h > 0 {
		return now.Add(time.Duration(h) * time.Second)
	}
	if u := req.Params.HoldUntil; u.After(now) {
		return u.UTC()
	}
	return now
}

// maxSubmittedHeader is the most octets of the header of a message that is sent.
const maxSubmittedHeader = 1 << 20

// outgoing opens an Email.
func (s *submissionSetting) outgoing(ctx context.Context, id jmap.ID) (*outgoing, error) {
	missing := jmap.InvalidProperty("emailId", "there is no Email %.100q", id)
	all, err := s.mails(ctx, s.acc)
	if err != nil {
		return nil, err
	}
	body, ok := parseEmailID(id)
	if !ok || all.email(body) == nil {
		return nil, missing
	}
	r, err := s.acc.OpenBody(ctx, body)
	if errors.Is(err, store.ErrNoBody) {
		return nil, missing
	} else if err != nil {
		return nil, err
	}
	defer r.Close()
	m := &outgoing{body: body, size: r.Size(), open: func() (*store.BodyReader, error) { return s.acc.OpenBody(ctx, body) }}
	if most := s.s.c.Limits.Message; m.size > most {
		return nil, &jmap.SetError{Type: jmap.SetTooLarge, Description: "the message is larger than can be sent", MaxSize: most}
	}
	raw, err := message.ReadHeader(bufio.NewReader(io.NewSectionReader(r, 0, r.Size())), maxSubmittedHeader)
	if err != nil {
		return nil, jmap.SetErrorf(jmap.SetInvalidEmail, "the header of the message is too large, or not one")
	}
	m.header = raw
	m.utf8 = !message.IsASCII(raw.Append(nil))
	return m, nil
}

// envelopeOf makes the envelope of a message, RFC 8621 7.
func (s *submissionSetting) envelopeOf(h *message.Header, who *identity) (*envelope, error) {
	env := &envelope{MailFrom: envelopeAddress{Email: who.Email}}
	for _, name := range []string{"Sender", "From"} {
		values := h.Values(name)
		if len(values) == 0 {
			continue
		}
		list := addressesOf(values[len(values)-1])
		if len(values) > 1 || len(list) != 1 {
			if name == "Sender" || len(values) > 1 || len(list) == 0 {
				e := jmap.SetErrorf(jmap.SetInvalidEmail, "the message has several %s addresses, or none that is valid", name)
				e.Properties = []string{strings.ToLower(name)}
				return nil, e
			}
			e := jmap.SetErrorf(jmap.SetInvalidEmail, "the message has several authors and no Sender")
			e.Properties = []string{"from", "sender"}
			return nil, e
		}
		if who.allows(list[0]) {
			env.MailFrom.Email = list[0]
		}
		break
	}
	if strings.HasPrefix(env.MailFrom.Email, "*@") {
		return nil, jmap.SetErrorf(jmap.SetForbiddenFrom, "the message is not from an address that the identity allows")
	}
	seen := map[string]bool{}
	for _, name := range []string{"To", "Cc", "Bcc"} {
		for _, v := range h.Values(name) {
			for _, a := range addressesOf(v) {
				if key := strings.ToLower(a); !seen[key] {
					seen[key] = true
					env.RcptTo = append(env.RcptTo, envelopeAddress{Email: a})
				}
			}
		}
	}
	return env, nil
}

// addressesOf are the addresses in a field; what is none is there as it is written.
func addressesOf(v string) []string {
	var l []string
	for _, a := range message.ParseAddressList(v, maxEnvelope) {
		if a.Kind == message.AddressMailbox {
			l = append(l, a.Addr())
		}
	}
	return l
}

// maxEnvelope is the most addresses of a field that are looked at.
const maxEnvelope = 10000

// allows tells whether an address is that of the identity.
func (i *identity) allows(email string) bool {
	if domain, ok := strings.CutPrefix(i.Email, "*"); ok {
		return len(email) > len(domain) && strings.EqualFold(email[len(email)-len(domain):], domain)
	}
	return strings.EqualFold(email, i.Email)
}

// request checks an envelope and makes the request to send.
func (s *submissionSetting) request(env *envelope, m *outgoing) (*submit.Request, error) {
	req := &submit.Request{MaxSize: s.s.c.Limits.Message}
	var err error
	if req.From, err = reversePath(env.MailFrom.Email); err != nil {
		return nil, jmap.SetErrorf(jmap.SetForbiddenMailFrom, "%.200q is not an address to send from", env.MailFrom.Email)
	}
	if req.Params, err = mailParams(env.MailFrom.Parameters); err != nil {
		return nil, jmap.InvalidProperty("envelope", "mailFrom: %v", err)
	}
	req.Params.SMTPUTF8 = req.Params.SMTPUTF8 || m.utf8 || req.From.IsInternational()
	switch most := s.s.c.Recipients; {
	case len(env.RcptTo) == 0:
		return nil, jmap.SetErrorf(jmap.SetNoRecipients, "the message is for nobody")
	case len(env.RcptTo) > most:
		return nil, &jmap.SetError{Type: jmap.SetTooManyRecipients, Description: "the message is for too many", MaxRecipients: most}
	}
	var bad []string
	for _, to := range env.RcptTo {
		path, err := queue.ParseAddress(to.Email)
		if err != nil {
			bad = append(bad, to.Email)
			continue
		}
		params, err := rcptParams(to.Parameters)
		if err != nil {
			return nil, jmap.InvalidProperty("envelope", "rcptTo: %v", err)
		}
		req.Params.SMTPUTF8 = req.Params.SMTPUTF8 || path.IsInternational()
		req.To = append(req.To, submit.Rcpt{To: path, Params: params})
	}
	if bad != nil {
		return nil, &jmap.SetError{Type: jmap.SetInvalidRecipients, Description: "these are no addresses", InvalidRecipients: bad}
	}
	return req, nil
}

// mailParams are the parameters of a sender: their values are not encoded (RFC 8621 7), so they are encoded for the parser
// of commands.
func mailParams(params map[string]*string) (smtp.MailParams, error) {
	cmd, err := parseParams("MAIL FROM:<>", params, "ENVID", "AUTH")
	if err != nil {
		return smtp.MailParams{}, err
	}
	c, ok := cmd.(smtp.Mail)
	if !ok || len(c.Params.Other) > 0 || c.Params.Body == smtp.BodyBinaryMIME {
		return smtp.MailParams{}, errors.New("there is a parameter that is not known here")
	}
	c.Params.HasSize, c.Params.Size, c.Params.Auth = false, 0, ""
	return c.Params, nil
}

func rcptParams(params map[string]*string) (smtp.RcptParams, error) {
	cmd, err := parseParams("RCPT TO:<a@example.org>", params)
	if err != nil {
		return smtp.RcptParams{}, err
	}
	c, ok := cmd.(smtp.Rcpt)
	if !ok || len(c.Params.Other) > 0 {
		return smtp.RcptParams{}, errors.New("there is a parameter that is not known here")
	}
	return c.Params, nil
}

// parseParams parses a command with parameters. Values of those named are written as xtext, and that of ORCPT is behind
// its type.
func parseParams(line string, params map[string]*string, xtext ...string) (smtp.Command, error) {
	for _, name := range slices.Sorted(maps.Keys(params)) {
		line += " " + name
		v := params[name]
		if v == nil {
			continue
		}
		value := *v
		if slices.ContainsFunc(xtext, func(s string) bool { return strings.EqualFold(s, name) }) {
			value = smtp.EncodeXtext(value)
		} else if typ, addr, ok := strings.Cut(value, ";"); ok && strings.EqualFold(name, "ORCPT") {
			value = typ + ";" + smtp.EncodeXtext(addr)
			if strings.EqualFold(typ, "utf-8") {
				value = typ + ";" + smtp.EncodeUTF8Xtext(addr)
			}
		}
		line += "=" + value
	}
	if strings.ContainsFunc(line, func(r rune) bool { return r < ' ' || r == 0x7f }) || len(line) > 4000 {
		return nil, errors.New("parameters are too long, or have control characters")
	}
	cmd, err := smtp.ParseCommand(line, smtp.Options{})
	if err != nil {
		return nil, fmt.Errorf("parameters: %s", err.Text)
	}
	return cmd, nil
}

// send submits the message. When it returns nil, the message is durably with its recipients, or in the queue.
func (s *submissionSetting) send(ctx context.Context, m *outgoing, req *submit.Request, sub *submission) error {
	r, err := m.open()
	if err != nil {
		return err
	}
	defer r.Close()
	req.Content = io.NewSectionReader(r, 0, r.Size())
	sent, err := s.s.c.Send.Send(s.outer, submit.Sender{Account: s.user.Account, Login: s.user.Login}, *req)
	if err != nil {
		return s.sendError(err)
	}
	sub.UndoStatus = undoFinal
	for i, q := range sent.Queued {
		email := sub.Envelope.RcptTo[i].Email
		if q.ID == 0 {
			sub.Delivery[email] = &delivered{"250 2.1.5 delivered", deliveredYes, "unknown"}
			continue
		}
		s.s.c.Queue.Watch(q.ID)
		sub.Queued = append(sub.Queued, queuedRcpt{email, q.ID})
	}
	waiting, err := s.waiting(ctx, sub)
	if err == nil {
		_, err = s.refresh(ctx, sub, waiting)
	}
	if err != nil {
		// It is sent all the same.
		s.s.c.Log.Error("looking for a submission in the queue", "err", err, "cid", s.cid, "account", s.user.Account)
	}
	return nil
}

// sendError tells why a message was refused, RFC 8621 7.5.
func (s *submissionSetting) sendError(err error) error {
	var refusal *submit.Refusal
	var rcpt *submit.RecipientError
	var r *smtp.Error
	if !errors.As(err, &r) {
		return err
	}
	text := r.Text
	switch {
	case errors.As(err, &refusal) && refusal.Result == "badfrom" && strings.HasPrefix(text, "MAIL FROM"):
		return jmap.SetErrorf(jmap.SetForbiddenMailFrom, "%s", text)
	case errors.As(err, &refusal) && refusal.Result == "badfrom":
		return jmap.SetErrorf(jmap.SetForbiddenFrom, "%s", text)
	case errors.As(err, &refusal):
		return jmap.SetErrorf(jmap.SetForbiddenToSend, "%s", text)
	case errors.As(err, &rcpt) && r.Permanent():
		return &jmap.SetError{Type: jmap.SetInvalidRecipients, Description: text, InvalidRecipients: []string{rcpt.To.XString(true)}}
	case r.Code == 552:
		return &jmap.SetError{Type: jmap.SetTooLarge, Description: text, MaxSize: s.s.c.Limits.Message}
	case r.Code == 501:
		return jmap.InvalidProperty("envelope", "%s", text)
	case r.Permanent():
		e := jmap.SetErrorf(jmap.SetInvalidEmail, "%s", text)
		e.Properties = []string{}
		return e
	case r.Err == nil, r.Code == 452:
		return jmap.SetErrorf(jmap.SetForbiddenToSend, "%s", text)
	}
	return err
}

// keep stores what was sent, and removes what was kept long enough. The message is on its way whatever becomes of this.
func (s *submissionSetting) keep(ctx context.Context, k jmap.ID, sent json.RawMessage, sub *submission) error {
	ctx = context.WithoutCancel(ctx)
	id, err := makeKept(ctx, s.acc, keptSubmissions, sub)
	if err != nil {
		s.s.c.Log.Error("keeping submission", "err", err, "cid", s.cid, "account", s.user.Account)
		// RFC 8621 7: a server may destroy it at once.
		id = keptSubmissions.id(s.acc.ModSeq())
	} else {
		s.all[id] = sub
		s.tidy(ctx)
	}
	s.emails[id] = sub.EmailID
	object, err := sub.object(id)
	if err != nil {
		return err
	}
	return s.createdObject(k, id, sent, object)
}

// tidy removes old submissions.
func (s *submissionSetting) tidy(ctx context.Context) {
	now, left := s.s.c.Now(), len(s.all)
	for i, id := range submissionsBy(s.all, nil) {
		sub := s.all[id]
		if i >= submissionBatch || sub.UndoStatus == undoPending || left <= maxSubmissions && now.Sub(sub.SendAt.Time) < submissionTime {
			return
		}
		if err := changeKept(ctx, s.acc, keptSubmissions, id, nil); err != nil {
			s.s.c.Log.Error("removing old submission", "err", err, "cid", s.cid, "account", s.user.Account)
			return
		}
		delete(s.all, id)
		left--
	}
}

// update cancels a submission; there is nothing else to change.
func (s *submissionSetting) update(ctx context.Context, id jmap.ID, p jmap.PatchObject) error {
	sub := s.all[id]
	if sub == nil {
		return errNoSubmission()
	}
	before, err := sub.object(id)
	if err != nil {
		return err
	}
	after, err := p.Apply(before)
	if err != nil {
		return err
	}
	var others []string
	for name := range after {
		if name != "undoStatus" {
			others = append(others, name)
		}
	}
	slices.Sort(others)
	if err := keepProperties(before, after, others...); err != nil {
		return err
	}
	if !sameJSON(before["undoStatus"], after["undoStatus"]) {
		if string(after["undoStatus"]) != `"`+undoCanceled+`"` {
			return jmap.InvalidProperty("undoStatus", "it can be set to canceled only")
		}
		if err := s.cancel(ctx, sub); err != nil {
			return err
		}
		if err := changeKept(context.WithoutCancel(ctx), s.acc, keptSubmissions, id, sub); err != nil {
			return err
		}
		s.emails[id] = sub.EmailID
		s.updated(id, map[string]any{"deliveryStatus": sub.Delivery})
		return nil
	}
	s.emails[id] = sub.EmailID
	s.updated(id, nil)
	return nil
}

// settleTime is how long an attempt that was chosen before a message was put on hold may need to be known as under way.
const settleTime = 200 * time.Millisecond

// cancel takes a message out of the queue for all recipients, or for none.
func (s *submissionSetting) cancel(ctx context.Context, sub *submission) (err error) {
	unsent := jmap.SetErrorf(jmap.SetCannotUnsend, "the message has been sent to a recipient, or is being sent")
	if sub.UndoStatus != undoPending {
		return unsent
	}
	f := queue.Filter{Account: s.user.Account}
	for _, q := range sub.Queued {
		f.IDs = append(f.IDs, q.ID)
	}
	// No attempt begins any more.
	held, err := s.s.c.Queue.Hold(ctx, f, true)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil && held > 0 {
			_, e := s.s.c.Queue.Hold(context.WithoutCancel(ctx), f, false)
			err = errors.Join(err, e)
		}
	}()
	t := time.NewTimer(settleTime)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
		return ctx.Err()
	}
	if s.s.c.Sending != nil && s.s.c.Sending(f.IDs...) {
		return unsent
	}
	waiting, err := s.waiting(ctx, sub)
	if err != nil {
		return err
	}
	if len(waiting) != len(sub.Queued) {
		return unsent
	}
	if _, err := s.s.c.Queue.Cancel(ctx, f, "canceled by its sender"); err != nil {
		return err
	}
	sub.UndoStatus = undoCanceled
	for _, q := range sub.Queued {
		sub.Delivery[q.Email] = &delivered{"550 5.7.1 canceled by the sender", deliveredNo, "unknown"}
	}
	return nil
}
