package imap

import "math"

func parseMailbox(d *Decoder, _ *Request) any {
	p := &d.s
	p.space()
	return &Mailbox{Name: p.mailbox()}
}

func parseRename(d *Decoder, _ *Request) any {
	p := &d.s
	p.space()
	r := &Rename{From: p.mailbox()}
	p.space()
	r.To = p.mailbox()
	return r
}

// parseCreate: RFC 6154 6: "CREATE" SP mailbox [SP "(" "USE" SP "(" [use-attr *(SP
// use-attr)] ")" ")"].
func parseCreate(d *Decoder, _ *Request) any {
	p := &d.s
	p.space()
	c := &Create{Mailbox: p.mailbox()}
	if !p.accept(' ') {
		return c
	}
	p.expect('(')
	if name := p.keyword("CREATE parameter"); name != "USE" {
		p.fail("unknown CREATE parameter %q", clip(name))
	}
	p.space()
	c.Use = p.flagList()
	p.expect(')')
	return c
}

// parseSelect: RFC 4466 2.4 select-params with those of RFC 7162 7.
func parseSelect(d *Decoder, _ *Request) any {
	p := &d.s
	p.space()
	s := &Select{Mailbox: p.mailbox()}
	if !p.accept(' ') {
		return s
	}
	p.expect('(')
	for first := true; p.nextItem(&first); {
		switch name := p.keyword("select parameter"); name {
		case "CONDSTORE":
			s.CondStore = true
		case "ANNOTATE":
			s.Annotate = true
		case "QRESYNC":
			if s.QResync != nil {
				p.fail("QRESYNC twice")
			}
			p.space()
			s.QResync = p.qresync()
		default:
			p.fail("unknown select parameter %q", clip(name))
		}
	}
	return s
}

// qresync: "(" uidvalidity SP mod-sequence-value [SP known-uids] [SP "("
// known-sequence-set SP known-uid-set ")"] ")".
func (p *scanner) qresync() *QResync {
	q := &QResync{}
	p.expect('(')
	q.UIDValidity = p.nzNumber("UIDVALIDITY")
	p.space()
	q.ModSeq = p.number64("mod-sequence")
	if q.ModSeq == 0 {
		p.fail("mod-sequence is 0")
	}
	if p.accept(' ') && p.peek() != '(' {
		q.Known = p.knownSet()
		if p.accept(')') || !p.accept(' ') {
			if p.err == nil && p.line[p.pos-1] != ')' {
				p.fail("expected \")\"")
			}
			return q
		}
	}
	if p.accept('(') {
		q.Seqs = p.knownSet()
		p.space()
		q.UIDs = p.knownSet()
		p.expect(')')
		if p.err == nil && (Count(q.Seqs.Ranges) != Count(q.UIDs.Ranges) || !ascending(q.Seqs.Ranges) || !ascending(q.UIDs.Ranges)) {
			// RFC 7162 3.2.5.2: both in ascending order, one UID a number.
			p.fail("message sequence match data is not matched and ascending")
		}
	}
	p.expect(')')
	return q
}

// knownSet: RFC 7162 7: a sequence-set without "*" (and without "$").
func (p *scanner) knownSet() *NumSet {
	s := p.numSet()
	for _, r := range s.Ranges {
		if r.Start == Star || r.Stop == Star {
			p.fail(`"*" not allowed in a known set`)
		}
	}
	if s.Saved {
		p.fail(`"$" not allowed in a known set`)
	}
	return &s
}

func ascending(rs []NumRange) bool {
	for i, r := range rs {
		if r.Start > r.Stop || i > 0 && r.Start <= rs[i-1].Stop {
			return false
		}
	}
	return true
}

func parseStatus(d *Decoder, _ *Request) any {
	p := &d.s
	p.space()
	s := &Status{Mailbox: p.mailbox()}
	p.space()
	s.Atts = p.statusAtts()
	return s
}

var statusAtts = func() map[string]StatusAtt {
	m := map[string]StatusAtt{}
	for a, name := range statusNames {
		m[name] = StatusAtt(a)
	}
	return m
}()

// statusAtts: "(" status-att *(SP status-att) ")".
func (p *scanner) statusAtts() (atts []StatusAtt) {
	p.expect('(')
	for first := true; p.nextItem(&first); {
		name := p.keyword("status item")
		a, ok := statusAtts[name]
		if !ok {
			p.fail("unknown status item %q", clip(name))
		}
		p.count()
		atts = append(atts, a)
	}
	return atts
}

func parseGetQuota(d *Decoder, _ *Request) any {
	p := &d.s
	p.space()
	return &GetQuota{Root: p.astring("quota root")}
}

func parseLsub(d *Decoder, _ *Request) any {
	p := &d.s
	p.space()
	l := &List{Reference: p.mailbox()}
	p.space()
	l.Patterns = []string{p.pattern()}
	return l
}

// parseList: RFC 9051 9: list.
func parseList(d *Decoder, _ *Request) any {
	p := &d.s
	p.space()
	l := &List{}
	if p.peek() == '(' {
		l.Extended = true
		p.options("LIST selection option", listSelectOptions, l)
		p.space()
		// RFC 5258 3: RECURSIVEMATCH must have a base option beside it.
		if l.Select.RecursiveMatch && !l.Select.Subscribed && !l.Select.SpecialUse {
			p.fail("RECURSIVEMATCH needs SUBSCRIBED or SPECIAL-USE")
		}
	}
	l.Reference = p.mailbox()
	p.space()
	if p.accept('(') {
		l.Extended = true
		for first := true; p.nextItem(&first); {
			p.count()
			l.Patterns = append(l.Patterns, p.pattern())
		}
	} else {
		l.Patterns = []string{p.pattern()}
	}
	if len(l.Patterns) > maxPatterns {
		p.fail("too many patterns")
	}
	if p.accept(' ') {
		l.Extended = true
		if name := p.keyword("RETURN"); name != "RETURN" {
			p.fail("expected RETURN, got %q", clip(name))
		}
		p.space()
		p.options("LIST return option", listReturnOptions, l)
	}
	return l
}

// Each pattern is matched against each mailbox.
const maxPatterns = 100

type listOption map[string]func(p *scanner, l *List)

var listSelectOptions = listOption{
	"SUBSCRIBED":     func(_ *scanner, l *List) { l.Select.Subscribed = true },
	"REMOTE":         func(_ *scanner, l *List) { l.Select.Remote = true },
	"RECURSIVEMATCH": func(_ *scanner, l *List) { l.Select.RecursiveMatch = true },
	"SPECIAL-USE":    func(_ *scanner, l *List) { l.Select.SpecialUse = true },
}

var listReturnOptions = listOption{
	"SUBSCRIBED":  func(_ *scanner, l *List) { l.Return.Subscribed = true },
	"CHILDREN":    func(_ *scanner, l *List) { l.Return.Children = true },
	"SPECIAL-USE": func(_ *scanner, l *List) { l.Return.SpecialUse = true },
	"MYRIGHTS":    func(_ *scanner, l *List) { l.Return.MyRights = true },
	"STATUS": func(p *scanner, l *List) {
		p.space()
		l.Return.Status = p.statusAtts()
	},
	"METADATA": func(p *scanner, l *List) {
		p.space()
		l.Return.Metadata = p.entryList()
	},
}

// options reads "(" [option *(SP option)] ")".
func (p *scanner) options(what string, table listOption, l *List) {
	p.expect('(')
	if p.accept(')') {
		return
	}
	for p.err == nil {
		name := p.keyword(what)
		set, ok := table[name]
		if !ok {
			p.fail("unknown %s %q", what, clip(name))
			return
		}
		p.count()
		set(p, l)
		if p.accept(')') {
			return
		}
		p.space()
	}
}

const maxPattern = 4096

// pattern: list-mailbox, decoded like a mailbox name.
func (p *scanner) pattern() string {
	var s string
	if c := p.peek(); c == '"' || c == '{' {
		s = p.string("list pattern")
	} else {
		s = p.run(classList, "list pattern")
	}
	if len(s) > maxPattern {
		p.fail("list pattern too long")
	}
	return p.mailboxName(s)
}

// parseExpunge: UID EXPUNGE has a set, EXPUNGE nothing.
func parseExpunge(d *Decoder, r *Request) any {
	if !r.UID {
		return nil
	}
	d.s.space()
	return &UIDExpunge{Set: d.s.numSet()}
}

func parseCopy(d *Decoder, _ *Request) any {
	p := &d.s
	p.space()
	c := &Copy{Set: p.numSet()}
	p.space()
	c.Mailbox = p.mailbox()
	return c
}

var storeOps = map[string]StoreOp{"FLAGS": StoreReplace, "+FLAGS": StoreAdd, "-FLAGS": StoreRemove}

// parseStore: RFC 9051 9: store, with the modifier of RFC 7162 3.1.3 and
// the item of RFC 5257 4.5.
func parseStore(d *Decoder, _ *Request) any {
	p := &d.s
	p.space()
	s := &Store{Set: p.numSet()}
	p.space()
	if p.accept('(') {
		if name := p.keyword("STORE modifier"); name != "UNCHANGEDSINCE" {
			p.fail("unknown STORE modifier %q", clip(name))
		}
		p.space()
		n := p.number(math.MaxInt64, "mod-sequence")
		s.UnchangedSince = &n
		p.expect(')')
		p.space()
	}
	name := p.keyword("FLAGS, +FLAGS or -FLAGS")
	if name == "ANNOTATION" {
		p.space()
		s.Annotations = p.annotationValues()
		return s
	}
	if n := len(name) - len(".SILENT"); n > 0 && name[n:] == ".SILENT" {
		name, s.Silent = name[:n], true
	}
	op, ok := storeOps[name]
	if !ok {
		p.fail("unknown STORE item %q", clip(name))
	}
	s.Op = op
	p.space()
	if p.peek() == '(' {
		s.Flags = p.flagList()
		return s
	}
	for p.err == nil {
		s.Flags = append(s.Flags, p.flag())
		if !p.accept(' ') {
			break
		}
	}
	return s
}
