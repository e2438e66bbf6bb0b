package transfer

import (
	"path"
	"strings"
	"unicode"

	"mox/imap"
	"mox/store"
)

// specialNames are names that programs give to folders with a special use, in lower case.
var specialNames = map[string]store.SpecialUse{}

func init() {
	for use, names := range map[store.SpecialUse]string{
		store.UseSent:    "sent|sent items|sent messages|sent mail|sent-mail|outbox sent|gesendet|gesendete objekte|gesendete elemente|verzonden|verzonden items|éléments envoyés|messages envoyés|envoyés|enviados|elementos enviados|inviata|posta inviata|skickat|wysłane",
		store.UseDrafts:  "drafts|draft|entwürfe|concepten|brouillons|borradores|bozze|rascunhos|utkast",
		store.UseTrash:   "trash|deleted items|deleted messages|deleted|bin|papierkorb|gelöschte objekte|gelöschte elemente|prullenbak|verwijderde items|corbeille|éléments supprimés|papelera|elementos eliminados|cestino|lixeira|papperskorgen",
		store.UseJunk:    "junk|spam|junk e-mail|junk email|junk mail|bulk mail|spamverdacht|junk-e-mail|ongewenste e-mail|courrier indésirable|indésirables|correo no deseado|posta indesiderata|skräppost",
		store.UseArchive: "archive|archives|archiv|archief|archivio|archivo",
	} {
		for _, n := range strings.Split(names, "|") {
			specialNames[n] = use
		}
	}
}

// specialUse returns what a folder is for by its name, 0 for nothing special: at the top,
// or below what servers put all folders under.
func specialUse(folder string) store.SpecialUse {
	top, name, ok := strings.Cut(folder, "/")
	if !ok {
		name = folder
	} else if t := strings.ToLower(top); t != "inbox" && t != "[gmail]" && t != "[google mail]" && t != "inbox.mbox" {
		return 0
	}
	return specialNames[strings.ToLower(name)]
}

// labelUse is specialUse for labels of Gmail.
func labelUse(labels []string) store.SpecialUse {
	use := store.SpecialUse(0)
	for _, l := range labels {
		switch strings.ToLower(l) {
		case "inbox":
			return 0
		case "spam":
			return store.UseJunk
		case "trash":
			return store.UseTrash
		case "drafts", "draft":
			use = store.UseDrafts
		case "sent":
			if use == 0 {
				use = store.UseSent
			}
		case "archived":
			if use == 0 {
				use = store.UseArchive
			}
		}
	}
	return use
}

// cleanName makes a folder's name one that a mailbox can have.
func cleanName(name string) string {
	levels := strings.Split(name, "/")
	out := levels[:0]
	for _, l := range levels {
		l = strings.Map(func(r rune) rune {
			if unicode.IsControl(r) || r == unicode.ReplacementChar || r == '\u2028' || r == '\u2029' {
				return '_'
			}
			return r
		}, strings.ToValidUTF8(l, "_"))
		switch {
		case l == "":
			continue
		case l == "." || l == "..":
			l = "_"
		}
		out = append(out, l)
	}
	if len(out) > 0 && strings.HasPrefix(out[0], "#") {
		out[0] = "_" + out[0]
	}
	return path.Join(out...)
}

// maxFlags is how many flags and keywords of one message are kept.
const maxFlags = 150

// cleanFlags returns what of the flags a message can have.
func cleanFlags(list []string) (flags store.Flags, keywords []string) {
	for _, f := range list {
		if bit, ok := store.ParseFlag(f); ok {
			flags |= bit
			continue
		}
		if f = cleanKeyword(f); f != "" && len(keywords) < maxFlags {
			keywords = append(keywords, f)
		}
	}
	return flags, keywords
}

// cleanKeyword makes of any text a keyword, which is an atom (RFC 9051 9, flag-keyword);
// empty when nothing is left. Text that is not ASCII is encoded as in names of mailboxes,
// which is how clients show it.
func cleanKeyword(s string) string {
	s = strings.TrimPrefix(strings.ToValidUTF8(strings.TrimSpace(s), ""), `\`)
	if strings.EqualFold(s, "recent") {
		return ""
	}
	for i := range len(s) {
		if s[i] >= 0x80 {
			s = imap.EncodeUTF7(s)
			break
		}
	}
	s = strings.Map(func(r rune) rune {
		if r <= ' ' || r >= 0x7f || strings.ContainsRune(`(){%*"\]`, r) {
			return '_'
		}
		return r
	}, s)
	if len(s) > 100 {
		return ""
	}
	return s
}

// MailboxName returns the name of the mailbox that a folder becomes with the zero Options.
func MailboxName(folder string) (string, error) {
	name := cleanName(folder)
	if name == "" {
		return store.Inbox, nil
	}
	return store.NormalName(name)
}

// FlagNames returns the flags of a message as they are when it was imported with those given.
func FlagNames(list []string) []string {
	flags, keywords := cleanFlags(list)
	return append(flags.Names(), keywords...)
}
