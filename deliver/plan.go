package deliver

import (
	"slices"
	"sync"

	"mox/smtp"
)

// job is a message for one account.
type job struct {
	target Target
	to     smtp.Path // as in RCPT
	params smtp.RcptParams
	rcpts  []int // recipients that it is for
	done   bool  // it was delivered before
	Judgment
	err error
}

// each calls f for each job that is to be done, some at a time.
func each(jobs []*job, f func(*job)) {
	if len(jobs) == 1 {
		if !jobs[0].done {
			f(jobs[0])
		}
		return
	}
	var wg sync.WaitGroup
	slots := make(chan struct{}, parallel)
	for _, j := range jobs {
		if j.done {
			continue
		}
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			f(j)
		})
	}
	wg.Wait()
}

// plan returns what to deliver: each address once, whether it is a recipient itself or
// through aliases, and in however many ways it was written.
func plan(s *seen, rcpts []Recipient) []*job {
	type key struct {
		account string
		base    smtp.Address
	}
	var jobs []*job
	known := map[key]*job{}
	add := func(i int, t Target) {
		k := key{t.Account, t.Base}
		if j, ok := known[k]; ok {
			j.rcpts = append(j.rcpts, i)
			return
		}
		j := &job{target: t, to: rcpts[i].To, params: rcpts[i].Params, rcpts: []int{i}}
		known[k] = j
		jobs = append(jobs, j)
	}
	for i, r := range rcpts {
		if r.Target.Alias == nil {
			add(i, r.Target)
		}
	}
	for i, r := range rcpts {
		if r.Target.Alias == nil {
			continue
		}
		all := members(r.Target.Alias)
		for _, t := range all {
			// Who wrote the message has it, unless it would then go to nobody.
			if len(all) == 1 || !slices.Contains(s.author(), t.Base) {
				add(i, t)
			}
		}
	}
	return jobs
}
