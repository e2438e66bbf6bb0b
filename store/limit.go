package store

import "slices"

// FlagLimit says which flags somebody may not change (RFC 4314 4). The zero value allows all.
type FlagLimit struct {
	Flags    Flags // these
	Keywords bool  // and keywords that have no bit

	// User is who copies or moves messages: an account, empty for that of the messages. Its private
	// annotations go with copies, those of others do not.
	User string
	// NoShared is that User may not set shared annotations where the messages come to, NoPrivate
	// likewise.
	NoShared, NoPrivate bool
}

// userIn is how annotations in an account name the user.
func (l FlagLimit) userIn(a *Account) string {
	if l.User == a.name {
		return ""
	}
	return l.User
}

// annotations returns those that may be set.
func (l FlagLimit) annotations(list []Annotation) []Annotation {
	return slices.DeleteFunc(list, func(an Annotation) bool { return an.Shared && l.NoShared || !an.Shared && l.NoPrivate })
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
