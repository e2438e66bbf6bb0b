package queue

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"mox/db"
	"mox/smtp"
)

// failuresInSequence is how many permanent failures put an address on the list that a
// single one does not.
const failuresInSequence = 3

// Codes that say of an address that it takes no mail. An enhanced code that is about
// something else counts more than the code: with 550 5.7.26, say, a server refuses all mail
// that is not authenticated, to whomever it is.
var (
	suppressCodes    = []int{521, 550, 551, 553, 556}
	suppressEnhanced = []string{smtp.AddrBadMailbox, smtp.AddrBadSystem, smtp.AddrBadSyntax, smtp.AddrMoved, smtp.BoxDisabled, smtp.PolicyRefused}
)

// suppressAtOnce tells whether a single failure puts the recipient on the list.
func suppressAtOnce(r Result) bool {
	if !r.Permanent() {
		return false
	}
	_, detail, _ := strings.Cut(r.Enhanced, ".")
	if slices.Contains(suppressEnhanced, detail) {
		return true
	}
	subject, _, _ := strings.Cut(detail, ".")
	about := subject == "" || subject == "0" || subject == "1" || subject == "2" // the address, or unknown
	return about && slices.Contains(suppressCodes, r.Code)
}

// BaseAddress is what addresses of one person have in common, by which the suppression
// list goes: in lower case, the localpart cut at the first "+" or "-", and without dots. A
// localpart of which nothing would be left stays as it is.
func BaseAddress(p smtp.Path) string {
	local := strings.ToLower(string(p.Localpart))
	base := local
	if i := strings.IndexAny(base, "+-"); i >= 0 {
		base = base[:i]
	}
	base = strings.ReplaceAll(base, ".", "")
	if base == "" {
		base = local
	}
	p.Localpart = smtp.Localpart(base)
	return p.XString(true)
}

// suppress counts the failures of an address, and tells whether it has come onto the list
// by this one.
func (t *tx) suppress(m *Message, o Outcome) (bool, error) {
	if o.NoSuppress || m.Account == "" || !o.Result.Success && !o.Result.Permanent() || !t.q.o.Suppress(m) {
		return false, nil
	}
	base := BaseAddress(m.Recipient)
	if o.Result.Success {
		return false, t.c.Exec("DELETE FROM failure WHERE account = ? AND base_address = ?", m.Account, base)
	}
	if _, there, err := t.c.QueryInt64("SELECT id FROM suppression WHERE account = ? AND base_address = ?", m.Account, base); err != nil || there {
		return false, err
	}
	if !suppressAtOnce(o.Result) {
		n, err := t.failed(m.Account, base)
		if err != nil || n < failuresInSequence {
			return false, err
		}
	}
	return true, t.suppressAddress(m, fmt.Sprintf("delivery failed: %d %s %s", o.Result.Code, o.Result.Enhanced, o.Result.Error))
}

// suppressAddress puts the recipient of a message on the list, where it is not yet.
func (t *tx) suppressAddress(m *Message, reason string) error {
	base := BaseAddress(m.Recipient)
	if err := t.c.Exec("DELETE FROM failure WHERE account = ? AND base_address = ?", m.Account, base); err != nil {
		return err
	}
	if err := t.makeRoom(m.Account); err != nil {
		return err
	}
	return t.c.Exec("INSERT INTO suppression (created, account, base_address, original_address, manual, reason) VALUES (?, ?, ?, ?, 0, ?)",
		millis(t.now), m.Account, base, m.Recipient.XString(true), limitText(strings.Join(strings.Fields(reason), " "), 300))
}

// complain puts the recipient of a message who complained on the list, and tells whether it was
// not there yet.
func (t *tx) complain(m *Message, feedback string) (bool, error) {
	if m.Account == "" || !t.q.o.Suppress(m) {
		return false, nil
	}
	_, there, err := t.c.QueryInt64("SELECT id FROM suppression WHERE account = ? AND base_address = ?", m.Account, BaseAddress(m.Recipient))
	if err != nil || there {
		return false, err
	}
	return true, t.suppressAddress(m, "complaint ("+feedback+")")
}

// failed counts one more failure in sequence.
func (t *tx) failed(account, base string) (int64, error) {
	rows := t.c.Query(`INSERT INTO failure (account, base_address, failures, last) VALUES (?1, ?2, 1, ?3)
		ON CONFLICT DO UPDATE SET failures = CASE WHEN last < ?4 THEN 1 ELSE failures + 1 END, last = ?3 RETURNING failures`,
		account, base, millis(t.now), millis(t.now.Add(-t.q.o.Limits.Failures)))
	rows.Next()
	n := rows.Int64(0)
	for rows.Next() {
	}
	return n, rows.Close()
}

// makeRoom removes the oldest address from a list that is full, of those that failures put there.
func (t *tx) makeRoom(account string) error {
	n, _, err := t.c.QueryInt64("SELECT count(*) FROM suppression WHERE account = ?", account)
	if err != nil || int(n) < t.q.o.Limits.Suppressed {
		return err
	}
	return t.c.Exec("DELETE FROM suppression WHERE id = (SELECT min(id) FROM suppression WHERE account = ? AND manual = 0)", account)
}

// Suppression is an address that messages of an account are not sent to.
type Suppression struct {
	ID              int64
	Created         time.Time
	Account         string
	BaseAddress     string // see the function of that name
	OriginalAddress string
	Manual          bool // added by a person or program, not because of failures
	Reason          string
}

// SuppressionList returns the list of an account, or of all for "", in the order of adding.
func (q *Queue) SuppressionList(ctx context.Context, account string) ([]Suppression, error) {
	return q.suppressions(ctx, "?1 = '' OR account = ?1", account)
}

const maxSuppressionReason = 1000

// SuppressionAdd puts an address onto the list of an account. ErrExists when it or another
// one with the same base address is there already.
func (q *Queue) SuppressionAdd(ctx context.Context, account string, address smtp.Path, manual bool, reason string) (Suppression, error) {
	s := Suppression{Account: account, BaseAddress: BaseAddress(address), OriginalAddress: address.XString(true), Manual: manual, Reason: limitText(reason, maxSuppressionReason)}
	if account == "" || address.IsZero() {
		return s, fmt.Errorf("%w: account and address are needed", ErrInvalid)
	}
	err := q.do(ctx, 512, func(t *tx) error {
		s.Created = fromMillis(millis(t.now))
		_, ok, err := t.c.QueryInt64("SELECT id FROM suppression WHERE account = ? AND base_address = ?", account, s.BaseAddress)
		if err == nil && ok {
			err = fmt.Errorf("%w: %s", ErrExists, s.BaseAddress)
		}
		if err != nil {
			return err
		}
		n, _, err := t.c.QueryInt64("SELECT count(*) FROM suppression WHERE account = ?", account)
		if err == nil && int(n) >= q.o.Limits.Suppressed {
			err = fmt.Errorf("%w: suppression list is full with %d addresses", ErrLimit, n)
		}
		if err != nil {
			return err
		}
		if err := t.c.Exec("DELETE FROM failure WHERE account = ? AND base_address = ?", account, s.BaseAddress); err != nil {
			return err
		}
		err = t.c.Exec("INSERT INTO suppression (created, account, base_address, original_address, manual, reason) VALUES (?, ?, ?, ?, ?, ?)",
			millis(s.Created), account, s.BaseAddress, s.OriginalAddress, manual, s.Reason)
		s.ID = t.c.LastRowID()
		return err
	})
	return s, err
}

// SuppressionRemove takes an address, and those with the same base address, from the list
// of an account; ErrNotFound when it is not there.
func (q *Queue) SuppressionRemove(ctx context.Context, account string, address smtp.Path) error {
	return q.do(ctx, 512, func(t *tx) error {
		base := BaseAddress(address)
		err := t.c.Exec("DELETE FROM suppression WHERE account = ? AND base_address = ?", account, base)
		if err == nil && t.c.Changes() == 0 {
			err = fmt.Errorf("%s: %w", base, ErrNotFound)
		}
		return err
	})
}

// SuppressionLookup returns the entry for an address in the list of an account, or of any account for "";
// nil when there is none.
func (q *Queue) SuppressionLookup(ctx context.Context, account string, address smtp.Path) (*Suppression, error) {
	l, err := q.suppressions(ctx, "(?1 = '' OR account = ?1) AND base_address = ?2", account, BaseAddress(address))
	if err != nil || len(l) == 0 {
		return nil, err
	}
	return &l[0], nil
}

func (q *Queue) suppressions(ctx context.Context, where string, args ...any) ([]Suppression, error) {
	var l []Suppression
	err := q.db.ReadLong(ctx, func(c *db.Conn) error {
		rows := c.Query("SELECT id, created, account, base_address, original_address, manual, reason FROM suppression WHERE "+where+" ORDER BY id", args...)
		for rows.Next() {
			l = append(l, Suppression{rows.Int64(0), fromMillis(rows.Int64(1)), rows.Text(2), rows.Text(3), rows.Text(4), rows.Int64(5) != 0, rows.Text(6)})
		}
		return rows.Close()
	})
	return l, err
}
