package queue

import (
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"

	"mox/db"
	"mox/smtp"
)

// info is what of a message does not change and is not looked for.
type info struct {
	Kind          Kind              `json:",omitempty"`
	MessageID     string            `json:",omitempty"`
	Subject       string            `json:",omitempty"`
	EightBit      bool              `json:",omitempty"`
	SMTPUTF8      bool              `json:",omitempty"`
	BinaryMIME    bool              `json:",omitempty"`
	Local         bool              `json:",omitempty"`
	EnvID         string            `json:",omitempty"`
	Ret           smtp.Ret          `json:",omitempty"`
	Notify        smtp.Notify       `json:",omitempty"`
	ORcptType     string            `json:",omitempty"`
	ORcpt         string            `json:",omitempty"`
	Priority      int               `json:",omitempty"`
	MaxAttempts   int               `json:",omitempty"`
	FutureRelease string            `json:",omitempty"`
	Extra         map[string]string `json:",omitempty"`
}

func (m *Message) info() ([]byte, error) {
	return json.Marshal(info{
		Kind: m.Kind, MessageID: m.MessageID, Subject: m.Subject, EightBit: m.EightBit, SMTPUTF8: m.SMTPUTF8, BinaryMIME: m.BinaryMIME,
		Local: m.Local, EnvID: m.EnvID, Ret: m.Ret, Notify: m.Notify, ORcptType: m.ORcpt.Type, ORcpt: m.ORcpt.Address,
		Priority: m.Priority, MaxAttempts: m.MaxAttempts, FutureRelease: m.FutureRelease, Extra: m.Extra,
	})
}

func (m *Message) setInfo(b []byte) error {
	var i info
	if err := json.Unmarshal(b, &i); err != nil {
		return err
	}
	m.Kind, m.MessageID, m.Subject, m.EightBit, m.SMTPUTF8, m.BinaryMIME = i.Kind, i.MessageID, i.Subject, i.EightBit, i.SMTPUTF8, i.BinaryMIME
	m.Local, m.EnvID, m.Ret, m.Notify, m.ORcpt = i.Local, i.EnvID, i.Ret, i.Notify, smtp.ORcpt{Type: i.ORcptType, Address: i.ORcpt}
	m.Priority, m.MaxAttempts, m.FutureRelease, m.Extra = i.Priority, i.MaxAttempts, i.FutureRelease, i.Extra
	return nil
}

// row is a message with what only the database needs.
type row struct {
	m                    Message
	lane, content, begun int64
}

const columns = `id, base_id, lane_id, content_id, hold, queued, next_attempt, last_attempt, attempts, begun,
	delay_notified, size, require_tls, account, sender, recipient, from_id, transport, info, results`

// scan reads a row with columns.
func scan(s *db.Stmt) (row, error) {
	m := Message{
		ID: s.Int64(0), BaseID: s.Int64(1), Hold: s.Int64(4) != 0, Queued: fromMillis(s.Int64(5)),
		NextAttempt: fromMillis(s.Int64(6)), LastAttempt: fromMillis(s.Int64(7)), Attempts: int(s.Int64(8)),
		DelayNotified: s.Int64(10) != 0, Size: s.Int64(11), Account: s.Text(13), FromID: s.Text(16), Transport: s.Text(17),
	}
	if !s.Null(12) {
		yes := s.Int64(12) != 0
		m.RequireTLS = &yes
	}
	r := row{lane: s.Int64(2), content: s.Int64(3), begun: s.Int64(9)}
	var err error
	if m.Sender, err = parsePath(s.Text(14)); err == nil {
		m.Recipient, err = parsePath(s.Text(15))
	}
	if err == nil {
		err = m.setInfo(s.Bytes(18))
	}
	if b := s.Bytes(19); err == nil && len(b) > 0 {
		err = json.Unmarshal(b, &m.Results)
	}
	if err != nil {
		return r, fmt.Errorf("message %d in the database: %w", m.ID, err)
	}
	m.SenderDomain, m.RecipientDomain = m.Sender.IPDomain.Domain, m.Recipient.IPDomain.Domain
	r.m = m
	return r, nil
}

// getRow reads a message; ErrNotFound when it is gone.
func getRow(c *db.Conn, id int64) (row, error) {
	rows := c.QueryInts("SELECT "+columns+" FROM message WHERE id = ?", id)
	var r row
	err := ErrNotFound
	if rows.Next() {
		r, err = scan(rows)
	}
	if e := rows.Close(); e != nil {
		return r, e
	}
	return r, err
}

func (t *tx) get(id int64) (row, error) { return getRow(t.c, id) }

// requireTLS is the column of that name.
func requireTLS(b *bool) any {
	if b == nil {
		return nil
	}
	return *b
}

// limitText makes text printable UTF-8 and cuts it to max octets.
func limitText(s string, max int) string {
	s = strings.ToValidUTF8(s, "?")
	if len(s) <= max {
		return s
	}
	for max > 0 && !utf8.RuneStart(s[max]) {
		max--
	}
	return s[:max]
}

func (q *Queue) limitResult(r Result) Result {
	r.Error = limitText(r.Error, q.o.Limits.ResultText)
	r.RemoteMTA = limitText(r.RemoteMTA, 300)
	r.RemoteIP = limitText(r.RemoteIP, 100)
	r.Enhanced = limitText(r.Enhanced, 20)
	return r
}

// bounded appends to a history of at most max, of which the first and the latest are kept.
func bounded[T any](l []T, v T, max int) []T {
	if len(l) >= max {
		l = append(append([]T{}, l[:1]...), l[len(l)-max+2:]...)
	}
	return append(l[:len(l):len(l)], v)
}

// appendResult returns results with one more, as stored.
func (q *Queue) appendResult(l []Result, r Result) ([]byte, error) {
	return json.Marshal(bounded(l, q.limitResult(r), q.o.Limits.Results))
}
