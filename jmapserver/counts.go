package jmapserver

import "mox/store"

// counts are those of a Mailbox, RFC 8621 2.
type counts struct {
	TotalEmails, UnreadEmails, TotalThreads, UnreadThreads int
}

// State of a thread, for counting.
const (
	unreadInside  uint8 = 1 << iota // an unread Email is in the trash
	unreadOutside                   // an unread Email is in a mailbox other than the trash
)

// counts returns those of all mailboxes. They are computed once.
func (m *mails) counts() map[store.MailboxID]counts {
	m.countOnce.Do(func() { m.counted = m.count() })
	return m.counted
}

func (m *mails) count() map[store.MailboxID]counts {
	trash := store.MailboxID(0)
	for id, b := range m.boxes {
		if role(b) == "trash" {
			trash = id
		}
	}
	state := make([]uint8, m.numbers)
	inBox := map[store.MailboxID][]int32{} // numbers of threads, once for each Email in it
	all := map[store.MailboxID]counts{}
	for e := range m.all() {
		unread := e.unread()
		last := store.MailboxID(0)
		for p := range e.all() {
			if unread {
				if p.box == trash {
					state[e.number] |= unreadInside
				} else {
					state[e.number] |= unreadOutside
				}
			}
			if p.box == last { // two copies in one mailbox are one Email
				continue
			}
			last = p.box
			inBox[p.box] = append(inBox[p.box], e.number)
			if unread {
				c := all[p.box]
				c.UnreadEmails++
				all[p.box] = c
			}
		}
	}
	stamp := make([]store.MailboxID, m.numbers)
	for id, numbers := range inBox {
		c := all[id]
		c.TotalEmails = len(numbers)
		// RFC 8621 2: Emails in the trash are as though they were in a thread of their own.
		unread := unreadOutside
		if id == trash {
			unread = unreadInside
		}
		for _, n := range numbers {
			if stamp[n] == id {
				continue
			}
			stamp[n] = id
			c.TotalThreads++
			if state[n]&unread != 0 {
				c.UnreadThreads++
			}
		}
		all[id] = c
	}
	return all
}
