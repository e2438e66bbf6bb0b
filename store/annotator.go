package store

import (
	"mox/db"
)

// Private annotations of an account's own user have the number 0, shared ones 1, and those of
// another user who may read the mailbox what the table annotator says.
const (
	scopeOwn    = 0
	scopeShared = 1
	scopeNone   = -1 // of a user who has none
)

// findAnnotator returns the number of a user's private annotations; empty: the account's own.
func findAnnotator(c *db.Conn, user string) (int64, error) {
	if user == "" {
		return scopeOwn, nil
	}
	rows := c.Query("SELECT id FROM annotator WHERE account=?", user)
	id := int64(scopeNone)
	if rows.Next() {
		id = rows.Int64(0)
	}
	return id, rows.Close()
}

// annotator is findAnnotator that makes a number for who has none.
func (t *tx) annotator(user string) (int64, error) {
	id, err := findAnnotator(t.c, user)
	if err != nil || id != scopeNone {
		return id, err
	}
	last, _, err := t.c.QueryInt64("SELECT max(id) FROM annotator")
	if err != nil {
		return 0, err
	}
	id = max(last, scopeShared) + 1
	return id, t.c.Exec("INSERT INTO annotator (id, account) VALUES (?,?)", id, user)
}

// scope returns the number of an annotation.
func (t *tx) scope(an *Annotation) (int64, error) {
	if an.Shared {
		return scopeShared, nil
	}
	return t.annotator(an.User)
}

// dropAnnotator deletes the private annotations of a user who is gone: whoever gets the name next
// must not see them.
func (t *tx) dropAnnotator(user string) error {
	id, err := findAnnotator(t.c, user)
	if err != nil || id == scopeNone || user == "" {
		return err
	}
	if err := t.dropAnnotations("FROM annotation WHERE shared=?", id); err != nil {
		return err
	}
	if err := t.c.ExecInts("DELETE FROM metadata_other WHERE annotator=?", id); err != nil {
		return err
	}
	return t.c.ExecInts("DELETE FROM annotator WHERE id=?", id)
}
