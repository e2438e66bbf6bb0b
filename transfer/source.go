package transfer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"mox/lineio"
	"mox/maildir"
	"mox/mbox"
)

// SourceOptions are those of files that are read.
type SourceOptions struct {
	Format  Format
	Variant mbox.Variant
	Single  bool // only the folder itself, not those below it
	// Named gives the folder of a single mbox file the name of the file, in place of none.
	Named  bool
	Limits Limits
}

// Files to be read: a Maildir, an mbox, a directory of either, or an archive of it.
type fileSource struct {
	o        SourceOptions
	tree     tree
	problems []string // found before there was a Receiver
	file     *os.File // nil: not ours
	reader   lineio.MessageReader

	// What the first walk finds, by directory:
	maildirs map[string]*folder
	mboxes   map[string]bool // by file
	subs     map[string]bool // nil: there is no file of them
	strip    string          // a directory that all is in, with "/"
}

// folder is a directory with new and cur.
type folder struct {
	keywords []string
	extra    map[string][]string
}

// Source of files, which must be closed.
type FileSource interface {
	Source
	io.Closer
}

// Open returns a Source of the Maildir, mbox, archive, or directory of these at a path.
func Open(name string, o SourceOptions) (FileSource, error) {
	o.Limits.setDefaults()
	s := &fileSource{o: o}
	fi, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if fi.IsDir() {
		s.tree = &dirTree{name, o.Limits, s.early}
		return s, nil
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	s.file = f
	if s.tree, err = openTree(filepath.Base(name), fi.Size(), f, o.Limits, fi.ModTime(), s.early); err != nil {
		f.Close()
		return nil, err
	}
	return s, nil
}

// OpenArchive returns a Source of an archive, or an mbox, with a name for the latter. What is neither is ErrNothing.
func OpenArchive(name string, r io.ReaderAt, size int64, o SourceOptions) (FileSource, error) {
	o.Limits.setDefaults()
	s := &fileSource{o: o}
	var err error
	s.tree, err = openTree(path.Base(name), size, r, o.Limits, time.Time{}, s.early)
	if err != nil {
		return nil, err
	}
	if one, ok := s.tree.(*fileTree); ok {
		if err := one.checkMbox(o.Variant); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// early is told of problems.
func (s *fileSource) early(text string) {
	if !slices.Contains(s.problems, text) && len(s.problems) < maxProblems { // each is walked over twice
		s.problems = append(s.problems, text)
	}
}

// Close closes what Open opened.
func (s *fileSource) Close() error {
	err := s.tree.close()
	if s.file != nil {
		err = errors.Join(err, s.file.Close())
	}
	return err
}

// Send implements [Source].
func (s *fileSource) Send(ctx context.Context, r Receiver) error {
	s.maildirs, s.mboxes, s.subs = map[string]*folder{}, map[string]bool{}, nil
	if err := s.tree.walk(ctx, s.look); err != nil {
		return err
	}
	s.findStrip()
	if err := s.choose(); err != nil {
		return err
	}
	if err := s.folders(r); err != nil {
		return err
	}
	err := s.tree.walk(ctx, func(e *entry) error { return s.messages(ctx, r, e) })
	for _, p := range s.problems {
		r.Problem(p)
	}
	s.problems = nil
	return err
}

// splitMessage takes the name of a message's file in a Maildir apart.
func splitMessage(name string) (dir, sub, file string, ok bool) {
	d, file := path.Split(name)
	d = strings.TrimSuffix(d, "/")
	sub = path.Base(d)
	if sub != "cur" && sub != "new" {
		return "", "", "", false
	}
	return path.Dir(d), sub, file, true
}

// look is the first walk.
func (s *fileSource) look(e *entry) error {
	if len(s.maildirs)+len(s.mboxes) > s.o.Limits.Folders {
		return fmt.Errorf("%w: more than %d folders", ErrLimit, s.o.Limits.Folders)
	}
	b := path.Base(e.name)
	switch {
	case e.dir:
		if s.o.Format == Mbox {
			return nil
		}
		if (b == "cur" || b == "new") && e.name != b || e.name == "cur" || e.name == "new" {
			s.maildir(path.Dir(e.name))
		}
		return nil
	case b == "subscriptions", s.o.Format != Mbox && (b == maildir.KeywordsFile || b == maildir.ExtraFile):
		return s.lookMeta(e, b)
	}
	if dir, _, _, ok := splitMessage(e.name); ok && s.o.Format != Mbox {
		s.maildir(dir)
		return nil
	}
	if s.o.Format == Maildir || strings.HasPrefix(b, ".") || b == "errors.txt" {
		return nil
	}
	return s.lookMbox(e, b)
}

// lookMbox looks whether a file is an mbox: by how it begins, or by its name.
func (s *fileSource) lookMbox(e *entry, b string) error {
	r, err := e.open()
	if err != nil {
		s.early(fmt.Sprintf("%s: %v", e.name, err))
		return nil
	}
	defer r.Close()
	var head [5]byte
	n, err := io.ReadFull(r, head[:])
	if errors.Is(err, ErrLimit) {
		return err
	}
	_, one := s.tree.(*fileTree)
	named := strings.HasSuffix(strings.ToLower(b), ".mbox") || one
	if string(head[:n]) == "From " || named && (n == 0 || one) {
		s.mboxes[e.name] = true
	} else if named {
		s.early(fmt.Sprintf("%s: %v", e.name, mbox.ErrFormat))
	}
	return nil
}

func (s *fileSource) maildir(dir string) *folder {
	f := s.maildirs[dir]
	if f == nil {
		f = &folder{}
		s.maildirs[dir] = f
	}
	return f
}

// lookMeta reads the files beside messages.
func (s *fileSource) lookMeta(e *entry, b string) error {
	r, err := e.open()
	if err == nil {
		defer r.Close()
		dir := path.Dir(e.name)
		switch b {
		case maildir.KeywordsFile:
			s.maildir(dir).keywords, err = maildir.ParseKeywords(r)
		case maildir.ExtraFile:
			s.maildir(dir).extra, err = maildir.ParseExtra(r)
		default:
			var l []string
			if l, err = maildir.ParseSubscriptions(r); s.subs == nil {
				s.subs = map[string]bool{}
			}
			for _, n := range l {
				s.subs[n] = true
			}
		}
	}
	if errors.Is(err, ErrLimit) {
		return err
	} else if err != nil {
		s.early(fmt.Sprintf("%s: %v", e.name, err))
	}
	return nil
}

// findStrip finds the directory that an archive has around all of its folders, and one that
// is a Maildir with its folders below it.
func (s *fileSource) findStrip() {
	if !s.tree.archive() {
		return
	}
	common, first := "", true
	add := func(dir string) {
		if first {
			common, first = dir, false
			return
		}
		for common != "." && dir != common && !strings.HasPrefix(dir, common+"/") {
			common = path.Dir(common)
		}
	}
	for d := range s.maildirs {
		add(d)
	}
	for f := range s.mboxes {
		add(path.Dir(f))
	}
	if common == "." || common == "" {
		return
	}
	if s.maildirs[common] != nil {
		dotted := false
		for d := range s.maildirs {
			dotted = dotted || strings.HasPrefix(d, common+"/.")
		}
		if !dotted && strings.TrimPrefix(strings.ToLower(path.Base(common)), ".") != "maildir" {
			// It is a folder with a name of its own.
			if common = path.Dir(common); common == "." {
				return
			}
		}
	}
	s.strip = common + "/"
}

// relative is a directory as seen from where reading begins.
func (s *fileSource) relative(name string) string {
	if name+"/" == s.strip {
		return "."
	}
	return strings.TrimPrefix(name, s.strip)
}

// choose leaves the folder itself, where only that is asked for.
func (s *fileSource) choose() error {
	if s.o.Single {
		for d := range s.maildirs {
			if s.relative(d) != "." {
				delete(s.maildirs, d)
			}
		}
		if _, one := s.tree.(*fileTree); !one && len(s.mboxes) > 1 {
			clear(s.mboxes)
		}
	}
	if len(s.maildirs)+len(s.mboxes) > 0 {
		return nil
	}
	switch s.o.Format {
	case Maildir:
		return fmt.Errorf("%w: there is no directory with cur and new (mbox files are another format)", ErrNothing)
	case Mbox:
		return fmt.Errorf("%w: there is no file that begins with \"From \" (a Maildir is another format)", ErrNothing)
	}
	return fmt.Errorf("%w: there is no Maildir and no mbox", ErrNothing)
}

// mboxFolder is the folder that an mbox file is.
func (s *fileSource) mboxFolder(name string) string {
	if _, one := s.tree.(*fileTree); one && !s.o.Named {
		return ""
	}
	levels := strings.Split(s.relative(name), "/")
	for i, l := range levels {
		for _, suffix := range []string{".mbox", ".sbd"} {
			if len(l) > len(suffix) && strings.EqualFold(l[len(l)-len(suffix):], suffix) {
				l = l[:len(l)-len(suffix)]
				break
			}
		}
		levels[i] = maildir.UnescapeLevel(l)
	}
	// Apple Mail has a directory NAME.mbox with a file mbox.
	if n := len(levels); n > 1 && levels[n-1] == "mbox" {
		levels = levels[:n-1]
	}
	return strings.Join(levels, "/")
}

// dotted changes subscriptions of Maildir++, of which "." separates the levels.
func (s *fileSource) dotted() {
	dots := false
	for d := range s.maildirs {
		dots = dots || strings.HasPrefix(path.Base(d), ".")
	}
	if !dots || s.subs == nil {
		return
	}
	subs := map[string]bool{}
	for n := range s.subs {
		if !strings.Contains(n, "/") {
			n = strings.ReplaceAll(n, ".", "/")
		}
		subs[n] = true
	}
	s.subs = subs
}

// folders tells the Receiver of all folders, also empty ones.
func (s *fileSource) folders(r Receiver) error {
	var names []string
	for d := range s.maildirs {
		names = append(names, maildir.FolderName(s.relative(d)))
	}
	for f := range s.mboxes {
		names = append(names, s.mboxFolder(f))
	}
	slices.Sort(names)
	s.dotted()
	for _, n := range slices.Compact(names) {
		f := Folder{Name: n}
		if s.subs != nil {
			f.Subscription = Unsubscribed
			if s.subs[n] || n == "" && (s.subs["INBOX"] || s.subs["Inbox"]) {
				f.Subscription = Subscribed
			}
		}
		if err := r.Folder(f); err != nil {
			return err
		}
		delete(s.subs, n)
	}
	if s.o.Single {
		return nil
	}
	var rest []string
	for n := range s.subs {
		if !strings.EqualFold(n, "inbox") {
			rest = append(rest, n)
		}
	}
	slices.Sort(rest)
	for _, n := range rest {
		if err := r.Folder(Folder{Name: n, Subscription: Subscribed, NameOnly: true}); err != nil {
			return err
		}
	}
	return nil
}

// messages is the second walk.
func (s *fileSource) messages(ctx context.Context, r Receiver, e *entry) error {
	if e.dir {
		return nil
	}
	if s.mboxes[e.name] {
		return s.readMbox(ctx, r, e)
	}
	dir, sub, file, ok := splitMessage(e.name)
	if !ok || s.o.Format == Mbox || s.maildirs[dir] == nil {
		return nil
	}
	f, ok := maildir.ParseFile(file)
	if !ok {
		return nil
	}
	d := s.maildirs[dir]
	m := Message{Folder: maildir.FolderName(s.relative(dir)), Received: f.Time, Where: e.name}
	if sub == "cur" {
		m.Flags = append(maildir.Flags(f.Letters, d.keywords), d.extra[f.Unique]...)
	}
	if m.Received.IsZero() {
		m.Received = e.time()
	}
	src, err := e.open()
	if err != nil {
		if !errors.Is(err, os.ErrNotExist) {
			r.Problem(fmt.Sprintf("%s: %v", e.name, err))
			return nil
		}
		r.Problem(fmt.Sprintf("%s: it is not there any more: it may have been renamed meanwhile", e.name))
		return nil
	}
	defer src.Close()
	s.reader.Reset(src)
	m.Body = &s.reader
	return r.Message(&m)
}

func (s *fileSource) readMbox(ctx context.Context, r Receiver, e *entry) error {
	src, err := e.open()
	if err != nil {
		r.Problem(fmt.Sprintf("%s: %v", e.name, err))
		return nil
	}
	defer src.Close()
	folder := s.mboxFolder(e.name)
	mr := mbox.NewReader(src, s.o.Variant)
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		m, err := mr.Next()
		if err == io.EOF {
			return nil
		}
		if errors.Is(err, mbox.ErrFormat) && len(s.mboxes) > 1 {
			r.Problem(fmt.Sprintf("%s: %v", e.name, err))
			return nil
		} else if err != nil {
			return fmt.Errorf("%s: %w", e.name, err)
		}
		err = r.Message(&Message{
			Folder: folder, Flags: m.Flags, Labels: m.Labels, Received: m.Received,
			Where: fmt.Sprintf("%s: message at byte %d", e.name, m.Offset), Body: m,
		})
		if err != nil {
			return err
		}
	}
}
