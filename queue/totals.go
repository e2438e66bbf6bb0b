package queue

import (
	"fmt"

	"mox/db"
)

// totals are changes of what is kept about many messages together: of an operation, and then
// of all in a commit, which writes them once.
type totals struct {
	lanes map[int64]int          // lanes whose next may have changed, and by how many messages
	usage map[string]usageChange // by account
}

type usageChange struct {
	messages, hooks int
	size            int64
}

func (u usageChange) plus(c usageChange) usageChange {
	return usageChange{u.messages + c.messages, u.hooks + c.hooks, u.size + c.size}
}

// lane notes that the next attempt of a lane may have changed, and its number of messages.
func (s *totals) lane(id int64, messages int) {
	if s.lanes == nil {
		s.lanes = map[int64]int{}
	}
	s.lanes[id] += messages
}

func (s *totals) use(account string, c usageChange) {
	if s.usage == nil {
		s.usage = map[string]usageChange{}
	}
	s.usage[account] = s.usage[account].plus(c)
}

func (s *totals) add(o *totals) {
	for id, n := range o.lanes {
		s.lane(id, n)
	}
	for account, u := range o.usage {
		s.use(account, u)
	}
}

func (s *totals) clear() {
	clear(s.lanes)
	clear(s.usage)
}

// beforeCommit is called in each commit after its operations.
func (q *Queue) beforeCommit(c *db.Conn) error {
	if err := q.totals.write(c); err != nil {
		return err
	}
	if err := q.nextIDs.write(c); err != nil {
		return err
	}
	return q.writeNotes(c)
}

// afterCommit is called after each commit.
func (q *Queue) afterCommit(err error) {
	q.totals.clear()
	if err != nil {
		q.nextIDs = ids{}
	}
	q.forgetNotes(err)
}

// ids are those that are given next, in memory. What a commit has given, it writes.
type ids struct {
	known, given             bool
	nextMessage, nextContent int64
}

func (i *ids) load(c *db.Conn) error {
	if i.known {
		return nil
	}
	rows := c.Query("SELECT next_message, next_content FROM state")
	if rows.Next() {
		*i = ids{known: true, nextMessage: rows.Int64(0), nextContent: rows.Int64(1)}
	}
	if err := rows.Close(); err != nil || i.known {
		return err
	}
	return fmt.Errorf("%w: no state", db.ErrCorrupt)
}

// message returns the first of n ids for messages, which follow each other.
func (i *ids) message(c *db.Conn, n int) (int64, error) {
	if err := i.load(c); err != nil {
		return 0, err
	}
	i.nextMessage += int64(n)
	i.given = true
	return i.nextMessage - int64(n), nil
}

func (i *ids) content(c *db.Conn) (int64, error) {
	if err := i.load(c); err != nil {
		return 0, err
	}
	i.nextContent++
	i.given = true
	return i.nextContent - 1, nil
}

func (i *ids) write(c *db.Conn) error {
	if !i.given {
		return nil
	}
	i.given = false
	return c.ExecInts("UPDATE state SET next_message = ?, next_content = ?", i.nextMessage, i.nextContent)
}

func (s *totals) write(c *db.Conn) error {
	for id, n := range s.lanes {
		err := c.ExecInts(`UPDATE lane SET messages = messages + ?1,
			next = (SELECT min(next_attempt) FROM message WHERE lane_id = ?2 AND hold = 0) WHERE id = ?2`, int64(n), id)
		if err == nil && n <= 0 {
			err = c.ExecInts("DELETE FROM lane WHERE id = ? AND messages = 0", id)
		}
		if err != nil {
			return err
		}
	}
	for account, u := range s.usage {
		if u == (usageChange{}) {
			continue
		}
		if err := c.Exec(`INSERT INTO usage (account, messages, size, hooks) VALUES (?1, ?2, ?3, ?4)
			ON CONFLICT (account) DO UPDATE SET messages = messages + ?2, size = size + ?3, hooks = hooks + ?4`,
			account, u.messages, u.size, u.hooks); err != nil {
			return err
		}
		if u.messages > 0 {
			continue
		}
		if err := c.Exec("DELETE FROM usage WHERE account = ? AND messages = 0 AND size = 0 AND hooks = 0", account); err != nil {
			return err
		}
	}
	return nil
}

func (t *tx) lane(id int64, messages int) { t.totals.lane(id, messages) }

func (t *tx) use(account string, c usageChange) { t.totals.use(account, c) }

// used returns the totals of an account, with what this operation and those before it in the
// commit have done. It is for operations.
func (t *tx) used(account string) (usageChange, error) {
	u, err := usedOf(t.c, account)
	return u.plus(t.q.totals.usage[account]).plus(t.totals.usage[account]), err
}

// usedOf returns the totals of an account as they were committed.
func usedOf(c *db.Conn, account string) (usageChange, error) {
	rows := c.Query("SELECT messages, hooks, size FROM usage WHERE account = ?", account)
	var u usageChange
	if rows.Next() {
		u = usageChange{int(rows.Int64(0)), int(rows.Int64(1)), rows.Int64(2)}
	}
	return u, rows.Close()
}
