package classifier

import (
	"bytes"
	"io"
	"math"
	"slices"
	"strings"
	"unicode"

	"mox/message"
)

// candidates are what was measured. The one in use is the second.
func candidates() []candidate {
	ones, twos := ourTokens(Options{Onegrams: true}), ourTokens(DefaultOptions)
	return []candidate{
		{"existing", existingTokens, func() method { return &existing{maxPower: 0.01, ignore: 0.1, top: 10, rare: 2} }},
		{"**mox**", twos, func() method { return &ours{params: DefaultParams} }},
		{"mox, single words", ones, func() method { return &ours{params: DefaultParams} }},
		{"mox, RareWords 2", twos, func() method { p := DefaultParams; p.RareWords = 2; return &ours{params: p} }},
		{"mox, single words, TopWords 10", ones, func() method { p := DefaultParams; p.TopWords = 10; return &ours{params: p} }},
		{"existing combining, our tokens", ones, func() method { return &existing{maxPower: 0.01, ignore: 0.1, top: 10, rare: 2} }},
		{"Robinson/Fisher", twos, func() method { return &fisher{} }},
		{"naive Bayes, all words", twos, func() method { return &bayes{} }},
		{"logistic regression", twos, func() method { return &logisticRegression{rate: 1} }},
	}
}

// existing is the method of the existing release: the strongest words of each kind as
// naive Bayes.
type existing struct {
	Memory
	maxPower, ignore float64
	top, rare        int
}

func (e *existing) train(tokens []Token, spam bool) { e.Train(tokens, spam) }

func (e *existing) score(tokens []Token) float64 {
	var ham, spam []float64
	nh, ns := max(float64(e.totals.Ham), 1), max(float64(e.totals.Spam), 1)
	for _, c := range e.Counts(tokens) {
		n := int(c.Ham + c.Spam)
		if n == 0 {
			continue
		}
		hr, sr := float64(c.Ham)/nh, float64(c.Spam)/ns
		r := min(max(sr/(sr+hr), e.maxPower), 1-e.maxPower)
		if n <= e.rare {
			r += (0.5 - r) * 0.1 * float64(e.rare+1-n)
		}
		switch {
		case math.Abs(r-0.5) < e.ignore:
		case r > 0.5:
			spam = append(spam, r)
		default:
			ham = append(ham, r)
		}
	}
	slices.Sort(ham)
	slices.SortFunc(spam, func(a, b float64) int { return int(math.Copysign(1, b-a)) })
	sum := 0.0
	for _, r := range slices.Concat(ham[:min(len(ham), e.top)], spam[:min(len(spam), e.top)]) {
		sum += math.Log(r) - math.Log(1-r)
	}
	return logistic(sum)
}

// existingTokens are the tokens of the existing release, with single words, as new
// accounts had them.
func existingTokens(m *mail) []Token {
	seen := map[string]bool{}
	var tokens []Token
	add := func(prefix, text string, least int) {
		for w := range strings.FieldsFuncSeq(strings.ToLower(text), func(r rune) bool {
			return !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '\''
		}) {
			if len(w) > least && existingWord(w) && !seen[prefix+w] {
				seen[prefix+w] = true
				tokens = append(tokens, Token{Hash: Hash(prefix + w), Text: prefix + w})
			}
		}
	}
	h := message.ParseHeader(m.data)
	for _, name := range []string{"From", "To", "Cc", "Bcc", "Reply-To", "Subject", "Sender", "Return-Path"} {
		add(name+":", h.Text(name), 3)
	}
	m.part.Walk(func(_ []int, p *message.Part) bool {
		if p.IsText() {
			b, _ := io.ReadAll(p.VisibleText(bytes.NewReader(m.data)))
			add("", string(b), 2)
		}
		return true
	})
	return tokens
}

func existingWord(w string) bool {
	digits, consonants, letters := 0, 0, false
	for _, c := range w {
		if unicode.IsDigit(c) {
			digits++
		} else {
			digits, letters = 0, true
		}
		if strings.ContainsRune("aeiouy'", c) || c > 0x7f {
			consonants = 0
		} else {
			consonants++
		}
		if digits >= 4 || consonants >= 6 {
			return false
		}
	}
	return letters
}

// fisher combines with Fisher's method, by Robinson's probabilities.
type fisher struct{ Memory }

func (f *fisher) train(tokens []Token, spam bool) { f.Train(tokens, spam) }

func (f *fisher) score(tokens []Token) float64 {
	const s, x, least, most = 0.3, 0.5, 0.1, 150
	var ps []float64
	nh, ns := max(float64(f.totals.Ham), 1), max(float64(f.totals.Spam), 1)
	for _, c := range f.Counts(tokens) {
		n := float64(c.Ham + c.Spam)
		if n == 0 {
			continue
		}
		hr, sr := float64(c.Ham)/nh, float64(c.Spam)/ns
		p := (s*x + n*sr/(sr+hr)) / (s + n)
		if math.Abs(p-0.5) >= least {
			ps = append(ps, min(max(p, 0.001), 0.999))
		}
	}
	slices.SortFunc(ps, func(a, b float64) int { return int(math.Copysign(1, math.Abs(b-0.5)-math.Abs(a-0.5))) })
	ps = ps[:min(len(ps), most)]
	if len(ps) == 0 {
		return 0.5
	}
	a, b := 0.0, 0.0
	for _, p := range ps {
		a += math.Log(1 - p)
		b += math.Log(p)
	}
	// The last term orders what is otherwise 0 or 1.
	return (chi2(-2*b, len(ps))-chi2(-2*a, len(ps))+1)/2 + 1e-9*(b-a)/float64(len(ps))
}

// chi2 is the probability of at least x with 2n degrees of freedom.
func chi2(x float64, n int) float64 {
	m := x / 2
	term, sum, scale := 1.0, 1.0, -m
	for i := 1; i < n; i++ {
		term *= m / float64(i)
		sum += term
		if sum > 1e200 {
			term, sum, scale = term/1e200, sum/1e200, scale+200*math.Ln10
		}
	}
	return min(1, math.Exp(scale+math.Log(sum)))
}

// bayes is naive Bayes over all words, each present or not counted once.
type bayes struct{ Memory }

func (b *bayes) train(tokens []Token, spam bool) { b.Train(tokens, spam) }

func (b *bayes) score(tokens []Token) float64 {
	sum := math.Log(float64(b.totals.Spam)+1) - math.Log(float64(b.totals.Ham)+1)
	for _, c := range b.Counts(tokens) {
		if c == (Counts{}) {
			continue
		}
		sum += math.Log((float64(c.Spam)+0.5)/(float64(b.totals.Spam)+1)) - math.Log((float64(c.Ham)+0.5)/(float64(b.totals.Ham)+1))
	}
	// Far from saturation, so that scores keep their order.
	return logistic(sum / 50)
}

// logisticRegression is on presence of words, scaled to length 1, by gradient descent:
// ten passes over all mails when trained in bulk, and again as mails come.
type logisticRegression struct {
	weights map[uint64]float64
	bias    float64
	rate    float64
	seen    []example
	fresh   int // of seen, not yet learned
}

type example struct {
	tokens []Token
	spam   bool
}

func (l *logisticRegression) train(tokens []Token, spam bool) {
	l.seen = append(l.seen, example{tokens, spam})
	l.fresh++
}

func (l *logisticRegression) sum(tokens []Token) float64 {
	sum := l.bias
	for _, t := range tokens {
		sum += l.weights[t.Hash] / math.Sqrt(float64(len(tokens)))
	}
	return sum
}

func (l *logisticRegression) learn(e example) {
	if len(e.tokens) == 0 {
		return
	}
	y := 0.0
	if e.spam {
		y = 1
	}
	g := l.rate * (y - logistic(l.sum(e.tokens)))
	for _, t := range e.tokens {
		l.weights[t.Hash] = l.weights[t.Hash]*(1-1e-6) + g/math.Sqrt(float64(len(e.tokens)))
	}
	l.bias += g / 10
}

func (l *logisticRegression) score(tokens []Token) float64 {
	if l.weights == nil {
		l.weights = map[uint64]float64{}
	}
	if l.fresh == 1 {
		l.learn(l.seen[len(l.seen)-1])
	} else if l.fresh > 1 {
		for range 10 {
			for _, e := range l.seen {
				l.learn(e)
			}
		}
	}
	l.fresh = 0
	return logistic(l.sum(tokens))
}
