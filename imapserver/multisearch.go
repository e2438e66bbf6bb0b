package imapserver

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"mox/imap"
	"mox/search"
	"mox/store"
)

// errSearchTime ends a search in several mailboxes that has taken too long.
var errSearchTime = errors.New("search takes too long")

// multiSearch is an ESEARCH in progress.
type multiSearch struct {
	searching
	s        *session
	until    time.Time
	answers  indexAnswers
	progress *progress
}

// cmdMultiSearch is ESEARCH, RFC 7377.
func (s *session) cmdMultiSearch(ctx context.Context, r *imap.Request) error {
	m := r.Args.(*imap.MultiSearch)
	q := &m.Search
	among, only := m.Selected()
	if q.Return == nil || *q.Return == (imap.SearchReturn{}) {
		// RFC 7377 2.1.
		q.Return = &imap.SearchReturn{All: true}
	}
	err := s.checkMultiSearch(r.Tag, m, among, only)
	if err == nil {
		c := &multiSearch{s: s, searching: searching{r: r, q: q, ret: q.Return, by: s.comparator}}
		c.until = s.srv.cfg.Now().Add(s.limits().SearchTime)
		err = c.run(ctx, m, among)
	}
	if err != nil && q.Return.Save && s.box != nil {
		// RFC 5182 2.1: a failed search with SAVE empties the result.
		s.box.saved = nil
	}
	return err
}

// checkMultiSearch: RFC 7377 2.2.
func (s *session) checkMultiSearch(tag string, m *imap.MultiSearch, among, only bool) error {
	ret := m.Search.Return
	switch {
	case among && s.box == nil:
		return imap.Bad("no mailbox is selected")
	case ret.Save && !only:
		return imap.Bad("SAVE is for the selected mailbox only")
	case ret.Update && s.box == nil:
		return imap.Bad("UPDATE is for the selected mailbox")
	case ret.Update && s.box.context(tag) != nil:
		return imap.Bad("tag is that of a search that is kept up to date")
	}
	return nil
}

// run searches all mailboxes, one after the other.
func (c *multiSearch) run(ctx context.Context, m *imap.MultiSearch, selected bool) error {
	s := c.s
	if err := s.expandFilters(ctx, c.q); err != nil {
		return err
	}
	if err := s.checkCharset(c.q.Charset, true); err != nil {
		return err
	}
	if c.q.ModSeq {
		s.enableCondstore()
	}
	if s.box != nil {
		s.update(false, ownChange{})
	}
	names, err := s.searchSources(ctx, m, selected)
	if err != nil {
		return err
	}
	if n := s.limits().SearchMailboxes; len(names) > n {
		return imap.No(imap.CodeLimit, "more than %d mailboxes to search", n)
	}
	if c.ret.Update {
		// RFC 5267 4.3.1: a server may refuse.
		s.refuseUpdate(&searchContext{tag: c.r.Tag}, "results of ESEARCH are not kept up to date")
	}
	c.progress = s.newProgress(c.r.Tag)
	c.progress.goal, c.progress.mailboxes = len(names), true
	for _, name := range names {
		err := c.mailbox(ctx, name)
		c.progress.done++
		if errors.Is(err, errSearchTime) {
			// RFC 7377 2.4: partial results, and OK.
			s.reply = reply{code: imap.CodeLimit, text: "search took too long, not all mailboxes were searched"}
			return nil
		} else if err != nil {
			return err
		}
		if err := s.spill(); err != nil {
			return err
		}
	}
	return nil
}

// mailbox searches one mailbox. RFC 7377 2.2: those that the user may not read are ignored.
func (c *multiSearch) mailbox(ctx context.Context, name string) error {
	s := c.s
	if s.stopping(ctx) {
		return errShutdown
	}
	if s.srv.cfg.Now().After(c.until) {
		return errSearchTime
	}
	if s.box != nil && name == s.selectedName() {
		return c.search(ctx, name, s.box)
	}
	defer s.giveBack()
	p, err := s.place(ctx, name, imap.RightRead)
	if err == errNoPermission || isNonExistent(err) {
		return nil
	} else if err != nil {
		return err
	}
	box, err := p.account.OpenBox(ctx, p.mb.ID)
	if errors.Is(err, store.ErrNoMailbox) {
		return nil
	} else if err != nil {
		return fmt.Errorf("opening mailbox to search: %w", err)
	}
	defer box.Close()
	return c.search(ctx, name, &selected{box: box, account: p.account, owner: p.owner, rights: p.rights, readOnly: true, view: box.View()})
}

func isNonExistent(err error) bool {
	var ierr *imap.Error
	return errors.As(err, &ierr) && ierr.Code == imap.CodeNonExistent
}

// search searches an open mailbox. RFC 7377 2.1: the answer has UIDs, and there is none
// when nothing matches.
func (c *multiSearch) search(ctx context.Context, name string, b *selected) error {
	s := c.s
	x := &searcher{s: s, box: b, uid: true, by: c.by.collation, lenient: true, until: c.until, answers: &c.answers, progress: c.progress}
	res, err := c.searching.run(ctx, x)
	if err != nil {
		return err
	}
	if c.ret.Save {
		b.saved = res.saved(c.ret)
	}
	if res.count == 0 || !c.ret.Data() {
		return nil
	}
	out := append(s.output(), "* ESEARCH (TAG "...)
	out = imap.AppendString(out, c.r.Tag, false)
	out = imap.AppendMailbox(append(out, " MAILBOX "...), name, s.utf8)
	out = strconv.AppendUint(append(out, " UIDVALIDITY "...), uint64(b.view.UIDValidity), 10)
	out = res.appendReturned(append(out, ") UID"...), &c.searching)
	s.out = append(out, "\r\n"...)
	return nil
}

// selectedName is the selected mailbox's name on the wire; empty when it was deleted.
func (s *session) selectedName() string {
	mb := s.box.box.Mailbox()
	if mb.ID == 0 {
		return ""
	}
	return wireNameOf(s.box.owner, mb.Name)
}

// searchSources returns the mailboxes that the source options stand for, each once, INBOX
// first.
func (s *session) searchSources(ctx context.Context, m *imap.MultiSearch, selected bool) ([]string, error) {
	var names []string
	if selected {
		names = append(names, s.selectedName())
	}
	all, err := s.sourceEntries(ctx, m)
	if err != nil {
		return nil, err
	}
	for i := range m.Sources {
		src := &m.Sources[i]
		if src.Filter == imap.NotifyMailboxes {
			for _, name := range src.Mailboxes {
				names = append(names, wireName(normalName(storeName(name))))
			}
			continue
		}
		for j := range all {
			if s.inSource(src, &all[j]) {
				names = append(names, all[j].name)
			}
		}
	}
	slices.SortFunc(names, func(a, b string) int { return compareListed(listed{name: a}, listed{name: b}) })
	return slices.Compact(names), nil
}

// sourceEntries returns the mailboxes that sources may stand for without naming them. Other
// accounts are opened only where that can matter.
func (s *session) sourceEntries(ctx context.Context, m *imap.MultiSearch) ([]listed, error) {
	l := s.newListing()
	l.addOwn()
	for i := range m.Sources {
		src := &m.Sources[i]
		others := src.Filter == imap.NotifySubscribed
		if src.Filter == imap.NotifySubtree || src.Filter == imap.NotifySubtreeOne {
			others = slices.ContainsFunc(src.Mailboxes, s.isOthers)
		}
		if others && s.shares() {
			if err := l.addAllShared(ctx); err != nil {
				return nil, err
			}
			break
		}
	}
	return l.finish(imap.ListOptions{}), nil
}

// inSource reports whether a mailbox is among those of a source that names it, or not. RFC
// 7377 2.2: for the latter the right to look it up is needed; all that are listed have it.
func (s *session) inSource(src *imap.SearchSource, e *listed) bool {
	if !e.exists {
		return false
	}
	own := !s.isOthers(e.name)
	switch src.Filter {
	case imap.NotifyInboxes, imap.NotifyPersonal:
		// RFC 5465 6.3: rules may deliver to any mailbox, so that INBOXES is PERSONAL.
		return own
	case imap.NotifySubscribed:
		return e.subscribed
	case imap.NotifySubtree, imap.NotifySubtreeOne:
		return slices.ContainsFunc(src.Mailboxes, func(top string) bool {
			top = wireName(normalName(storeName(strings.TrimSuffix(top, "/"))))
			below, ok := strings.CutPrefix(e.name, top+"/")
			return e.name == top || ok && (src.Filter == imap.NotifySubtree || !strings.Contains(below, "/"))
		})
	}
	return false
}

// normalName is the store's name in the form it is kept in, or as it is.
func normalName(name string) string {
	if n, err := store.NormalName(name); err == nil {
		return n
	}
	return name
}

// indexAnswers keeps what the index has said of an account, for its other mailboxes.
type indexAnswers struct {
	account *store.Account
	known   map[search.Query]search.Result
	scores  map[search.Query]search.FuzzyResult
}

// candidates asks the index, or repeats its answer. The answer stays right as messages come:
// IndexedTo says what it is about. a may be nil.
func (a *indexAnswers) candidates(ctx context.Context, index TextIndex, acc *store.Account, q search.Query) (search.Result, bool) {
	if a == nil {
		return index.Candidates(ctx, acc, q)
	}
	if a.account != acc {
		a.reset(acc)
	}
	if res, ok := a.known[q]; ok {
		return res, true
	}
	res, ok := index.Candidates(ctx, acc, q)
	if ok {
		a.known[q] = res
	}
	return res, ok
}

func (a *indexAnswers) reset(acc *store.Account) {
	if a == nil {
		return
	}
	*a = indexAnswers{account: acc, known: map[search.Query]search.Result{}, scores: map[search.Query]search.FuzzyResult{}}
}

// fuzzy is candidates for fuzzy searches.
func (a *indexAnswers) fuzzy(ctx context.Context, index TextIndex, acc *store.Account, f *search.Fuzzy) (search.FuzzyResult, bool) {
	if a == nil {
		return index.Fuzzy(ctx, acc, f)
	}
	if a.account != acc {
		a.reset(acc)
	}
	if res, ok := a.scores[f.Query]; ok {
		return res, true
	}
	res, ok := index.Fuzzy(ctx, acc, f)
	if ok {
		a.scores[f.Query] = res
	}
	return res, ok
}
