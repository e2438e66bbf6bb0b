package junk

import (
	"context"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"mox/classifier"
	"mox/config"
	"mox/db"
	"mox/message"
	"mox/store"
	"mox/trace"
)

// Filter is what an account has been taught, held for as long as a message is judged. It
// is safe for concurrent use.
type Filter struct {
	a        *account
	released atomic.Bool
}

// Account returns the Filter of an account, which the caller must Release.
func (m *Manager) Account(ctx context.Context, acc *store.Account) (*Filter, error) {
	a, err := m.keeper.Acquire(ctx, acc.Name())
	if err != nil {
		return nil, fmt.Errorf("opening junk filter: %w", err)
	}
	return &Filter{a: a}, nil
}

// Release gives the Filter back.
func (f *Filter) Release() {
	if !f.released.Swap(true) {
		f.a.m.keeper.Release(f.a.name)
	}
}

// options are those of the tokens of messages.
func options(p *config.JunkParams) classifier.Options {
	return classifier.Options{Onegrams: p.Onegrams, Twograms: p.Twograms, Threegrams: p.Threegrams}
}

// fingerprint names how words are taken: when it changes, they are to be taken anew.
func fingerprint(f *config.JunkFilter) string {
	if f == nil {
		return ""
	}
	p := &f.Params
	return fmt.Sprintf("%d %t %t %t", classifier.Version, p.Onegrams, p.Twograms, p.Threegrams)
}

// topWords is how many words are kept in the trace of a message.
const topWords = 20

// Words returns what the words of a message, whose parts were read from ra, say by what the
// user has taught: nil without a filter, and not significant, with no more about them, as
// long as it has not learned enough. What the user said just before is learned first.
func (f *Filter) Words(ctx context.Context, part *message.Part, ra io.ReaderAt) (*trace.Words, error) {
	a := f.a
	params := a.m.c.Params(a.name)
	if params == nil {
		return nil, nil
	}
	start := time.Now()
	if err := a.catchUp(ctx); err != nil {
		return nil, fmt.Errorf("judging words: %w", err)
	}
	if fingerprint(params) != *a.params.Load() {
		a.hasWork()
	}
	p := &params.Params
	if _, totals, err := a.counts(ctx, nil); err == nil && totals.Ham < classifier.SignificantHam {
		// What is not listened to need not be found out.
		return &trace.Words{Probability: 0.5}, nil
	}
	z := a.m.tokenizer()
	defer a.m.tokenizers.Put(z)
	tokens, err := z.Tokens(ctx, part, ra, options(p))
	if err != nil {
		return nil, fmt.Errorf("judging words: %w", err)
	}
	keys := make([]uint64, len(tokens))
	for i := range tokens {
		keys[i] = wordKey(tokens[i].Hash)
	}
	counts, totals, err := a.counts(ctx, keys)
	if err != nil {
		return nil, fmt.Errorf("judging words: %w", err)
	}
	r := classifier.Params{MaxPower: p.MaxPower, TopWords: p.TopWords, IgnoreWords: p.IgnoreWords, RareWords: p.RareWords}.Classify(tokens, counts, totals)
	w := &trace.Words{Probability: r.Probability, Significant: r.Significant}
	for _, x := range r.Words[:min(len(r.Words), topWords)] {
		w.Top = append(w.Top, trace.Word{Text: z.Text(x.Index), Probability: x.Probability, Ham: x.Counts.Ham, Junk: x.Counts.Spam})
	}
	a.m.c.Metrics.Judged("words", time.Since(start))
	return w, nil
}

// tokenizer returns one to be put back.
func (m *Manager) tokenizer() *classifier.Tokenizer {
	if z, ok := m.tokenizers.Get().(*classifier.Tokenizer); ok {
		return z
	}
	return new(classifier.Tokenizer)
}

// Stats are what an account has been taught.
type Stats struct {
	Ham, Junk int // classified messages
	Words     int // different ones
	// TrainedHam and TrainedJunk are the messages whose words count.
	TrainedHam, TrainedJunk int
	ModSeq                  store.ModSeq // the account's changes are learned up to here
	// Working: all messages are being compared, or words taken anew; Left is how many
	// examples are still to be made anew.
	Working bool
	Left    int
}

// Stats counts; its cost grows with what is counted.
func (f *Filter) Stats(ctx context.Context) (Stats, error) {
	a := f.a
	var s Stats
	err := a.read(ctx, func(c *db.Conn) error {
		rows := c.Query("SELECT ham, junk, modseq, compare, remake_next, remake_last FROM state WHERE id=1")
		var next, last int64
		if rows.Next() {
			s.TrainedHam, s.TrainedJunk, s.Working = int(rows.Int64(0)), int(rows.Int64(1)), rows.Int64(3) != 0
			next, last = rows.Int64(4), rows.Int64(5)
		}
		if err := rows.Close(); err != nil {
			return err
		}
		for _, q := range []struct {
			n    *int
			sql  string
			args []any
		}{
			{&s.Junk, "SELECT count(*) FROM example WHERE junk=1", nil},
			{&s.Ham, "SELECT count(*) FROM example WHERE junk=0", nil},
			{&s.Words, "SELECT count(*) FROM word", nil},
			{&s.Left, "SELECT count(*) FROM example WHERE id>? AND id<=?", []any{next, last}},
		} {
			n, _, err := c.QueryInt64(q.sql, q.args...)
			if err != nil {
				return err
			}
			*q.n = int(n)
		}
		return nil
	})
	if err != nil {
		return s, fmt.Errorf("counting what was learned: %w", err)
	}
	s.ModSeq = store.ModSeq(a.seq.Load())
	s.Working = s.Working || s.Left > 0
	return s, nil
}
