package jmapserver

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"

	"mox/atomicfile"
	"mox/jmap"
	"mox/store"
)

// pushIndex is the file that has the accounts with push subscriptions, so that these are known without opening all accounts. What
// is in it may be older than what was told, as after a crash: then something is told twice.
type pushIndex struct {
	Accounts map[string]store.ModSeq `json:"accounts"` // and up to where changes were told
}

// load reads the index, and tells whether there is one.
func (p *Pushes) load() bool {
	b, err := os.ReadFile(p.c.Index)
	if errors.Is(err, fs.ErrNotExist) {
		return false
	}
	var index pushIndex
	if err == nil {
		err = json.Unmarshal(b, &index)
	}
	if err != nil {
		p.c.Log.Error("index of push subscriptions cannot be read and is made anew", "err", err)
		return false
	}
	for name, since := range index.Accounts {
		p.followed[name] = &pushedAccount{since: since, subs: map[jmap.ID]*pushState{}}
	}
	return true
}

// begin has all accounts looked at that have subscriptions. Without index all accounts are asked, one after the other.
func (p *Pushes) begin(ctx context.Context) {
	p.mu.Lock()
	ready := p.ready
	for name := range p.followed {
		p.touch(name, p.c.Now())
	}
	p.mu.Unlock()
	if ready {
		return
	}
	names, err := p.c.Store.Names()
	if err != nil {
		p.c.Log.Error("looking for push subscriptions", "err", err)
		return
	}
	for _, name := range names {
		if ctx.Err() != nil {
			return // there is still no index
		}
		if has, err := p.has(ctx, name); err != nil {
			p.c.Log.Error("looking for push subscriptions", "err", err, "account", name)
		} else if has {
			p.follow(name)
		}
	}
	p.mu.Lock()
	p.ready = true
	p.mu.Unlock()
	p.save()
}

func (p *Pushes) has(ctx context.Context, name string) (bool, error) {
	acc, err := p.c.Store.Account(ctx, name)
	if err != nil {
		return false, err
	}
	defer acc.Release()
	all, err := acc.Settings(ctx, keptPush.prefix)
	return len(all) > 0, err
}

// save writes the index.
func (p *Pushes) save() {
	p.saving.Lock()
	defer p.saving.Unlock()
	p.mu.Lock()
	index := pushIndex{map[string]store.ModSeq{}}
	for name, f := range p.followed {
		index.Accounts[name] = f.since
	}
	ready := p.ready
	p.dirty = p.dirty && !ready
	p.mu.Unlock()
	if !ready {
		return
	}
	b, err := json.Marshal(&index)
	if err == nil {
		err = atomicfile.Write(p.c.Index, b, 0o660)
	}
	if err != nil {
		p.c.Log.Error("writing index of push subscriptions", "err", err)
	}
}
