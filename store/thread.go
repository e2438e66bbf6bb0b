package store

import (
	"bytes"
	"time"

	"mox/db"
)

// Bounds of looking for a thread.
const (
	maxSameID      = 16
	maxSameSubject = 50
	maxWanted      = 5 // references that a message without a thread is found by
	day            = 24 * 60 * 60
)

// findThread finds the thread that a message belongs to, 0 for a new one, and a body
// of it with equal content, 0 for none.
func (t *tx) findThread(box MailboxID, p *prepared, received time.Time) (same BodyID, thread ThreadID, err error) {
	k := p.thread
	if same, thread, err = t.sameID(p); err != nil || thread != 0 {
		return same, thread, err
	}
	if thread, err = t.referred(k); err != nil || thread != 0 {
		return 0, thread, err
	}
	if thread, err = t.waiting(k); err != nil || thread != 0 {
		return 0, thread, err
	}
	if len(k.refs) == 0 && k.reply && k.subject != 0 {
		thread, err = t.sameSubject(box, k.subject, received.Unix())
	}
	return 0, thread, err
}

// sameID looks for messages with the same Message-ID: they are of the same thread, and
// mostly the same message once more.
func (t *tx) sameID(p *prepared) (same BodyID, thread ThreadID, err error) {
	if p.thread.msgID == 0 {
		return 0, 0, nil
	}
	// A staged body is complete only for who staged it, and a trace is of one delivery.
	share := p.staged == 0 && p.m.Trace == nil
	err = candidates(t.c, p.thread.msgID, maxSameID, func(c *candidate) bool {
		if c.refs == 0 {
			return false
		}
		if thread == 0 {
			thread = c.thread
		}
		if share && c.equal(p.size, p.hash[:]) {
			same, thread = c.id, c.thread
		}
		return same != 0
	})
	return same, thread, err
}

// referred looks for a message that this one refers to, the closest first, with the same
// subject; reports of delivery have a subject of their own.
func (t *tx) referred(k *threadKeys) (thread ThreadID, err error) {
	for _, ref := range k.refs {
		err := candidates(t.c, ref, maxSameID, func(c *candidate) bool {
			if c.subject == k.subject || k.report {
				thread = c.thread
			}
			return thread != 0
		})
		if err != nil || thread != 0 {
			return thread, err
		}
	}
	return 0, nil
}

// wantedKey is the key in the table lookup of messages that refer to one that was not
// there when they came, made of the key of that one.
func wantedKey(id int64) int64 {
	const other = 0x5bd1e9955bd1e995
	if h := id ^ other; h != 0 {
		return h
	}
	return 1
}

// wanted returns the keys that a message which begins a thread is found by later.
func (k *threadKeys) wanted() (keys []int64) {
	for _, ref := range k.refs[:min(len(k.refs), maxWanted)] {
		keys = append(keys, wantedKey(ref))
	}
	return keys
}

// waiting looks for a message that came before what it refers to: this one, or one that
// this one refers to as well; with the same subject.
func (t *tx) waiting(k *threadKeys) (thread ThreadID, err error) {
	keys := k.wanted()
	if k.msgID != 0 {
		keys = append(keys, wantedKey(k.msgID))
	}
	for _, h := range keys {
		err := candidates(t.c, h, maxSameID, func(c *candidate) bool {
			if c.subject == k.subject {
				thread = c.thread
			}
			return thread != 0
		})
		if err != nil || thread != 0 {
			return thread, err
		}
	}
	return 0, nil
}

// sameSubject looks for what a reply that does not say so is a reply to: the newest
// message of about that time in the same mailbox with the same subject.
func (t *tx) sameSubject(box MailboxID, subject, received int64) (thread ThreadID, err error) {
	err = candidates(t.c, subject, maxSameSubject, func(c *candidate) bool {
		if c.mailbox == box && c.received >= received-28*day && c.received <= received+day {
			thread = c.thread
		}
		return thread != 0
	})
	return thread, err
}

// candidate is a body found by one of its keys.
type candidate struct {
	id       BodyID
	refs     int64
	size     int64
	thread   ThreadID
	subject  int64
	mailbox  MailboxID
	received int64
	hash     []byte
	stored   bool // its content is in use
}

// equal reports whether messages can share the body: one of that size and hash.
func (c *candidate) equal(size int64, hash []byte) bool {
	return c.refs > 0 && c.stored && c.size == size && bytes.Equal(c.hash, hash)
}

// candidates calls f for the bodies with a key, the newest first, until f returns true.
func candidates(conn *db.Conn, hash int64, max int, f func(*candidate) bool) error {
	rows := conn.QueryInts("SELECT b.id, b.refs, b.size, b.thread, b.subject, b.mailbox_id, b.received, b.hash, b.location FROM lookup l JOIN body b ON b.id=l.body_id WHERE l.hash=? ORDER BY l.body_id DESC LIMIT ?", hash, int64(max))
	for rows.Next() {
		c := candidate{
			BodyID(rows.Int64(0)), rows.Int64(1), rows.Int64(2), ThreadID(rows.Int64(3)), rows.Int64(4), MailboxID(rows.Int64(5)), rows.Int64(6), rows.Bytes(7), rows.Int64(8) == locationChunks,
		}
		if f(&c) {
			break
		}
	}
	return rows.Close()
}
