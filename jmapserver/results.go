package jmapserver

import (
	"slices"
	"sync"
)

// maxResults is how many queries have their results kept, of one moment of an account.
const maxResults = 4

// results are those of queries, so that going through pages does not find and sort all again.
type results struct {
	mu  sync.Mutex
	all []result // the latest last
}

type result struct {
	key  string
	list []*email
}

func (r *results) get(key string) ([]*email, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, v := range r.all {
		if v.key == key {
			return v.list, true
		}
	}
	return nil, false
}

func (r *results) put(key string, list []*email) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.all) == maxResults {
		r.all = slices.Delete(r.all, 0, 1)
	}
	r.all = append(r.all, result{key, list})
}
