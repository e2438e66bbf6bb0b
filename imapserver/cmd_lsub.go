package imapserver

import (
	"context"
	"slices"
	"strings"

	"mox/imap"
)

// cmdLsub is LSUB, RFC 3501 6.3.9.
func (s *session) cmdLsub(_ context.Context, r *imap.Request) error {
	l := r.Args.(*imap.List)
	m := newMatcher(l.Reference, l.Patterns)
	shown := map[string]string{} // name to attributes
	// RFC 4314 4: whether there is a mailbox of that name, which the user may see, makes no
	// difference.
	names := s.newListing()
	names.addOwn()
	for _, e := range names.finish(imap.ListOptions{Subscribed: true}) {
		if !e.subscribed {
			continue
		}
		if m.match(e.name) {
			shown[e.name] = "()"
			continue
		}
		// RFC 3501 6.3.9: for "%", a name above a subscribed one is shown with \Noselect.
		if strings.HasSuffix(l.Patterns[0], "%") {
			eachParent(e.name, func(p string) {
				if shown[p] == "" && m.match(p) {
					shown[p] = `(\Noselect)`
				}
			})
		}
	}
	for _, name := range sortedKeys(shown) {
		b := append(s.output(), "* LSUB "...)
		b = append(b, shown[name]...)
		b = append(b, ` "/" `...)
		b = imap.AppendMailbox(b, name, s.utf8)
		s.out = append(b, "\r\n"...)
		if err := s.spill(); err != nil {
			return err
		}
	}
	return nil
}

func sortedKeys(m map[string]string) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
