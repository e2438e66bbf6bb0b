package imap

// SearchSource says which mailboxes ESEARCH searches: RFC 7377 2.2. The filter is never
// NotifySelectedDelayed.
type SearchSource struct {
	Filter    NotifyFilter
	Mailboxes []string
}

// MultiSearch is ESEARCH, RFC 7377. Without Sources, the selected mailbox is searched.
type MultiSearch struct {
	Sources []SearchSource
	Search  Search
}

// Selected reports whether the selected mailbox is a source, and whether it is the only one.
func (m *MultiSearch) Selected() (among, only bool) {
	only = true
	for _, src := range m.Sources {
		if src.Filter == NotifySelected {
			among = true
		} else {
			only = false
		}
	}
	return among || len(m.Sources) == 0, only
}

// parseMultiSearch: RFC 7377 4: "ESEARCH" [SP esearch-source-opts] [SP search-return-opts]
// SP search-program.
func parseMultiSearch(d *Decoder, _ *Request) any {
	p := &d.s
	m := &MultiSearch{}
	p.space()
	if p.acceptWord("IN (") {
		m.Sources = p.searchSources()
		p.space()
	}
	p.searchRest(&m.Search)
	return m
}

// searchSources reads filter-mailboxes *(SP filter-mailboxes) up to ")". Scope options may
// follow by the grammar; there are none.
func (p *scanner) searchSources() (list []SearchSource) {
	for first := true; p.nextItem(&first); {
		p.count()
		name := p.keyword("source option")
		src := SearchSource{Filter: notifyFilters[name]}
		_, known := notifyFilters[name]
		switch {
		case name == "SUBTREE-ONE":
			src.Filter = NotifySubtreeOne
		case !known || src.Filter == NotifySelectedDelayed:
			p.fail("unknown source option %q", clip(name))
		}
		if src.Filter >= NotifySubtree {
			p.space()
			src.Mailboxes = p.oneOrMoreMailboxes()
		}
		list = append(list, src)
	}
	return list
}
