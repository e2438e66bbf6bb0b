package deliver

import (
	"errors"
	"fmt"
	"strings"

	"mox/smtp"
	"mox/store"
)

// collect makes results for recipients of those of jobs.
func collect(jobs []*job, results []error) {
	ok := make([]bool, len(results))
	for _, j := range jobs {
		for _, i := range j.rcpts {
			if j.err == nil {
				ok[i] = true
			} else if results[i] == nil || !results[i].(*smtp.Error).Permanent() {
				results[i] = j.err
			}
		}
	}
	served := make([]bool, len(results))
	for _, j := range jobs {
		for _, i := range j.rcpts {
			served[i] = true
		}
	}
	for i := range results {
		switch {
		case ok[i]:
			results[i] = nil
		case !served[i]:
			results[i] = smtp.Errorf(550, "5.1.1", "alias without members")
		}
	}
}

// Error returns an error of store as the reply to give, with it as cause.
func Error(err error) *smtp.Error {
	var e *smtp.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &e):
		return e
	case errors.Is(err, store.ErrQuota):
		return smtp.WrapErrorf(err, 452, "4.2.2", "mailbox is full")
	case errors.Is(err, store.ErrDiskFull):
		return smtp.WrapErrorf(err, 452, "4.3.1", "insufficient storage")
	case errors.Is(err, store.ErrTooLarge):
		return smtp.WrapErrorf(err, 552, "5.3.4", "message too large")
	}
	return smtp.WrapErrorf(err, 451, "4.3.0", "error delivering, try again later")
}

// Merge makes one result of those of all recipients, for protocols that have no more.
// Nil only if all are: who is told of success owns the message no more.
func Merge(rcpts []Recipient, results []error) error {
	var failed []*smtp.Error
	var lines []string
	same, temporary := true, false
	for i, err := range results {
		if err == nil {
			continue
		}
		e := smtp.AsError(err)
		failed = append(failed, e)
		lines = append(lines, fmt.Sprintf("<%s>: %d %s %s", rcpts[i].To, e.Code, e.Enhanced, e.Text))
		same = same && e.Code == failed[0].Code && e.Enhanced == failed[0].Enhanced && e.Text == failed[0].Text
		temporary = temporary || !e.Permanent()
	}
	switch {
	case len(failed) == 0:
		return nil
	case len(failed) == len(results) && same:
		return failed[0]
	case len(failed) == len(results) && !allTemporary(failed):
		return smtp.Errorf(554, "5.0.0", "failed for all recipients:\n%s", strings.Join(lines, "\n"))
	case temporary:
		return smtp.Errorf(451, "4.3.0", "failed for some recipients, to be sent again:\n%s", strings.Join(lines, "\n"))
	}
	return smtp.Errorf(554, "5.0.0", "delivered, except to these recipients:\n%s", strings.Join(lines, "\n"))
}

func allTemporary(l []*smtp.Error) bool {
	for _, e := range l {
		if e.Permanent() {
			return false
		}
	}
	return true
}
