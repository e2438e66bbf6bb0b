package junk

import "context"

// turnExamples is how many examples a turn of each kind of work makes or takes back: those
// who judge wait for about as long.
const turnExamples = 12

// work does a bounded piece of the account's work in the background.
func (a *account) work(ctx context.Context) (more bool, err error) {
	if err := a.lock(ctx); err != nil {
		return false, err
	}
	defer a.unlock()
	if a.bad.Load() {
		if err := a.repair(ctx); err != nil {
			return false, err
		}
	}
	for _, step := range []func(context.Context) (bool, error){a.stepOutgoing, a.stepParams, a.stepFollow, a.stepCompare, a.stepRemake, a.stepLoad} {
		again, err := step(ctx)
		if err != nil {
			return false, a.note(err)
		}
		more = more || again
	}
	a.finishJobs()
	return more, nil
}

// stepOutgoing writes what was sent.
func (a *account) stepOutgoing(ctx context.Context) (bool, error) {
	return false, a.outgoing.flush(ctx, a)
}
