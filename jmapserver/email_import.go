package jmapserver

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"slices"
	"strings"

	"mox/jmap"
	"mox/message"
)

// emailImportArgs are RFC 8621 4.8.
type emailImportArgs struct {
	AccountID jmap.ID                     `json:"accountId"`
	IfInState *string                     `json:"ifInState"`
	Emails    map[jmap.ID]json.RawMessage `json:"emails"`
}

// createResult is that of methods that only create.
type createResult struct {
	AccountID  jmap.ID                    `json:"accountId"`
	OldState   *string                    `json:"oldState"`
	NewState   string                     `json:"newState"`
	Created    map[jmap.ID]any            `json:"created"`
	NotCreated map[jmap.ID]*jmap.SetError `json:"notCreated"`
}

// emailImport is Email/import.
func emailImport(ctx context.Context, c *call, a *emailImportArgs) (*createResult, error) {
	st, ctx, err := c.setting(ctx, a.AccountID, a.IfInState, len(a.Emails))
	if err != nil {
		return nil, err
	}
	if a.Emails == nil {
		return nil, jmap.Errorf(jmap.ErrorInvalidArguments, "emails is missing")
	}
	for _, k := range slices.Sorted(maps.Keys(a.Emails)) {
		made, err := st.importOne(ctx, a.Emails[k])
		if err != nil {
			st.notCreated(k, err)
			continue
		}
		st.created(k, made.ID, made)
	}
	r := st.done()
	return &createResult{r.AccountID, r.OldState, r.NewState, r.Created, r.NotCreated}, nil
}

// importOne makes an Email of a blob.
func (s *setting) importOne(ctx context.Context, v json.RawMessage) (*emailCreated, error) {
	var in struct {
		BlobID     string          `json:"blobId"`
		MailboxIDs json.RawMessage `json:"mailboxIds"`
		Keywords   json.RawMessage `json:"keywords"`
		ReceivedAt json.RawMessage `json:"receivedAt"`
	}
	if err := decodeObject(v, &in); err != nil {
		return nil, err
	}
	n, err := s.newEmail(map[string]json.RawMessage{"mailboxIds": in.MailboxIDs, "keywords": in.Keywords, "receivedAt": in.ReceivedAt})
	if err != nil {
		return nil, err
	}
	id, ok := s.resolveID(in.BlobID)
	b, err := openBlob(ctx, s.acc, id)
	if !ok || errors.Is(err, errNoBlob) {
		return nil, jmap.InvalidProperty("blobId", "there is no blob %.100q", in.BlobID)
	} else if err != nil {
		return nil, err
	}
	defer b.Close()
	spool := s.acc.NewSpool()
	defer spool.Close()
	if _, err := io.Copy(&limitedWriter{spool, s.s.c.Limits.Message}, b.Reader()); err != nil {
		return nil, err
	}
	if err := spool.Finish(); err != nil {
		return nil, err
	}
	header, err := message.ReadHeader(bufio.NewReader(spool.Part().Header(spool)), maxImportedHeader)
	if err != nil || len(header.Fields()) == 0 {
		return nil, jmap.SetErrorf(jmap.SetInvalidEmail, "the blob is no message: it does not begin with header fields")
	}
	if n.received == nil {
		n.received = receivedAt(header)
	}
	return s.put(ctx, n, spool)
}

// maxImportedHeader is the most octets of a header that is looked at.
const maxImportedHeader = 1 << 20

// receivedAt is the time of the uppermost Received field; nil: there is none.
func receivedAt(h *message.Header) *jmap.UTCDate {
	v := h.Get("Received")
	if i := strings.LastIndexByte(v, ';'); i >= 0 {
		if t, err := message.ParseDate(v[i+1:]); err == nil {
			return &jmap.UTCDate{Time: t}
		}
	}
	return nil
}

// copyArgs are RFC 8620 5.4.
type copyArgs struct {
	FromAccountID            jmap.ID                    `json:"fromAccountId"`
	IfFromInState            *string                    `json:"ifFromInState"`
	AccountID                jmap.ID                    `json:"accountId"`
	IfInState                *string                    `json:"ifInState"`
	Create                   map[string]json.RawMessage `json:"create"`
	OnSuccessDestroyOriginal bool                       `json:"onSuccessDestroyOriginal"`
	DestroyFromIfInState     *string                    `json:"destroyFromIfInState"`
}

// emailCopy is Email/copy, RFC 8621 4.7. Users see one account only, and it is for two.
func emailCopy(ctx context.Context, c *call, a *copyArgs) (any, error) {
	if err := c.twoAccounts(ctx, a.FromAccountID, a.AccountID); err != nil {
		return nil, err
	}
	return nil, jmap.Errorf(jmap.ErrorInvalidArguments, "fromAccountId and accountId are the same: Email/set copies within an account")
}

// twoAccounts checks that both accounts of a copy are the user's.
func (c *call) twoAccounts(ctx context.Context, from, to jmap.ID) error {
	if _, err := c.account(ctx, to); err != nil {
		return err
	}
	_, err := c.account(ctx, from)
	var e *jmap.Error
	if errors.As(err, &e) && e.Type == jmap.ErrorAccountNotFound {
		return jmap.Errorf(jmap.ErrorFromAccountNotFound, "there is no account %.100q", from)
	}
	return err
}

// blobCopyArgs are RFC 8620 6.3.
type blobCopyArgs struct {
	FromAccountID jmap.ID  `json:"fromAccountId"`
	AccountID     jmap.ID  `json:"accountId"`
	BlobIDs       []string `json:"blobIds"`
}

type blobCopyResult struct {
	FromAccountID jmap.ID                   `json:"fromAccountId"`
	AccountID     jmap.ID                   `json:"accountId"`
	Copied        map[string]jmap.ID        `json:"copied"`
	NotCopied     map[string]*jmap.SetError `json:"notCopied"`
}

// blobCopy is Blob/copy: what is in the account stays as it is.
func blobCopy(ctx context.Context, c *call, a *blobCopyArgs) (*blobCopyResult, error) {
	if err := c.twoAccounts(ctx, a.FromAccountID, a.AccountID); err != nil {
		return nil, err
	}
	if most := c.s.c.Limits.Set; len(a.BlobIDs) > most {
		return nil, jmap.Errorf(jmap.ErrorRequestTooLarge, "a call can copy %d blobs", most)
	}
	acc, err := c.account(ctx, a.AccountID)
	if err != nil {
		return nil, err
	}
	res := &blobCopyResult{FromAccountID: a.FromAccountID, AccountID: a.AccountID}
	for _, key := range a.BlobIDs {
		id, ok := c.resolveID(key)
		b, err := openBlob(ctx, acc, id)
		switch {
		case !ok || errors.Is(err, errNoBlob):
			if res.NotCopied == nil {
				res.NotCopied = map[string]*jmap.SetError{}
			}
			res.NotCopied[key] = jmap.SetErrorf(jmap.SetNotFound, "there is no such blob")
			continue
		case err != nil:
			return nil, err
		}
		b.Close()
		if res.Copied == nil {
			res.Copied = map[string]jmap.ID{}
		}
		res.Copied[key] = id
	}
	return res, nil
}
