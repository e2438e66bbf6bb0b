package store

import (
	"context"
	"fmt"
	"math"
	"strconv"

	"mox/db"
)

// RFC 8474: ids of objects, unique in the account: a letter for the kind and the number
// in base 32.

// EmailID is the EMAILID of content; messages with equal content have the same.
func EmailID(id BodyID) string { return "M" + strconv.FormatInt(int64(id), 32) }

// ThreadObjectID is the THREADID.
func ThreadObjectID(id ThreadID) string { return "T" + strconv.FormatInt(int64(id), 32) }

// MailboxObjectID is the MAILBOXID.
func MailboxObjectID(id MailboxID) string { return "F" + strconv.FormatInt(int64(id), 32) }

// ParseObjectID returns the number in an object id of the given kind ('M', 'T', 'F');
// false when it is none, also when it is not written as this package does.
func ParseObjectID(kind byte, s string) (int64, bool) {
	if len(s) < 2 || s[0] != kind {
		return 0, false
	}
	n, err := strconv.ParseInt(s[1:], 32, 64)
	if err != nil || n <= 0 || strconv.FormatInt(n, 32) != s[1:] {
		return 0, false
	}
	return n, true
}

// Thread returns the thread of a body. ErrNoBody when it is gone.
func (a *Account) Thread(ctx context.Context, id BodyID) (ThreadID, error) {
	var thread int64
	err := a.read(ctx, func(c *db.Conn) (err error) {
		var ok bool
		thread, ok, err = c.QueryInt64("SELECT thread FROM body WHERE id=?", int64(id))
		if err == nil && !ok {
			err = ErrNoBody
		}
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("reading thread: %w", err)
	}
	return ThreadID(thread), nil
}

// NewBodies returns up to max ids of bodies above after that messages have, ascending:
// what an index of content has not seen yet. No lower id above after can come later: it
// stops before bodies that are still being written.
func (a *Account) NewBodies(ctx context.Context, after BodyID, max int) ([]BodyID, error) {
	var ids []BodyID
	err := a.read(ctx, func(c *db.Conn) error {
		// A staged body has no reference, and is to be freed in the future.
		staged, ok, err := c.QueryInt64("SELECT min(id) FROM body WHERE refs=0 AND freed>? HAVING min(id) IS NOT NULL", a.now().Unix())
		if err != nil {
			return err
		}
		if !ok {
			staged = math.MaxInt64
		}
		rows := c.QueryInts("SELECT id FROM body WHERE id>? AND id<? AND refs>0 ORDER BY id LIMIT ?", int64(after), staged, int64(max))
		for rows.Next() {
			ids = append(ids, BodyID(rows.Int64(0)))
		}
		return rows.Close()
	})
	if err != nil {
		return nil, fmt.Errorf("listing content: %w", err)
	}
	return ids, nil
}

// MissingBodies returns those of ids that are gone, so that an index can drop them.
func (a *Account) MissingBodies(ctx context.Context, ids []BodyID) ([]BodyID, error) {
	var gone []BodyID
	err := a.read(ctx, func(c *db.Conn) error {
		for _, id := range ids {
			_, ok, err := c.QueryInt64("SELECT 1 FROM body WHERE id=?", int64(id))
			if err != nil {
				return err
			}
			if !ok {
				gone = append(gone, id)
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("listing content: %w", err)
	}
	return gone, nil
}

// Setting returns a stored value, nil when there is none. Names of this package's users
// begin with the package's: "junk/...".
func (a *Account) Setting(ctx context.Context, name string) ([]byte, error) {
	var v []byte
	err := a.read(ctx, func(c *db.Conn) error {
		rows := c.Query("SELECT value FROM setting WHERE name=?", name)
		if rows.Next() {
			v = append([]byte{}, rows.Bytes(0)...)
		}
		return rows.Close()
	})
	if err != nil {
		return nil, fmt.Errorf("reading setting: %w", err)
	}
	return v, nil
}

// SetSetting stores a value; nil removes it.
func (a *Account) SetSetting(ctx context.Context, name string, value []byte) error {
	err := a.do(ctx, len(value), func(t *tx) error { return t.setSetting(name, value) })
	if err != nil {
		return fmt.Errorf("writing setting: %w", err)
	}
	return nil
}

func (t *tx) setSetting(name string, value []byte) error {
	t.next()
	if err := t.c.Exec("DELETE FROM setting WHERE name=?", name); err != nil {
		return err
	}
	if value != nil {
		if err := t.c.Exec("INSERT INTO setting (name, value) VALUES (?,?)", name, value); err != nil {
			return err
		}
	}
	return t.log(SettingChanged, 0, nil, nil, name, nil)
}

// UpdateSetting makes the value of a setting anew from the old one, nil if there is none, in one operation. An error of
// f is returned wrapped, and changes nothing.
func (a *Account) UpdateSetting(ctx context.Context, name string, f func(old []byte) ([]byte, error)) error {
	c := MailboxChange{Setting: f, SettingName: name}
	if err := a.do(ctx, 0, func(t *tx) error { return t.changeSetting(&c) }); err != nil {
		return fmt.Errorf("writing setting: %w", err)
	}
	return nil
}

const credentialsName = "credentials"

// Credentials returns what SetCredentials stored, nil when nothing.
func (a *Account) Credentials(ctx context.Context) (Credentials, error) {
	v, err := a.Setting(ctx, credentialsName)
	return Credentials(v), err
}

// SetCredentials stores secrets derived from the password; nil removes them.
func (a *Account) SetCredentials(ctx context.Context, c Credentials) error {
	return a.SetSetting(ctx, credentialsName, c)
}

// MakeSetting stores a value under a name that it gives with f, called in the operation with its ModSeq, which no other has.
func (a *Account) MakeSetting(ctx context.Context, f func(seq ModSeq) (name string, value []byte, err error)) error {
	err := a.do(ctx, 0, func(t *tx) error {
		name, value, err := f(t.next())
		if err != nil {
			return err
		}
		return t.setSetting(name, value)
	})
	if err != nil {
		return fmt.Errorf("writing setting: %w", err)
	}
	return nil
}

// Settings returns the stored values whose names begin with a prefix, by name.
func (a *Account) Settings(ctx context.Context, prefix string) (map[string][]byte, error) {
	all := map[string][]byte{}
	err := a.read(ctx, func(c *db.Conn) error {
		rows := c.Query("SELECT name, value FROM setting WHERE name>=? AND name<?", prefix, prefix+"\xff")
		for rows.Next() {
			all[rows.Text(0)] = append([]byte{}, rows.Bytes(1)...)
		}
		return rows.Close()
	})
	if err != nil {
		return nil, fmt.Errorf("reading settings: %w", err)
	}
	return all, nil
}
