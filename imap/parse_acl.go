package imap

// parseSetACL: RFC 4314 7: "SETACL" SP mailbox SP identifier SP mod-rights.
func parseSetACL(d *Decoder, _ *Request) any {
	p := &d.s
	p.space()
	a := &SetACL{Mailbox: p.mailbox()}
	p.space()
	a.Identifier = p.identifier()
	p.space()
	rights := p.astring("rights")
	if len(rights) > 0 {
		switch rights[0] {
		case '+':
			a.Op, rights = RightsAdd, rights[1:]
		case '-':
			a.Op, rights = RightsRemove, rights[1:]
		}
	}
	var err error
	if a.Rights, err = ParseRights(rights); err != nil && p.err == nil {
		p.err = err
	}
	return a
}

// parseACLIdentifier: RFC 4314 7: DELETEACL and LISTRIGHTS: SP mailbox SP identifier.
func parseACLIdentifier(d *Decoder, _ *Request) any {
	p := &d.s
	p.space()
	a := &ACLIdentifier{Mailbox: p.mailbox()}
	p.space()
	a.Identifier = p.identifier()
	return a
}

const maxIdentifier = 1000

// identifier: RFC 4314 3: an identifier that nothing is left of after its preparation is
// BAD; whose it is, is not for the syntax to say.
func (p *scanner) identifier() string {
	id := p.astring("identifier")
	switch {
	case p.err != nil:
	case id == "" || id == "-":
		p.fail("empty identifier")
	case len(id) > maxIdentifier:
		p.fail("identifier too long")
	}
	return id
}
