package junk

import (
	"regexp"
	"testing"

	"mox/config"
	"mox/store"
)

func TestAutoFlags(t *testing.T) {
	const junk, ham = store.FlagJunk, store.FlagNotJunk
	re := func(s string) *regexp.Regexp {
		if s == "" {
			return nil
		}
		return regexp.MustCompile(s)
	}
	type flags struct{ set, clear store.Flags }
	isJunk, isHam, isNeither, as := flags{junk, ham}, flags{ham, junk}, flags{0, junk | ham}, flags{}
	for _, tc := range []struct {
		junk, neutral, ham string
		mailbox            string
		use                store.SpecialUse
		want               flags
	}{
		{"^(junk|spam)", "^inbox", "", "Inbox", 0, isNeither},
		{"^(junk|spam)", "^inbox", "", "Spam/2026", 0, isJunk},
		{"^(junk|spam)", "^inbox", "", "Archive", 0, isHam},
		{"^(junk|spam)", "^inbox", "", "Archive", store.UseJunk, isJunk},
		{"^junk", "", "^archive", "Other", 0, isNeither},
		{"", "^inbox", "^archive", "Other", 0, isJunk},
		{"^junk", "", "", "Other", 0, as},
		{"^junk", "", "", "JUNK", 0, isJunk},
		{"", "", "", "Junk", 0, as},
		{"", "", "", "Junk", store.UseJunk, isJunk},
		{"^junk", "^inbox", "^archive", "Other", 0, as},
		{"^junk", "^inbox", "^archive", "Archive", 0, isHam},
	} {
		info := &config.AccountInfo{Config: &config.Account{AutomaticJunkFlags: config.AutomaticJunkFlags{Enabled: true}}, JunkMailbox: re(tc.junk), NeutralMailbox: re(tc.neutral), NotJunkMailbox: re(tc.ham)}
		set, clear := AutoFlags(info, tc.mailbox, tc.use)
		if got := (flags{set, clear}); got != tc.want {
			t.Errorf("%+v: %v", tc, got)
		}
		info.Config.AutomaticJunkFlags.Enabled = false
		if set, clear := AutoFlags(info, tc.mailbox, tc.use); set != 0 || clear != 0 {
			t.Errorf("%+v: not enabled", tc)
		}
	}
	if set, clear := AutoFlags(nil, "Junk", store.UseJunk); set != 0 || clear != 0 {
		t.Error("no account")
	}
}
