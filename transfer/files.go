package transfer

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"mox/imap"
	"mox/lineio"
	"mox/maildir"
	"mox/mbox"
)

// FilesOptions are those of Files.
type FilesOptions struct {
	Format Format
	// TempDir is where large messages are while they are written, and mboxes of which the size must be known.
	// Empty: that of the system.
	TempDir  string
	Progress func(messages int) // called after each 1000 messages; may be nil
}

// Files is a Receiver that writes Maildirs or mbox files: for a folder Work/Sub the
// directories Work/Sub/{cur,new,tmp}, or the file Work/Sub.mbox. Subscribed names are in a
// file "subscriptions", problems in "errors.txt". Close must be called.
type Files struct {
	out      Output
	o        FilesOptions
	messages int
	problems []string
	dropped  int // problems beyond those kept
	subs     []string

	folder string // open; opened tells whether one is
	opened bool
	begun  bool
	dir    string
	failed map[string]bool // folders that could not be made
	spool  Spool

	keywords maildir.Keywords
	extra    []string // lines of maildir.ExtraFile
	n        int      // messages in the folder

	file  io.WriteCloser // of an mbox, or all of it in whole
	whole Spool
	mbox  *mbox.Writer
}

// NewFiles returns a Receiver that writes to out, which Close closes.
func NewFiles(out Output, o FilesOptions) *Files {
	return &Files{out: out, o: o, failed: map[string]bool{}, spool: Spool{dir: o.TempDir}, whole: Spool{dir: o.TempDir}}
}

// Messages is the number of messages written, Problems that of what was left out.
func (f *Files) Messages() int { return f.messages }

// Begun tells whether anything was written.
func (f *Files) Begun() bool { return f.begun }

// Problems is the number of problems.
func (f *Files) Problems() int { return len(f.problems) + f.dropped }

// maxProblems is how many problems are kept.
const maxProblems = 100_000

// Problem implements [Receiver].
func (f *Files) Problem(text string) {
	if len(f.problems) >= maxProblems {
		f.dropped++
		return
	}
	f.problems = append(f.problems, text)
}

// Folder implements [Receiver].
func (f *Files) Folder(d Folder) error {
	if d.Subscription == Subscribed {
		f.subs = append(f.subs, imap.EncodeUTF7(d.Name)) // as in Dovecot's file
	}
	if d.NameOnly {
		return nil
	}
	return f.open(d.Name)
}

// open begins a folder.
func (f *Files) open(name string) error {
	if err := f.closeFolder(); err != nil {
		return err
	}
	levels := strings.Split(cmp.Or(name, "Inbox"), "/")
	for i, l := range levels {
		levels[i] = maildir.EscapeLevel(l)
		if len(levels[i]) > 240 {
			f.failed[name] = true
			f.Problem(fmt.Sprintf("mailbox %q: a level of its name is too long for a file: it is left out", name))
			return nil
		}
	}
	f.folder, f.dir, f.n = name, path.Join(levels...), 0
	if err := f.create(); errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("mailbox %q is there already, and nothing is overwritten: %w", cmp.Or(name, "Inbox"), err)
	} else if err != nil {
		return fmt.Errorf("mailbox %q: %w", name, err)
	}
	f.opened, f.begun = true, true
	return nil
}

func (f *Files) create() (err error) {
	if f.o.Format == Mbox {
		f.file = nil
		if f.out.Stream() {
			f.file, err = f.out.Create(f.dir+".mbox", -1, time.Time{})
			f.mbox = mbox.NewWriter(f.file)
		} else {
			f.whole.Reset()
			f.mbox = mbox.NewWriter(&f.whole)
		}
		return err
	}
	f.keywords, f.extra = maildir.Keywords{}, nil
	for _, sub := range []string{"cur", "new", "tmp"} {
		if err := f.out.Mkdir(f.dir+"/"+sub, time.Time{}); err != nil {
			return err
		}
	}
	return nil
}

// Message implements [Receiver].
func (f *Files) Message(m *Message) error {
	if f.failed[m.Folder] {
		return nil
	}
	if !f.opened || f.folder != m.Folder {
		if err := f.open(m.Folder); err != nil || f.failed[m.Folder] {
			return err
		}
	}
	f.spool.Reset()
	if _, err := io.Copy(&f.spool, readErrors{m.Body}); err != nil {
		var r *readError
		if errors.As(err, &r) {
			if !errors.Is(err, errBroken) {
				f.Problem(fmt.Sprintf("%s: %v", m.Where, r.err))
			}
			return nil
		}
		return fmt.Errorf("writing temporary file: %w", err)
	}
	f.n++
	write := f.writeMaildir
	if f.o.Format == Mbox {
		write = func(m *Message) error {
			return f.mbox.Write(mbox.Meta{Received: m.Received, Flags: m.Flags}, f.spool.Reader())
		}
	}
	if err := write(m); err != nil {
		return fmt.Errorf("%s: %w", m.Where, err)
	}
	f.messages++
	if f.o.Progress != nil && f.messages%1000 == 0 {
		f.o.Progress(f.messages)
	}
	return nil
}

// readErrors marks errors of reading, to tell them from those of writing.
type readErrors struct{ r io.Reader }

type readError struct{ err error }

func (e *readError) Error() string { return e.err.Error() }
func (e *readError) Unwrap() error { return e.err }

func (r readErrors) Read(p []byte) (int, error) {
	n, err := r.r.Read(p)
	if err != nil && err != io.EOF {
		err = &readError{err}
	}
	return n, err
}

func (f *Files) writeMaildir(m *Message) error {
	letters, rest := f.keywords.Letters(m.Flags)
	file := maildir.File{Unique: fmt.Sprintf("%010d.%07d.mox", max(m.Received.Unix(), 0), f.n), Letters: letters}
	if len(rest) > 0 {
		f.extra = append(f.extra, file.Unique+"\t"+strings.Join(rest, " "))
	}
	r := f.spool.Reader()
	endings, err := lineio.ScanLineEndings(r)
	if err == nil {
		_, err = r.Seek(0, io.SeekStart)
	}
	if err != nil {
		return err
	}
	src := io.Reader(r)
	size := f.spool.size
	if endings.LF || !endings.CRLF {
		// Its size changes: where that must be known before, it is written here first.
		if !f.out.Stream() {
			f.whole.Reset()
			if err := writeLF(&f.whole, r); err != nil {
				return err
			}
			src, size = f.whole.Reader(), f.whole.size
		} else {
			src = nil
		}
	}
	w, err := f.out.Create(f.dir+"/cur/"+file.Name(), size, m.Received)
	if err != nil {
		return err
	}
	if src == nil {
		err = writeLF(w, r)
	} else {
		_, err = io.Copy(w, src)
	}
	return errors.Join(err, w.Close())
}

func writeLF(w io.Writer, r io.Reader) error {
	lf := &lineio.LFWriter{W: w}
	_, err := io.Copy(lf, struct{ io.Reader }{r})
	return errors.Join(err, lf.Close())
}

// closeFolder ends the open folder.
func (f *Files) closeFolder() error {
	if !f.opened {
		return nil
	}
	f.opened = false
	if f.o.Format == Mbox {
		err := f.mbox.Flush()
		if f.file != nil {
			return errors.Join(err, f.file.Close())
		}
		if err == nil {
			err = f.put(f.dir+".mbox", f.whole.Reader(), f.whole.size)
		}
		return err
	}
	if !f.keywords.Empty() {
		var b strings.Builder
		if _, err := f.keywords.WriteTo(&b); err != nil {
			return err
		}
		if err := f.put(f.dir+"/"+maildir.KeywordsFile, strings.NewReader(b.String()), int64(b.Len())); err != nil {
			return err
		}
	}
	return f.lines(f.dir+"/"+maildir.ExtraFile, f.extra)
}

func (f *Files) put(name string, r io.Reader, size int64) error {
	w, err := f.out.Create(name, size, time.Time{})
	if err != nil {
		return err
	}
	_, err = io.Copy(w, r)
	return errors.Join(err, w.Close())
}

// lines writes a file of lines, none when there are none.
func (f *Files) lines(name string, l []string) error {
	if len(l) == 0 {
		return nil
	}
	text := strings.Join(l, "\n") + "\n"
	return f.put(name, strings.NewReader(text), int64(len(text)))
}

// Close ends the last folder and writes the files about all of it.
func (f *Files) Close() error {
	err := f.closeFolder()
	slices.Sort(f.subs)
	if e := f.lines("subscriptions", f.subs); !errors.Is(e, fs.ErrExist) || err != nil {
		err = errors.Join(err, e)
	} else {
		f.Problem("there is a file \"subscriptions\" already: it is left as it is")
	}
	if err != nil && f.begun {
		f.Problem(err.Error())
	}
	if f.dropped > 0 {
		f.problems = append(f.problems, fmt.Sprintf("%d further problems", f.dropped))
	}
	for i, p := range f.problems {
		f.problems[i] = strings.ReplaceAll(p, "\n", " ")
	}
	err = errors.Join(err, f.lines("errors.txt", f.problems))
	f.Free()
	return errors.Join(err, f.out.Close())
}

// Free frees what is held besides the Output, for who gives up and does not call Close.
func (f *Files) Free() {
	f.spool.Reset()
	f.whole.Reset()
}
