package imapserver

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"mox/imap"
	"mox/store"
)

// Entries of the account that have filters, RFC 5466 3.2: below the first, else below the
// second.
var filterRoots = [...]string{"/private/filters/values/", "/shared/filters/values/"}

const (
	// RFC 5466 3.1: at least 3 substitutions, one inside the other, must be possible.
	maxFilterDepth = 8
	// maxFilters bounds the substitutions of one command: filters that name others twice each
	// would double with every pass.
	maxFilters = 100
)

// filters puts filters (RFC 5466) in the place of their names. The zero value with s set is
// ready, for one command.
type filters struct {
	s       *session
	entries []store.MetadataEntry // of the account, once read
	active  []string              // filters that are being expanded, outermost first
	done    int                   // substitutions so far
}

// expandFilters makes the search of a command one without filters.
func (s *session) expandFilters(ctx context.Context, q *imap.Search) error {
	if !q.Key.Has(imap.SearchFilter) {
		return nil
	}
	// RFC 5466 3.1: filters are in UTF-8, and with any other charset the answer is BAD.
	if q.Charset != "" && q.Charset != "UTF-8" && q.Charset != "US-ASCII" {
		return &imap.Error{Type: imap.BAD, Code: imap.CodeBadCharset, CodeArg: charsets, Text: "filters are in UTF-8"}
	}
	f := &filters{s: s}
	if err := f.expand(ctx, &q.Key); err != nil {
		return err
	}
	q.ModSeq = q.Key.Has(imap.SearchModSeq)
	return nil
}

func (f *filters) expand(ctx context.Context, k *imap.SearchKey) error {
	if k.Op == imap.SearchFilter {
		return f.substitute(ctx, k)
	}
	for i := range k.Keys {
		if err := f.expand(ctx, &k.Keys[i]); err != nil {
			return err
		}
	}
	return nil
}

// substitute replaces a FILTER key by its value. RFC 5466 3.1 has it inserted verbatim, of
// "full and correct" criteria: what follows NOT or OR is the whole filter, not its first key.
func (f *filters) substitute(ctx context.Context, k *imap.SearchKey) error {
	name := k.Str
	value, err := f.value(ctx, name)
	if err != nil {
		return err
	}
	key := strings.ToLower(name)
	// RFC 5466 3.1: in a loop, or too deep, a filter does not exist.
	if value == nil || len(f.active) >= maxFilterDepth || slices.Contains(f.active, key) {
		return undefinedFilter(name)
	}
	if f.done++; f.done > maxFilters {
		return imap.No(imap.CodeLimit, "too many filters")
	}
	sub, err := imap.ParseSearchCriteria(value, f.s.limits().Command)
	if err != nil {
		return imap.No("", "filter %s is not a correct search: %s", name, filterProblem(err))
	}
	f.active = append(f.active, key)
	if err := f.expand(ctx, &sub); err != nil {
		return err
	}
	f.active = f.active[:len(f.active)-1]
	*k = sub
	return nil
}

// value returns the value of a filter, nil when there is none. Names of entries are
// case-insensitive (RFC 5464 3.2), and so are those of filters.
func (f *filters) value(ctx context.Context, name string) ([]byte, error) {
	if f.entries == nil {
		var err error
		if f.entries, err = f.s.account.Metadata(ctx, 0); err != nil {
			return nil, fmt.Errorf("reading filters: %w", err)
		}
	}
	for _, root := range filterRoots {
		entry := root + strings.ToLower(name)
		if i := slices.IndexFunc(f.entries, func(e store.MetadataEntry) bool { return e.Name == entry }); i >= 0 {
			return f.entries[i].Value, nil
		}
	}
	return nil, nil
}

func undefinedFilter(name string) error {
	return &imap.Error{Type: imap.NO, Code: imap.CodeUndefinedFilter, CodeArg: name, Text: "no such filter"}
}

// checkFilter refuses to store what is no search. RFC 5466 3.2: the value should be "a full
// and correct search criterion". Filters that it names need not exist yet.
func (s *session) checkFilter(entry string, value []byte) error {
	for _, root := range filterRoots {
		name, ok := strings.CutPrefix(strings.ToLower(entry), root)
		if !ok || value == nil {
			continue
		}
		if strings.Contains(name, "/") {
			return imap.No(imap.CodeCannot, "names of filters have no slash")
		}
		if _, err := imap.ParseSearchCriteria(value, s.limits().Command); err != nil {
			return imap.No(imap.CodeCannot, "filter is not a correct search: %s", filterProblem(err))
		}
	}
	return nil
}

// filterProblem is the text of a syntax error, as it may be in a response.
func filterProblem(err error) string {
	text := strings.TrimPrefix(err.Error(), imap.BAD+" ")
	return asciiOnly(text)
}
