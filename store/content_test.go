package store

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// contents is what mailboxes have of contents: flags by mailbox.
func contents(t *testing.T, a *Account) map[BodyID]string {
	t.Helper()
	all := map[BodyID]string{}
	for _, mb := range a.Mailboxes() {
		msgs, err := a.MessagesAt(context.Background(), mb.ID, AllUIDs())
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range msgs {
			all[m.Body] += fmt.Sprintf("%s:%v%v ", mb.Name, (m.Flags).Names(), a.Keywords(m.Keywords))
		}
	}
	return all
}

// contentModel is what should become of contents: the mailboxes of each, and flags and keywords of all its messages.
type contentModel struct {
	boxes map[BodyID][]string
	flags map[BodyID][]string
}

func (m *contentModel) String(id BodyID) string {
	var b strings.Builder
	for _, box := range m.boxes[id] {
		fmt.Fprintf(&b, "%s:%s ", box, m.flags[id])
	}
	return b.String()
}

// TestChangeContents makes random changes, and compares with a model.
func TestChangeContents(t *testing.T) {
	s := newStore(t, t.TempDir(), Options{})
	a := testAccount(t, s, "a")
	ctx := context.Background()
	names := []string{"Inbox", "Archive", "Drafts", "Sent"}
	ids := map[string]MailboxID{}
	for _, mb := range a.Mailboxes() {
		ids[mb.Name] = mb.ID
	}
	m := &contentModel{map[BodyID][]string{}, map[BodyID][]string{}}
	var bodies []BodyID
	for i := range 20 {
		id, err := a.AddContent(ctx, []MailboxID{ids["Inbox"], ids["Sent"]}, NewMessage{Spool: spool(t, s, "Message-ID: <"+fmt.Sprint(i)+"@x>\r\n\r\n"+mail(i))})
		if err != nil {
			t.Fatal(err)
		}
		bodies = append(bodies, id)
		m.boxes[id] = []string{"Inbox", "Sent"}
	}
	r := rand.New(rand.NewPCG(1, 2))
	pick := func() (l []string) {
		for _, n := range names {
			if r.IntN(2) == 0 {
				l = append(l, n)
			}
		}
		return l
	}
	order := func(l []string) []string {
		slices.SortFunc(l, func(x, y string) int { return int(ids[x]) - int(ids[y]) })
		l = slices.Compact(l)
		// As Mailboxes has them: by name, Inbox first.
		slices.SortFunc(l, func(x, y string) int {
			if x == "Inbox" || y == "Inbox" {
				return map[bool]int{true: -1, false: 1}[x == "Inbox"]
			}
			return strings.Compare(x, y)
		})
		return l
	}
	for range 400 {
		var changes []ContentChange
		next := &contentModel{map[BodyID][]string{}, map[BodyID][]string{}}
		for k := range m.boxes {
			next.boxes[k], next.flags[k] = m.boxes[k], m.flags[k]
		}
		fails := false
		for _, i := range r.Perm(len(bodies))[:1+r.IntN(4)] {
			id := bodies[i]
			c := ContentChange{Bodies: []BodyID{id}, Replace: r.IntN(2) == 0}
			add, remove := pick(), pick()
			after := append([]string{}, add...)
			if !c.Replace {
				after = append(slices.DeleteFunc(slices.Clone(m.boxes[id]), func(n string) bool { return slices.Contains(remove, n) }), add...)
			}
			for _, n := range add {
				c.Add = append(c.Add, ids[n])
			}
			for _, n := range remove {
				c.Remove = append(c.Remove, ids[n])
			}
			var flags []string
			if r.IntN(2) == 0 {
				flags = []string{"$Forwarded"}
				c.Flags = []FlagChange{{Op: FlagsReplace, Flags: FlagForwarded}}
			} else {
				c.Flags = []FlagChange{{Op: FlagsReplace}}
			}
			fails = fails || len(after) == 0
			next.boxes[id], next.flags[id] = order(after), flags
			changes = append(changes, c)
		}
		before := a.ModSeq()
		_, err := a.ChangeContents(ctx, changes)
		if fails != errors.Is(err, ErrNowhere) || !fails && err != nil {
			t.Fatal(fails, err)
		}
		if n := a.ModSeq() - before; n > 1 {
			t.Fatal(n, "operations")
		}
		if !fails {
			m = next
		}
		got := contents(t, a)
		for _, id := range bodies {
			want := strings.ReplaceAll(m.String(id), "[] ", "[][] ")
			want = strings.ReplaceAll(want, "[$Forwarded] ", "[$Forwarded][] ")
			if got[id] != want {
				t.Fatalf("body %d: got %q, want %q", id, got[id], want)
			}
		}
	}
	mustCheck(t, a)
	if _, err := a.ChangeContents(ctx, []ContentChange{{Bodies: bodies, Destroy: true}}); err != nil {
		t.Fatal(err)
	}
	if _, err := a.ChangeContents(ctx, []ContentChange{{Bodies: bodies[:1], Destroy: true}}); !errors.Is(err, ErrNoMessage) {
		t.Error(err)
	}
	if got := contents(t, a); len(got) != 0 {
		t.Error(got)
	}
	mustCheck(t, a)
}

// A moved message keeps its id; what is flagged \Deleted does not count; equal content is refused.
func TestContentIDs(t *testing.T) {
	s := newStore(t, t.TempDir(), Options{})
	a := testAccount(t, s, "a")
	ctx := context.Background()
	archive, _ := a.MailboxByName("Archive")
	text := "Message-ID: <a@b>\r\n\r\ntext\r\n"
	body, err := a.AddContent(ctx, []MailboxID{inbox(t, a)}, NewMessage{Spool: spool(t, s, text)})
	if err != nil {
		t.Fatal(err)
	}
	var dup *DuplicateError
	if _, err := a.AddContent(ctx, []MailboxID{archive.ID}, NewMessage{Spool: spool(t, s, text)}); !errors.As(err, &dup) || dup.Body != body {
		t.Error(err)
	}
	before, _ := a.MessagesAt(ctx, inbox(t, a), AllUIDs())
	if _, err := a.ChangeContents(ctx, []ContentChange{{Bodies: []BodyID{body}, Replace: true, Add: []MailboxID{archive.ID}}}); err != nil {
		t.Fatal(err)
	}
	after, _ := a.MessagesAt(ctx, archive.ID, AllUIDs())
	if len(after) != 1 || after[0].ID != before[0].ID {
		t.Errorf("%v %v", before, after)
	}
	if _, err := a.SetFlags(ctx, archive.ID, AllUIDs(), FlagChange{Flags: FlagDeleted}); err != nil {
		t.Fatal(err)
	}
	if _, err := a.ChangeContents(ctx, []ContentChange{{Bodies: []BodyID{body}, Add: []MailboxID{inbox(t, a)}}}); !errors.Is(err, ErrNoMessage) {
		t.Error(err)
	}
	mustCheck(t, a)
}

// Uploads are kept for a while, over a restart, within limits.
func TestUploads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		o := Options{Uploads: UploadLimits{Total: 10 << 20, Count: 3, Least: time.Hour, Most: 5 * time.Hour}}
		s := newStore(t, dir, o)
		a := testAccount(t, s, "a")
		ctx := context.Background()
		large := strings.Repeat("0123456789abcdef", 5<<20/16)
		u, err := a.AddUpload(ctx, "text/plain", strings.NewReader(large), 100<<20)
		if err != nil || u.Size != 5<<20 {
			t.Fatal(u, err)
		}
		check := func(want error) {
			t.Helper()
			r, err := a.OpenUpload(ctx, u.ID)
			if !errors.Is(err, want) {
				t.Fatalf("got %v, want %v", err, want)
			}
			if err != nil {
				return
			}
			defer r.Close()
			var b strings.Builder
			if _, err := r.WriteTo(&b); err != nil || b.String() != large {
				t.Error("other content", err)
			}
		}
		check(nil)
		if _, err := a.AddUpload(ctx, "", strings.NewReader(large+"x"), 100<<20); !errors.Is(err, ErrUploads) {
			t.Error(err)
		}
		if _, err := a.AddUpload(ctx, "", strings.NewReader(large), 5<<20-1); !errors.Is(err, ErrTooLarge) {
			t.Error(err)
		}
		for range 2 {
			if _, err := a.AddUpload(ctx, "", strings.NewReader("x"), 10); err != nil {
				t.Error(err)
			}
		}
		if _, err := a.AddUpload(ctx, "", strings.NewReader("x"), 10); !errors.Is(err, ErrUploads) {
			t.Error(err)
		}
		mustCheck(t, a)
		time.Sleep(2 * time.Hour)
		check(nil)
		// The oldest goes when there is no room.
		if _, err := a.AddUpload(ctx, "", strings.NewReader("x"), 10); err != nil {
			t.Error(err)
		}
		check(ErrNoUpload)
		if u, err = a.AddUpload(ctx, "x/y", strings.NewReader(large), 100<<20); err != nil {
			t.Fatal(err)
		}
		a.Release()
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s = newStore(t, dir, o)
		a = openAccount(t, s, "a")
		check(nil)
		time.Sleep(6 * time.Hour)
		if _, err := a.reapOnce(ctx); err != nil {
			t.Fatal(err)
		}
		check(ErrNoUpload)
		mustCheck(t, a)
	})
}
