package webapiserver

import (
	"context"
	"errors"

	"mox/queue"
	"mox/smtp"
	"mox/webapi"
)

// Suppressions has the suppression lists of accounts. It is a *queue.Queue.
type Suppressions interface {
	SuppressionList(ctx context.Context, account string) ([]queue.Suppression, error)
	SuppressionAdd(ctx context.Context, account string, address smtp.Path, manual bool, reason string) (queue.Suppression, error)
	SuppressionRemove(ctx context.Context, account string, address smtp.Path) error
	SuppressionLookup(ctx context.Context, account string, address smtp.Path) (*queue.Suppression, error)
}

// errNoSuppressions: this server has no queue.
var errNoSuppressions = userError("this server has no suppression list")

func (c *call) suppressions() (Suppressions, error) {
	if c.s.c.Suppressions == nil {
		return nil, errNoSuppressions
	}
	return c.s.c.Suppressions, nil
}

// suppression returns the list that an address is on, or is to be.
func (c *call) suppression(address string) (Suppressions, smtp.Path, error) {
	l, err := c.suppressions()
	if err != nil {
		return nil, smtp.Path{}, err
	}
	addr, err := parseAddress(address)
	return l, addr.Path(), err
}

// suppressionError makes of an error of the queue what the caller is told.
func suppressionError(err error) error {
	switch {
	case errors.Is(err, queue.ErrNotFound):
		return userError("the address is not on the suppression list")
	case errors.Is(err, queue.ErrExists):
		return userError("the address is on the suppression list already")
	case errors.Is(err, queue.ErrInvalid), errors.Is(err, queue.ErrLimit):
		return userError("%v", err)
	}
	return err
}

func (c *call) suppressionList(ctx context.Context, _ *webapi.SuppressionListRequest) (webapi.SuppressionListResult, error) {
	result := webapi.SuppressionListResult{Suppressions: []webapi.Suppression{}}
	l, err := c.suppressions()
	if err != nil {
		return result, err
	}
	all, err := l.SuppressionList(ctx, c.who.Account)
	for _, s := range all {
		result.Suppressions = append(result.Suppressions, webapi.Suppression(s))
	}
	return result, suppressionError(err)
}

func (c *call) suppressionAdd(ctx context.Context, r *webapi.SuppressionAddRequest) (webapi.SuppressionAddResult, error) {
	var result webapi.SuppressionAddResult
	l, addr, err := c.suppression(r.EmailAddress)
	if err != nil {
		return result, err
	}
	if len(r.Reason) > c.s.c.Limits.Header {
		return result, userError("Reason of more than %d octets", c.s.c.Limits.Header)
	}
	_, err = l.SuppressionAdd(ctx, c.who.Account, addr, r.Manual, r.Reason)
	return result, suppressionError(err)
}

func (c *call) suppressionRemove(ctx context.Context, r *webapi.SuppressionRemoveRequest) (webapi.SuppressionRemoveResult, error) {
	var result webapi.SuppressionRemoveResult
	l, addr, err := c.suppression(r.EmailAddress)
	if err != nil {
		return result, err
	}
	return result, suppressionError(l.SuppressionRemove(ctx, c.who.Account, addr))
}

func (c *call) suppressionPresent(ctx context.Context, r *webapi.SuppressionPresentRequest) (webapi.SuppressionPresentResult, error) {
	var result webapi.SuppressionPresentResult
	l, addr, err := c.suppression(r.EmailAddress)
	if err != nil {
		return result, err
	}
	found, err := l.SuppressionLookup(ctx, c.who.Account, addr)
	if errors.Is(err, queue.ErrNotFound) {
		return result, nil
	}
	result.Present = found != nil
	return result, suppressionError(err)
}
