package store

// flagsJudged are the flags by which users say what a message is.
const flagsJudged = FlagJunk | FlagNotJunk

// judged notes flags of a message that came or went, or those that changed.
func (t *tx) judged(f Flags) { t.classified = t.classified || f&flagsJudged != 0 }

// autoFlags returns the flags that a message with flags f has once it is in d.
func (a *Account) autoFlags(d *mailbox, f Flags) Flags {
	set, clear := a.flagsFor("", d)
	return f&^clear | set
}

// Reserved tells whether messages come into a mailbox of that name from this server alone, see
// Options.Reserved.
func (a *Account) Reserved(mailbox string) bool {
	return a.s.o.Reserved != nil && a.s.o.Reserved(a.name, mailbox)
}

// reserved is ErrReserved when messages, nil for those that are there already, must not come
// into d.
func (a *Account) reserved(d *mailbox, msgs []NewMessage) error {
	own := len(msgs) > 0
	for i := range msgs {
		own = own && msgs[i].Own
	}
	if own || !a.Reserved(d.Name) {
		return nil
	}
	return ErrReserved
}

// flagsFor returns which flags messages get and lose on their way from a mailbox, if any,
// into d.
func (a *Account) flagsFor(from string, d *mailbox) (set, clear Flags) {
	if a.s.o.AutoFlags == nil {
		return 0, 0
	}
	set, clear = a.s.o.AutoFlags(a.name, from, d.Name, d.SpecialUse)
	return set & FlagsAll, clear & FlagsAll
}

// setAutoFlags changes messages that are on their way from src to d.
func (t *tx) setAutoFlags(src, d *mailbox, msgs []Message) {
	if src.ID == d.ID {
		return
	}
	set, clear := t.a.flagsFor(src.Name, d)
	for i := range msgs {
		msgs[i].Flags = msgs[i].Flags&^clear | set
	}
}
