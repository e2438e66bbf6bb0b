package queue

import "sync"

// maxWatched bounds messages whose end is remembered, the latest.
const maxWatched = 200

// watched remembers how messages ended that somebody follows, for accounts that keep no history.
// Its zero value is ready. It is safe for concurrent use.
type watched struct {
	mu    sync.Mutex
	ended map[int64]*RetiredMessage // nil: not yet
	order []int64
}

// Watch has the end of a message remembered, for [Queue.Ended], until the server stops or many others are watched.
func (q *Queue) Watch(id int64) {
	w := &q.watched
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ended == nil {
		w.ended = map[int64]*RetiredMessage{}
	}
	if _, ok := w.ended[id]; ok {
		return
	}
	w.ended[id] = nil
	w.order = append(w.order, id)
	if len(w.order) > maxWatched {
		delete(w.ended, w.order[0])
		w.order = w.order[1:]
	}
}

// end notes how a message ends, if it is watched. The commit may still fail: then it is in the queue.
func (w *watched) end(m *Message, event string, success bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, ok := w.ended[m.ID]; ok {
		w.ended[m.ID] = &RetiredMessage{Message: *m, Success: success, Event: event}
	}
}

// get returns how a message ended, nil if that is not known.
func (w *watched) get(id int64) *RetiredMessage {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.ended[id]
}
