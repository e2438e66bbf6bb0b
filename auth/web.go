package auth

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"golang.org/x/crypto/bcrypt"
)

// Accounts of records of attempts that are no account's.
const (
	NoAccount     = "-"
	Administrator = "(admin)" // the pages for administration
)

// Web checks a login name and password of the form of a page.
func (a *Attempt) Web(ctx context.Context, login, password string) (*Principal, error) {
	return a.Finish(ctx, "WEBLOGIN", login, "", a.Password(ctx, login, password))
}

// Admin checks the password for administration. file is the content of the file that has its bcrypt hash.
func (a *Attempt) Admin(ctx context.Context, file []byte, password string) error {
	a.tries(Administrator + "\x00" + password)
	a.account, a.checked = Account{Name: Administrator}, Mark(file)
	err := a.adminPassword(ctx, file, password)
	a.known = err == nil
	_, err = a.Finish(ctx, "WEBLOGIN", "", "", err)
	return err
}

func (a *Attempt) adminPassword(ctx context.Context, file []byte, password string) error {
	pw, err := normalize(password)
	if err != nil {
		return ErrCredentials
	}
	if herr := a.hash(ctx, func() { err = bcrypt.CompareHashAndPassword(bytes.TrimSpace(file), []byte(pw)) }); herr != nil {
		return herr
	}
	switch {
	case err == nil:
		return nil
	case errors.Is(err, bcrypt.ErrMismatchedHashAndPassword), errors.Is(err, bcrypt.ErrPasswordTooLong):
		return ErrCredentials
	}
	return fmt.Errorf("verifying password for administration: %w", err)
}
