package imapserver

import (
	"context"
	"strings"

	"mox/imap"
	"mox/store"
)

// newsBatch is how many entries of the change log are read at a time.
const newsBatch = 500

// news follows the account's change log for a client that has asked to hear of more than
// its selected mailbox. It holds a position, not what is to be told: a client that reads
// slowly costs nothing but that.
type news struct {
	watch *store.Watch
	since store.ModSeq          // told up to here
	own   map[store.ModSeq]bool // operations of this session after since

	metadata       bool // ENABLE METADATA
	serverMetadata bool // ENABLE METADATA-SERVER
}

// follow begins to follow the change log.
func (s *session) follow() *news {
	if s.news == nil {
		s.news = &news{watch: s.account.Watch(), since: s.account.ModSeq()}
	}
	return s.news
}

// unfollow ends it.
func (s *session) unfollow() {
	if s.news != nil {
		s.news.watch.Close()
		s.news = nil
	}
}

// recordOwn makes the operations of a command be known as the session's own: RFC 5465 5:
// a client is not told of what it did itself.
func (s *session) recordOwn(ctx context.Context) context.Context {
	n := s.news
	if n == nil {
		return ctx
	}
	return store.WithOperations(ctx, func(seq store.ModSeq) {
		if n.own == nil {
			n.own = map[store.ModSeq]bool{}
		}
		n.own[seq] = true
	})
}

// tellNews tells what others have changed since the last time.
func (s *session) tellNews(ctx context.Context) {
	n := s.news
	if n == nil {
		return
	}
	// The log may be ahead of what is published of the account: the rest is for later.
	for now := s.account.ModSeq(); n.since < now; {
		list, err := s.account.Changes(ctx, n.since, newsBatch)
		if err != nil {
			s.newsLost(err, now)
			return
		}
		last := now
		for i := range list {
			if list[i].ModSeq > now {
				break
			}
			if i+1 == len(list) && len(list) >= newsBatch {
				last = list[i].ModSeq
			}
			if !n.own[list[i].ModSeq] {
				s.tellChange(&list[i])
			}
		}
		n.advance(last)
		if s.spill() != nil {
			return // the next write tells
		}
	}
}

// newsLost goes on from now when the log could not be read, or does not reach back.
func (s *session) newsLost(err error, now store.ModSeq) {
	s.log.Warn("reading what to tell the client", "err", err)
	s.news.advance(now)
}

// advance notes that everything up to seq was told.
func (n *news) advance(seq store.ModSeq) {
	n.since = seq
	for own := range n.own {
		if own <= seq {
			delete(n.own, own)
		}
	}
}

// tellChange tells one change, if the client wants to hear of it.
func (s *session) tellChange(ch *store.Change) {
	switch ch.Kind {
	case store.MetadataChanged:
		if ch.Mailbox == 0 && (s.news.metadata || s.news.serverMetadata) || ch.Mailbox != 0 && s.news.metadata {
			s.tellMetadata(ch.Mailbox, strings.Split(ch.Name, "\n"))
		}
	case store.MailboxChanged:
		// The special use is an entry too.
		if s.news.metadata {
			s.tellMetadata(ch.Mailbox, []string{store.EntrySpecialUse})
		}
	}
}

// tellMetadata sends METADATA without values: RFC 5464 4.4.2.
func (s *session) tellMetadata(box store.MailboxID, entries []string) {
	name := ""
	if box != 0 {
		mb, ok := s.account.MailboxByID(box)
		if !ok {
			return // it went meanwhile
		}
		name = wireName(mb.Name)
	}
	b := append(s.output(), "* METADATA "...)
	b = imap.AppendMailbox(b, name, s.utf8)
	for _, e := range entries {
		b = append(b, ' ')
		b = imap.AppendAString(b, e)
	}
	s.out = append(b, "\r\n"...)
}
