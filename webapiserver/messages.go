package webapiserver

import (
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"

	"mox/mailops"
	"mox/message"
	"mox/store"
	"mox/webapi"
)

// messageError makes of an error of mailops what the caller is told.
func messageError(err error) error {
	switch {
	case errors.Is(err, store.ErrNoMessage):
		return &webapi.Error{Code: webapi.CodeMessageNotFound, Message: "there is no such message in the account, or no more"}
	case errors.Is(err, store.ErrNoMailbox):
		return &webapi.Error{Code: webapi.CodeMailboxNotFound, Message: "there is no such mailbox"}
	case errors.Is(err, mailops.ErrFlag), errors.Is(err, store.ErrLimit), errors.Is(err, store.ErrBadName), errors.Is(err, store.ErrNotAllowed):
		return userError("%v", err)
	}
	return err
}

func (c *call) messageGet(ctx context.Context, r *webapi.MessageGetRequest) (webapi.MessageGetResult, error) {
	var result webapi.MessageGetResult
	m, err := mailops.Open(ctx, c.account, store.MessageID(r.MsgID))
	if err != nil {
		return result, messageError(err)
	}
	defer m.Close()
	result.Meta = m.Meta()
	if result.Message, err = m.Message(); err != nil {
		return result, err
	}
	result.Structure, err = m.Structure()
	return result, err
}

func (c *call) messageRawGet(ctx context.Context, r *webapi.MessageRawGetRequest) (any, error) {
	m, err := mailops.Open(ctx, c.account, store.MessageID(r.MsgID))
	if err != nil {
		return nil, messageError(err)
	}
	defer m.Close()
	c.w.Header().Set("Content-Length", strconv.FormatInt(m.Body.Size(), 10))
	c.begin("message/rfc822", "message.eml")
	_, err = m.Body.WriteTo(c.w)
	return nil, err
}

func (c *call) messagePartGet(ctx context.Context, r *webapi.MessagePartGetRequest) (any, error) {
	if len(r.PartPath) > c.s.c.Limits.PartPath {
		return nil, userError("PartPath of more than %d elements", c.s.c.Limits.PartPath)
	}
	m, err := mailops.Open(ctx, c.account, store.MessageID(r.MsgID))
	if err != nil {
		return nil, messageError(err)
	}
	defer m.Close()
	p := m.At(r.PartPath)
	if p == nil {
		return nil, &webapi.Error{Code: webapi.CodePartNotFound, Message: "the message has no such part"}
	}
	content, err := p.Decoded(m.Body)
	if errors.Is(err, message.ErrUnknownCTE) {
		content, err = p.Body(m.Body), nil
	}
	if err != nil {
		return nil, err
	}
	params := map[string]string{}
	if p.IsText() && p.Param("charset") != "" {
		params["charset"] = p.Param("charset")
	}
	mt := mime.FormatMediaType(p.MediaType(), params)
	if mt == "" {
		mt = "application/octet-stream"
	}
	c.begin(mt, p.Filename())
	_, err = io.Copy(c.w, content)
	return nil, err
}

// begin starts a result that is not JSON. It is from a stranger: no browser should do anything
// with it but save it.
func (c *call) begin(mediaType, filename string) {
	c.raw = true
	h := c.w.Header()
	h.Set("Content-Type", mediaType)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "sandbox; default-src 'none'")
	name := strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == '/' || r == '\\' {
			return '_'
		}
		return r
	}, filename)
	d := mime.FormatMediaType("attachment", map[string]string{"filename": name})
	if name == "" || d == "" {
		d = "attachment"
	}
	h.Set("Content-Disposition", d)
	c.w.WriteHeader(http.StatusOK)
}

func (c *call) messageDelete(ctx context.Context, r *webapi.MessageDeleteRequest) (webapi.MessageDeleteResult, error) {
	err := mailops.Delete(ctx, c.account, store.MessageID(r.MsgID))
	return webapi.MessageDeleteResult{}, messageError(err)
}

func (c *call) messageFlagsAdd(ctx context.Context, r *webapi.MessageFlagsAddRequest) (webapi.MessageFlagsAddResult, error) {
	return webapi.MessageFlagsAddResult{}, c.flags(ctx, r.MsgID, store.FlagsAdd, r.Flags)
}

func (c *call) messageFlagsRemove(ctx context.Context, r *webapi.MessageFlagsRemoveRequest) (webapi.MessageFlagsRemoveResult, error) {
	return webapi.MessageFlagsRemoveResult{}, c.flags(ctx, r.MsgID, store.FlagsRemove, r.Flags)
}

func (c *call) flags(ctx context.Context, id int64, op store.FlagOp, flags []string) error {
	if len(flags) > c.s.c.Limits.Flags {
		return userError("more than %d flags", c.s.c.Limits.Flags)
	}
	return messageError(mailops.SetFlags(ctx, c.account, store.MessageID(id), op, flags))
}

func (c *call) messageMove(ctx context.Context, r *webapi.MessageMoveRequest) (webapi.MessageMoveResult, error) {
	err := mailops.Move(ctx, c.account, store.MessageID(r.MsgID), r.DestMailboxName)
	return webapi.MessageMoveResult{}, messageError(err)
}
