package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"mox/db"
)

// MetadataLimits bound the annotations of mailboxes and of the account (RFC 5464), all of
// an account together but for Size. Zero fields have the defaults given.
type MetadataLimits struct {
	Entries int   // 1000
	Size    int64 // bytes of one value; 64 KiB. Values can be read without more memory than that and Total
	Total   int64 // bytes of all names and values; 1 MiB
}

func (l *MetadataLimits) setDefaults() {
	l.Entries = cmp.Or(l.Entries, 1000)
	l.Size = cmp.Or(l.Size, 64<<10)
	l.Total = cmp.Or(l.Total, 1<<20)
}

// MetadataEntry is an annotation of a mailbox or of the account (RFC 5464).
type MetadataEntry struct {
	Name  string // "/shared/comment"; in lower case when read, in any case when set
	Value []byte // any octets; nil: there is none
	// ModSeq of its last change; zero for those that are computed. Not used when set.
	ModSeq ModSeq
	// User is whose an entry below /private/ is: an account, empty for that of the mailbox.
	User string
}

// EntrySpecialUse is the annotation of a mailbox that is its special use (RFC 6154 4):
// attributes separated by spaces. It is computed, and setting it is SetSpecialUse.
const EntrySpecialUse = "/private/specialuse"

// ErrSpecialUse is returned for special uses that a mailbox cannot have.
var ErrSpecialUse = errors.New("special use is not supported")

// maxEntryName is the length of an entry name, in bytes.
const maxEntryName = 1000

// NormalEntry checks the name of an annotation (RFC 5464 3.2) and returns it as it is
// stored: in lower case, as names are case-insensitive. The error wraps ErrBadName.
func NormalEntry(name string) (string, error) {
	bad := func(why string) (string, error) { return "", fmt.Errorf("%w: entry name %s", ErrBadName, why) }
	if len(name) > maxEntryName {
		return bad("is too long")
	}
	for i := range len(name) {
		// RFC 5464 3.2: no octets up to 0x19, no wildcards, only ASCII. That stops short of
		// the other controls by what looks like a slip; they are refused too.
		if c := name[i]; c < 0x20 || c >= 0x7f || c == '*' || c == '%' {
			return bad("has a character that is not allowed")
		}
	}
	name = strings.ToLower(name)
	if strings.Contains(name, "//") || strings.HasSuffix(name, "/") {
		return bad("has an empty component")
	}
	parts := strings.Split(name, "/")
	if len(parts) < 3 || parts[0] != "" || parts[1] != "private" && parts[1] != "shared" {
		return bad("does not begin with /private/ or /shared/")
	}
	// RFC 5464 3.2: below /shared/vendor/<vendor-token>.
	if parts[2] == "vendor" && len(parts) < 5 {
		return bad("in the vendor namespace needs four components")
	}
	return name, nil
}

// MetadataOf returns the private annotations that the user of another account has on a mailbox,
// sorted by name.
func (a *Account) MetadataOf(ctx context.Context, user string, box MailboxID) ([]MetadataEntry, error) {
	var list []MetadataEntry
	err := a.read(ctx, func(c *db.Conn) error {
		id, err := findAnnotator(c, user)
		if err != nil {
			return err
		}
		rows := c.QueryInts("SELECT name, value, modseq FROM metadata_other WHERE mailbox_id=? AND annotator=? ORDER BY name", int64(box), id)
		for rows.Next() {
			list = append(list, MetadataEntry{rows.Text(0), append([]byte{}, rows.Bytes(1)...), ModSeq(rows.Int64(2)), user})
		}
		return rows.Close()
	})
	if err != nil {
		return nil, fmt.Errorf("reading metadata: %w", err)
	}
	return list, nil
}

// Metadata returns the annotations of a mailbox, or with zero those of the account, sorted
// by name; EntrySpecialUse is among them where a mailbox has one.
func (a *Account) Metadata(ctx context.Context, box MailboxID) ([]MetadataEntry, error) {
	var list []MetadataEntry
	if box != 0 {
		m, ok := a.MailboxByID(box)
		if !ok {
			return nil, fmt.Errorf("reading metadata: %w", ErrNoMailbox)
		}
		if m.SpecialUse != 0 {
			list = append(list, MetadataEntry{Name: EntrySpecialUse, Value: []byte(strings.Join(m.SpecialUse.Names(), " "))})
		}
	}
	err := a.read(ctx, func(c *db.Conn) error {
		rows := c.QueryInts("SELECT name, value, modseq FROM metadata WHERE mailbox_id=?", int64(box))
		for rows.Next() {
			list = append(list, MetadataEntry{Name: rows.Text(0), Value: append([]byte{}, rows.Bytes(1)...), ModSeq: ModSeq(rows.Int64(2))})
		}
		return rows.Close()
	})
	if err != nil {
		return nil, fmt.Errorf("reading metadata: %w", err)
	}
	slices.SortFunc(list, func(x, y MetadataEntry) int { return strings.Compare(x.Name, y.Name) })
	return list, nil
}

// SetMetadata sets annotations of a mailbox, or with zero of the account, in one
// operation; those without value are removed. Errors are ErrBadName, ErrTooLarge for a
// value above [MetadataLimits].Size, ErrLimit where there are too many, and ErrSpecialUse.
func (a *Account) SetMetadata(ctx context.Context, box MailboxID, entries []MetadataEntry) error {
	entries = slices.Clone(entries)
	size := 0
	for i := range entries {
		e := &entries[i]
		var err error
		if e.Name, err = NormalEntry(e.Name); err != nil {
			return fmt.Errorf("setting metadata: %w", err)
		}
		if int64(len(e.Value)) > a.s.o.Metadata.Size {
			return fmt.Errorf("setting metadata: %w: value of %d bytes", ErrTooLarge, len(e.Value))
		}
		if e.User != "" && (box == 0 || !strings.HasPrefix(e.Name, "/private/") || e.Name == EntrySpecialUse) {
			return fmt.Errorf("setting metadata: %w: %s of another user", ErrNotAllowed, e.Name)
		}
		size += len(e.Value)
	}
	if err := a.do(ctx, size, func(t *tx) error { return t.setMetadata(box, entries) }); err != nil {
		return fmt.Errorf("setting metadata: %w", err)
	}
	return nil
}

// MaxMetadataSize is [MetadataLimits].Size.
func (a *Account) MaxMetadataSize() int64 { return a.s.o.Metadata.Size }

func (t *tx) setMetadata(box MailboxID, entries []MetadataEntry) error {
	if box != 0 {
		if _, err := t.box(box); err != nil {
			return err
		}
	}
	var changed []string
	for _, e := range entries {
		did, err := t.setEntry(box, e)
		if err != nil {
			return err
		}
		// What is another user's is no news to others.
		t.dirty = t.dirty || did
		if did && e.User == "" && !slices.Contains(changed, e.Name) {
			changed = append(changed, e.Name)
		}
	}
	if err := t.checkMetadata(); err != nil || len(changed) == 0 {
		return err
	}
	return t.log(MetadataChanged, box, nil, nil, strings.Join(changed, "\n"), nil)
}

// setEntry sets one annotation, and reports whether that changed anything.
func (t *tx) setEntry(box MailboxID, e MetadataEntry) (bool, error) {
	if box != 0 && e.Name == EntrySpecialUse {
		return false, t.setUseEntry(box, e.Value) // logs its change itself
	}
	if e.User != "" {
		return t.setEntryOf(box, e)
	}
	rows := t.c.Query("SELECT value FROM metadata WHERE mailbox_id=? AND name=?", int64(box), e.Name)
	had := rows.Next()
	same := had && e.Value != nil && string(rows.Bytes(0)) == string(e.Value)
	if err := rows.Close(); err != nil || same || !had && e.Value == nil {
		return false, err
	}
	seq := t.next()
	if err := t.c.Exec("DELETE FROM metadata WHERE mailbox_id=? AND name=?", int64(box), e.Name); err != nil || e.Value == nil {
		return true, err
	}
	return true, t.c.Exec("INSERT INTO metadata (mailbox_id, name, value, modseq) VALUES (?,?,?,?)", int64(box), e.Name, e.Value, int64(seq))
}

// setEntryOf is setEntry for one of another user.
func (t *tx) setEntryOf(box MailboxID, e MetadataEntry) (bool, error) {
	id, err := t.annotator(e.User)
	if err != nil {
		return false, err
	}
	if err := t.c.Exec("DELETE FROM metadata_other WHERE mailbox_id=? AND annotator=? AND name=?", int64(box), id, e.Name); err != nil {
		return false, err
	}
	if e.Value == nil {
		return t.c.Changes() > 0, nil
	}
	return true, t.c.Exec("INSERT INTO metadata_other (mailbox_id, annotator, name, value, modseq) VALUES (?,?,?,?,?)", int64(box), id, e.Name, e.Value, int64(t.next()))
}

// setUseEntry sets the special use of a mailbox to attributes separated by spaces.
func (t *tx) setUseEntry(box MailboxID, value []byte) error {
	var use SpecialUse
	for _, w := range strings.Fields(string(value)) {
		u, ok := ParseSpecialUse(w)
		// RFC 6154 3: \All and \Flagged name views of other mailboxes.
		if !ok || u == UseAll || u == UseFlagged {
			return fmt.Errorf("%w: %q", ErrSpecialUse, w)
		}
		use |= u
	}
	return t.setSpecialUse(box, use)
}

// checkMetadata compares what there is now with the limits.
func (t *tx) checkMetadata() error {
	rows := t.c.Query("SELECT count(*), sum(length(value)+length(name)) FROM (SELECT name, value FROM metadata UNION ALL SELECT name, value FROM metadata_other)")
	var n, size int64
	if rows.Next() {
		n, size = rows.Int64(0), rows.Int64(1)
	}
	if err := rows.Close(); err != nil {
		return err
	}
	if l := &t.a.s.o.Metadata; n > int64(l.Entries) || size > l.Total {
		return fmt.Errorf("%w annotations: %d of %d bytes", ErrLimit, n, size)
	}
	return nil
}

// deleteMetadata removes the annotations of a mailbox that goes.
func (t *tx) deleteMetadata(box MailboxID) error {
	if err := t.c.ExecInts("DELETE FROM metadata_other WHERE mailbox_id=?", int64(box)); err != nil {
		return err
	}
	return t.c.ExecInts("DELETE FROM metadata WHERE mailbox_id=?", int64(box))
}

// copyMetadata gives a new mailbox the annotations of another. RFC 5464 4.1: so for the
// mailbox that INBOX is renamed to.
func (t *tx) copyMetadata(src, dst MailboxID) error {
	n, _, err := t.c.QueryInt64("SELECT count(*) FROM metadata WHERE mailbox_id=?", int64(src))
	if err != nil || n == 0 {
		return err
	}
	if err := t.c.ExecInts("INSERT INTO metadata (mailbox_id, name, value, modseq) SELECT ?, name, value, ? FROM metadata WHERE mailbox_id=?", int64(dst), int64(t.next()), int64(src)); err != nil {
		return err
	}
	return t.checkMetadata()
}
