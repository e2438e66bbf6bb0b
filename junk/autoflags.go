package junk

import (
	"regexp"
	"strings"

	"mox/config"
	"mox/store"
)

// AutoFlags returns the flags that messages get and lose on their way from a mailbox
// (empty for new ones) into another, as the account's AutomaticJunkFlags say: what
// store.Options.AutoFlags asks. Who takes a message out of the mailbox for rejects says
// with it that it is not junk. info may be nil, for an account that is not configured.
func AutoFlags(info *config.AccountInfo, from, mailbox string, use store.SpecialUse) (set, clear store.Flags) {
	if info == nil {
		return 0, 0
	}
	set, clear = byMailbox(info, mailbox, use)
	rescued := from != "" && from == info.RejectsMailbox && mailbox != from && use&(store.UseTrash|store.UseJunk) == 0
	if rescued && set != store.FlagJunk {
		return store.FlagNotJunk, store.FlagJunk
	}
	return set, clear
}

// byMailbox returns the flags that the configuration has for a mailbox.
func byMailbox(info *config.AccountInfo, mailbox string, use store.SpecialUse) (set, clear store.Flags) {
	if !info.Config.AutomaticJunkFlags.Enabled {
		return 0, 0
	}
	const junk, ham = store.FlagJunk, store.FlagNotJunk
	if use&store.UseJunk != 0 {
		return junk, ham
	}
	name := strings.ToLower(mailbox)
	classes := [...]struct {
		re         *regexp.Regexp
		set, clear store.Flags
	}{
		{info.JunkMailbox, junk, ham},
		{info.NeutralMailbox, 0, junk | ham},
		{info.NotJunkMailbox, ham, junk},
	}
	without, rest := 0, 0
	for i, c := range classes {
		if c.re == nil {
			without, rest = without+1, i
		} else if c.re.MatchString(name) {
			return c.set, c.clear
		}
	}
	// When exactly two are set, the third stands for all other mailboxes.
	if without == 1 {
		return classes[rest].set, classes[rest].clear
	}
	return 0, 0
}
