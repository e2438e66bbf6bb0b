package logfile

import (
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"time"

	"mox/mlog"
)

// Filter selects lines. Its zero value selects all from level debug on.
type Filter struct {
	Since   time.Time
	Level   slog.Level // at least; the zero value is info
	Pkg     string     // any of the line's
	CID     string     // of a connection, in hexadecimal
	Account string
	Domain  string // of any address or name in the line
}

// Match tells whether a line is selected.
func (f *Filter) Match(l *Line) bool {
	switch {
	case !f.Since.IsZero() && !l.Time.IsZero() && l.Time.Before(f.Since):
		return false
	case l.Level < f.Level || l.Level == mlog.LevelPrint && f.Level > mlog.LevelInfo:
		return false // what is always printed is no problem
	case f.Pkg != "" && !slices.Contains(l.Fields, Field{"pkg", f.Pkg}):
		return false
	case f.CID != "" && !strings.EqualFold(l.Get("cid"), f.CID):
		return false
	case f.Account != "" && !slices.Contains(l.Fields, Field{"account", f.Account}):
		return false
	case f.Domain != "" && !l.hasDomain(strings.ToLower(f.Domain)):
		return false
	}
	return true
}

// hasDomain tells whether a value is a domain, or has an address or name of it.
func (l *Line) hasDomain(domain string) bool {
	return slices.ContainsFunc(l.Fields, func(f Field) bool {
		v := strings.ToLower(f.Value)
		for {
			i := strings.Index(v, domain)
			if i < 0 {
				return false
			}
			end := i + len(domain)
			before := i == 0 || strings.ContainsRune("@. <\"'(,:/=", rune(v[i-1]))
			after := end == len(v) || !isNameByte(v[end])
			if before && after {
				return true
			}
			v = v[end:]
		}
	})
}

func isNameByte(c byte) bool {
	return c == '-' || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || c == '.'
}

// Thread finds lines about one message, by what they say of it: its Message-ID, its ids in the queue, and the
// connections by which it came. Learn has to be given all lines in their order, again until it says that nothing is new.
type Thread struct {
	messages, queue, cids map[string]bool
}

// maxThread bounds ids of a Thread.
const maxThread = 10_000

// NewThread returns one for a message that is known by its Message-ID, an id in the queue, or a connection;
// others are empty.
func NewThread(messageID, queueID, cid string) *Thread {
	set := func(s string) map[string]bool {
		m := map[string]bool{}
		if s != "" {
			m[s] = true
		}
		return m
	}
	return &Thread{set(messageID), set(queueID), set(strings.ToLower(cid))}
}

// ids are those of messages that a line is about.
func ids(l *Line) (messages, queue []string) {
	for _, f := range l.Fields {
		switch f.Key {
		case "messageid":
			messages = append(messages, strings.Trim(f.Value, "<>"))
		case "queueid":
			queue = append(queue, f.Value)
		case "queueids":
			for id := range strings.FieldsFuncSeq(f.Value, func(r rune) bool { return r < '0' || r > '9' }) {
				queue = append(queue, id)
			}
		}
	}
	return messages, queue
}

func known(set map[string]bool, l []string) bool {
	return slices.ContainsFunc(l, func(s string) bool { return set[s] })
}

// Match tells whether a line is about the message, as far as is known.
func (t *Thread) Match(l *Line) bool {
	messages, queue := ids(l)
	if known(t.messages, messages) || known(t.queue, queue) {
		return true
	}
	// A connection brings several messages: lines about others are not of this one.
	return len(messages) == 0 && len(queue) == 0 && t.cids[l.Get("cid")]
}

// Learn takes over what a line tells, and whether anything was new.
func (t *Thread) Learn(l *Line) bool {
	messages, queue := ids(l)
	if !known(t.messages, messages) && !known(t.queue, queue) && (len(messages)+len(queue) == 0 || !t.only(l)) {
		return false
	}
	n := len(t.messages) + len(t.queue) + len(t.cids)
	if n > maxThread {
		return false
	}
	for _, s := range messages {
		t.messages[s] = true
	}
	for _, s := range queue {
		t.queue[s] = true
	}
	// Those that send it have many messages, and do not say more about this one.
	if cid := l.Get("cid"); cid != "" && l.Get("attempt") == "" {
		t.cids[cid] = true
	}
	return len(t.messages)+len(t.queue)+len(t.cids) > n
}

// only tells whether nothing but a connection is known, that of the line: then its messages are meant.
func (t *Thread) only(l *Line) bool {
	return len(t.messages) == 0 && len(t.queue) == 0 && t.cids[l.Get("cid")]
}

// QueueID tells whether a text is an id in the queue.
func QueueID(s string) bool {
	n, err := strconv.ParseInt(s, 10, 64)
	return err == nil && n > 0
}
