package imap

func readList(p *scanner, name string) Response {
	l := &ListResponse{Lsub: name == "LSUB"}
	p.space()
	l.Attrs = p.respFlags()
	p.space()
	l.Delimiter, _ = p.nstring("delimiter")
	p.space()
	l.Mailbox = p.lenientMailbox()
	if !p.accept(' ') {
		return l
	}
	p.expect('(')
	for p.err == nil && !p.accept(')') {
		tag := upper(p.astring("extended item"))
		p.space()
		switch tag {
		case "OLDNAME":
			p.expect('(')
			l.OldName = p.lenientMailbox()
			p.expect(')')
		case "CHILDINFO":
			l.ChildInfo = p.stringList()
		default:
			p.skipValue()
		}
		p.accept(' ')
	}
	return l
}

// lenientMailbox reads a mailbox name of a server; names that are not well encoded
// are kept as they are.
func (p *scanner) lenientMailbox() string {
	s := p.astring("mailbox")
	if p.err != nil || p.utf8 || !isASCII(s) {
		return s
	}
	if name, ok := DecodeUTF7(s); ok {
		return name
	}
	return s
}

func (p *scanner) stringList() (l []string) {
	p.expect('(')
	for p.err == nil && !p.accept(')') {
		p.count()
		l = append(l, p.astring("string"))
		p.accept(' ')
	}
	return l
}

func readStatus(p *scanner, _ string) Response {
	s := &MailboxStatus{Items: map[string]string{}}
	p.space()
	s.Mailbox = p.lenientMailbox()
	p.space()
	p.expect('(')
	for p.err == nil && !p.accept(')') {
		p.count()
		name := p.keyword("status item")
		p.space()
		if p.accept('(') {
			s.Items[name] = p.astring("value")
			p.expect(')')
		} else {
			s.Items[name] = p.astring("value")
		}
		p.accept(' ')
	}
	return s
}

func readNamespace(p *scanner, _ string) Response {
	n := &Namespace{}
	for _, l := range []*[]string{&n.Personal, &n.Other, &n.Shared} {
		p.space()
		if p.acceptWord("NIL") {
			continue
		}
		p.expect('(')
		for p.err == nil && !p.accept(')') {
			p.expect('(')
			prefix := p.string("prefix")
			p.space()
			delim, _ := p.nstring("delimiter")
			*l = append(*l, prefix, delim)
			for p.err == nil && p.accept(' ') {
				p.skipValue()
			}
			p.expect(')')
			p.count()
		}
	}
	return n
}

func readQuota(p *scanner, _ string) Response {
	q := &Quota{Resources: map[string][2]int64{}}
	p.space()
	q.Root = p.astring("quota root")
	p.space()
	p.expect('(')
	for p.err == nil && !p.accept(')') {
		p.count()
		name := p.keyword("resource")
		p.space()
		used := int64(p.number64("usage"))
		p.space()
		q.Resources[name] = [2]int64{used, int64(p.number64("limit"))}
		p.accept(' ')
	}
	return q
}

func readQuotaRoot(p *scanner, _ string) Response {
	q := &QuotaRoot{}
	p.space()
	q.Mailbox = p.lenientMailbox()
	for p.err == nil && p.accept(' ') {
		p.count()
		q.Roots = append(q.Roots, p.astring("quota root"))
	}
	return q
}
