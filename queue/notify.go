package queue

import (
	"fmt"
	"strings"

	"mox/smtp"
)

var notifyBits = []smtp.Notify{smtp.NotifyNever, smtp.NotifySuccess, smtp.NotifyFailure, smtp.NotifyDelay}

// parseNotify parses what Notify.String printed; "" is 0.
func parseNotify(s string) (smtp.Notify, error) {
	var n smtp.Notify
	if s == "" {
		return 0, nil
	}
	for word := range strings.SplitSeq(s, ",") {
		found := false
		for _, bit := range notifyBits {
			if word == bit.String() {
				n |= bit
				found = true
			}
		}
		if !found {
			return 0, fmt.Errorf("%w: unknown notification %q", ErrInvalid, word)
		}
	}
	return n, nil
}

// parseORcpt parses a type and an address separated by a semicolon.
func parseORcpt(s string) smtp.ORcpt {
	typ, addr, _ := strings.Cut(s, ";")
	return smtp.ORcpt{Type: typ, Address: addr}
}
