package acme

import (
	"context"
	"encoding/json"
	"errors"
)

// ExternalAccount ties an account to one that exists with the provider (RFC 8555 7.3.4).
type ExternalAccount struct {
	KeyID string
	Key   []byte // for HMAC, as decoded from base64url
}

// ErrExternalAccount is for a server that wants an external account where none was given.
var ErrExternalAccount = errors.New("the provider asks for ExternalAccountBinding: get a key id and key from it and configure them")

type accountObject struct {
	Status                 string   `json:"status,omitempty"`
	Contact                []string `json:"contact,omitempty"`
	TermsOfServiceAgreed   bool     `json:"termsOfServiceAgreed,omitempty"`
	ExternalAccountBinding *signed  `json:"externalAccountBinding,omitempty"`
	OnlyReturnExisting     bool     `json:"onlyReturnExisting,omitempty"`
}

// Register makes an account for the key, or finds the one that exists (RFC 8555 7.3), agreeing
// to the terms of service. Contact is an e-mail address or empty; eab may be nil. It returns the
// URL of the account.
func (c *Client) Register(ctx context.Context, contact string, eab *ExternalAccount) (string, error) {
	d, err := c.Directory(ctx)
	if err != nil {
		return "", err
	}
	key, err := jwk(c.Key)
	if err != nil {
		return "", err
	}
	// An account from before, whose URL was lost, needs no new binding.
	if url, err := c.newAccount(ctx, d.NewAccount, key, accountObject{OnlyReturnExisting: true}); err == nil {
		return url, nil
	} else if e, ok := errors.AsType[*Error](err); !ok || !e.HasType("accountDoesNotExist") {
		return "", err
	}
	o := accountObject{TermsOfServiceAgreed: true}
	if contact != "" {
		o.Contact = []string{"mailto:" + contact}
	}
	if eab != nil {
		if o.ExternalAccountBinding, err = bind(eab, d.NewAccount, key); err != nil {
			return "", err
		}
	} else if d.Meta.ExternalAccountRequired {
		return "", ErrExternalAccount
	}
	return c.newAccount(ctx, d.NewAccount, key, o)
}

func (c *Client) newAccount(ctx context.Context, url string, key json.RawMessage, o accountObject) (string, error) {
	a, err := c.postWith(ctx, url, protected{JWK: key}, o)
	if err != nil {
		return "", err
	}
	account := a.resolve(a.header.Get("Location"))
	if account == "" {
		return "", &UnavailableError{errors.New("no URL of the account was given")}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.AccountURL = account
	return account, nil
}

// SetContact changes the address of the account (RFC 8555 7.3.2).
func (c *Client) SetContact(ctx context.Context, contact string) error {
	_, err := c.post(ctx, c.Account(), accountObject{Contact: []string{"mailto:" + contact}})
	return err
}
