package store

import (
	"context"
	"crypto/sha256"
	"fmt"
	"math"

	"mox/db"
)

// contentFix is a body that is not as its row says.
type contentFix struct {
	body         int64
	size, prefix int64 // as they are
	damaged      string
}

// inspectContent reads all content.
func (a *Account) inspectContent(ctx context.Context) ([]contentFix, error) {
	var fixes []contentFix
	err := a.db.ReadLong(ctx, func(c *db.Conn) error {
		k := &checker{c: c}
		var raw, prefix []byte
		return k.each("SELECT id, size, prefix, hash FROM body WHERE refs>0 AND location=0", func(b *db.Stmt) error {
			if err := ctx.Err(); err != nil {
				return err
			}
			fix := contentFix{body: b.Int64(0)}
			content := sha256.New()
			prefix = prefix[:0]
			rows := c.QueryInts("SELECT id, data FROM chunk WHERE id BETWEEN ? AND ? ORDER BY id", fix.body*chunksOf, fix.body*chunksOf+chunksOf-1)
			for rows.Next() {
				var err error
				if raw, err = a.s.codec.decode(raw[:0], rows.Bytes(1)); err != nil {
					fix.damaged = fmt.Sprintf("chunk %d cannot be decompressed", rows.Int64(0)%chunksOf)
					break
				}
				if rows.Int64(0)%chunksOf == 0 {
					prefix = append(prefix, raw...)
				} else {
					content.Write(raw)
				}
				fix.size += int64(len(raw))
			}
			if err := rows.Close(); err != nil {
				return err
			}
			fix.prefix = int64(len(prefix))
			sum := sha256.Sum256(append(content.Sum(nil), prefix...))
			if fix.damaged == "" && string(sum[:]) != string(b.Bytes(3)) {
				fix.damaged = "its hash is another"
			}
			if fix.damaged != "" || fix.size != b.Int64(1) || fix.prefix != b.Int64(2) {
				fixes = append(fixes, fix)
			}
			return nil
		})
	})
	return fixes, a.fail(err)
}

// fixContent corrects the sizes of bodies, and puts damaged ones out of use.
func (f *fixer) fixContent(what Repairs, fixes []contentFix) error {
	for _, x := range fixes {
		rows, err := f.rows("SELECT size, prefix, refs, location FROM body WHERE id=?", x.body)
		if err != nil {
			return err
		}
		if len(rows) == 0 || rows[0][2] == 0 || rows[0][3] != locationChunks {
			continue // gone since, or done already
		}
		if x.damaged != "" {
			if what&RepairContent == 0 {
				continue // sizes of damaged content say nothing
			}
			if err := f.quarantine(x.body, x.damaged); err != nil {
				return err
			}
			continue
		}
		if err := f.c.ExecInts("UPDATE body SET size=?, prefix=? WHERE id=?", x.size, x.prefix, x.body); err != nil {
			return err
		}
		f.r.fixed("sizes", "content %d has %d bytes, %d of them before the message, %d and %d were noted", x.body, x.size, x.prefix, rows[0][0], rows[0][1])
	}
	return nil
}

// fixSizes makes the sizes of messages those of their bodies.
func (f *fixer) fixSizes() error {
	wrong, err := f.rows("SELECT m.mailbox_id, m.uid, m.size, min(b.size, ?) FROM message m JOIN body b ON b.id=m.body_id WHERE m.size<>min(b.size, ?)", math.MaxUint32, math.MaxUint32)
	if err != nil {
		return err
	}
	for _, w := range wrong {
		if err := f.c.ExecInts("UPDATE message SET size=? WHERE mailbox_id=? AND uid=?", w[3], w[0], w[1]); err != nil {
			return err
		}
		f.reset[MailboxID(w[0])] = true
		f.r.fixed("sizes", "mailbox %d, UID %d has %d bytes, %d were noted", w[0], w[1], w[3], w[2])
	}
	return nil
}

// fixCounts counts the messages of mailboxes.
func (f *fixer) fixCounts() error {
	counted := map[MailboxID]Counts{}
	rows, err := f.rows("SELECT mailbox_id, count(*), sum(flags&1=0), sum(flags&8<>0), sum(size), sum(CASE WHEN flags&8<>0 THEN size ELSE 0 END) FROM message GROUP BY mailbox_id")
	if err != nil {
		return err
	}
	for _, r := range rows {
		counted[MailboxID(r[0])] = Counts{Messages: uint32(r[1]), Unseen: uint32(r[2]), Deleted: uint32(r[3]), Size: r[4], DeletedSize: r[5]}
	}
	if err := f.readBoxes(); err != nil {
		return err
	}
	for _, b := range f.boxes {
		n := counted[b.ID]
		if n == b.Counts {
			continue
		}
		err := f.c.ExecInts("UPDATE mailbox SET messages=?, unseen=?, deleted=?, size=?, deleted_size=? WHERE id=?",
			int64(n.Messages), int64(n.Unseen), int64(n.Deleted), n.Size, n.DeletedSize, int64(b.ID))
		if err != nil {
			return err
		}
		f.r.fixed("counts", "mailbox %q has %s, noted were %s", b.Name, n.text(), b.Counts.text())
	}
	return nil
}

func (c Counts) text() string {
	return fmt.Sprintf("%d messages of %d bytes, %d unseen, %d deleted of %d bytes", c.Messages, c.Size, c.Unseen, c.Deleted, c.DeletedSize)
}
