package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"mox/db"
)

// AnnotationLimits bound the annotations of messages (RFC 5257). Zero fields have the
// defaults given.
type AnnotationLimits struct {
	Size    int64 // bytes of one value; 64 KiB
	Message int   // annotations of one message; 100
	Total   int64 // bytes of all names and values of an account; 64 MiB
}

func (l *AnnotationLimits) setDefaults() {
	l.Size = cmp.Or(l.Size, 64<<10)
	l.Message = cmp.Or(l.Message, 100)
	l.Total = cmp.Or(l.Total, 64<<20)
}

// Annotation is a value kept with a message (RFC 5257), which keeps its annotations when it
// is moved; copies get them too.
type Annotation struct {
	Name   string // "/comment"; case matters
	Shared bool   // value.shared, not value.priv
	User   string // whose value.priv it is: an account; empty for that of the message. Not set by reading
	Value  []byte // any octets; nil: none
	ModSeq ModSeq // of its last change; not used when set
}

// ErrAnnotations is returned where a message or an account would get too many annotations.
var ErrAnnotations = errors.New("too many annotations")

// CheckAnnotation checks the name of an annotation (RFC 5257 3.2). The error wraps
// ErrBadName.
func CheckAnnotation(name string) error {
	bad := len(name) > maxEntryName || !strings.HasPrefix(name, "/") || strings.HasSuffix(name, "/") || strings.Contains(name, "//")
	for i := range len(name) {
		if c := name[i]; c < 0x20 || c >= 0x7f || c == '*' || c == '%' {
			bad = true
		}
	}
	if bad {
		return fmt.Errorf("%w: annotation %q", ErrBadName, name)
	}
	return nil
}

func (a *Account) checkAnnotations(list []Annotation) error {
	for _, an := range list {
		if err := CheckAnnotation(an.Name); err != nil {
			return err
		}
		if int64(len(an.Value)) > a.s.o.Annotations.Size {
			return fmt.Errorf("%w: annotation of %d bytes", ErrTooLarge, len(an.Value))
		}
	}
	return nil
}

// MaxAnnotationSize is [AnnotationLimits].Size.
func (a *Account) MaxAnnotationSize() int64 { return a.s.o.Annotations.Size }

// Annotated reports whether any message has annotations, or had some: where not, nothing
// need be asked.
func (a *Account) Annotated() bool {
	a.mu.RLock()
	defer a.mu.RUnlock()
	return a.annotations > 0
}

// Annotations returns the annotations of a message that changed after a ModSeq, sorted by
// name, private before shared: the private ones of user, who is an account, empty for this one.
// With since zero all that there are; otherwise also those that were removed, without value.
func (a *Account) Annotations(ctx context.Context, user string, id MessageID, since ModSeq) ([]Annotation, error) {
	if !a.Annotated() {
		return nil, nil
	}
	var list []Annotation
	err := a.read(ctx, func(c *db.Conn) error {
		own, err := findAnnotator(c, user)
		if err != nil {
			return err
		}
		rows := c.QueryInts("SELECT name, shared, value, modseq FROM annotation WHERE message_id=? AND modseq>? AND shared IN (?,1) ORDER BY name, shared=1", int64(id), int64(since), own)
		for rows.Next() {
			if an := scanAnnotation(rows); an.Value != nil || since > 0 {
				list = append(list, an)
			}
		}
		return rows.Close()
	})
	if err != nil {
		return nil, fmt.Errorf("reading annotations: %w", err)
	}
	return list, nil
}

func scanAnnotation(rows *db.Stmt) Annotation {
	an := Annotation{Name: rows.Text(0), Shared: rows.Int64(1) == scopeShared, ModSeq: ModSeq(rows.Int64(3))}
	if !rows.Null(2) {
		an.Value = append([]byte{}, rows.Bytes(2)...)
	}
	return an
}

// FindAnnotations calls f with the annotations of all messages of the account, expunged
// ones included, in no order: shared ones, and the private ones of user. an.Value is valid during the call.
func (a *Account) FindAnnotations(ctx context.Context, user string, f func(id MessageID, an *Annotation)) error {
	if !a.Annotated() {
		return nil
	}
	err := a.db.ReadLong(ctx, func(c *db.Conn) error {
		own, err := findAnnotator(c, user)
		if err != nil {
			return err
		}
		rows := c.QueryInts("SELECT name, shared, value, modseq, message_id FROM annotation WHERE value IS NOT NULL AND shared IN (?,1)", own)
		for rows.Next() {
			an := Annotation{Name: rows.Text(0), Shared: rows.Int64(1) == scopeShared, Value: rows.Bytes(2), ModSeq: ModSeq(rows.Int64(3))}
			f(MessageID(rows.Int64(4)), &an)
		}
		return rows.Close()
	})
	if err != nil {
		return fmt.Errorf("reading annotations: %w", a.fail(err))
	}
	return nil
}

// SetAnnotations sets annotations of the messages in set, in one operation; those without
// value are removed. Messages that it changes get its ModSeq. With unchangedSince, messages
// whose ModSeq is higher are left alone (RFC 7162 3.1.3). Errors are ErrBadName, ErrTooLarge
// for a value above [AnnotationLimits].Size, and ErrAnnotations.
func (a *Account) SetAnnotations(ctx context.Context, box MailboxID, set UIDSet, list []Annotation, unchangedSince *ModSeq) (FlagResult, error) {
	var r FlagResult
	if err := a.checkAnnotations(list); err != nil {
		return r, fmt.Errorf("setting annotations: %w", err)
	}
	err := a.withBox(ctx, box, func() error {
		return a.do(ctx, 64*set.Len()/8, func(t *tx) (err error) {
			r, err = t.setAnnotations(box, set.Normal(), list, unchangedSince)
			return err
		})
	})
	if err != nil {
		return FlagResult{}, fmt.Errorf("setting annotations: %w", err)
	}
	return r, nil
}

func (t *tx) setAnnotations(box MailboxID, set UIDSet, list []Annotation, unchangedSince *ModSeq) (FlagResult, error) {
	var r FlagResult
	b, err := t.box(box)
	if err != nil {
		return r, err
	}
	v, err := t.view(box)
	if err != nil {
		return r, err
	}
	var edits []edit
	v.messages(set, func(i int, m *Message) {
		if unchangedSince != nil && m.ModSeq > *unchangedSince {
			r.Modified.Add(m.UID)
			return
		}
		if err == nil {
			var changed bool
			if changed, err = t.annotate(m.ID, list); changed {
				edits = append(edits, edit{i, *m})
			}
		}
	})
	if err != nil || len(edits) == 0 {
		return r, err
	}
	r.ModSeq, r.Changed = t.next(), len(edits)
	if err := t.writeEdits(b, v, edits); err != nil {
		return r, err
	}
	var uids UIDSet
	for i := range edits {
		uids.Add(edits[i].msg.UID)
	}
	return r, t.log(AnnotationsChanged, b.ID, appendUIDs(nil, uids), nil, nil, nil)
}

// annotate sets annotations of one message, and reports whether that changed anything.
func (t *tx) annotate(id MessageID, list []Annotation) (changed bool, err error) {
	for i := range list {
		did, err := t.annotateOne(id, &list[i])
		if err != nil {
			return changed, err
		}
		changed = changed || did
	}
	if !changed {
		return false, nil
	}
	n, _, err := t.c.QueryInt64("SELECT count(*) FROM annotation WHERE message_id=? AND value IS NOT NULL", int64(id))
	if l := &t.a.s.o.Annotations; err == nil && (n > int64(l.Message) || t.annotationSize > l.Total) {
		err = fmt.Errorf("%w: %d, of %d bytes in the account", ErrAnnotations, n, t.annotationSize)
	}
	if err == nil {
		err = t.trimAnnotations(id)
	}
	return true, err
}

func (t *tx) annotateOne(id MessageID, an *Annotation) (changed bool, err error) {
	scope, err := t.scope(an)
	if err != nil {
		return false, err
	}
	rows := t.c.Query("SELECT value FROM annotation WHERE message_id=? AND name=? AND shared=?", int64(id), an.Name, scope)
	row := rows.Next()
	had := row && !rows.Null(0)
	old := int64(0)
	same := !had && an.Value == nil
	if had {
		old = int64(len(rows.Bytes(0)))
		same = an.Value != nil && string(rows.Bytes(0)) == string(an.Value)
	}
	if err := rows.Close(); err != nil || same {
		return false, err
	}
	if !row {
		t.annotations++
		t.annotationSize += int64(len(an.Name))
	}
	t.annotationSize += int64(len(an.Value)) - old
	return true, t.c.Exec("INSERT INTO annotation (message_id, name, shared, value, modseq) VALUES (?,?,?,?,?) ON CONFLICT (message_id, name, shared) DO UPDATE SET value=excluded.value, modseq=excluded.modseq",
		int64(id), an.Name, scope, an.Value, int64(t.next()))
}

// trimAnnotations forgets which annotations of a message were removed, but for the latest:
// a client that names ever new ones must not fill the table.
func (t *tx) trimAnnotations(id MessageID) error {
	const removed = "FROM annotation WHERE message_id=? AND value IS NULL AND modseq<?"
	n, _, err := t.c.QueryInt64("SELECT count(*) FROM annotation WHERE message_id=?", int64(id))
	if err != nil || n <= 2*int64(t.a.s.o.Annotations.Message) {
		return err
	}
	return t.dropAnnotations(removed, int64(id), int64(t.seq))
}

// dropAnnotations deletes what a clause from FROM on selects.
func (t *tx) dropAnnotations(clause string, args ...int64) error {
	rows := t.c.QueryInts("SELECT count(*), sum(length(name)+coalesce(length(value), 0)) "+clause, args...)
	if rows.Next() {
		t.annotations -= rows.Int64(0)
		t.annotationSize -= rows.Int64(1)
	}
	if err := rows.Close(); err != nil {
		return err
	}
	t.dirty = true
	return t.c.ExecInts("DELETE "+clause, args...)
}

// releaseAnnotations deletes those of messages that are gone for good.
func (t *tx) releaseAnnotations(msgs []Message) error {
	if t.annotations == 0 {
		return nil
	}
	for i := range msgs {
		if err := t.dropAnnotations("FROM annotation WHERE message_id=?", int64(msgs[i].ID)); err != nil {
			return err
		}
	}
	return nil
}

// copyAnnotations gives messages, just copied, annotations of those they are copies of. RFC 5257
// 4.6: the private ones of who copies, and the shared ones, where they may be set.
func (t *tx) copyAnnotations(from []MessageID, to []Message, limit FlagLimit) error {
	if t.annotations == 0 {
		return nil
	}
	user := limit.userIn(t.a)
	own, err := findAnnotator(t.c, user)
	if err != nil {
		return err
	}
	for i := range to {
		rows := t.c.QueryInts("SELECT name, shared, value, modseq FROM annotation WHERE message_id=? AND value IS NOT NULL AND shared IN (?,1)", int64(from[i]), own)
		var list []Annotation
		for rows.Next() {
			an := scanAnnotation(rows)
			an.User = user
			list = append(list, an)
		}
		list = limit.annotations(list)
		if err := rows.Close(); err != nil {
			return err
		}
		if _, err := t.annotate(to[i].ID, list); err != nil {
			return err
		}
	}
	return nil
}
