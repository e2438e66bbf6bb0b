package store

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"

	"mox/db"
)

// Condense does what adding the message would do with its content (compress it, render what
// FETCH answers), and then lets go of the memory that the finished spool holds: from then on
// it can be added and closed, but not read. It is for those who add many messages: several
// goroutines can prepare what one adds. weight is about the number of bytes that adding it
// writes. A message of more than 2 MiB stays as it is until it is added.
func (sp *Spool) Condense() (weight int, err error) {
	p := prepared{m: &NewMessage{Spool: sp}}
	if err := p.compress(); err != nil {
		return 0, err
	}
	if weight = p.weight(); sp.size > stageSize || sp.file != nil {
		return weight, nil
	}
	sp.freeBlocks()
	return weight, nil
}

// Known is what a mailbox holds, for those who add messages of which some may be there
// already. It is not safe for concurrent use.
type Known struct {
	a    *Account
	list []knownMessage // by key
}

// knownMessage is a message in a mailbox, found by a hash of its size and Message-ID.
type knownMessage struct {
	key   uint64
	sum   uint64 // the beginning of the hash, 0 where the content must be read for it
	body  BodyID
	taken bool
}

func knownKey(msgID string, size int64) uint64 {
	return uint64(hashKey(fmt.Sprint("known ", size), msgID))
}

func knownSum(hash []byte) uint64 {
	n := uint64(0)
	for _, b := range hash[:8] {
		n = n<<8 | uint64(b)
	}
	return n
}

// Known reads what a mailbox holds now: 32 bytes of memory a message. It may take long where
// there is much.
func (a *Account) Known(ctx context.Context, box MailboxID) (*Known, error) {
	k := &Known{a: a}
	err := a.db.ReadLong(ctx, func(c *db.Conn) error {
		rows := c.QueryInts("SELECT m.body_id, b.size, b.prefix, b.hash, k.message_id FROM message m JOIN body b ON b.id=m.body_id LEFT JOIN body_key k ON k.id=m.body_id WHERE m.mailbox_id=? AND b.location=0", int64(box))
		for rows.Next() {
			m := knownMessage{key: knownKey(rows.Text(4), rows.Int64(1)), body: BodyID(rows.Int64(0))}
			if hash := rows.Bytes(3); rows.Int64(2) == 0 && len(hash) == sha256.Size {
				m.sum = knownSum(hash)
			}
			k.list = append(k.list, m)
		}
		return rows.Close()
	})
	if err != nil {
		return nil, a.fail(fmt.Errorf("reading mailbox: %w", err))
	}
	slices.SortFunc(k.list, func(x, y knownMessage) int { return cmp.Compare(x.key, y.key) })
	return k, nil
}

// Take tells whether the mailbox had a message with just this content, and counts it as
// taken: where the mailbox has it twice, that is true two times. The spool must be
// condensed, and not have been given a prefix.
func (k *Known) Take(ctx context.Context, sp *Spool) (bool, error) {
	if len(k.list) == 0 {
		return false, nil
	}
	id, err := sp.identify()
	if err != nil {
		return false, err
	}
	key := knownKey(id.msgID, sp.size)
	hash := sha256.Sum256(sp.sum[:])
	i, _ := slices.BinarySearchFunc(k.list, key, func(m knownMessage, key uint64) int { return cmp.Compare(m.key, key) })
	for ; i < len(k.list) && k.list[i].key == key; i++ {
		m := &k.list[i]
		if m.taken || m.sum != 0 && m.sum != knownSum(hash[:]) {
			continue
		}
		same, err := k.same(ctx, m, sp)
		if err != nil {
			return false, err
		}
		if same {
			m.taken = true
			return true, nil
		}
	}
	return false, nil
}

// same compares all content.
func (k *Known) same(ctx context.Context, m *knownMessage, sp *Spool) (bool, error) {
	if m.sum != 0 {
		return true, nil // 64 bits of the hash, the size and the Message-ID are equal
	}
	// Fields that were put before the message on delivery are part of what it is compared with.
	r, err := k.a.OpenBody(ctx, m.body)
	if errors.Is(err, ErrNoBody) || errors.Is(err, ErrCorrupt) {
		return false, nil // expunged since, or damaged: better twice than not
	} else if err != nil {
		return false, err
	}
	defer r.Close()
	h := sha256.New()
	if _, err := r.WriteTo(h); errors.Is(err, ErrNoBody) || errors.Is(err, ErrCorrupt) {
		return false, nil
	} else if err != nil {
		return false, err
	}
	return bytes.Equal(h.Sum(nil), sp.sum[:]), nil
}
