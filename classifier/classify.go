package classifier

import (
	"cmp"
	"math"
	"slices"
)

// Counts is how many messages of each kind have a token; as totals, how many messages
// were trained. No message counts twice.
type Counts struct {
	Ham, Spam uint32
}

// Add returns the counts with one more message of a kind. It stays at the most that
// fits.
func (c Counts) Add(spam bool) Counts {
	n := c.of(spam)
	if *n < math.MaxUint32 {
		*n++
	}
	return c
}

// Sub takes one message back. Below zero it stays zero.
func (c Counts) Sub(spam bool) Counts {
	n := c.of(spam)
	if *n > 0 {
		*n--
	}
	return c
}

func (c *Counts) of(spam bool) *uint32 {
	if spam {
		return &c.Spam
	}
	return &c.Ham
}

// Params say how words become a probability. [DefaultParams] are those measured best.
type Params struct {
	// MaxPower is how sure a single word can be, between 0 and 0.5: its probability is
	// at least MaxPower and at most 1-MaxPower. 0 is no bound.
	MaxPower float64
	// TopWords is how many words count, the strongest, of those for and of those
	// against junk, in header and in body each. 0 is no bound.
	TopWords int
	// IgnoreWords leaves out words whose probability is closer than this to 0.5.
	IgnoreWords float64
	// RareWords weakens words seen in few messages: the weight of one seen n times is
	// multiplied by n/(n+RareWords/2).
	RareWords int
}

// DefaultParams are for the tokens of [DefaultOptions].
var DefaultParams = Params{MaxPower: 0.01, TopWords: 100, IgnoreWords: 0.1, RareWords: 1}

// DefaultOptions are one word and two in a row.
var DefaultOptions = Options{Onegrams: true, Twograms: true}

// SignificantHam is the number of trained ham messages from which a result is
// significant.
const SignificantHam = 50

const (
	// pull is how many messages' worth of doubt a word's rate in ham and in spam has:
	// it is pulled to its rate in all messages as if that many more had been seen.
	pull = 20
	// Doubt that is subtracted from the sum: for words never seen before, in full where
	// all are, since a message like no other is more often a new correspondent than
	// junk; and for how little was trained of the kind with less, divided by the square
	// root of that.
	doubtUnknown, doubtUntrained = 3.0, 14.0
)

// Word is a token that counted in a result.
type Word struct {
	Token
	Index  int // of the token, among those given
	Counts Counts
	// Probability that a message is junk from this word alone, were junk and ham equally
	// frequent: above 0.5 it speaks for junk.
	Probability float64
}

// Result is what the words say about a message.
type Result struct {
	// Probability that the message is junk, between 0 and 1. 0.5 when nothing is known.
	Probability float64
	// Significant says that enough ham was trained for the probability to mean
	// anything; otherwise it must be ignored.
	Significant bool
	// Words that counted, the strongest first; where equal, those for before those against
	// junk, those of the header before those of the body, then by text.
	Words []Word
	// Tokens is how many the message has, Known how many of them were seen in training.
	Tokens, Known int
}

// Classify returns the probability of junk for a message with the tokens. counts are
// those of the tokens, in the same order; a missing one is zero. Totals are the number
// of messages trained. The same input gives the same result, bit for bit.
//
// A word's weight is the logarithm of how much more frequent it is in junk than in ham,
// both rates pulled to that in all messages. The weights of the strongest words are
// summed and divided by the square root of their number, because words of a message
// depend on each other: twice the words are not twice the evidence. Header and body are
// two such views of a message, so that neither drowns the other: a long text says no more
// about who sent it. Their sum is divided by the square root of their number too. Then doubt is
// subtracted, for what is unknown of the message and for how little was trained.
func (p Params) Classify(tokens []Token, counts []Counts, totals Counts) Result {
	r := Result{Probability: 0.5, Significant: totals.Ham >= SignificantHam, Tokens: len(tokens)}
	views := p.weigh(tokens, counts, totals, &r)
	words, sum, n := 0, 0.0, 0
	for _, v := range views {
		if k := len(v.spam) + len(v.ham); k > 0 {
			words += k
			sum += v.sum()
			n++
		}
	}
	if words == 0 {
		return r
	}
	r.Words = make([]Word, 0, words)
	for _, list := range [...][]weighed{views[0].spam, views[1].spam, views[0].ham, views[1].ham} {
		for _, x := range list {
			r.Words = append(r.Words, Word{tokens[x.index], x.index, counts[x.index], logistic(x.weight)})
		}
	}
	slices.SortFunc(r.Words, stronger)
	doubt := doubtUnknown*float64(r.Tokens-r.Known)/float64(r.Tokens) + doubtUntrained/math.Sqrt(float64(min(totals.Ham, totals.Spam))+1)
	r.Probability = logistic(sum/math.Sqrt(float64(n)) - doubt)
	return r
}

// stronger orders words as in [Result].
func stronger(a, b Word) int {
	if c := cmp.Compare(math.Abs(b.Probability-0.5), math.Abs(a.Probability-0.5)); c != 0 {
		return c
	}
	if c := cmp.Compare(b.Probability, a.Probability); c != 0 {
		return c
	}
	if a.Header != b.Header {
		if a.Header {
			return -1
		}
		return 1
	}
	return cmp.Or(cmp.Compare(a.Text, b.Text), cmp.Compare(a.Hash, b.Hash))
}

// view is the words of the header or of the body that count.
type view struct {
	spam, ham []weighed
}

// sum is how much the words say together.
func (v *view) sum() float64 {
	sum := 0.0
	for _, x := range v.spam {
		sum += x.weight
	}
	for _, x := range v.ham {
		sum += x.weight
	}
	return sum / math.Sqrt(float64(len(v.spam)+len(v.ham)))
}

// weigh returns the words of header and body that count, and counts in r those known.
func (p Params) weigh(tokens []Token, counts []Counts, totals Counts, r *Result) (views [2]view) {
	w := p.weighing(totals)
	inHeader := 0
	for _, t := range tokens {
		if t.Header {
			inHeader++
		}
	}
	for i, n := range [2]int{inHeader, len(tokens) - inHeader} {
		views[i] = view{make([]weighed, 0, n/8), make([]weighed, 0, n/8)}
	}
	for i := range min(len(tokens), len(counts)) {
		c := counts[i]
		if c == (Counts{}) {
			continue
		}
		r.Known++
		v := &views[0]
		if !tokens[i].Header {
			v = &views[1]
		}
		x := weighed{w.weight(c), i}
		switch {
		case math.Abs(x.weight) <= w.ignore:
		case x.weight > 0:
			v.spam = append(v.spam, x)
		default:
			v.ham = append(v.ham, x)
		}
	}
	for i := range views {
		v := &views[i]
		v.spam, v.ham = p.strongest(v.spam, tokens), p.strongest(v.ham, tokens)
	}
	return views
}

// weighed is the weight of a token.
type weighed struct {
	weight float64
	index  int
}

// strongest returns the words of one kind that count, unordered. Which of equally strong
// ones they are makes no difference to their sum, but is always the same.
func (p Params) strongest(list []weighed, tokens []Token) []weighed {
	if p.TopWords <= 0 || len(list) <= p.TopWords {
		return list
	}
	selectFirst(list, p.TopWords, func(a, b weighed) bool {
		x, y := math.Abs(a.weight), math.Abs(b.weight)
		return x > y || x == y && tokens[a.index].Hash < tokens[b.index].Hash
	})
	return list[:p.TopWords]
}

// selectFirst moves the k least of a list to its front, in any order (quickselect).
func selectFirst[T any](list []T, k int, less func(a, b T) bool) {
	for lo, hi := 0, len(list)-1; lo < hi; {
		pivot := list[lo+(hi-lo)/2]
		i, j := lo, hi
		for i <= j {
			for less(list[i], pivot) {
				i++
			}
			for less(pivot, list[j]) {
				j--
			}
			if i <= j {
				list[i], list[j] = list[j], list[i]
				i, j = i+1, j-1
			}
		}
		switch {
		case k-1 <= j:
			hi = j
		case k-1 >= i:
			lo = i
		default:
			return
		}
	}
}

// weighing holds what is the same for all words.
type weighing struct {
	ham, spam float64 // messages
	rare      float64
	most      float64 // weight
	ignore    float64 // weight
}

func (p Params) weighing(totals Counts) weighing {
	w := weighing{ham: float64(totals.Ham), spam: float64(totals.Spam), rare: float64(max(p.RareWords, 0)) / 2, most: math.Inf(1)}
	if p.MaxPower > 0 {
		m := min(p.MaxPower, 0.5)
		w.most = math.Log((1 - m) / m)
	}
	if i := min(p.IgnoreWords, 0.5); i > 0 {
		w.ignore = math.Log((0.5 + i) / (0.5 - i))
	}
	return w
}

// weight is above zero for a word of junk.
func (w *weighing) weight(c Counts) float64 {
	// Counts of a store that lost some may exceed the totals.
	ham, spam := float64(c.Ham), float64(c.Spam)
	total := max(w.ham+w.spam, ham+spam)
	common := pull * (ham + spam) / total
	x := math.Log((spam+common)/(max(w.spam, spam)+pull)) - math.Log((ham+common)/(max(w.ham, ham)+pull))
	x *= (ham + spam) / (ham + spam + w.rare)
	return max(min(x, w.most), -w.most)
}

func logistic(x float64) float64 { return 1 / (1 + math.Exp(-x)) }
