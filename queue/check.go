package queue

import (
	"context"
	"fmt"

	"mox/chunk"
	"mox/db"
)

// maxProblems is the most that Check returns.
const maxProblems = 100

// checks are queries that find nothing in a queue that is whole; the columns of what they
// find are an id and a text.
var checks = []struct{ problem, sql string }{
	{"message without lane", "SELECT id, recipient FROM message WHERE lane_id NOT IN (SELECT id FROM lane)"},
	{"message without content", "SELECT id, recipient FROM message WHERE content_id NOT IN (SELECT id FROM content WHERE freed = 0)"},
	{"message in the wrong lane", `SELECT m.id, l.destination FROM message m JOIN lane l ON l.id = m.lane_id
		WHERE l.priority <> coalesce(m.info ->> 'Priority', 0) OR m.recipient_domain <> '' AND m.info ->> 'Local' IS NULL AND l.destination <> m.recipient_domain`},
	{"message whose size is not that of its content", "SELECT m.id, m.recipient FROM message m JOIN content c ON c.id = m.content_id WHERE m.size <> c.size"},
	{"message that is both queued and done", "SELECT m.id, m.recipient FROM message m JOIN retired r ON r.id = m.id"},
	{"message with an id that was not given yet", "SELECT id, recipient FROM message WHERE id >= (SELECT next_message FROM state)"},
	{"lane with a wrong number of messages", `SELECT id, destination FROM lane LEFT JOIN (SELECT lane_id, count(*) AS n FROM message GROUP BY lane_id) ON lane_id = id
		WHERE messages IS NOT n`},
	{"lane with a wrong next attempt", "SELECT id, destination FROM lane WHERE next IS NOT (SELECT min(next_attempt) FROM message m WHERE m.lane_id = lane.id AND hold = 0)"},
	{"content with a wrong number of messages", `SELECT id, size FROM content LEFT JOIN (SELECT content_id, count(*) AS n FROM message GROUP BY content_id) ON content_id = id
		WHERE refs IS NOT coalesce(n, 0) OR n > 0 AND freed = 1`},
	{"account with a wrong number of messages", `SELECT 0, usage.account FROM usage LEFT JOIN (SELECT account, count(*) AS n FROM message GROUP BY account) x ON x.account = usage.account
		WHERE messages <> coalesce(n, 0)
		UNION SELECT 0, account FROM message WHERE account NOT IN (SELECT account FROM usage)`},
	{"account with a wrong size", `SELECT 0, usage.account FROM usage LEFT JOIN (SELECT account, sum(size) AS n FROM content WHERE refs > 0 GROUP BY account) x ON x.account = usage.account
		WHERE size <> coalesce(n, 0)`},
	{"account with a wrong number of webhook calls", `SELECT 0, usage.account FROM usage LEFT JOIN (SELECT account, count(*) AS n FROM hook GROUP BY account) x ON x.account = usage.account
		WHERE hooks <> coalesce(n, 0)
		UNION SELECT 0, account FROM hook WHERE account NOT IN (SELECT account FROM usage)`},
	{"webhook call without payload", "SELECT id, url FROM hook WHERE id NOT IN (SELECT id FROM hook_payload)"},
	{"payload without webhook call", "SELECT id, '' FROM hook_payload WHERE id NOT IN (SELECT id FROM hook) AND id NOT IN (SELECT id FROM retired_hook)"},
	{"webhook call that waits and is done", "SELECT h.id, h.url FROM hook h JOIN retired_hook r ON r.id = h.id"},
	{"address on the suppression list whose failures are counted", "SELECT s.id, s.base_address FROM suppression s JOIN failure f ON f.account = s.account AND f.base_address = s.base_address"},
}

// Check returns what is inconsistent in the queue, at most a hundred lines; it reads
// everything, content included. Nothing is found in a queue that is whole.
func (q *Queue) Check(ctx context.Context) ([]string, error) {
	found, err := q.db.IntegrityCheck(ctx, maxProblems)
	if err != nil || len(found) > 0 {
		return found, err
	}
	err = q.db.ReadLong(ctx, func(c *db.Conn) error {
		for _, k := range checks {
			rows := c.Query(k.sql + fmt.Sprintf(" LIMIT %d", maxProblems))
			for rows.Next() {
				found = append(found, fmt.Sprintf("%s: %d %s", k.problem, rows.Int64(0), rows.Text(1)))
			}
			if err := rows.Close(); err != nil {
				return fmt.Errorf("%s: %w", k.problem, err)
			}
		}
		if err := q.checkRows(c, &found); err != nil {
			return err
		}
		return q.checkContent(c, &found)
	})
	return found[:min(len(found), maxProblems)], err
}

// checkRows reads every message.
func (q *Queue) checkRows(c *db.Conn, found *[]string) error {
	rows := c.Query("SELECT " + columns + " FROM message")
	for rows.Next() {
		if _, err := scan(rows); err != nil {
			*found = append(*found, err.Error())
		}
	}
	return rows.Close()
}

// checkContent reads all content that messages have.
func (q *Queue) checkContent(c *db.Conn, found *[]string) error {
	buf := q.codec.Buffer()
	defer q.codec.Put(buf)
	contents := c.Query("SELECT id, size FROM content WHERE refs > 0")
	for contents.Next() {
		id, size, n := contents.Int64(0), contents.Int64(1), 0
		chunks := c.QueryInts("SELECT id, data FROM chunk WHERE id BETWEEN ? AND ? ORDER BY id", chunk.ID(id, 0), chunk.ID(id, chunk.Max-1))
		for ; chunks.Next(); n++ {
			raw, err := q.codec.Decode((*buf)[:0], chunks.Bytes(1))
			want := min(chunk.Size, size-int64(n)*chunk.Size)
			if err != nil || chunks.Int64(0) != chunk.ID(id, n) || int64(len(raw)) != want {
				*found = append(*found, fmt.Sprintf("content %d: chunk %d is damaged: %v, %d bytes instead of %d", id, n, err, len(raw), want))
			}
		}
		if err := chunks.Close(); err != nil {
			return err
		}
		if want := (size + chunk.Size - 1) / chunk.Size; int64(n) != want {
			*found = append(*found, fmt.Sprintf("content %d has %d chunks instead of %d", id, n, want))
		}
	}
	if err := contents.Close(); err != nil {
		return err
	}
	rows := c.Query("SELECT id FROM chunk WHERE id / 65536 NOT IN (SELECT id FROM content) LIMIT 10")
	for rows.Next() {
		*found = append(*found, fmt.Sprintf("chunk %d of no content", rows.Int64(0)))
	}
	return rows.Close()
}
