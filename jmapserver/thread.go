package jmapserver

import (
	"context"

	"mox/jmap"
	"mox/store"
)

var threadProperties = []string{"id", "emailIds"}

// threadGet is Thread/get, RFC 8621 3.1.
func threadGet(ctx context.Context, c *call, a *getArgs) (*getResult, error) {
	props, err := properties(threadProperties, a.Properties)
	if err != nil {
		return nil, err
	}
	m, err := c.open(ctx, a.AccountID)
	if err != nil {
		return nil, err
	}
	res, ids, err := c.getting(a, m.acc, m.seq())
	if err != nil {
		return nil, err
	}
	if a.IDs == nil {
		if ids = m.threadIDs(); len(ids) > c.s.c.Limits.Get {
			return nil, c.checkMany(len(ids))
		}
	}
	for _, id := range ids {
		emails := []jmap.ID{}
		if t, ok := parseThreadID(id); ok {
			if n, ok := m.thread(t); ok {
				for _, e := range m.threadOf(n) {
					emails = append(emails, emailID(e.body))
				}
			}
		}
		if len(emails) == 0 {
			res.notFound(id)
			continue
		}
		o := object{}
		for _, p := range props {
			o[p] = map[string]any{"id": id, "emailIds": emails}[p]
		}
		res.List = append(res.List, o)
	}
	return res, nil
}

// threadIDs are those of all threads.
func (m *mails) threadIDs() []jmap.ID {
	var ids []jmap.ID
	seen := map[store.ThreadID]bool{}
	for e := range m.all() {
		if !seen[e.thread] {
			seen[e.thread] = true
			ids = append(ids, threadID(e.thread))
		}
	}
	return ids
}
