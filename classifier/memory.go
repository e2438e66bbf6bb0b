package classifier

// Memory keeps counts in memory, for measuring. The zero value is empty. It is for one
// goroutine at a time.
type Memory struct {
	tokens map[uint64]Counts
	totals Counts
}

// Totals returns the number of messages trained.
func (m *Memory) Totals() Counts { return m.totals }

// Len returns how many different tokens have counts.
func (m *Memory) Len() int { return len(m.tokens) }

// Counts returns the counts of tokens, in their order.
func (m *Memory) Counts(tokens []Token) []Counts {
	counts := make([]Counts, len(tokens))
	for i, t := range tokens {
		counts[i] = m.tokens[t.Hash]
	}
	return counts
}

// Train counts a message.
func (m *Memory) Train(tokens []Token, spam bool) { m.change(tokens, spam, Counts.Add) }

// Untrain takes back a message that was trained with the same tokens and as the same.
func (m *Memory) Untrain(tokens []Token, spam bool) { m.change(tokens, spam, Counts.Sub) }

func (m *Memory) change(tokens []Token, spam bool, by func(Counts, bool) Counts) {
	if m.tokens == nil {
		m.tokens = map[uint64]Counts{}
	}
	m.totals = by(m.totals, spam)
	for _, t := range tokens {
		if n := by(m.tokens[t.Hash], spam); n != (Counts{}) {
			m.tokens[t.Hash] = n
		} else {
			delete(m.tokens, t.Hash)
		}
	}
}

// Classify is [Params.Classify] with the counts of m.
func (m *Memory) Classify(p Params, tokens []Token) Result {
	return p.Classify(tokens, m.Counts(tokens), m.totals)
}
