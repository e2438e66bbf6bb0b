package deliver

import (
	"context"
	"strconv"
	"strings"
	"time"

	"mox/smtp"
)

// Simulated is the outcome that a localpart asks for, in a server that is for trying
// things out: it ends with "temperror" (451), "permerror" (550), "timeout" (nothing
// for an hour, then 451), or with a reply code from 400 to 599. Nil: none.
//
// It waits, for "timeout", until ctx ends at most.
func Simulated(ctx context.Context, l smtp.Localpart) error {
	s := strings.ToLower(string(l))
	switch {
	case strings.HasSuffix(s, "temperror"):
		return smtp.Errorf(451, "4.3.0", "simulated temporary error")
	case strings.HasSuffix(s, "permerror"):
		return smtp.Errorf(550, "5.7.0", "simulated permanent error")
	case strings.HasSuffix(s, "timeout"):
		t := time.NewTimer(time.Hour)
		defer t.Stop()
		select {
		case <-t.C:
		case <-ctx.Done():
		}
		return smtp.Errorf(451, "4.4.2", "simulated timeout")
	}
	if len(s) < 3 {
		return nil
	}
	code, err := strconv.Atoi(s[len(s)-3:])
	if err != nil || code < 400 || code > 599 {
		return nil
	}
	return smtp.Errorf(code, strconv.Itoa(code/100)+".0.0", "simulated reply %d", code)
}

// SimulatedAt is Simulated for a localpart that asks for its outcome at a command:
// with the prefix "mailfrom" at MAIL, "rcptto" at RCPT, and none after the data.
func SimulatedAt(ctx context.Context, prefix string, l smtp.Localpart) error {
	early := ""
	for _, p := range []string{"mailfrom", "rcptto"} {
		if strings.HasPrefix(strings.ToLower(string(l)), p) {
			early = p
		}
	}
	if early != prefix {
		return nil
	}
	return Simulated(ctx, l)
}

// SimulatedData is the outcome that the sender or a recipient asks for after the data.
func SimulatedData(ctx context.Context, from smtp.Path, rcpts []Recipient) error {
	if err := SimulatedAt(ctx, "", from.Localpart); err != nil {
		return err
	}
	for _, r := range rcpts {
		if err := SimulatedAt(ctx, "", r.To.Localpart); err != nil {
			return err
		}
	}
	return nil
}
