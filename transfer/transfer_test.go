package transfer

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mox/store"
	"mox/storetest"
)

const domains = `Domains:
	mox.example: nil
Accounts:
	a:
		Domain: mox.example
		Destinations:
			a@mox.example: nil
	b:
		Domain: mox.example
		Destinations:
			b@mox.example: nil
	mjl:
		Domain: mox.example
		Destinations:
			mjl@mox.example: nil
`

func account(t testing.TB, f *storetest.Fixture, name string) *store.Account {
	t.Helper()
	a, err := f.Store.Account(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.Release)
	return a
}

func mail(i int) string {
	return fmt.Sprintf("From: a@example.org\r\nMessage-ID: <%d@example.org>\r\nSubject: message %d\r\n\r\nText %d.\r\nFrom here on.\r\n", i, i, i)
}

func put(t testing.TB, a *store.Account, mailbox, text string, flags []string, at time.Time, prefix string) {
	t.Helper()
	sp := a.NewSpool()
	defer sp.Close()
	if _, err := io.WriteString(sp, text); err != nil {
		t.Fatal(err)
	}
	if err := sp.Finish(); err != nil {
		t.Fatal(err)
	}
	m, ok := a.MailboxByName(mailbox)
	if !ok {
		var err error
		if m, err = a.CreateMailbox(t.Context(), mailbox, 0); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := a.Add(t.Context(), m.ID, []store.NewMessage{{Spool: sp, Keywords: flags, Received: at, Prefix: []byte(prefix)}}); err != nil {
		t.Fatal(err)
	}
}

// listing is all of an account that import and export keep.
func listing(t testing.TB, a *store.Account) []string {
	t.Helper()
	var l []string
	for _, s := range a.Subscriptions() {
		l = append(l, "subscribed "+s)
	}
	for _, m := range a.Mailboxes() {
		l = append(l, "mailbox "+m.Name)
		box, err := a.OpenBox(t.Context(), m.ID)
		if err != nil {
			t.Fatal(err)
		}
		for _, msg := range box.View().All() {
			r, err := a.OpenBody(t.Context(), msg.Body)
			if err != nil {
				t.Fatal(err)
			}
			h := sha256.New()
			n, err := r.WriteTo(h)
			r.Close()
			if err != nil {
				t.Fatal(err)
			}
			flags := append(msg.Flags.Names(), a.Keywords(msg.Keywords)...)
			slices.Sort(flags)
			l = append(l, fmt.Sprintf("%s: %d %x %d %q", m.Name, n, h.Sum(nil)[:6], msg.Received, flags))
		}
		box.Close()
	}
	// Files of a Maildir are sorted by time, which need not be the order in the mailbox.
	slices.Sort(l)
	return l
}

// fill makes an account with everything odd in it.
func fill(t testing.TB, a *store.Account) {
	t.Helper()
	at := time.Date(2019, 5, 6, 7, 8, 9, 0, time.UTC)
	put(t, a, "Inbox", mail(1), nil, at, "")
	put(t, a, "Inbox", mail(2), []string{`\Seen`, `$Junk`, "work"}, at.Add(time.Second), "Received: from there\r\n")
	put(t, a, "Inbox", mail(2), []string{`\Seen`, `$Junk`, "work"}, at.Add(2*time.Second), "Received: from there\r\n")
	put(t, a, "Inbox", "A: b\r\n\r\nbinary\nFrom x\n\x00\r\n", []string{`$Forwarded`, `\Draft`, `\Deleted`}, at, "")
	put(t, a, "Inbox", "Status: R\r\nContent-Length: 3\r\n\r\nFrom x\r\n>From y\r\n\r\n\r\n", nil, at, "")
	put(t, a, "Inbox", mail(3)+strings.Repeat("0123456789abcdef\r\n", 150_000), nil, at, "")
	for i := range 40 {
		put(t, a, "Work/Sub", mail(100+i), []string{fmt.Sprint("keyword", i), fmt.Sprint("keyword", i/2)}, at.Add(time.Duration(i)*time.Hour), "")
	}
	for _, name := range []string{"Entwürfe & mehr", "cur/new", ".hidden", "100%", "a.mbox/b.sbd", "Wörk/x:y", "empty"} {
		put(t, a, name, mail(200), nil, at, "")
	}
	if _, err := a.CreateMailbox(t.Context(), "nothing in it", 0); err != nil {
		t.Fatal(err)
	}
	if err := a.Subscribe(t.Context(), "Work", false); err != nil {
		t.Fatal(err)
	}
	if err := a.Subscribe(t.Context(), "Gone/R&D", true); err != nil {
		t.Fatal(err)
	}
}

func TestRoundTrip(t *testing.T) {
	for _, format := range []Format{Maildir, Mbox} {
		kinds := []string{"dir", "zip", "wire"}
		if format == Mbox {
			kinds = []string{"dir", "tgz"}
		}
		for _, kind := range kinds {
			t.Run(string(format)+" "+kind, func(t *testing.T) {
				f := storetest.New(t, domains)
				a, b := account(t, f, "a"), account(t, f, "b")
				fill(t, a)
				ctx := t.Context()
				dir := filepath.Join(t.TempDir(), "export")
				var out Output
				var buf bytes.Buffer
				var err error
				switch kind {
				case "dir", "wire":
					if out, err = Directory(dir); err != nil {
						t.Fatal(err)
					}
				case "zip":
					out = Zip(&buf)
				case "tgz":
					out = Tar(&buf, true)
				}
				files := NewFiles(out, FilesOptions{Format: format})
				src := FromAccount(a, Selection{})
				if kind == "wire" {
					src = wired(t, src)
				}
				if err := errors.Join(src.Send(ctx, files), files.Close()); err != nil {
					t.Fatal(err)
				}
				if files.Problems() != 0 {
					t.Errorf("problems: %q", files.problems)
				}
				var from FileSource
				o := SourceOptions{Format: format, Named: true}
				if buf.Len() > 0 {
					from, err = OpenArchive("x", bytes.NewReader(buf.Bytes()), int64(buf.Len()), o)
				} else {
					from, err = Open(dir, o)
				}
				if err != nil {
					t.Fatal(err)
				}
				defer from.Close()
				src = from
				if kind == "wire" {
					src = wired(t, src)
				}
				want := listing(t, a)
				var problems []string
				res, err := Import(ctx, b, src, Options{Problem: func(s string) { problems = append(problems, s) }})
				if err != nil || len(problems) > 0 {
					t.Fatal(err, problems)
				}
				if got := listing(t, b); !reflect.DeepEqual(got, want) {
					t.Error(cmp.Diff(want, got))
				}
				if res.Added != int(a.Quota().Count) || res.Duplicates != 0 {
					t.Errorf("%+v", res)
				}
				// Once more, into both: nothing is added.
				for _, acc := range []*store.Account{a, b} {
					res, err := Import(ctx, acc, from, Options{})
					if err != nil || res.Added != 0 || res.Duplicates != int(a.Quota().Count) || res.Mailboxes != 0 {
						t.Errorf("again: %+v, %v", res, err)
					}
				}
				if res, err := Import(ctx, b, from, Options{Duplicates: true}); err != nil || res.Added != int(a.Quota().Count) {
					t.Errorf("duplicates: %+v, %v", res, err)
				}
			})
		}
	}
}

// wired sends a Source through an Encoder.
func wired(t testing.TB, src Source) Source {
	pr, pw := io.Pipe()
	go func() {
		e := NewEncoder(pw)
		err := src.Send(context.Background(), e)
		if err == nil {
			err = e.Close()
		}
		pw.CloseWithError(err)
	}()
	t.Cleanup(func() { pr.Close() })
	return Decode(pr)
}

func TestSelection(t *testing.T) {
	f := storetest.New(t, domains)
	a := account(t, f, "a")
	for _, n := range []string{"Work", "Work/Sub", "Workshop"} {
		put(t, a, n, mail(1), nil, time.Now(), "")
	}
	for _, tc := range []struct {
		sel  Selection
		want string
	}{
		{Selection{Mailbox: "Work"}, "Work Work/Sub"}, {Selection{Mailbox: "work"}, ""}, {Selection{Mailbox: "Work", Single: true}, "Work"}, {Selection{Mailbox: "Work/Sub"}, "Work/Sub"},
	} {
		r := &recorder{}
		err := FromAccount(a, tc.sel).Send(t.Context(), r)
		if (err != nil) != (tc.want == "") || strings.Join(r.folders, " ") != tc.want {
			t.Errorf("%+v: %q, %v", tc.sel, r.folders, err)
		}
	}
}

// recorder is a Receiver for tests.
type recorder struct {
	folders, messages, problems []string
	fail                        error
}

func (r *recorder) Folder(f Folder) error {
	n := f.Name
	if f.NameOnly {
		n += " (name only)"
	}
	r.folders = append(r.folders, n)
	return nil
}

func (r *recorder) Message(m *Message) error {
	b, err := io.ReadAll(m.Body)
	if err != nil {
		r.problems = append(r.problems, err.Error())
		return r.fail
	}
	r.messages = append(r.messages, fmt.Sprintf("%s: %q %d %q", m.Folder, m.Flags, m.Received.Unix(), b))
	return r.fail
}

func (r *recorder) Problem(s string) { r.problems = append(r.problems, s) }

func writeTree(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		p := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(p), 0o700); err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(name, "/") {
			if err := os.MkdirAll(p, 0o700); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if err := os.WriteFile(p, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestSources(t *testing.T) {
	const sep = "From a@example.org Thu Jan  1 00:00:01 2015\n"
	maildirpp := map[string]string{
		"cur/1420070401.a:2,FSab":             "A: 1\n\nx\n",
		"new/1420070402.b":                    "A: 2\r\n\r\nx\r\n",
		"tmp/1420070403.c":                    "A: 3\n\nx\n",
		"cur/.nfs":                            "no",
		"dovecot-keywords":                    "0 $Junk\n1 work\n",
		"dovecot-uidlist":                     "3 V1 N3\n1 :a\n",
		"subscriptions":                       "V\t2\n\nINBOX\nWork\tSub\nNone\n",
		".Work.Sub/cur/1420070404.d:2,":       "A: 4\n\nx\n",
		".Work.Sub/maildirfolder":             "",
		".Entw&APw-rfe/cur/1420070405.e:2,DT": "A: 5\n\nx\n",
		".Entw&APw-rfe/new/":                  "",
	}
	for _, tc := range []struct {
		name     string
		files    map[string]string
		path     string
		o        SourceOptions
		folders  string
		messages []string
		problems int
		err      error
	}{
		{"Maildir++", maildirpp, "", SourceOptions{Format: Maildir}, "|Entwürfe|Work/Sub|None (name only)", []string{
			`: ["\\Flagged" "\\Seen" "$Junk" "work"] 1420070401 "A: 1\r\n\r\nx\r\n"`, `: [] 1420070402 "A: 2\r\n\r\nx\r\n"`,
			`Entwürfe: ["\\Draft" "\\Deleted"] 1420070405 "A: 5\r\n\r\nx\r\n"`, `Work/Sub: [] 1420070404 "A: 4\r\n\r\nx\r\n"`,
		}, 0, nil},
		{"Maildir++ single", maildirpp, "", SourceOptions{Format: Maildir, Single: true}, "", []string{
			`: ["\\Flagged" "\\Seen" "$Junk" "work"] 1420070401 "A: 1\r\n\r\nx\r\n"`, `: [] 1420070402 "A: 2\r\n\r\nx\r\n"`,
		}, 0, nil},
		{"mbox", map[string]string{"x": sep + "A: 1\nStatus: R\n\nx\n"}, "x", SourceOptions{Format: Mbox}, "", []string{`: ["\\Seen"] 1420070401 "A: 1\r\n\r\nx\r\n"`}, 0, nil},
		{"mbox named", map[string]string{"x.mbox": sep + "A: 1\n\nx\n"}, "x.mbox", SourceOptions{Format: Mbox, Named: true}, "x", []string{`x: [] 1420070401 "A: 1\r\n\r\nx\r\n"`}, 0, nil},
		{"Thunderbird, Apple", map[string]string{"Inbox": sep + "A: 1\n\n", "Inbox.msf": "no", "Inbox.sbd/Sub": sep + "A: 2\n\n", "Work.mbox/mbox": sep + "A: 3\n\n", "bad.mbox": "bad", "empty.mbox": ""}, "",
			SourceOptions{Format: Mbox}, "Inbox|Inbox/Sub|Work|empty", []string{`Inbox/Sub: [] 1420070401 "A: 2\r\n\r\n"`, `Inbox: [] 1420070401 "A: 1\r\n\r\n"`, `Work: [] 1420070401 "A: 3\r\n\r\n"`}, 1, nil},
		{"no mbox", map[string]string{"x": "Subject: x\n\n"}, "x", SourceOptions{Format: Mbox}, "", nil, 0, nil},
		{"nothing", map[string]string{"x": "y"}, "", SourceOptions{Format: Maildir}, "", nil, 0, ErrNothing},
		{"nothing", map[string]string{"x": "y"}, "", SourceOptions{}, "", nil, 0, ErrNothing},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s, err := Open(filepath.Join(writeTree(t, tc.files), tc.path), tc.o)
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			r := &recorder{}
			err = s.Send(t.Context(), r)
			if tc.err != nil && !errors.Is(err, tc.err) || tc.err == nil && tc.messages != nil && err != nil || tc.messages == nil && err == nil {
				t.Error(err)
			}
			slices.Sort(r.messages)
			if got := strings.Join(r.folders, "|"); tc.messages != nil && (got != tc.folders || !slices.Equal(r.messages, tc.messages)) || len(r.problems) != tc.problems {
				t.Errorf("got %q %q %q", got, r.messages, r.problems)
			}
		})
	}
}

func zipOf(t testing.TB, files ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for i := 0; i < len(files); i += 2 {
		f, err := w.Create(files[i])
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(f, files[i+1])
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestArchives(t *testing.T) {
	const msg = "A: 1\n\nx\n"
	read := func(b []byte, o SourceOptions) (*recorder, error) {
		r := &recorder{}
		s, err := OpenArchive("x", bytes.NewReader(b), int64(len(b)), o)
		if err != nil {
			return r, err
		}
		defer s.Close()
		return r, s.Send(t.Context(), r)
	}
	for _, tc := range []struct {
		name    string
		files   []string
		folders string
	}{
		{"directory around", []string{"Maildir/cur/1.a:2,", msg, "Maildir/.Work/new/1.b", msg}, "|Work"},
		{"nested around", []string{"mail/Inbox/cur/1.a:2,", msg, "mail/Work/new/1.b", msg}, "Inbox|Work"},
		{"one folder", []string{"Work/cur/1.a:2,", msg}, "Work"},
		{"tree", []string{"Work/cur/1.a:2,", msg, "Work/Sub/cur/1.b:2,", msg}, "Work|Work/Sub"},
		{"takeout", []string{"Takeout/Mail/Inbox.mbox", "From a Thu Jan  1 00:00:01 2015\n" + msg, "Takeout/Mail/My label.mbox", "From a Thu Jan  1 00:00:01 2015\n" + msg}, "Inbox|My label"},
	} {
		r, err := read(zipOf(t, tc.files...), SourceOptions{})
		if got := strings.Join(r.folders, "|"); err != nil || got != tc.folders || len(r.messages) != len(tc.files)/2 {
			t.Errorf("%s: %q %d %v", tc.name, got, len(r.messages), err)
		}
	}
	// Names that lead elsewhere are left out.
	r, err := read(zipOf(t, "../../cur/1.a", msg, "/etc/cur/1.b", msg, "ok/cur/1.c", msg, `..\x\cur\1.d`, msg), SourceOptions{})
	if err != nil || len(r.messages) != 1 || len(r.problems) != 3 {
		t.Errorf("%q %q %v", r.messages, r.problems, err)
	}
	// Bombs end.
	bomb := zipOf(t, "a.mbox", "From a Thu Jan  1 00:00:01 2015\n\n"+strings.Repeat("\n", 10<<20))
	if _, err := read(bomb, SourceOptions{Limits: Limits{Expanded: 1 << 20}}); !errors.Is(err, ErrLimit) && (err == nil || !strings.Contains(err.Error(), "more comes out")) {
		t.Errorf("bomb: %v", err)
	}
	if _, err := read(zipOf(t, "a/cur/1", msg, "a/cur/2", msg), SourceOptions{Limits: Limits{Entries: 1}}); !errors.Is(err, ErrLimit) {
		t.Errorf("entries: %v", err)
	}
	// A tar with links and devices.
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	w.WriteHeader(&tar.Header{Name: "a/cur/1.x", Typeflag: tar.TypeSymlink, Linkname: "/etc/passwd"})
	w.WriteHeader(&tar.Header{Name: "a/cur/2.x", Typeflag: tar.TypeReg, Size: int64(len(msg))})
	io.WriteString(w, msg)
	w.Close()
	if r, err := read(b.Bytes(), SourceOptions{}); err != nil || len(r.messages) != 1 {
		t.Errorf("%q %v", r.messages, err)
	}
}

func TestTarget(t *testing.T) {
	ctx := t.Context()
	f := storetest.New(t, domains)
	a := account(t, f, "a")
	dir := writeTree(t, map[string]string{
		"Sent Items.mbox": "From a Thu Jan  1 00:00:01 2015\nMessage-ID: <1@x>\n\n", "INBOX/Spam.mbox": "From a Thu Jan  1 00:00:01 2015\nMessage-ID: <2@x>\nX-Keywords: (bad) \\Recent Prés \\Seen\n\n",
		"x/y.mbox": "From a Thu Jan  1 00:00:01 2015\nMessage-ID: <3@x>\nX-Gmail-Labels: Trash,Unread\n\n", "#news.mbox": "From a Thu Jan  1 00:00:01 2015\nMessage-ID: <4@x>\n\n",
	})
	s, err := Open(dir, SourceOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Import(ctx, a, s, Options{Mailbox: "Old", SpecialUse: true}); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, l := range listing(t, a) {
		if !strings.HasPrefix(l, "mailbox") && !strings.HasPrefix(l, "subscribed") {
			got = append(got, l[:strings.Index(l, ":")]+l[strings.Index(l, " ["):])
		}
	}
	want := []string{`Junk ["Pr&AOk-s" "\\Seen" "_bad_"]`, `Old/_#news []`, `Sent []`, `Trash []`}
	if !slices.Equal(got, want) {
		t.Errorf("got %q\nwant %q", got, want)
	}

	// A quota ends it, with what was added before.
	b := account(t, f, "b")
	b.SetLimits(store.Limits{Bytes: 100_000})
	res, err := Import(ctx, b, generated(3000), Options{})
	if !errors.Is(err, store.ErrQuota) || int64(res.Added) != b.Quota().Count {
		t.Errorf("quota: %+v %v", res, err)
	}
	b.SetLimits(store.Limits{})

	// An end halfway leaves a state that is gone on from.
	ctx2, cancel := context.WithCancel(ctx)
	n := 0
	res, err = Import(ctx2, b, generated(3000), Options{Progress: func(Result) {
		if n++; n == 2 {
			cancel()
		}
	}})
	if !errors.Is(err, context.Canceled) || res.Added == 0 || int(b.Quota().Count) >= 3000 {
		t.Errorf("%+v %v, %d", res, err, b.Quota().Count)
	}
	had := int(b.Quota().Count)
	if res, err = Import(ctx, b, generated(3000), Options{}); err != nil || res.Duplicates != had || b.Quota().Count != 3000 {
		t.Errorf("%+v %v", res, err)
	}
	// Messages that are too large, or cannot be read, are left out.
	var problems []string
	res, err = Import(ctx, b, sourceFunc(func(_ context.Context, r Receiver) error {
		return errors.Join(r.Message(&Message{Where: "large", Body: strings.NewReader(strings.Repeat("x", 2000))}),
			r.Message(&Message{Where: "broken", Body: io.MultiReader(strings.NewReader("A: b\r\n"), brokenReader{})}),
			r.Message(&Message{Where: "fine", Body: strings.NewReader("A: b\r\n\r\n")}))
	}), Options{MaxMessage: 1000, Problem: func(s string) { problems = append(problems, s) }})
	if err != nil || res.Added != 1 || len(problems) != 2 || res.Problems != 2 {
		t.Errorf("%+v %v %q", res, err, problems)
	}
}

// TestSkipPrefix: folders that are the prefix, or below it, are without it.
func TestSkipPrefix(t *testing.T) {
	for _, c := range []struct{ prefix, folder, want string }{
		{"Old", "Old", ""}, {"Old", "Old/Work", "Work"}, {"/Old/", "Old/Work/Sub", "Work/Sub"}, {"Old", "Older", "Older"}, {"Old", "old/Work", "old/Work"},
		{"Old/Work", "Old/Work/Sub", "Sub"}, {"", "Old", "Old"}, {"/", "Old", "Old"}, {"Old", "", ""},
	} {
		if got := (&Target{o: Options{SkipPrefix: c.prefix}}).skipped(c.folder); got != c.want {
			t.Errorf("%q without %q: %q, want %q", c.folder, c.prefix, got, c.want)
		}
	}
}

// TestOneFile: a single mbox has one folder, and nothing else in it.
func TestOneFile(t *testing.T) {
	var b strings.Builder
	files := NewFiles(OneFile(&b), FilesOptions{Format: Mbox, TempDir: t.TempDir()})
	m := &Message{Folder: "a", Received: time.Unix(0, 0).UTC(), Body: strings.NewReader("A: b\r\n\r\nc\r\n")}
	if err := errors.Join(files.Folder(Folder{Name: "a", Subscription: Subscribed}), files.Message(m)); err != nil {
		t.Fatal(err)
	}
	files.Problem("something")
	if err := files.Folder(Folder{Name: "b"}); err == nil {
		t.Error("two folders in a file")
	}
	if err := files.Close(); err != nil || strings.Count(b.String(), "From ") != 1 || !strings.HasSuffix(b.String(), "\n\nc\n\n") {
		t.Errorf("%q %v", b.String(), err)
	}
	files = NewFiles(OneFile(&b), FilesOptions{Format: Maildir})
	if err := files.Folder(Folder{Name: "a"}); err == nil {
		t.Error("a Maildir in a file")
	}
	files.Free()
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, errors.New("bad disk") }

type sourceFunc func(ctx context.Context, r Receiver) error

func (f sourceFunc) Send(ctx context.Context, r Receiver) error { return f(ctx, r) }

// generated is a Source of n messages.
func generated(n int) Source {
	return sourceFunc(func(ctx context.Context, r Receiver) error {
		for i := range n {
			if err := r.Message(&Message{Body: strings.NewReader(mail(i)), Where: fmt.Sprint(i)}); err != nil {
				return err
			}
		}
		return nil
	})
}

func TestExists(t *testing.T) {
	f := storetest.New(t, domains)
	a := account(t, f, "a")
	dir := t.TempDir()
	for i := range 2 {
		out, err := Directory(dir)
		if err != nil {
			t.Fatal(err)
		}
		files := NewFiles(out, FilesOptions{Format: Mbox})
		err = errors.Join(FromAccount(a, Selection{}).Send(t.Context(), files), files.Close())
		if i == 0 && err != nil || i == 1 && !errors.Is(err, os.ErrExist) {
			t.Errorf("%d: %v", i, err)
		}
	}
}

func TestWireBroken(t *testing.T) {
	var b bytes.Buffer
	e := NewEncoder(&b)
	e.Message(&Message{Folder: "x", Where: "w", Body: io.MultiReader(strings.NewReader("abc"), brokenReader{})})
	e.Message(&Message{Folder: "x", Where: "v", Body: strings.NewReader("def")})
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	r := &recorder{}
	if err := Decode(bytes.NewReader(b.Bytes())).Send(t.Context(), r); err != nil || len(r.messages) != 1 || len(r.problems) != 2 {
		t.Errorf("%q %q %v", r.messages, r.problems, err)
	}
	// Cut anywhere, it is an error.
	for n := range b.Len() {
		if err := Decode(bytes.NewReader(b.Bytes()[:n])).Send(t.Context(), &recorder{}); !errors.Is(err, ErrWire) {
			t.Fatalf("cut at %d: %v", n, err)
		}
	}
}

func FuzzDecode(f *testing.F) {
	var b bytes.Buffer
	e := NewEncoder(&b)
	e.Folder(Folder{Name: "x", Subscription: Subscribed})
	e.Message(&Message{Folder: "x", Flags: []string{`\Seen`}, Received: time.Unix(1, 0), Body: strings.NewReader("abc")})
	e.Close()
	f.Add(b.Bytes())
	f.Fuzz(func(t *testing.T, b []byte) {
		_ = Decode(bytes.NewReader(b)).Send(context.Background(), &recorder{})
	})
}

func FuzzArchive(f *testing.F) {
	f.Add(zipOf(f, "Maildir/cur/1.a:2,S", "A: b\n\nx\n", "x.mbox", "From a Thu Jan  1 00:00:01 2015\n\n"))
	var b bytes.Buffer
	out := Tar(&b, true)
	w, _ := out.Create("a/cur/1", 3, time.Time{})
	io.WriteString(w, "A: ")
	out.Close()
	f.Add(b.Bytes())
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := OpenArchive("x", bytes.NewReader(b), int64(len(b)), SourceOptions{Limits: Limits{Expanded: 1 << 20}})
		if err != nil {
			return
		}
		defer s.Close()
		_ = s.Send(context.Background(), &recorder{})
	})
}

func BenchmarkImport(b *testing.B) {
	f := storetest.New(b, domains)
	a := account(b, f, "a")
	filler := strings.Repeat("Some words of text that are in a message, and more of them.\r\n", 50)
	b.ResetTimer()
	_, err := Import(b.Context(), a, sourceFunc(func(ctx context.Context, r Receiver) error {
		for i := range b.N {
			if err := r.Message(&Message{Body: strings.NewReader(mail(i) + filler)}); err != nil {
				return err
			}
		}
		return nil
	}), Options{})
	if err != nil {
		b.Fatal(err)
	}
}
