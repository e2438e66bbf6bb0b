package imapimport

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"
)

// Options are those of a run. The zero value of all but Login is usable.
type Options struct {
	Login   Login
	Mapping Mapping
	// Delete deletes here what was taken over and is gone in the source since. Not in mailboxes
	// that several of the source go to.
	Delete bool
	// Verify compares all messages at the end.
	Verify bool
	// MaxMessage is the octets of a message; larger ones are left out. Default 512 MiB.
	MaxMessage int64
	// Attempts is how often a connection is made without getting anywhere. Default 8, with
	// Backoff before the second, and twice as long before each further. Default 2 s.
	Attempts int
	Backoff  time.Duration

	// Progress is told how far a mailbox is; Problem of what is left out, and of connections
	// that are made again. They may be nil.
	Progress func(Progress)
	Problem  func(text string)
}

// Progress is how far a mailbox is.
type Progress struct {
	Mailbox     string // of the source
	Done, Total int    // messages to fetch
}

// MailboxResult is what was done for a mailbox.
type MailboxResult struct {
	Source, Mailbox string        // its name there and here
	Messages        int           // in the source
	Added           int           // messages
	Present         int           // that were here already, and in no record
	Flags           int           // messages whose flags were changed
	Deleted         int           // messages
	Problems        int           // messages that were left out
	Bytes           int64         // of messages added
	Verified        *Verification `json:",omitempty"`
	Error           string        `json:",omitempty"` // that ended it
}

// Result is what was done for an account.
type Result struct {
	Mailboxes []MailboxResult
	// Totals of the mailboxes.
	Messages, Added, Present, Flags, Deleted, Problems int
	Bytes                                              int64
	Missing, Differing                                 int // of verification
	Failed                                             int // mailboxes
}

// run is one run for an account.
type run struct {
	o      Options
	src    *server
	target Target
	res    Result
}

// Run takes an account over. What was done before an error stays, and is in the result. An
// error of a mailbox that is not of the connection or the account does not end the run: it is
// in its result.
func Run(ctx context.Context, target Target, o Options) (Result, error) {
	o.MaxMessage = cmp.Or(o.MaxMessage, 512<<20)
	r := &run{o: o, target: target}
	r.src = &server{login: o.Login, trouble: r.problem, backoff: cmp.Or(o.Backoff, 2*time.Second), tries: cmp.Or(o.Attempts, 8)}
	defer r.src.close()
	folders, err := r.folders(ctx)
	for _, f := range folders {
		if err != nil {
			break
		}
		err = r.take(ctx, f)
	}
	if err == nil {
		r.src.logout()
	}
	return r.res, err
}

// take takes a mailbox over.
func (r *run) take(ctx context.Context, f *folder) error {
	res := MailboxResult{Source: f.name, Mailbox: f.target}
	s := &syncing{r: r, f: f, res: &res}
	err := s.run(ctx)
	if err == nil && r.o.Verify {
		err = s.verify(ctx)
	}
	if err != nil {
		err = fmt.Errorf("mailbox %q: %w", f.name, err)
		res.Error = err.Error()
		r.res.Failed++
	}
	r.add(res)
	if err != nil && ctx.Err() == nil && ofMailbox(err) {
		r.problem(err.Error())
		return nil
	}
	return err
}

// ofMailbox tells that others may go well: the source refused something.
func ofMailbox(err error) bool {
	var this *receiverError
	return !errors.As(err, &this) && (isRefusal(err) || errors.Is(err, errRenewed))
}

// add adds a mailbox to the result.
func (r *run) add(m MailboxResult) {
	t := &r.res
	t.Mailboxes = append(t.Mailboxes, m)
	t.Messages, t.Added, t.Present, t.Flags = t.Messages+m.Messages, t.Added+m.Added, t.Present+m.Present, t.Flags+m.Flags
	t.Deleted, t.Problems, t.Bytes = t.Deleted+m.Deleted, t.Problems+m.Problems, t.Bytes+m.Bytes
	if v := m.Verified; v != nil {
		t.Missing, t.Differing = t.Missing+v.Missing, t.Differing+v.FlagsDiffer
	}
}

func (r *run) problem(text string) {
	if r.o.Problem != nil {
		r.o.Problem(text)
	}
}

func (r *run) progress(p Progress) {
	if r.o.Progress != nil {
		r.o.Progress(p)
	}
}

// mailbox returns a mailbox here, nil when there is none.
func (r *run) mailbox(ctx context.Context, name string) (*Mailbox, error) {
	list, err := r.target.Mailboxes(ctx)
	if err != nil {
		return nil, err
	}
	for i := range list {
		if list[i].Name == name {
			return &list[i], nil
		}
	}
	return nil, nil
}

func (r *run) stateName(f *folder) string {
	return stateName(r.o.Login.Host, r.o.Login.User, f.name, f.target)
}
