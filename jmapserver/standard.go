package jmapserver

import (
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"strings"

	"mox/jmap"
	"mox/store"
)

// Arguments and results of the standard methods, RFC 8620 5. Types of data embed them where they have more.

// getArgs are those of /get, RFC 8620 5.1.
type getArgs struct {
	AccountID  jmap.ID   `json:"accountId"`
	IDs        *[]string `json:"ids"`        // nil: all; "#" and a creation id is one of this request
	Properties *[]string `json:"properties"` // nil: the default ones
}

// object is an object of some type with the properties that were asked for.
type object map[string]any

type getResult struct {
	AccountID jmap.ID  `json:"accountId"`
	State     string   `json:"state"`
	List      []any    `json:"list"` // objects, or their JSON
	NotFound  []string `json:"notFound"`
}

// getting makes the result of a /get call with the ids asked for, each once, which are none for all. An error is requestTooLarge.
func (c *call) getting(a *getArgs, acc *store.Account, seq store.ModSeq) (*getResult, []jmap.ID, error) {
	res := &getResult{AccountID: a.AccountID, State: stateOf(acc, seq), List: []any{}, NotFound: []string{}}
	if a.IDs == nil {
		return res, nil, nil
	}
	if err := c.checkMany(len(*a.IDs)); err != nil {
		return nil, nil, err
	}
	ids := []jmap.ID{}
	seen := map[string]bool{}
	for _, s := range *a.IDs {
		if seen[s] {
			continue
		}
		seen[s] = true
		if id, ok := c.resolveID(s); ok && id.Valid() {
			ids = append(ids, id)
		} else {
			res.NotFound = append(res.NotFound, s)
		}
	}
	return res, ids, nil
}

// checkMany refuses to get more objects than a call may.
func (c *call) checkMany(n int) error {
	if most := c.s.c.Limits.Get; n > most {
		return jmap.Errorf(jmap.ErrorRequestTooLarge, "a call can get %d objects", most)
	}
	return nil
}

func (r *getResult) notFound(id jmap.ID) { r.NotFound = append(r.NotFound, string(id)) }

// properties returns the properties to answer with: those wanted, or by default all; always with the id (RFC 8620 5.1).
func properties(all []string, wanted *[]string) ([]string, error) {
	if wanted == nil {
		return all, nil
	}
	l := []string{"id"}
	for _, p := range *wanted {
		if !slices.Contains(all, p) {
			return nil, jmap.Errorf(jmap.ErrorInvalidArguments, "there is no property %.100q", p)
		}
		if !slices.Contains(l, p) {
			l = append(l, p)
		}
	}
	return l, nil
}

// pick makes an object of a struct, or whatever is a JSON object, with some of its properties.
func pick(v any, props []string) (object, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	var all map[string]json.RawMessage
	if err := json.Unmarshal(b, &all); err != nil {
		return nil, err
	}
	o := object{}
	for _, p := range props {
		if v, ok := all[p]; ok {
			o[p] = v
		}
	}
	return o, nil
}

// stateOf is the state of all types at a ModSeq: "tj9x2k:94", with what tells the account from one of its name that was
// removed, or from itself before a backup was restored: ModSeqs are used again then.
func stateOf(acc *store.Account, seq store.ModSeq) string {
	return incarnation(acc) + ":" + strconv.FormatInt(int64(seq), 10)
}

// state is a parsed state: all changes up to seq are known, and of the operation after it the first told ones.
type state struct {
	acc  *store.Account
	seq  store.ModSeq
	told int
}

func (s state) String() string {
	if s.told == 0 {
		return stateOf(s.acc, s.seq)
	}
	return stateOf(s.acc, s.seq) + "." + strconv.Itoa(s.told)
}

// parseState parses a state that a client has; current is the latest. An error is cannotCalculateChanges.
func parseState(acc *store.Account, s string, current store.ModSeq) (state, error) {
	_, number, _ := strings.Cut(s, ":")
	seq, told, _ := strings.Cut(number, ".")
	n, err := strconv.ParseInt(seq, 10, 64)
	st := state{acc: acc, seq: store.ModSeq(n)}
	if err == nil && told != "" {
		st.told, err = strconv.Atoi(told)
	}
	if err != nil || st.seq < 0 || st.seq > current || st.told < 0 || st.String() != s {
		return state{}, jmap.Errorf(jmap.ErrorCannotCalculateChanges, "the state %.100q is not one of this account", s)
	}
	return st, nil
}

// changesArgs are those of /changes, RFC 8620 5.2.
type changesArgs struct {
	AccountID  jmap.ID `json:"accountId"`
	SinceState *string `json:"sinceState"`
	MaxChanges *int64  `json:"maxChanges"`
}

type changesResult struct {
	AccountID      jmap.ID   `json:"accountId"`
	OldState       string    `json:"oldState"`
	NewState       string    `json:"newState"`
	HasMoreChanges bool      `json:"hasMoreChanges"`
	Created        []jmap.ID `json:"created"`
	Updated        []jmap.ID `json:"updated"`
	Destroyed      []jmap.ID `json:"destroyed"`
}

// parse returns the state and the most changes to tell.
func (a *changesArgs) parse(acc *store.Account, current store.ModSeq) (since state, most int, err error) {
	if a.SinceState == nil {
		return since, 0, jmap.Errorf(jmap.ErrorInvalidArguments, "sinceState is missing")
	}
	if most, err = atMost("maxChanges", a.MaxChanges); err != nil {
		return since, 0, err
	}
	since, err = parseState(acc, *a.SinceState, current)
	return since, most, err
}

// atMost is an argument that bounds a number of ids: above zero, and without it there is no bound.
func atMost(name string, n *int64) (int, error) {
	if n == nil {
		return math.MaxInt, nil
	}
	if *n <= 0 {
		return 0, jmap.Errorf(jmap.ErrorInvalidArguments, "%s must be above 0", name)
	}
	return int(*n), nil
}

// newChanges is an empty result.
func newChanges(id jmap.ID, since state, now store.ModSeq) *changesResult {
	return &changesResult{AccountID: id, OldState: since.String(), NewState: stateOf(since.acc, now), Created: []jmap.ID{}, Updated: []jmap.ID{}, Destroyed: []jmap.ID{}}
}

// queryArgs are those of /query, RFC 8620 5.5. The filter is decoded with [jmap.DecodeFilter].
type queryArgs struct {
	AccountID      jmap.ID           `json:"accountId"`
	Filter         json.RawMessage   `json:"filter"`
	Sort           []jmap.Comparator `json:"sort"`
	Position       int64             `json:"position"`
	Anchor         *string           `json:"anchor"`
	AnchorOffset   int64             `json:"anchorOffset"`
	Limit          *int64            `json:"limit"`
	CalculateTotal bool              `json:"calculateTotal"`
}

func (a *queryArgs) check() error { return checkSort(a.Sort) }

// maxComparators is how many keys results can be sorted by.
const maxComparators = 20

func checkSort(by []jmap.Comparator) error {
	if len(by) > maxComparators {
		return jmap.Errorf(jmap.ErrorUnsupportedSort, "results can be sorted by %d comparators, not %d", maxComparators, len(by))
	}
	return nil
}

type queryResult struct {
	AccountID           jmap.ID   `json:"accountId"`
	QueryState          string    `json:"queryState"`
	CanCalculateChanges bool      `json:"canCalculateChanges"`
	Position            int       `json:"position"`
	IDs                 []jmap.ID `json:"ids"`
	Total               *int      `json:"total,omitempty"`
	Limit               *int      `json:"limit,omitempty"` // where the server set it, or a lower one
}

// page makes the result of all results of a query, in their order; an error is anchorNotFound or invalidArguments.
// id gives the id of a result.
func page[T any](c *call, a *queryArgs, all []T, id func(T) jmap.ID) (*queryResult, error) {
	res := &queryResult{AccountID: a.AccountID, IDs: []jmap.ID{}}
	limit := c.s.c.Limits.Get
	switch {
	case a.Limit != nil && *a.Limit < 0:
		return nil, jmap.Errorf(jmap.ErrorInvalidArguments, "limit is negative")
	case a.Limit != nil && *a.Limit <= int64(limit):
		limit = int(*a.Limit)
	default:
		res.Limit = &limit
	}
	at := a.Position
	switch {
	case a.Anchor != nil:
		// RFC 8620 5.5: the position is ignored.
		anchor, _ := c.resolveID(*a.Anchor)
		i := slices.IndexFunc(all, func(v T) bool { return id(v) == anchor })
		if i < 0 {
			return nil, jmap.Errorf(jmap.ErrorAnchorNotFound, "the anchor %.100q is not in the results", *a.Anchor)
		}
		at = max(0, int64(i)+min(a.AnchorOffset, math.MaxInt32))
	case at < 0:
		at = max(0, at+int64(len(all)))
	}
	res.Position = int(min(at, math.MaxInt32))
	for i := int(min(at, int64(len(all)))); i < len(all) && len(res.IDs) < limit; i++ {
		res.IDs = append(res.IDs, id(all[i]))
	}
	if a.CalculateTotal {
		n := len(all)
		res.Total = &n
	}
	return res, nil
}

// queryChangesArgs are those of /queryChanges, RFC 8620 5.6.
type queryChangesArgs struct {
	AccountID       jmap.ID           `json:"accountId"`
	Filter          json.RawMessage   `json:"filter"`
	Sort            []jmap.Comparator `json:"sort"`
	SinceQueryState *string           `json:"sinceQueryState"`
	MaxChanges      *int64            `json:"maxChanges"`
	UpToID          *jmap.ID          `json:"upToId"`
	CalculateTotal  bool              `json:"calculateTotal"`
}

func (a *queryChangesArgs) check() error { return checkSort(a.Sort) }

type queryChangesResult struct {
	AccountID     jmap.ID          `json:"accountId"`
	OldQueryState string           `json:"oldQueryState"`
	NewQueryState string           `json:"newQueryState"`
	Total         *int             `json:"total,omitempty"`
	Removed       []jmap.ID        `json:"removed"`
	Added         []jmap.AddedItem `json:"added"`
}

// parse returns the state and the most changes to tell.
func (a *queryChangesArgs) parse(acc *store.Account, current store.ModSeq) (since state, most int, err error) {
	if a.SinceQueryState == nil {
		return since, 0, jmap.Errorf(jmap.ErrorInvalidArguments, "sinceQueryState is missing")
	}
	if most, err = atMost("maxChanges", a.MaxChanges); err != nil {
		return since, 0, err
	}
	since, err = parseState(acc, *a.SinceQueryState, current)
	return since, most, err
}

// moved makes the result where all results are known as they are now. touched are all whose membership or place can
// be another than in the old results; what is not touched has kept its order.
func moved[T any](a *queryChangesArgs, acc *store.Account, now store.ModSeq, most int, touched map[jmap.ID]bool, all []T, id func(T) jmap.ID) (*queryChangesResult, error) {
	res := &queryChangesResult{AccountID: a.AccountID, OldQueryState: *a.SinceQueryState, NewQueryState: stateOf(acc, now), Removed: []jmap.ID{}, Added: []jmap.AddedItem{}}
	for k := range touched {
		res.Removed = append(res.Removed, k)
	}
	slices.Sort(res.Removed)
	for i, v := range all {
		if k := id(v); touched[k] {
			res.Added = append(res.Added, jmap.AddedItem{ID: k, Index: i})
		}
	}
	if a.CalculateTotal {
		n := len(all)
		res.Total = &n
	}
	if len(res.Removed)+len(res.Added) > most {
		return nil, jmap.Errorf(jmap.ErrorTooManyChanges, "there are %d changes", len(res.Removed)+len(res.Added))
	}
	return res, nil
}
