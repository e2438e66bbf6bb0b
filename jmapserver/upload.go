package jmapserver

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"time"

	"mox/jmap"
	"mox/store"
)

// uploaded is the answer to an upload, RFC 8620 6.1.
type uploaded struct {
	AccountID jmap.ID `json:"accountId"`
	BlobID    jmap.ID `json:"blobId"`
	Type      string  `json:"type"`
	Size      int64   `json:"size"`
}

// maxMediaType is the most octets of the type of an upload.
const maxMediaType = 1000

// serveUpload takes a file, RFC 8620 6.1. rest is the account.
func (q *request) serveUpload(rest string) {
	if jmap.ID(rest) != accountID(q.user.Account) {
		q.problem(&jmap.Problem{Type: "about:blank", Status: http.StatusNotFound, Detail: "there is no such account"})
		return
	}
	free, ok := q.take(true)
	if !ok {
		q.problem(&jmap.Problem{Type: jmap.ProblemLimit, Limit: "maxConcurrentUpload", Status: http.StatusTooManyRequests, Detail: "too many uploads of the account at a time"})
		return
	}
	defer free()
	mediaType := q.r.Header.Get("Content-Type")
	if _, _, err := mime.ParseMediaType(mediaType); err != nil || len(mediaType) > maxMediaType {
		mediaType = "application/octet-stream"
	}
	most := q.s.c.Limits.Upload
	if q.r.ContentLength > most {
		q.problem(uploadTooLarge())
		return
	}
	// Servers without deadlines, as in tests, refuse this.
	_ = http.NewResponseController(q.w).SetReadDeadline(time.Now().Add(q.s.c.Limits.Body))
	acc, err := q.s.c.Store.Account(q.r.Context(), q.user.Account)
	if err != nil {
		q.problem(err)
		return
	}
	defer acc.Release()
	if err := q.r.Context().Err(); err != nil { // Disconnect may have come before the deadline
		q.problem(err)
		return
	}
	body := &uploadReader{r: q.r.Body}
	u, err := acc.AddUpload(q.r.Context(), mediaType, body, most)
	switch {
	case errors.Is(err, store.ErrTooLarge):
		err = uploadTooLarge()
	case errors.Is(err, store.ErrUploads):
		err = &jmap.Problem{Type: "about:blank", Status: http.StatusInsufficientStorage, Detail: "too much was uploaded within the last hour without room for more: " + err.Error()}
	case errors.Is(err, store.ErrDiskFull):
		err = &jmap.Problem{Type: "about:blank", Status: http.StatusInsufficientStorage, Detail: "the disk of the server is full"}
	case err != nil && body.err != nil:
		err = &jmap.Problem{Type: "about:blank", Status: http.StatusBadRequest, Detail: "the upload could not be read"}
	}
	if err != nil {
		q.problem(err)
		return
	}
	q.answer(http.StatusCreated, "application/json", &uploaded{jmap.ID(rest), jmap.ID(store.UploadObjectID(u.ID)), u.Type, u.Size})
}

func uploadTooLarge() error {
	return &jmap.Problem{Type: jmap.ProblemLimit, Limit: "maxSizeUpload", Status: http.StatusRequestEntityTooLarge, Detail: "the file is too large"}
}

// uploadReader remembers that the client, and not the server, failed.
type uploadReader struct {
	r   io.Reader
	err error
}

func (u *uploadReader) Read(p []byte) (int, error) {
	n, err := u.r.Read(p)
	if err != nil && err != io.EOF {
		u.err = err
	}
	return n, err
}
