package store

import "fmt"

// Limits are what an account may hold (RFC 9208); zero: no limit.
type Limits struct {
	Bytes     int64 // of all messages, each copy counted
	Messages  int64
	Mailboxes int64 // Inbox and those made for a new account included
}

// Quota tells the use of an account against its limits.
type Quota struct {
	Limit        int64 // bytes; zero: none
	Used         int64 // bytes of all messages, each copy counted
	Count        int64 // messages
	MaxMessages  int64 // zero: no limit
	Mailboxes    int64
	MaxMailboxes int64 // zero: no limit
}

// Limited reports whether there is any limit.
func (q Quota) Limited() bool { return q.Limit > 0 || q.MaxMessages > 0 || q.MaxMailboxes > 0 }

// Room returns an error that wraps ErrQuota when so many more messages, of so many bytes
// together, do not fit.
func (q Quota) Room(messages int, bytes int64) error {
	switch {
	case q.Limit > 0 && q.Used+bytes > q.Limit:
		return fmt.Errorf("%w: %d of %d bytes used, %d more do not fit", ErrQuota, q.Used, q.Limit, bytes)
	case q.MaxMessages > 0 && q.Count+int64(messages) > q.MaxMessages:
		return fmt.Errorf("%w: %d of %d messages, %d more do not fit", ErrQuota, q.Count, q.MaxMessages, messages)
	}
	return nil
}

// Quota returns what the account holds, and may hold.
func (a *Account) Quota() Quota {
	a.mu.RLock()
	defer a.mu.RUnlock()
	return Quota{
		Limit: a.limits.Bytes, Used: a.used, Count: a.count, MaxMessages: a.limits.Messages,
		Mailboxes: int64(len(a.boxes)), MaxMailboxes: a.limits.Mailboxes,
	}
}

// SetQuota sets the limit in bytes, as SetLimits does for all.
func (a *Account) SetQuota(limit int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.limits.Bytes = limit
}

// SetLimits sets the limits until the account is closed. They belong to the configuration
// and are not stored: callers that configure them give Options.LimitsOf.
func (a *Account) SetLimits(l Limits) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.limits = l
}

// room is Quota.Room as the operation sees the account. The limits may change at any
// time: only their momentary value matters.
func (t *tx) room(messages int, bytes int64) error {
	q := t.a.Quota()
	q.Used, q.Count = t.a.used+t.used, t.a.count+t.count
	return q.Room(messages, bytes)
}

// mailboxes returns how many mailboxes there are, as the operation sees the account.
func (t *tx) mailboxes() int64 { return int64(len(t.a.boxes)) + t.made }

// roomForMailbox returns an error when there can be no further mailbox.
func (t *tx) roomForMailbox() error {
	n := t.mailboxes()
	if n >= maxMailboxes {
		return fmt.Errorf("%w mailboxes", ErrLimit)
	}
	if limit := t.a.Quota().MaxMailboxes; limit > 0 && n >= limit {
		return fmt.Errorf("%w: %d of %d mailboxes", ErrQuota, n, limit)
	}
	return nil
}
