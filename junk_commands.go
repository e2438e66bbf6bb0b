package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"unicode"

	"mox/classifier"
)

// junkCommands are the commands that use the junk filter offline, on files.
func junkCommands() []command {
	return []command{
		{words: "junk train", args: "hamdir spamdir", prints: printsDone, short: "train a filter with mails that are known to be ham and junk", min: 2, max: 2, setup: setupJunk(runJunkTrain), unlisted: true, help: junkTrainHelp + junkHelp},
		{words: "junk check", args: "mailfile", short: "print the probability that a mail is junk, and why", min: 1, max: 1, setup: setupJunkJSON(runJunkCheck), unlisted: true, help: junkCheckHelp + junkHelp},
		{words: "junk test", args: "hamdir spamdir", short: "test a trained filter with mails that are known to be ham and junk", min: 2, max: 2, setup: setupJunkJSON(runJunkTest), unlisted: true, help: junkTestHelp + junkHelp},
		{words: "junk analyze", args: "hamdir spamdir", short: "train with the older part of mails, and test with the newer", min: 2, max: 2, setup: setupJunkJSON(runJunkAnalyze), unlisted: true, help: junkAnalyzeHelp + junkHelp},
		{words: "junk play", args: "hamdir spamdir", short: "replay mails in the order they came: test with each, then train with it", min: 2, max: 2, setup: setupJunkJSON(runJunkPlay), unlisted: true, help: junkPlayHelp + junkHelp},
	}
}

const (
	junkTrainHelp = `
The filter is the file of -dbpath, made when missing; training adds to what it has, so a
mail trained twice counts twice. It serves these commands only: a server keeps the words
of each account with the account.
`
	junkCheckHelp = `
After the probability come the words that counted, the strongest first: the probability
of junk for the word alone, in how many ham and junk mails it was when trained, and the
word. Words of header fields have the field's name before them; those with "odd:" or of
url, html, type and charset are facts about the mail and no words of it. With -json, an object:
Probability, Threshold, Junk, Significant, TrainedHam, TrainedJunk, Tokens, Known and Words.
`
	junkTestHelp = `
Prints how much of the junk was found and how much ham was taken for junk, at the
threshold and at the thresholds that would take 0.1% and 1% of the ham for junk. Mails
that the filter was trained with say nothing: it knows them. With -json, an object: Ham, Junk (tested),
Found, Missed, Passed, Taken (ham for junk), Threshold, AtRates, and with -debug Wrong.
`
	junkAnalyzeHelp = `
The filter is made in memory, -dbpath is not used. Mails of each kind are ordered by when
they came; the first -train-ratio of them train, the rest test. With -json, as for "mox junk test".
`
	junkPlayHelp = `
The filter is made in memory, -dbpath is not used. Figures are cumulative: the early
mails, of which the filter knew little, are among them. They are printed after every
thousand mails and at the end, there also for the last half alone. With -json, a line each time as for
"mox junk test", and After, which says of what.
`
	junkHelp = `
A directory is a maildir, or has a mail in each file, also in directories below it, or
mailboxes named *.mbox; in place of a directory there can be an mbox file. What does not
begin like a mail is skipped. Nothing is changed in them.

A filter has to be used with the words (-one-grams and so on) that it was trained with.`
)

// junkFlags are the flags of all junk commands.
type junkFlags struct {
	options           classifier.Options
	params            classifier.Params
	threshold         float64
	ratio             float64
	sentDir           string
	seed              uint64
	debug, json       bool
	dbPath, bloomPath string
}

// setupJunkJSON is setupJunk with flag -json.
func setupJunkJSON(run func(ctx context.Context, p *program, f *junkFlags, args []string) error) func(fs *flag.FlagSet) runFunc {
	return func(fs *flag.FlagSet) runFunc {
		asJSON := fs.Bool("json", false, "print JSON")
		return setupJunk(func(ctx context.Context, p *program, f *junkFlags, args []string) error {
			f.json = *asJSON
			return run(ctx, p, f, args)
		})(fs)
	}
}

func setupJunk(run func(ctx context.Context, p *program, f *junkFlags, args []string) error) func(fs *flag.FlagSet) runFunc {
	return func(fs *flag.FlagSet) runFunc {
		f := &junkFlags{options: classifier.DefaultOptions, params: classifier.DefaultParams}
		o, p := &f.options, &f.params
		fs.BoolVar(&o.Onegrams, "one-grams", o.Onegrams, "look at single words")
		fs.BoolVar(&o.Twograms, "two-grams", o.Twograms, "look at pairs of words")
		fs.BoolVar(&o.Threegrams, "three-grams", o.Threegrams, "look at three words in a row")
		fs.Float64Var(&p.MaxPower, "max-power", p.MaxPower, "how sure one word can be: its `probability` is between this and 1 less this")
		fs.Float64Var(&p.IgnoreWords, "ignore-words", p.IgnoreWords, "leave out words with a probability closer than this `distance` to 0.5")
		fs.IntVar(&p.TopWords, "top-words", p.TopWords, "`number` of strongest words that count, of those for and of those against junk, in header and in text each")
		fs.IntVar(&p.RareWords, "rare-words", p.RareWords, "words in about this `number` of mails count less")
		fs.Float64Var(&f.threshold, "spam-threshold", 0.95, "`probability` from which a mail is junk")
		fs.Float64Var(&f.ratio, "train-ratio", 0.5, "`part` of the mails to train with, for analyze")
		fs.StringVar(&f.sentDir, "sent-dir", "", "`directory` with mails sent, which train as ham and are not tested with")
		fs.Uint64Var(&f.seed, "seed", 0, "order mails at random by this `number` instead of by time, for analyze and play; 0 is by time")
		fs.BoolVar(&f.debug, "debug", false, "also list the mails judged wrongly")
		fs.StringVar(&f.dbPath, "dbpath", "filter.db", "`file` with the filter")
		fs.StringVar(&f.bloomPath, "bloompath", "", "`file` ignored: there is no bloom filter any more")
		return func(ctx context.Context, p *program, args []string) error {
			if err := f.check(); err != nil {
				return err
			}
			if f.bloomPath != "" {
				fmt.Fprintln(p.stderr, "note: -bloompath is ignored, there is no bloom filter any more")
			}
			return run(ctx, p, f, args)
		}
	}
}

// check refuses values without meaning.
func (f *junkFlags) check() error {
	between := func(name string, v, least, most float64) error {
		if !(v >= least && v <= most) {
			return usagef("-%s must be between %g and %g", name, least, most)
		}
		return nil
	}
	if !f.options.Onegrams && !f.options.Twograms && !f.options.Threegrams {
		return usagef("one of -one-grams, -two-grams and -three-grams is needed")
	}
	if f.params.TopWords < 0 || f.params.RareWords < 0 {
		return usagef("-top-words and -rare-words must not be negative")
	}
	for _, err := range []error{
		between("max-power", f.params.MaxPower, 0, 0.5), between("ignore-words", f.params.IgnoreWords, 0, 0.5),
		between("spam-threshold", f.threshold, 0, 1), between("train-ratio", f.ratio, 0, 1),
	} {
		if err != nil {
			return err
		}
	}
	return nil
}

// mails finds the mails of a command.
func (f *junkFlags) mails(p *program, args []string) (*junkMails, error) {
	var j junkMails
	if err := j.find(args[0], false, false); err != nil {
		return nil, err
	}
	if err := j.find(args[1], true, false); err != nil {
		return nil, err
	}
	if f.sentDir != "" {
		if err := j.find(f.sentDir, false, true); err != nil {
			return nil, err
		}
	}
	if j.skipped > 0 {
		fmt.Fprintf(p.stderr, "note: skipped %d files that do not begin like a mail\n", j.skipped)
	}
	j.order(f.seed)
	return &j, nil
}

// open opens the filter of -dbpath.
func (f *junkFlags) open(ctx context.Context, create bool) (*classifier.File, error) {
	file, err := classifier.OpenFile(ctx, f.dbPath, f.options, create)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("no filter at %s: make one with \"mox junk train\"", f.dbPath)
	case errors.Is(err, classifier.ErrTokens):
		return nil, fmt.Errorf("%w: use the same -one-grams, -two-grams and -three-grams, or train a new one", err)
	}
	return file, err
}

func runJunkTrain(ctx context.Context, p *program, f *junkFlags, args []string) (err error) {
	j, err := f.mails(p, args)
	if err != nil {
		return err
	}
	file, err := f.open(ctx, true)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	const batch = 250 // mails in one transaction, kept in memory
	for len(j.mails) > 0 {
		n := min(batch, len(j.mails))
		var samples []classifier.Sample
		for _, m := range j.mails[:n] {
			tokens, err := m.tokens(ctx, f.options)
			if err != nil {
				return err
			}
			samples = append(samples, classifier.Sample{Tokens: tokens, Spam: m.spam})
		}
		if err := file.Train(ctx, samples...); err != nil {
			return err
		}
		j.mails = j.mails[n:]
	}
	totals, err := file.Totals(ctx)
	if err == nil {
		fmt.Fprintf(p.stdout, "%s is trained with %d ham and %d junk\n", f.dbPath, totals.Ham, totals.Spam)
	}
	return err
}

func runJunkCheck(ctx context.Context, p *program, f *junkFlags, args []string) (err error) {
	info, err := os.Stat(args[0])
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s is not a file", args[0])
	}
	m := junkMail{path: args[0], size: info.Size()}
	r, err := os.Open(args[0])
	if err != nil {
		return err
	}
	err = m.readHeader(r, info.ModTime())
	r.Close()
	if err != nil {
		return fmt.Errorf("%s: %w", args[0], err)
	}
	file, err := f.open(ctx, false)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	result, totals, err := checkMail(ctx, file, f, &m)
	switch {
	case err != nil:
		return err
	case f.json:
		return printJSONLine(p.stdout, junkAnswerOf(result, totals, f.threshold))
	}
	printResult(p.stdout, result, totals, f.threshold)
	return nil
}

// junkAnswer is the verdict on a mail.
type junkAnswer struct {
	Probability, Threshold  float64
	Junk, Significant       bool
	TrainedHam, TrainedJunk uint32
	Tokens, Known           int
	Words                   []junkWord
}

// junkWord is one that counted.
type junkWord struct {
	Word        string
	Probability float64
	Ham, Junk   uint32 // mails
}

func junkAnswerOf(r classifier.Result, totals classifier.Counts, threshold float64) junkAnswer {
	a := junkAnswer{r.Probability, threshold, r.Probability >= threshold, r.Significant, totals.Ham, totals.Spam, r.Tokens, r.Known, []junkWord{}}
	for _, w := range r.Words {
		a.Words = append(a.Words, junkWord{w.Text, w.Probability, w.Counts.Ham, w.Counts.Spam})
	}
	return a
}

// checkMail classifies a mail by a filter.
func checkMail(ctx context.Context, file *classifier.File, f *junkFlags, m *junkMail) (classifier.Result, classifier.Counts, error) {
	tokens, err := m.tokens(ctx, f.options)
	if err != nil {
		return classifier.Result{}, classifier.Counts{}, err
	}
	counts, totals, err := file.Counts(ctx, tokens)
	if err != nil {
		return classifier.Result{}, totals, err
	}
	return f.params.Classify(tokens, counts, totals), totals, nil
}

func printResult(w io.Writer, r classifier.Result, totals classifier.Counts, threshold float64) {
	verdict := "ham"
	if r.Probability >= threshold {
		verdict = "junk"
	}
	fmt.Fprintf(w, "probability: %.6f, %s at threshold %g\n", r.Probability, verdict, threshold)
	if !r.Significant {
		fmt.Fprintf(w, "not significant: trained with fewer than %d ham\n", classifier.SignificantHam)
	}
	fmt.Fprintf(w, "trained:     %d ham, %d junk\n", totals.Ham, totals.Spam)
	fmt.Fprintf(w, "tokens:      %d, %d known, %d counted\n\n", r.Tokens, r.Known, len(r.Words))
	fmt.Fprintf(w, "%11s %7s %7s  %s\n", "probability", "ham", "junk", "word")
	for _, word := range r.Words {
		fmt.Fprintf(w, "%11.6f %7d %7d  %s\n", word.Probability, word.Counts.Ham, word.Counts.Spam, printable(word.Text))
	}
}

// printable is text for a terminal.
func printable(s string) string {
	if strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return strconv.Quote(s)
	}
	return s
}

func runJunkTest(ctx context.Context, p *program, f *junkFlags, args []string) (err error) {
	j, err := f.mails(p, args)
	if err != nil {
		return err
	}
	file, err := f.open(ctx, false)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	figures := junkFigures{threshold: f.threshold}
	for _, m := range j.mails {
		if m.sent {
			continue
		}
		result, _, err := checkMail(ctx, file, f, &m)
		if err != nil {
			return err
		}
		figures.add(&m, result.Probability)
	}
	return f.print(p, "", &figures)
}

// print prints figures under a heading, which may be empty.
func (f *junkFlags) print(p *program, heading string, figures *junkFigures) error {
	if f.json {
		return printJSONLine(p.stdout, figures.answer(strings.Trim(heading, "\n:"), f.debug))
	}
	fmt.Fprint(p.stdout, heading)
	if f.debug {
		figures.printWrong(p.stdout)
	}
	figures.print(p.stdout)
	return nil
}

func runJunkAnalyze(ctx context.Context, p *program, f *junkFlags, args []string) error {
	j, err := f.mails(p, args)
	if err != nil {
		return err
	}
	var filter classifier.Memory
	train, test := j.split(f.ratio)
	for _, m := range train {
		tokens, err := m.tokens(ctx, f.options)
		if err != nil {
			return err
		}
		filter.Train(tokens, m.spam)
	}
	figures := junkFigures{threshold: f.threshold}
	for _, m := range test {
		tokens, err := m.tokens(ctx, f.options)
		if err != nil {
			return err
		}
		figures.add(&m, filter.Classify(f.params, tokens).Probability)
	}
	if f.json {
		return f.print(p, "", &figures)
	}
	return f.print(p, fmt.Sprintf("trained:                 %d ham, %d junk, %d tokens\n", filter.Totals().Ham, filter.Totals().Spam, filter.Len()), &figures)
}

func runJunkPlay(ctx context.Context, p *program, f *junkFlags, args []string) error {
	j, err := f.mails(p, args)
	if err != nil {
		return err
	}
	var filter classifier.Memory
	figures, late := junkFigures{threshold: f.threshold}, junkFigures{threshold: f.threshold}
	for i, m := range j.mails {
		tokens, err := m.tokens(ctx, f.options)
		if err != nil {
			return err
		}
		if !m.sent {
			result := filter.Classify(f.params, tokens)
			// As a server does: no verdict before it means anything.
			if !result.Significant {
				result.Probability = 0
			}
			figures.add(&m, result.Probability)
			if i >= len(j.mails)/2 {
				late.add(&m, result.Probability)
			}
		}
		filter.Train(tokens, m.spam)
		if (i+1)%1000 == 0 && i+1 < len(j.mails) {
			if err := f.printPart(p, fmt.Sprintf("after %d mails:\n", i+1), &figures); err != nil {
				return err
			}
			if !f.json {
				fmt.Fprintln(p.stdout)
			}
		}
	}
	if err := f.print(p, fmt.Sprintf("all %d mails:\n", len(j.mails)), &figures); err != nil {
		return err
	}
	return f.printPart(p, "\nthe last half:\n", &late)
}

// printPart is print without the list of mails judged wrongly.
func (f *junkFlags) printPart(p *program, heading string, figures *junkFigures) error {
	part := *f
	part.debug = false
	return part.print(p, heading, figures)
}
