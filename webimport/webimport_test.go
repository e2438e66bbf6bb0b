package webimport

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mox/admin"
	"mox/mlog"
	"mox/store"
	"mox/storetest"
	"mox/transfer"
)

const one = "From x Thu Jan  1 00:00:00 2015\nSubject: x\n\ntext\n"

// importer is a [Config.Import].
type importer = func(ctx context.Context, actor admin.Actor, account string, src transfer.Source, o transfer.Options) (transfer.Result, error)

func newImports(t *testing.T, f importer, change func(c *Config)) *Imports {
	t.Helper()
	c := Config{Import: f, Dir: t.TempDir(), NextID: func() int64 { return 0x123 }, Log: mlog.Discard()}
	if change != nil {
		change(&c)
	}
	return New(c)
}

// begin has an account's import begin, with a file.
func begin(t *testing.T, s *Imports, account, name, file string) (*Import, error) {
	t.Helper()
	im, err := s.Begin(account, "test")
	if err != nil {
		return nil, err
	}
	if err = im.Receive(strings.NewReader(file), 1<<20); err == nil {
		err = im.Start(name, "")
	}
	if err != nil {
		im.Drop()
	}
	return im, err
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// follow returns what a listener is told, each event as text.
func follow(t *testing.T, im *Import, last int) []string {
	t.Helper()
	var all []string
	err := im.Follow(t.Context(), last, func(e Event) error {
		all = append(all, fmt.Sprintf("%d %s %+v", e.ID, e.Name, e.Data))
		return nil
	}, func() error { return nil })
	must(t, err)
	return all
}

// TestProgress: listeners are told all, soon and not too often, whenever they come.
func TestProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newImports(t, func(_ context.Context, _ admin.Actor, _ string, _ transfer.Source, o transfer.Options) (transfer.Result, error) {
			for i := range 1000 {
				o.Count("Inbox", 2)
				if i%2 == 0 {
					o.Count("Work", 1)
				}
				time.Sleep(10 * time.Millisecond)
			}
			time.Sleep(50 * time.Second)
			for i := range 150 {
				o.Problem(fmt.Sprintf("problem %d\xff", i))
			}
			return transfer.Result{Added: 2500, Problems: 150}, nil
		}, nil)
		defer s.Close()
		im, err := begin(t, s, "a", "x.mbox", one)
		must(t, err)
		if found, err := s.Find(im.Token()); err != nil || found != im {
			t.Error(err)
		}
		start := time.Now()
		all := follow(t, im, 0)
		if d := time.Since(start); d < 60*time.Second || d > 61*time.Second {
			t.Errorf("took %v", d)
		}
		counts, comments := 0, 0
		for _, e := range all {
			switch {
			case strings.HasPrefix(e, "0 count"):
				counts++
			case strings.HasPrefix(e, "0  "):
				comments++
			}
		}
		if counts < 40 || counts > 90 || comments != 2 {
			t.Errorf("%d counts, %d comments", counts, comments)
		}
		late := strings.Join(follow(t, im, 0), "\n")
		for _, want := range []string{"1 step {Title:Looking for mailboxes in the file}", "2 problem {Message:problem 0?}", "101 problem {Message:problem 99?}", "0 dropped {Count:50}",
			"0 count {Mailbox:Inbox Count:2000}", "0 count {Mailbox:Work Count:500}", "0 done {Result:{Added:2500 Duplicates:0 Problems:150"} {
			if strings.Count(late, want) != 1 || !strings.Contains(strings.Join(all, "\n"), want) {
				t.Errorf("%q is not there once:\n%s", want, late)
			}
		}
		if again := follow(t, im, 100); !strings.HasPrefix(again[0], "101 problem") || strings.HasPrefix(again[1], "10") {
			t.Errorf("from the last on: %q", again[:2])
		}
		if again := follow(t, im, 1000); !strings.HasPrefix(again[0], "1 step") {
			t.Errorf("of another import: %q", again[:2])
		}
		// One that cannot be written to, and one that goes.
		failed := errors.New("gone")
		if err := im.Follow(t.Context(), 0, func(Event) error { return failed }, nil); err != failed {
			t.Error(err)
		}
		time.Sleep(61 * time.Second)
		if _, err := s.Find(im.Token()); err != ErrNotFound {
			t.Errorf("known for ever: %v", err)
		}
	})
}

// waiting is an importer that waits for its end.
func waiting(ctx context.Context, _ admin.Actor, _ string, _ transfer.Source, o transfer.Options) (transfer.Result, error) {
	o.Count("Inbox", 3)
	<-ctx.Done()
	return transfer.Result{Added: 3}, ctx.Err()
}

// TestEnds: whoever ends an import, its listeners hear why.
func TestEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newImports(t, waiting, nil)
		for why, end := range map[string]func(im *Import){
			"":              func(im *Import) { must(t, s.Abort("a", im.Token())) },
			ErrGone.Error(): func(*Import) { s.Detach("b"); s.Detach("a") },
		} {
			im, err := begin(t, s, "a", "x.mbox", one)
			must(t, err)
			if err := s.Abort("b", im.Token()); err != ErrNotFound {
				t.Errorf("aborted by another: %v", err)
			}
			go func() {
				time.Sleep(time.Second)
				end(im)
			}()
			all := follow(t, im, 0)
			if got, want := all[len(all)-1], "0 aborted {Message:"+why+" Result:{Added:3 "; !strings.HasPrefix(got, want) {
				t.Errorf("%q, want %q", got, want)
			}
			must(t, s.Abort("a", im.Token())) // it has ended, as wanted
		}
		im, err := begin(t, s, "a", "x.mbox", one)
		must(t, err)
		sent, err := s.Begin("b", "test") // and not all there yet
		must(t, err)
		s.Close()
		all := follow(t, im, 0)
		if got := all[len(all)-1]; !strings.Contains(got, ErrStopping.Error()) {
			t.Errorf("%q", got)
		}
		if err := sent.Receive(strings.NewReader(one), 1000); err != ErrStopping {
			t.Error(err)
		}
		sent.Drop()
		if _, err := s.Begin("c", "test"); err != ErrStopping {
			t.Error(err)
		}
	})
}

// TestErrors: what an import ended by, as the user reads it.
func TestErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var fail error
		panics := 0
		s := newImports(t, func(context.Context, admin.Actor, string, transfer.Source, transfer.Options) (transfer.Result, error) {
			if fail == nil {
				panic("oops")
			}
			return transfer.Result{}, fail
		}, func(c *Config) { c.Panic = func() { panics++ } })
		defer s.Close()
		for _, c := range []struct {
			err  error
			want string
		}{
			{fmt.Errorf("adding: %w: 1 of 1", store.ErrQuota), "adding: " + store.ErrQuota.Error() + ": 1 of 1"}, {fmt.Errorf("writing /x: %w", store.ErrDiskFull), "the disk of the server is full"},
			{store.ErrNoAccount, ErrGone.Error()}, {transfer.ErrNothing, "no mail found"}, {errors.New("secret"), "internal error, see log lines with cid 123"},
			{nil, "internal error, see log lines with cid 123"},
		} {
			fail = c.err
			im, err := begin(t, s, "a", "x.mbox", one)
			must(t, err)
			all := follow(t, im, 0)
			if got := all[len(all)-1]; !strings.HasPrefix(got, "0 aborted {Message:"+c.want+" Result") {
				t.Errorf("%v: %q", c.err, got)
			}
		}
		if panics != 1 {
			t.Errorf("%d panics", panics)
		}
	})
}

// TestTurns: some run, others wait, and more are refused.
func TestTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newImports(t, waiting, func(c *Config) { c.Limits = Limits{Open: 3, Running: 1} })
		defer s.Close()
		a, err := begin(t, s, "a", "x.mbox", one)
		must(t, err)
		synctest.Wait()
		b, err := begin(t, s, "b", "x.mbox", one)
		must(t, err)
		c, err := begin(t, s, "c", "x.mbox", one)
		must(t, err)
		if _, err := begin(t, s, "a", "x.mbox", one); err != ErrRunning || !s.Running("a") {
			t.Error(err)
		}
		if _, err := begin(t, s, "d", "x.mbox", one); err != ErrBusy || s.Running("d") {
			t.Error(err)
		}
		synctest.Wait()
		must(t, s.Abort("c", c.Token()))
		if all := follow(t, c, 0); len(all) != 2 || !strings.Contains(all[0], "Waiting") {
			t.Errorf("%q", all)
		}
		must(t, s.Abort("a", a.Token()))
		synctest.Wait()
		must(t, s.Abort("b", b.Token()))
		if all := follow(t, b, 0); !strings.Contains(strings.Join(all, "\n"), "2 step {Title:Looking") {
			t.Errorf("%q", all)
		}
	})
}

// TestReceive: files that are refused, of which nothing stays.
func TestReceive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		free := uint64(1 << 30)
		s := newImports(t, func(context.Context, admin.Actor, string, transfer.Source, transfer.Options) (transfer.Result, error) {
			return transfer.Result{}, nil
		}, func(c *Config) {
			c.Free = func(string) (uint64, error) { return free, nil }
			c.Limits.Transfer.Directory = 2000
		})
		defer s.Close()
		check := func(what, name, file string, want error, text string) {
			t.Helper()
			if _, err := begin(t, s, "a", name, file); !errors.Is(err, want) || !strings.Contains(err.Error(), text) {
				t.Errorf("%s: %v", what, err)
			}
			if s.Running("a") {
				t.Errorf("%s: it goes on", what)
			}
		}
		check("large", "x.mbox", one+strings.Repeat("x", 1<<20), ErrTooLarge, "more than 1 MiB")
		check("empty", "x.mbox", "", ErrEmpty, "")
		check("picture", "x.jpg", "\xff\xd8 picture", ErrFile, "no zip, tar or tgz archive, and no mbox")
		check("damaged", "x.gz", "\x1f\x8b damaged", ErrFile, "gzip")
		var b bytes.Buffer
		z := zip.NewWriter(&b)
		for i := range 1000 {
			_, err := z.Create(fmt.Sprintf("cur/%d", i))
			must(t, err)
		}
		must(t, z.Close())
		check("files", "x.zip", b.String(), ErrFile, "too many files")
		free = 513 << 20
		check("disk", "x.mbox", one, ErrDisk, "")
		free = 100 << 20
		check("full disk", "x.mbox", one, ErrDisk, "")
		free = 1 << 40
		im, err := s.Begin("a", "test")
		must(t, err)
		if err := im.Receive(io.MultiReader(strings.NewReader(one), failing{}), 1000); err != errBroken {
			t.Error(err)
		}
		im.Drop()
		for range 10 {
			im, err := begin(t, s, "a", "x.mbox", one)
			must(t, err)
			follow(t, im, 0)
		}
		s.mu.Lock()
		if len(s.all) > keptEach {
			t.Errorf("%d are kept", len(s.all))
		}
		s.mu.Unlock()
		s.Close()
		if left, err := os.ReadDir(s.c.Dir); err != nil || len(left) > 0 {
			t.Errorf("left behind: %v %v", left, err)
		}
		for quota, want := range map[int64]int64{0: 20 << 30, 1 << 30: 2<<30 + 64<<20, 10 << 30: 20 << 30, 1 << 62: 20 << 30} {
			if got := s.Most(quota); got != want {
				t.Errorf("with a quota of %d: %d", quota, got)
			}
		}
	})
}

var errBroken = errors.New("broken")

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errBroken }

const domains = `Domains:
	mox.example: nil
Accounts:
	a:
		Domain: mox.example
		Destinations:
			a@mox.example: nil
	mjl:
		Domain: mox.example
		Destinations:
			mjl@mox.example: nil
`

// halfway is a source that waits, after some messages, until it is ended.
type halfway struct {
	transfer.Source
	after int
}

func (h halfway) Send(ctx context.Context, r transfer.Receiver) error {
	return h.Source.Send(ctx, &halfwayReceiver{Receiver: r, ctx: ctx, left: h.after})
}

type halfwayReceiver struct {
	transfer.Receiver
	ctx  context.Context
	left int
}

func (h *halfwayReceiver) Message(m *transfer.Message) error {
	if h.left--; h.left < 0 {
		<-h.ctx.Done()
	}
	return h.Receiver.Message(m)
}

// TestGoesOn: an import that is stopped has added some, and the same once more adds the rest.
func TestGoesOn(t *testing.T) {
	f := storetest.New(t, domains)
	acc, err := f.Store.Account(t.Context(), "a")
	must(t, err)
	defer acc.Release()
	wait := true
	s := newImports(t, func(ctx context.Context, _ admin.Actor, _ string, src transfer.Source, o transfer.Options) (transfer.Result, error) {
		if wait {
			src = halfway{src, 1200}
		}
		return transfer.Import(ctx, acc, src, o)
	}, func(c *Config) { c.Limits.Transfer.Expanded = 1 << 20 })
	defer s.Close()
	var b strings.Builder
	for i := range 2000 {
		fmt.Fprintf(&b, "From x Thu Jan  1 00:00:00 2015\nMessage-ID: <%d@example.org>\n\ntext\n\n", i)
	}
	im, err := begin(t, s, "a", "Old.mbox", b.String())
	must(t, err)
	var end Event
	err = im.Follow(t.Context(), 0, func(e Event) error {
		if e.Name == "count" {
			err = s.Abort("a", im.Token())
		}
		end = e
		return err
	}, func() error { return nil })
	must(t, err)
	aborted, ok := end.Data.(Aborted)
	if !ok || aborted.Message != "" || aborted.Added == 0 || aborted.Added >= 1300 {
		t.Fatalf("%+v", end)
	}
	wait = false
	im, err = begin(t, s, "a", "Old.mbox", b.String())
	must(t, err)
	all := follow(t, im, 0)
	want := fmt.Sprintf("0 done {Result:{Added:%d Duplicates:%d ", 2000-aborted.Added, aborted.Added)
	if got := all[len(all)-1]; !strings.HasPrefix(got, want) || !strings.Contains(strings.Join(all, "\n"), "count {Mailbox:Old Count:2000}") {
		t.Errorf("%q, want %q", all, want)
	}
	if m, ok := acc.MailboxByName("Old"); !ok || m.Messages != 2000 {
		t.Errorf("%+v", m)
	}

	// A bomb ends.
	var bomb bytes.Buffer
	z := zip.NewWriter(&bomb)
	w, err := z.Create("Bomb.mbox")
	must(t, err)
	_, err = io.WriteString(w, one+strings.Repeat("\n", 10<<20))
	must(t, errors.Join(err, z.Close()))
	im, err = begin(t, s, "a", "x.zip", bomb.String())
	must(t, err)
	all = follow(t, im, 0)
	if got := strings.Join(all, "\n"); !strings.Contains(got, "more comes out of the archive than is allowed") {
		t.Errorf("bomb: %s", got)
	}
}
