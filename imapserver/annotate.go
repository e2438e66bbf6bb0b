package imapserver

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"mox/imap"
	"mox/message"
	"mox/store"
)

// Annotations of messages: RFC 5257. Each user who may read a mailbox has private ones there.

// annotator is how annotations in the selected mailbox name the user.
func (s *session) annotator() string {
	if s.box.owner == "" {
		return ""
	}
	return s.principal.Account
}

// sendAnnotations sends the response code ANNOTATIONS of SELECT, RFC 5257 4.1.
func (s *session) sendAnnotations() {
	switch b := s.box; {
	case s.isDisabled(annotate):
	case b.readOnly:
		s.line("* OK [ANNOTATIONS READ-ONLY] read-only")
	default:
		s.okNumber("ANNOTATIONS", b.account.MaxAnnotationSize())
	}
}

// annotations returns those of a message in the selected mailbox that the user may see.
func (s *session) annotations(id store.MessageID, since store.ModSeq) ([]store.Annotation, error) {
	return s.box.account.Annotations(s.ctx, s.annotator(), id, since)
}

// appendAnnotation writes the fetch item ANNOTATION, RFC 5257 4.3. Entries that are named
// are always there; where only wildcards were asked for and nothing fits them, the item is
// left out, as it cannot be empty.
func (f *fetcher) appendAnnotation(b []byte, e *entry, a *imap.FetchAtt) ([]byte, error) {
	list, err := f.s.annotations(e.msg.ID, 0)
	if err != nil {
		return b, err
	}
	entries := annotationEntries(list, a.Annotation.Entries)
	if len(entries) == 0 {
		return b, nil
	}
	f.s.outData = true
	b = append(b, "ANNOTATION ("...)
	for i, name := range entries {
		if i > 0 {
			b = append(b, ' ')
		}
		b = imap.AppendAString(b, name)
		sep := " ("
		for _, attr := range a.Annotation.Attributes {
			for _, shared := range []bool{false, true} {
				if attr.Scope&scopeOf(shared) != 0 {
					b = append(b, sep...)
					b = appendAttribute(b, attr.Size, shared, findAnnotation(list, name, shared), f.s.utf8)
					sep = " "
				}
			}
		}
		b = append(b, ')')
	}
	return append(b, ')'), nil
}

func scopeOf(shared bool) imap.AnnotationScope {
	if shared {
		return imap.AnnotationShared
	}
	return imap.AnnotationPrivate
}

// appendAttribute writes an attribute with its value. RFC 5257 3.2.2: what is not there has
// the value NIL and the size "0".
func appendAttribute(b []byte, size, shared bool, value []byte, utf8 bool) []byte {
	if size {
		b = append(b, "size"...)
	} else {
		b = append(b, "value"...)
	}
	if shared {
		b = append(b, ".shared "...)
	} else {
		b = append(b, ".priv "...)
	}
	if size {
		b = append(strconv.AppendInt(append(b, '"'), int64(len(value)), 10), '"')
		return b
	}
	return imap.AppendValue(b, value, utf8)
}

func findAnnotation(list []store.Annotation, name string, shared bool) []byte {
	for i := range list {
		if list[i].Name == name && list[i].Shared == shared {
			return list[i].Value
		}
	}
	return nil
}

// annotationEntries returns the entries that patterns ask for, each once: named ones, and
// those of a message that fit wildcards.
func annotationEntries(list []store.Annotation, patterns []string) (names []string) {
	add := func(name string) {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	for _, p := range patterns {
		if !strings.ContainsAny(p, "*%") {
			add(p)
			continue
		}
		for i := range list {
			if matchPattern(p, list[i].Name) {
				add(list[i].Name)
			}
		}
	}
	return names
}

// annotationLimit is what a user may set of annotations somewhere.
type annotationLimit struct {
	user   string // as store.Annotation has it
	rights imap.Rights
	max    int64 // octets of a value
}

// allows refuses what the user may not set. RFC 5257 3.4: private annotations need the right to
// read, shared ones that to annotate.
func (l *annotationLimit) allows(shared bool) error {
	need := imap.RightRead
	if shared {
		need = imap.RightAnnotate
	}
	if !l.rights.Has(need) {
		return errNoPermission
	}
	return nil
}

// annotationList checks annotations of a command, and returns them for the store.
func annotationList(values []imap.AnnotationValue, limit annotationLimit) ([]store.Annotation, error) {
	list := make([]store.Annotation, len(values))
	for i, v := range values {
		// RFC 5257 4.5.
		if int64(len(v.Value)) > limit.max {
			return nil, imap.No("ANNOTATE TOOBIG", "annotation is too large")
		}
		path, rest, _ := imap.AnnotationPart(v.Entry)
		// RFC 5257 3.2.1 and 3.5: /flags is reserved for all of a message; for a part it has
		// four flags, which are 1 or 0.
		if rest == "/flags" || strings.HasPrefix(rest, "/flags/") {
			if flag := strings.TrimPrefix(rest, "/flags/"); path == nil || !slices.Contains([]string{"seen", "answered", "flagged", "forwarded"}, flag) {
				return nil, imap.No(imap.CodeCannot, "entry is reserved")
			}
			if v.Value != nil && string(v.Value) != "0" && string(v.Value) != "1" {
				return nil, imap.No(imap.CodeCannot, "the value of a flag is 0, 1 or NIL")
			}
		}
		// RFC 5257 3.2.1: the top of the entries of a part has no attributes itself.
		if path != nil && rest == "/" {
			return nil, imap.Bad("entry is a part alone")
		}
		list[i] = store.Annotation{Name: v.Entry, Shared: v.Scope == imap.AnnotationShared, Value: v.Value}
		if err := limit.allows(list[i].Shared); err != nil {
			return nil, err
		}
		if !list[i].Shared {
			list[i].User = limit.user
		}
	}
	return list, nil
}

// annotatedParts returns the parts that annotations are about.
func annotatedParts(values []imap.AnnotationValue) (paths [][]int) {
	for _, v := range values {
		if path, _, _ := imap.AnnotationPart(v.Entry); path != nil && v.Value != nil {
			paths = append(paths, path)
		}
	}
	return paths
}

// hasParts refuses parts that a message does not have. RFC 5257 3.2.1: with BAD.
func hasParts(root *message.Part, paths [][]int) error {
	for _, path := range paths {
		if root == nil || root.Section(path) == nil {
			return imap.Bad("a message does not have the part of an annotation")
		}
	}
	return nil
}

// storeAnnotations is STORE ANNOTATION, RFC 5257 4.5.
func (s *session) storeAnnotations(ctx context.Context, r *imap.Request, st *imap.Store) error {
	list, err := annotationList(st.Annotations, annotationLimit{s.annotator(), s.box.rights, s.box.account.MaxAnnotationSize()})
	if err != nil {
		return err
	}
	var since *store.ModSeq
	if st.UnchangedSince != nil {
		s.enableCondstore()
		m := store.ModSeq(*st.UnchangedSince)
		since = &m
	}
	s.update(false, ownChange{})
	sp, err := s.box.resolve(st.Set, r.UID)
	if err != nil {
		return err
	}
	sp = s.limitMessages(sp)
	if err := s.checkAnnotatedParts(ctx, sp, annotatedParts(st.Annotations)); err != nil {
		return err
	}
	var res store.FlagResult
	if set := s.box.uids(sp); len(set) > 0 {
		if res, err = s.box.account.SetAnnotations(ctx, s.box.view.Mailbox, set, list, since); err != nil {
			return err
		}
	}
	// RFC 5257 4.5: nothing is told, but to those that know mod-sequences.
	// What others have done to the flags of the same messages meanwhile is told.
	flagged := map[store.UID]bool{}
	s.update(false, ownChange{res.ModSeq, func(was, now *store.Message) {
		if was.Flags != now.Flags || was.Keywords != now.Keywords {
			flagged[now.UID] = true
		}
	}})
	for e := range s.box.entries(sp) {
		changed := res.ModSeq != 0 && e.msg.ModSeq == res.ModSeq
		if flags := flagged[e.msg.UID]; !e.ghost && (flags || s.condstore && (changed || since != nil)) {
			s.fetchFlags(e.seq, e.msg, flags)
		}
	}
	if len(res.Modified) > 0 {
		s.reply = reply{code: "MODIFIED " + s.modifiedSet(res.Modified, r.UID), text: "conditional store failed for some"}
	}
	if !r.UID && s.box.hasGhosts(sp) {
		return imap.No(imap.CodeExpungeIssued, "some messages no longer exist")
	}
	return nil
}

// checkAnnotatedParts checks that all messages have the parts.
func (s *session) checkAnnotatedParts(ctx context.Context, sp spans, paths [][]int) error {
	if len(paths) == 0 {
		return nil
	}
	var msgs []*store.Message
	for e := range s.box.entries(sp) {
		if !e.ghost {
			msgs = append(msgs, e.msg)
		}
	}
	for r, err := range s.box.account.Rendered(ctx, msgs, store.FieldParts, true) {
		if err != nil {
			return fmt.Errorf("reading renderings: %w", err)
		}
		if r.Gone {
			continue
		}
		root, err := message.DecodePart(r.Parts)
		if err != nil {
			return fmt.Errorf("decoding part tree of body %d: %w", r.Body, err)
		}
		if err := hasParts(root, paths); err != nil {
			return err
		}
	}
	return nil
}

// compileAnnotation: RFC 5257 4.8. What all messages have is looked through once, without
// regard to case as by other keys. A value of NIL finds messages that have none.
func compileAnnotation(x *searcher, k *imap.SearchKey) (test, error) {
	q := k.Annotation
	b := x.box
	needle := []byte(message.CasemapKey(string(q.Value)))
	found := map[store.MessageID]bool{}
	user := ""
	if b.owner != "" {
		user = x.s.principal.Account
	}
	err := b.account.FindAnnotations(x.s.ctx, user, func(id store.MessageID, an *store.Annotation) {
		if q.Scope&scopeOf(an.Shared) == 0 || !matchPattern(q.Entry, an.Name) {
			return
		}
		if q.Value == nil || bytes.Contains([]byte(message.CasemapKey(string(an.Value))), needle) {
			found[id] = true
		}
	})
	return func(c *candidate) tri { return truth(found[c.msg.ID] != (q.Value == nil)) }, err
}

// hidesAnnotations reports whether a change of a message's annotations alone is nothing to
// the client: it knows neither them nor mod-sequences.
func (s *session) hidesAnnotations() bool {
	n := s.notifying()
	return !s.condstore && s.box.account.Annotated() && (n == nil && !s.box.annotate || n != nil && n.selected&imap.EventAnnotationChange == 0)
}

// changedAnnotations returns the entries of a message that changed after a ModSeq, for
// clients that want to be told: RFC 5257 4.4 and RFC 5465 5.1.
func (s *session) changedAnnotations(m *store.Message, since store.ModSeq) (names []string) {
	if n := s.notifying(); n != nil && n.selected&imap.EventAnnotationChange == 0 || n == nil && !s.box.annotate {
		return nil
	}
	list, err := s.annotations(m.ID, since)
	if err != nil {
		s.logger().Warn("reading annotations to tell of", "err", err)
		return nil
	}
	for _, an := range list {
		if !slices.Contains(names, an.Name) {
			names = append(names, an.Name)
		}
	}
	return names
}

// annotationRanks returns numbers that order messages by an annotation, RFC 5257 4.9; those
// without come first, with 0.
func (s *session) annotationRanks(ctx context.Context, c imap.SortCriterion, by message.Collation) (map[store.MessageID]uint64, error) {
	keys := map[store.MessageID]string{}
	err := s.box.account.FindAnnotations(ctx, s.annotator(), func(id store.MessageID, an *store.Annotation) {
		if an.Name == c.Entry && an.Shared == c.Shared {
			keys[id] = by.Key(string(an.Value))
		}
	})
	if err != nil {
		return nil, err
	}
	order := slices.Compact(slices.Sorted(maps.Values(keys)))
	ranks := make(map[store.MessageID]uint64, len(keys))
	for id, key := range keys {
		i, _ := slices.BinarySearch(order, key)
		ranks[id] = uint64(i) + 1
	}
	return ranks, nil
}
