package queue

import (
	"context"
	"fmt"

	"mox/db"
	"mox/dns"
)

// HoldRule holds messages that match any of its fields which is not empty; without any, all
// messages.
type HoldRule struct {
	ID              int64
	Account         string `json:",omitempty"`
	SenderDomain    string `json:",omitempty"` // with A-labels
	RecipientDomain string `json:",omitempty"` // likewise
}

// ruleMatches is the condition under which a row of hold_rule matches a message.
func ruleMatches(account, sender, recipient string) string {
	return fmt.Sprintf("(hold_rule.account <> '' AND hold_rule.account = %s OR hold_rule.sender_domain <> '' AND hold_rule.sender_domain = %s OR hold_rule.recipient_domain <> '' AND hold_rule.recipient_domain = %s OR hold_rule.account = '' AND hold_rule.sender_domain = '' AND hold_rule.recipient_domain = '')",
		account, sender, recipient)
}

// HoldRules returns the rules in the order of adding.
func (q *Queue) HoldRules(ctx context.Context) ([]HoldRule, error) {
	var l []HoldRule
	err := q.db.Read(ctx, func(c *db.Conn) error {
		rows := c.Query("SELECT id, account, sender_domain, recipient_domain FROM hold_rule ORDER BY id")
		for rows.Next() {
			l = append(l, HoldRule{rows.Int64(0), rows.Text(1), rows.Text(2), rows.Text(3)})
		}
		return rows.Close()
	})
	return l, err
}

// HoldRuleAdd adds a rule for new messages, and holds those in the queue that match it. held
// is how many that were. Domains may have U-labels. ErrExists for a rule that is there.
func (q *Queue) HoldRuleAdd(ctx context.Context, r HoldRule) (added HoldRule, held int, err error) {
	for _, p := range []*string{&r.SenderDomain, &r.RecipientDomain} {
		if *p == "" {
			continue
		}
		d, err := dns.ParseDomain(*p)
		if err != nil {
			return r, 0, fmt.Errorf("%w: %w", ErrInvalid, err)
		}
		*p = d.ASCII
	}
	err = q.do(ctx, 512, func(t *tx) error {
		n, _, err := t.c.QueryInt64("SELECT count(*) FROM hold_rule")
		if err == nil && int(n) >= q.o.Limits.HoldRules {
			err = fmt.Errorf("%w: there are %d hold rules", ErrLimit, n)
		}
		if err != nil {
			return err
		}
		err = t.c.Exec("INSERT OR IGNORE INTO hold_rule (account, sender_domain, recipient_domain) VALUES (?, ?, ?)", r.Account, r.SenderDomain, r.RecipientDomain)
		if err == nil && t.c.Changes() == 0 {
			err = fmt.Errorf("hold rule: %w", ErrExists)
		}
		r.ID = t.c.LastRowID()
		return err
	})
	if err != nil {
		return r, 0, err
	}
	var ids []int64
	err = q.db.ReadLong(ctx, func(c *db.Conn) (err error) {
		ids, err = queryIDs(c, "SELECT message.id FROM message, hold_rule WHERE hold = 0 AND hold_rule.id = ? AND "+ruleMatches("message.account", "message.sender_domain", "message.recipient_domain"), r.ID)
		return err
	})
	if err != nil {
		return r, 0, err
	}
	held, err = q.changeIDs(ctx, ids, func(t *tx, id int64) (bool, error) { return t.hold(id, true) })
	return r, held, err
}

// HoldRuleRemove removes a rule. Messages that it held stay on hold.
func (q *Queue) HoldRuleRemove(ctx context.Context, id int64) error {
	return q.do(ctx, 512, func(t *tx) error {
		err := t.c.ExecInts("DELETE FROM hold_rule WHERE id = ?", id)
		if err == nil && t.c.Changes() == 0 {
			err = fmt.Errorf("hold rule %d: %w", id, ErrNotFound)
		}
		return err
	})
}
