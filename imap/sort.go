package imap

import "strconv"

// SortKey is what SORT orders by.
type SortKey uint8

// Sort keys: RFC 5256 3 and RFC 5957 4.
const (
	SortArrival SortKey = iota
	SortCc
	SortDate
	SortFrom
	SortSize
	SortSubject
	SortTo
	SortDisplayFrom
	SortDisplayTo
	SortAnnotation // RFC 5257 4.9
	SortRelevancy  // RFC 6203 6: the highest first
)

var sortNames = [...]string{
	SortArrival:     "ARRIVAL",
	SortCc:          "CC",
	SortDate:        "DATE",
	SortFrom:        "FROM",
	SortSize:        "SIZE",
	SortSubject:     "SUBJECT",
	SortTo:          "TO",
	SortDisplayFrom: "DISPLAYFROM",
	SortDisplayTo:   "DISPLAYTO",
	SortRelevancy:   "RELEVANCY",
	SortAnnotation:  "ANNOTATION",
}

// String returns the name on the wire.
func (k SortKey) String() string { return sortNames[k] }

// SortCriterion is a key of a sort program; Reverse: in descending order.
type SortCriterion struct {
	Key     SortKey
	Reverse bool
	// Of SortAnnotation: which, and whether value.shared or value.priv.
	Entry  string
	Shared bool
}

// Sort is SORT, RFC 5256, with the return options of RFC 5267 and RFC 9394.
type Sort struct {
	Criteria []SortCriterion
	Search   Search // Charset is never empty
}

// ThreadAlgorithm is how THREAD groups messages.
type ThreadAlgorithm uint8

// Threading algorithms: RFC 5256 3, and REFS of draft-ietf-morg-inthread.
const (
	ThreadOrderedSubject ThreadAlgorithm = iota
	ThreadReferences
	ThreadRefs
)

var threadNames = map[string]ThreadAlgorithm{
	"ORDEREDSUBJECT": ThreadOrderedSubject,
	"REFERENCES":     ThreadReferences,
	"REFS":           ThreadRefs,
}

// Thread is THREAD, RFC 5256.
type Thread struct {
	Algorithm ThreadAlgorithm
	Search    Search // Charset is never empty, Return nil
}

// PartialRange is a part of a result, RFC 9394 3.1: positions from 1, counted from the
// end where Last is set. First and End are as sent, in any order.
type PartialRange struct {
	First, End uint32
	Last       bool
}

// Bounds returns the indexes, from up to but not including to, of the range in a result
// of n messages; they are equal when nothing of it exists.
func (r PartialRange) Bounds(n int) (from, to int) {
	lo, hi := int(min(r.First, r.End)), int(max(r.First, r.End))
	if r.Last {
		lo, hi = n+1-hi, n+1-lo
	}
	from, to = max(lo-1, 0), min(hi, n)
	if from >= to {
		return 0, 0
	}
	return from, to
}

// AppendPartialRange writes the range as it was sent.
func AppendPartialRange(b []byte, r PartialRange) []byte {
	for i, n := range []uint32{r.First, r.End} {
		if i > 0 {
			b = append(b, ':')
		}
		if r.Last {
			b = append(b, '-')
		}
		b = strconv.AppendUint(b, uint64(n), 10)
	}
	return b
}

// AppendOrdered writes numbers as a sequence-set that keeps their order. RFC 5267 3.2:
// only runs that ascend by one become ranges.
func AppendOrdered(b []byte, numbers []uint32) []byte {
	for i := 0; i < len(numbers); {
		j := i
		for j+1 < len(numbers) && numbers[j+1] == numbers[j]+1 {
			j++
		}
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendUint(b, uint64(numbers[i]), 10)
		if j > i {
			b = append(b, ':')
			b = strconv.AppendUint(b, uint64(numbers[j]), 10)
		}
		i = j + 1
	}
	return b
}

// Comparator is COMPARATOR, RFC 5255 4.7: collation-order patterns, none to ask which
// is active.
type Comparator struct{ Patterns []string }

// Language is LANGUAGE, RFC 5255 3.2: language ranges, none to list what there is.
type Language struct{ Ranges []string }

// CancelUpdate is CANCELUPDATE, RFC 5267 4.3.5: tags of searching commands.
type CancelUpdate struct{ Tags []string }

// SortResponse is SORT.
type SortResponse struct {
	Numbers []uint32
	ModSeq  uint64 // RFC 7162 3.1.9; 0 when absent
}

// ThreadNode is a message in a THREAD response, with its children. Number is 0 for a
// parent that is not among the messages.
type ThreadNode struct {
	Number   uint32
	Children []*ThreadNode
}

// ThreadResponse is THREAD.
type ThreadResponse struct{ Threads []*ThreadNode }

// ContextUpdate is a pair of an ADDTO or REMOVEFROM of RFC 5267 4.3, in the order of
// the response.
type ContextUpdate struct {
	Remove   bool
	Position uint32 // 0: in mailbox order, or wherever they are
	Set      NumSet // in the requested order
}

// ComparatorResponse is COMPARATOR, RFC 5255 4.8.
type ComparatorResponse struct {
	Active   string
	Matching []string // only when more than one comparator matched
}

// LanguageResponse is LANGUAGE, RFC 5255 3.3.
type LanguageResponse struct{ Tags []string }

func (*SortResponse) response()       {}
func (*ThreadResponse) response()     {}
func (*ComparatorResponse) response() {}
func (*LanguageResponse) response()   {}
