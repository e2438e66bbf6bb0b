package store

// FlagLimit says which flags somebody may not change (RFC 4314 4). The zero value allows all.
type FlagLimit struct {
	Flags    Flags // these
	Keywords bool  // and keywords that have no bit
}

// Filter returns those of flags and keywords that may be changed.
func (l FlagLimit) Filter(f Flags, keywords []string) (Flags, []string) {
	if l.Keywords {
		keywords = nil
	}
	return f &^ l.Flags, keywords
}

// apply limits what messages get that are copied.
func (l FlagLimit) apply(msgs []Message) {
	if l == (FlagLimit{}) {
		return
	}
	for i := range msgs {
		msgs[i].Flags &^= l.Flags
		if l.Keywords {
			msgs[i].Keywords = 0
		}
	}
}
