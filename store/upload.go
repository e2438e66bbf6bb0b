package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"mox/db"
)

// ErrNoUpload is returned for an upload that is not there, or not any more.
var ErrNoUpload = errors.New("no such upload")

// ErrUploads is returned where an account has too many uploads, or too large ones, that are not old enough to go.
var ErrUploads = errors.New("too much has been uploaded")

// UploadID is the number of an upload.
type UploadID int64

// UploadObjectID is the id of an upload for clients.
func UploadObjectID(id UploadID) string { return "U" + strconv.FormatInt(int64(id), 32) }

// UploadLimits bound what is uploaded to an account. Zero fields have the defaults.
type UploadLimits struct {
	Total int64         // octets of all uploads; 0: 1 GiB
	Count int           // uploads; 0: 1000
	Least time.Duration // for which they are kept, even when the limits are reached; 0: 1 h
	Most  time.Duration // after which they go; 0: 24 h
}

func (l *UploadLimits) setDefaults() {
	if l.Total == 0 {
		l.Total = 1 << 30
	}
	if l.Count == 0 {
		l.Count = 1000
	}
	if l.Least == 0 {
		l.Least = time.Hour
	}
	if l.Most == 0 {
		l.Most = 24 * time.Hour
	}
}

// Upload is a file that a program has uploaded, to be made a part of a message soon.
type Upload struct {
	ID      UploadID
	Created time.Time
	Size    int64
	Type    string // media type, as the client said
}

// AddUpload reads a file from r, writing it in slices as it comes, and returns once it is durable. ErrTooLarge for one
// of more than most octets. The oldest uploads make room for it; ErrUploads when they are too young. Errors of r are
// returned wrapped.
func (a *Account) AddUpload(ctx context.Context, mediaType string, r io.Reader, most int64) (Upload, error) {
	u := Upload{Type: mediaType}
	in := io.LimitReader(r, most+1)
	for n, last := 1, false; !last; {
		chunks, read, err := a.s.codec.EncodeFrom(in, stageSlice)
		if err == nil && u.Size+read > most {
			err = ErrTooLarge
		}
		if err != nil {
			a.dropUpload(ctx, u.ID)
			return Upload{}, fmt.Errorf("reading upload: %w", err)
		}
		last = read < stageSlice
		weight := 0
		for _, ch := range chunks {
			weight += len(ch)
		}
		next := u
		err = a.do(ctx, weight, func(t *tx) error {
			next = u
			return t.writeUpload(&next, n, chunks, read, last)
		})
		if err != nil {
			a.dropUpload(ctx, u.ID)
			return Upload{}, fmt.Errorf("writing upload: %w", err)
		}
		u, n = next, n+len(chunks)
	}
	return u, nil
}

// writeUpload writes a slice of an upload, whose row it makes for the first.
func (t *tx) writeUpload(u *Upload, n int, chunks [][]byte, size int64, last bool) error {
	if u.ID == 0 {
		u.ID, u.Created = UploadID(t.newBody()), time.Unix(t.now.Unix(), 0)
		if err := t.c.Exec("INSERT INTO upload (id, created, complete, size, type) VALUES (?,?,0,0,?)", int64(u.ID), t.now.Unix(), u.Type); err != nil {
			return err
		}
	}
	if err := t.roomForUpload(u.ID, size); err != nil {
		return err
	}
	u.Size += size
	complete := int64(0)
	if last {
		complete = 1
	}
	if err := t.c.ExecInts("UPDATE upload SET created=?, complete=?, size=? WHERE id=?", t.now.Unix(), complete, u.Size, int64(u.ID)); err != nil {
		return err
	}
	if t.c.Changes() != 1 {
		return ErrNoUpload // it took so long that it was removed
	}
	t.released = true
	for i, ch := range chunks {
		if err := t.c.Exec("INSERT INTO upload_chunk (id, data) VALUES (?,?)", chunkID(BodyID(u.ID), n+i), ch); err != nil {
			return err
		}
	}
	return nil
}

// roomForUpload removes old uploads until there is room for more octets of one.
func (t *tx) roomForUpload(id UploadID, size int64) error {
	l := t.a.s.o.Uploads
	for {
		rows := t.c.QueryInts("SELECT count(*), coalesce(sum(size), 0) FROM upload")
		rows.Next()
		count, total := rows.Int64(0), rows.Int64(1)
		if err := rows.Close(); err != nil {
			return err
		}
		if count <= int64(l.Count) && total+size <= l.Total {
			return nil
		}
		old, ok, err := t.c.QueryInt64("SELECT id FROM upload WHERE created<? AND id<>? ORDER BY created, id LIMIT 1", t.now.Add(-l.Least).Unix(), int64(id))
		if err != nil {
			return err
		}
		if !ok {
			return fmt.Errorf("%w: at most %d files of %d octets together", ErrUploads, l.Count, l.Total)
		}
		if err := t.deleteUpload(UploadID(old)); err != nil {
			return err
		}
	}
}

func (t *tx) deleteUpload(id UploadID) error {
	t.dirty = true
	if err := t.c.ExecInts("DELETE FROM upload_chunk WHERE id BETWEEN ? AND ?", int64(id)*chunksOf, int64(id)*chunksOf+chunksOf-1); err != nil {
		return err
	}
	return t.c.ExecInts("DELETE FROM upload WHERE id=?", int64(id))
}

// dropUpload removes what was written of an upload that failed. What cannot be removed now is later.
func (a *Account) dropUpload(ctx context.Context, id UploadID) {
	if id == 0 {
		return
	}
	if err := a.do(context.WithoutCancel(ctx), 0, func(t *tx) error { return t.deleteUpload(id) }); err != nil {
		a.log.Error("removing part of an upload", "account", a.name, "err", err)
	}
}

// UploadByID returns what is known of an upload; ErrNoUpload.
func (a *Account) UploadByID(ctx context.Context, id UploadID) (Upload, error) {
	u := Upload{ID: id}
	err := a.read(ctx, func(c *db.Conn) error {
		rows := c.QueryInts("SELECT created, size, type FROM upload WHERE id=? AND complete=1", int64(id))
		ok := rows.Next()
		if ok {
			u.Created, u.Size, u.Type = time.Unix(rows.Int64(0), 0), rows.Int64(1), rows.Text(2)
		}
		if err := rows.Close(); err != nil || ok {
			return err
		}
		return ErrNoUpload
	})
	if err != nil {
		return Upload{}, fmt.Errorf("reading upload: %w", err)
	}
	return u, nil
}

// OpenUpload opens the content of an upload, as OpenBody; ErrNoUpload.
func (a *Account) OpenUpload(ctx context.Context, id UploadID) (*BodyReader, error) {
	u, err := a.UploadByID(ctx, id)
	if err != nil {
		return nil, err
	}
	b := &BodyReader{a: a, ctx: ctx, id: BodyID(id), upload: true}
	b.r = a.s.codec.NewReader(b.fetch)
	b.r.Layout(u.Size, 0)
	return b, nil
}

// freeUploads removes uploads that nobody may want any more, one at a time.
func (a *Account) freeUploads(ctx context.Context, now time.Time) (more bool, err error) {
	before := now.Add(-a.s.o.Uploads.Most).Unix()
	// Most of the time there is nothing, and nothing is to be written then.
	err = a.read(ctx, func(c *db.Conn) error {
		_, more, err = c.QueryInt64("SELECT id FROM upload WHERE created<=? LIMIT 1", before)
		return err
	})
	if err != nil || !more {
		return false, err
	}
	return true, a.do(ctx, 0, func(t *tx) error {
		id, ok, err := t.c.QueryInt64("SELECT id FROM upload WHERE created<=? ORDER BY created LIMIT 1", before)
		if err != nil || !ok {
			return err
		}
		return t.deleteUpload(UploadID(id))
	})
}
