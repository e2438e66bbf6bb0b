package queuebox

import (
	"sync"

	"mox/store"
)

// watcher keeps an account open and tells when its user has done something to the mailboxes
// that show messages.
type watcher struct {
	acc  *store.Account
	w    *store.Watch
	stop chan struct{}
	done chan struct{}
	once sync.Once

	mu    sync.Mutex
	boxes map[store.MailboxID]store.ModSeq // as we know them; guarded by mu
}

// watch takes the account, and releases it when closed.
func watch(acc *store.Account, changed func()) *watcher {
	w := &watcher{acc: acc, w: acc.Watch(), stop: make(chan struct{}), done: make(chan struct{})}
	go func() {
		defer close(w.done)
		for w.w.Wait(w.stop) {
			if w.changed() {
				changed()
			}
		}
	}()
	return w
}

// follow sets the mailboxes to look at, with their ModSeq before they were looked at last, and
// tells whether they have changed since, if only by us.
func (w *watcher) follow(boxes map[store.MailboxID]store.ModSeq) bool {
	w.mu.Lock()
	w.boxes = boxes
	w.mu.Unlock()
	return w.changed()
}

// changed tells whether a mailbox is not as it was: other changes of the account, as by
// incoming mail, are no reason to look.
func (w *watcher) changed() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for id, seq := range w.boxes {
		if box, ok := w.acc.MailboxByID(id); !ok || box.ModSeq != seq {
			return true
		}
	}
	return false
}

func (w *watcher) close() {
	w.once.Do(func() {
		close(w.stop)
		<-w.done
		w.w.Close()
		w.acc.Release()
	})
}
