package store

import (
	"context"
	"errors"
	"strings"
	"testing"
)

// TestReplace: the old message goes as the new one comes, or nothing happens.
func TestReplace(t *testing.T) {
	ctx := context.Background()
	s := newStore(t, t.TempDir(), Options{})
	a := testAccount(t, s, "mjl")
	in := inbox(t, a)
	arch, _ := a.MailboxByName("Archive")
	add(t, a, in, mail(1), mail(2), mail(3))
	box, err := a.OpenBox(ctx, in)
	if err != nil {
		t.Fatal(err)
	}
	defer box.Close()
	before := box.View()

	r, err := a.Replace(ctx, in, 2, in, NewMessage{Spool: spool(t, s, mail(4)), Flags: FlagDraft})
	if err != nil {
		t.Fatal(err)
	}
	v := box.View()
	if d := before.Diff(v); len(d.Expunged) != 1 || d.Expunged[0] != 1 || d.Added != 1 || v.ModSeq != r.ModSeq || v.At(2).ModSeq != r.ModSeq || v.At(2).UID != 4 || v.At(2).Flags != FlagDraft {
		t.Errorf("after replacing: %+v, view modseq %d, added %+v", d, v.ModSeq, r)
	}
	if gone, err := a.Vanished(ctx, in, before.ModSeq); err != nil || gone.String() != "2" {
		t.Errorf("vanished %v, %v", gone, err)
	}
	if _, err := a.Replace(ctx, in, 1, arch.ID, NewMessage{Spool: spool(t, s, mail(5))}); err != nil {
		t.Fatal(err)
	}
	// The same content again shares the body.
	if r, err = a.Replace(ctx, in, 3, in, NewMessage{Spool: spool(t, s, mail(3))}); err != nil || body(t, a, r.Bodies[0]) != mail(3) {
		t.Errorf("replacing by the same: %v", err)
	}
	for _, tc := range []struct {
		name     string
		uid      UID
		dst      MailboxID
		want     error
		quota    int64
		contents string
	}{
		{"no message", 2, in, ErrNoMessage, 0, mail(6)},
		{"no mailbox", 4, 99, ErrNoMailbox, 0, mail(6)},
		{"quota", 4, in, ErrQuota, a.Quota().Used, mail(6) + "more"},
		{"quota, large", 4, in, ErrQuota, a.Quota().Used + 1000, "Subject: x\r\n\r\n" + strings.Repeat("x", 5<<20)},
	} {
		t.Run(tc.name, func(t *testing.T) {
			a.SetQuota(tc.quota)
			was, q := box.View(), a.Quota()
			if _, err := a.Replace(ctx, in, tc.uid, tc.dst, NewMessage{Spool: spool(t, s, tc.contents)}); !errors.Is(err, tc.want) {
				t.Errorf("error %v, want %v", err, tc.want)
			}
			if now := a.Quota(); box.View() != was || now != q {
				t.Errorf("something changed: %+v", now)
			}
		})
	}
	// With the quota used up, what is not larger fits.
	a.SetQuota(a.Quota().Used)
	if _, err := a.Replace(ctx, in, 4, in, NewMessage{Spool: spool(t, s, mail(7))}); err != nil {
		t.Error(err)
	}
	if problems, err := a.CheckDeep(ctx); err != nil || problems != nil {
		t.Errorf("check: %v %v", problems, err)
	}
}
