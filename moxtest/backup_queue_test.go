package moxtest_test

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"mox/backup"
	"mox/moxtest"
	"mox/queue"
	"mox/smtp"
	"mox/store"
)

// TestBackupQueue makes backups while mail moves from the queue to an account: what was queued
// before is in the queue or in the account of each, not in both and not in neither.
func TestBackupQueue(t *testing.T) {
	ctx := context.Background()
	s := moxtest.New(t, moxtest.WithoutNetwork())
	addr, err := smtp.ParseAddress("mox@" + moxtest.Domain)
	if err != nil {
		t.Fatal(err)
	}
	var added atomic.Int64
	var stop atomic.Bool
	var wg sync.WaitGroup
	wg.Go(func() {
		for n := 1; !stop.Load(); n++ {
			msg := fmt.Sprintf("From: a@remote.example\r\nMessage-ID: <%d@q.example>\r\n\r\nText.\r\n", n)
			_, err := s.Queue.Add(ctx, queue.Content{Body: strings.NewReader(msg), Size: int64(len(msg))},
				[]queue.Message{{Sender: addr.Path(), Recipient: addr.Path(), Local: true, MessageID: fmt.Sprintf("<%d@q.example>", n)}})
			if err != nil {
				t.Error(err)
				return
			}
			added.Store(int64(n))
		}
	})
	for round := range 4 {
		time.Sleep(100 * time.Millisecond)
		before := added.Load()
		root := filepath.Join(t.TempDir(), "copy")
		d, err := backup.CreateDir(root, "x", time.Now())
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Admin.BackupSource().Send(ctx, d); err != nil {
			t.Fatal(err)
		}
		queued, delivered := mailOf(t, filepath.Join(root, "data"))
		both := 0
		for n := int64(1); n <= before; n++ {
			id := fmt.Sprintf("<%d@q.example>", n)
			if !queued[id] && !delivered[id] {
				t.Errorf("round %d: message %d of %d is lost", round, n, before)
			}
			if queued[id] && delivered[id] {
				both++
				t.Errorf("round %d: message %d is twice", round, n)
			}
		}
		t.Logf("round %d: %d queued before, %d in the queue, %d delivered, %d in both", round, before, len(queued), len(delivered), both)
	}
	stop.Store(true)
	wg.Wait()
}

// mailOf returns the Message-IDs of what is in the queue and in the account of a backup.
func mailOf(t *testing.T, data string) (queued, delivered map[string]bool) {
	t.Helper()
	ctx := context.Background()
	queued, delivered = map[string]bool{}, map[string]bool{}
	q, err := queue.Open(filepath.Join(data, queue.FileName), queue.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	l, err := q.List(ctx, queue.Filter{}, queue.Sort{})
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range l {
		queued[m.MessageID] = true
	}
	st, err := store.Open(data, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	acc, err := st.Account(ctx, "mox")
	if err != nil {
		t.Fatal(err)
	}
	defer acc.Release()
	box, _ := acc.MailboxByName("Inbox")
	msgs, err := acc.MessagesAt(ctx, box.ID, store.AllUIDs())
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range msgs {
		b, err := acc.OpenBody(ctx, m.Body)
		if err != nil {
			t.Fatal(err)
		}
		var text strings.Builder
		if _, err := b.WriteTo(&text); err != nil {
			t.Fatal(err)
		}
		b.Close()
		_, rest, _ := strings.Cut(text.String(), "\r\nMessage-ID: ")
		id, _, _ := strings.Cut(rest, "\r\n")
		delivered[id] = true
	}
	return queued, delivered
}
