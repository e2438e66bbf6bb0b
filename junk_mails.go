package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"mox/classifier"
	"mox/message"
)

// junkMail is a mail in a file: all of it, or a part of an mbox.
type junkMail struct {
	path        string
	start, size int64
	date        time.Time // when it came
	spam, sent  bool
}

// name is what the mail is called in output.
func (m *junkMail) name() string {
	if m.start > 0 {
		return fmt.Sprintf("%s at %d", m.path, m.start)
	}
	return m.path
}

// tokens reads the mail.
func (m *junkMail) tokens(ctx context.Context, o classifier.Options) ([]classifier.Token, error) {
	f, err := os.Open(m.path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	ra := io.NewSectionReader(f, m.start, m.size)
	part, err := message.Parse(ra, message.Limits{})
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", m.name(), err)
	}
	tokens, err := classifier.Tokens(ctx, part, ra, o)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", m.name(), err)
	}
	return tokens, nil
}

// junkMails are mails found, and the files that were none.
type junkMails struct {
	mails   []junkMail
	skipped int
}

// find adds the mails of a maildir, a directory of mails, or an mbox file.
func (j *junkMails) find(path string, spam, sent bool) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	before := len(j.mails)
	if info.IsDir() {
		err = filepath.WalkDir(path, func(file string, d fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case d.IsDir() && (d.Name() == "tmp" || strings.HasPrefix(d.Name(), ".")) && file != path && isMaildir(filepath.Dir(file)):
				return filepath.SkipDir
			case d.Type().IsRegular() && !strings.HasPrefix(d.Name(), "."):
				return j.file(file, strings.HasSuffix(file, ".mbox"), spam, sent)
			}
			return nil
		})
	} else {
		err = j.file(path, true, spam, sent)
	}
	if err == nil && len(j.mails) == before {
		err = fmt.Errorf("no mails in %s", path)
	}
	return err
}

func isMaildir(dir string) bool {
	info, err := os.Stat(filepath.Join(dir, "cur"))
	return err == nil && info.IsDir()
}

// file adds the mail in a file, or those in an mbox.
func (j *junkMails) file(path string, mbox, spam, sent bool) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	starts := []int64{0, info.Size()}
	if mbox {
		if starts, err = mboxStarts(f, info.Size()); err != nil {
			return fmt.Errorf("reading %s: %w", path, err)
		}
	}
	for i, start := range starts[:len(starts)-1] {
		m := junkMail{path: path, start: start, size: starts[i+1] - start, spam: spam, sent: sent}
		if err := m.readHeader(f, info.ModTime()); errors.Is(err, errNoMail) {
			j.skipped++
			continue
		} else if err != nil {
			return fmt.Errorf("reading %s: %w", path, err)
		}
		j.mails = append(j.mails, m)
	}
	return nil
}

// mboxStarts returns where mails start, and the end: at "From " lines after empty lines.
func mboxStarts(r io.Reader, size int64) ([]int64, error) {
	starts := []int64{0}
	br := bufio.NewReaderSize(r, 64<<10)
	at, blank, begins := int64(0), false, true
	for {
		line, err := br.ReadSlice('\n')
		if begins && blank && at > 0 && bytes.HasPrefix(line, []byte("From ")) {
			starts = append(starts, at)
		}
		at += int64(len(line))
		if errors.Is(err, io.EOF) {
			return append(starts, size), nil
		} else if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return nil, err
		}
		blank = begins && len(bytes.TrimRight(line, "\r\n")) == 0
		begins = err == nil
	}
}

var errNoMail = errors.New("not a mail")

// readHeader leaves out the "From " line of an mbox and sets the date: that of the first
// trace field, which is when the mail came, or else Date, or else that of the file.
func (m *junkMail) readHeader(f io.ReaderAt, fallback time.Time) error {
	const most = 64 << 10
	b := make([]byte, min(m.size, most))
	n, err := f.ReadAt(b, m.start)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	b = b[:n]
	if bytes.HasPrefix(b, []byte("From ")) || bytes.HasPrefix(b, []byte(">From ")) {
		line := bytes.IndexByte(b, '\n') + 1
		b = b[line:]
		m.start, m.size = m.start+int64(line), m.size-int64(line)
	}
	h := message.ParseHeader(b)
	if fields := h.Fields(); len(fields) == 0 || !isFieldName(fields[0].Name()) {
		return errNoMail
	}
	m.date = fallback
	if d, err := message.ParseDate(h.Get("Date")); err == nil {
		m.date = d
	}
	for _, r := range h.Values("Received") {
		if d, err := message.ParseDate(strings.TrimSpace(r[strings.LastIndexByte(r, ';')+1:])); err == nil {
			m.date = d
			break
		}
	}
	return nil
}

// isFieldName reports a name as mail has them, narrower than RFC 5322 3.6.8, by which
// a line of many other formats begins like a mail.
func isFieldName(s string) bool {
	return s != "" && strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.") == ""
}

// order sorts by time, or at random for a seed other than 0.
func (j *junkMails) order(seed uint64) {
	slices.SortFunc(j.mails, func(a, b junkMail) int {
		return cmp.Or(a.date.Compare(b.date), strings.Compare(a.path, b.path), cmp.Compare(a.start, b.start))
	})
	if seed != 0 {
		r := rand.New(rand.NewPCG(seed, seed))
		r.Shuffle(len(j.mails), func(a, b int) { j.mails[a], j.mails[b] = j.mails[b], j.mails[a] })
	}
}

// split divides mails of each kind: the given part, the first in order, and the rest.
// Sent mails are in the first.
func (j *junkMails) split(ratio float64) (first, rest []junkMail) {
	var n, seen [2]int
	kind := func(m junkMail) int {
		if m.spam {
			return 1
		}
		return 0
	}
	for _, m := range j.mails {
		if !m.sent {
			n[kind(m)]++
		}
	}
	for _, m := range j.mails {
		k := kind(m)
		if !m.sent {
			seen[k]++
		}
		if m.sent || float64(seen[k]) <= ratio*float64(n[k]) {
			first = append(first, m)
		} else {
			rest = append(rest, m)
		}
	}
	return first, rest
}
