package imapserver

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"

	"mox/imap"
	"mox/store"
)

// tokenVersion is the first octet of tokens: the algorithm that made them. RFC 4467 2.4.1:
// another one could be told from it.
const tokenVersion = 1

// urlToken is the authorization token of a URL: a version, and HMAC-SHA-256 of its rump with the access
// key of the mailbox.
func urlToken(key []byte, rump string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(rump))
	return h.Sum([]byte{tokenVersion})
}

// Errors of [Server.OpenURL].
var (
	// ErrURL is for what is no imap URL of a message.
	ErrURL = imap.ErrURL
	// ErrURLDenied is for a URL that gives no access, for whatever reason: nobody is to
	// find out what there is.
	ErrURLDenied = errors.New("URL gives no access")
	// ErrURLGone is for a URL whose message or part is not there.
	ErrURLGone = errNoData
	// ErrURLHost is for a URL of another server.
	ErrURLHost = errors.New("URL is of another server")
)

// urlUser is who uses a URL: a session of an account, or the submission server for a client
// of an account.
type urlUser struct {
	account string
	submit  bool
}

// may tells whether the access identifier of a URL is for who uses it, RFC 4467 3.
func (w urlUser) may(srv *Server, a *imap.Access) bool {
	switch a.Kind {
	case imap.AccessAnonymous, imap.AccessAuthUser:
		// Nobody is anonymous here.
		return true
	case imap.AccessUser:
		account, ok := srv.cfg.UserAccount(a.User)
		return ok && account == w.account && !w.submit
	case imap.AccessSubmit:
		// RFC 4468 3.3: the user is the client of the submission server.
		account, ok := srv.cfg.UserAccount(a.User)
		return ok && account == w.account && w.submit
	}
	return false
}

// openAuthorized opens what an authorized URL stands for, RFC 4467 6. The account has to be
// released. ErrURLDenied and ErrURLGone are about the URL.
func (srv *Server) openAuthorized(ctx context.Context, who urlUser, u *imap.URL) (*store.Account, *urlData, error) {
	if !u.Absolute || u.User == "" || u.Access == nil || u.Mechanism != urlMechanism {
		return nil, nil, fmt.Errorf("%w: not an authorized URL", ErrURLDenied)
	}
	acc, mb, err := srv.authorized(ctx, u)
	if err == nil {
		var d *urlData
		if !who.may(srv, u.Access) {
			err = fmt.Errorf("%w: for others", ErrURLDenied)
		} else if !u.Expire.IsZero() && srv.cfg.Now().After(u.Expire) {
			err = fmt.Errorf("%w: expired", ErrURLDenied)
		} else if d, err = openURL(ctx, acc, mb, u); err == nil {
			return acc, d, nil
		}
		acc.Release()
	}
	return nil, nil, err
}

// authorized checks the token of a URL and returns the mailbox. The account has to be
// released.
func (srv *Server) authorized(ctx context.Context, u *imap.URL) (*store.Account, store.Mailbox, error) {
	acc, mb, key, err := srv.urlKey(ctx, u)
	if err != nil {
		return nil, mb, err
	}
	found := key != nil
	if !found {
		// RFC 4467 6: a plausible key, so that the time it takes tells nothing.
		key = srv.plausibleKey[:]
	}
	token, err := hex.DecodeString(u.Token)
	if hmac.Equal(token, urlToken(key, u.Rump)) && found && err == nil {
		return acc, mb, nil
	}
	if acc != nil {
		acc.Release()
	}
	return nil, mb, fmt.Errorf("%w: token is not valid", ErrURLDenied)
}

// urlKey finds the access key for a URL, nil where there is none. acc may be nil then.
func (srv *Server) urlKey(ctx context.Context, u *imap.URL) (acc *store.Account, mb store.Mailbox, key []byte, err error) {
	name, ok := srv.cfg.UserAccount(u.User)
	if !ok {
		return nil, mb, nil, nil
	}
	acc, err = srv.cfg.Accounts.Account(ctx, name)
	if errors.Is(err, store.ErrNoAccount) {
		return nil, mb, nil, nil
	} else if err != nil {
		return nil, mb, nil, err
	}
	if mb, ok = lookupIn(acc, u.Mailbox); !ok {
		return acc, mb, nil, nil
	}
	if key, err = acc.URLKey(ctx, "", mb.ID); err != nil {
		acc.Release()
		return nil, mb, nil, err
	}
	return acc, mb, key, nil
}

// URLReader reads what a URL stands for. It is not safe for concurrent use.
type URLReader struct {
	io.Reader
	Size int64 // octets
	acc  *store.Account
	data *urlData
}

// Close ends reading.
func (r *URLReader) Close() error {
	r.data.Close()
	r.acc.Release()
	return nil
}

// OpenURL opens what an imap URL stands for, for a client of the submission server that is
// logged in as account (RFC 4468 3.3): an authorized URL that is for submission by that user
// or for everyone, or one without authorization of a message in the user's own account. It
// works until ctx ends. Errors about the URL wrap ErrURL, ErrURLDenied, ErrURLGone or
// ErrURLHost.
func (srv *Server) OpenURL(ctx context.Context, account, url string) (*URLReader, error) {
	u, err := imap.ParseURL(url)
	if err != nil {
		return nil, err
	}
	var acc *store.Account
	var d *urlData
	if u.Access != nil {
		acc, d, err = srv.openAuthorized(ctx, urlUser{account: account, submit: true}, u)
	} else {
		acc, d, err = srv.openOwn(ctx, account, u)
	}
	if errors.Is(err, ErrURLDenied) && u.Absolute && !srv.cfg.OwnHost(u.Host) {
		err = fmt.Errorf("%w: %w", ErrURLHost, err)
	}
	if err != nil {
		return nil, fmt.Errorf("opening URL: %w", err)
	}
	return &URLReader{Reader: d.reader(), Size: d.size, acc: acc, data: d}, nil
}

// openOwn opens a URL of the user's own.
func (srv *Server) openOwn(ctx context.Context, account string, u *imap.URL) (*store.Account, *urlData, error) {
	if owner, ok := srv.cfg.UserAccount(u.User); !ok || owner != account || !u.Absolute || !srv.cfg.OwnHost(u.Host) {
		return nil, nil, fmt.Errorf("%w: not of the user", ErrURLDenied)
	}
	acc, err := srv.cfg.Accounts.Account(ctx, account)
	if err != nil {
		return nil, nil, err
	}
	mb, ok := lookupIn(acc, u.Mailbox)
	if !ok {
		err = fmt.Errorf("%w: no such mailbox", errNoData)
	}
	var d *urlData
	if err == nil {
		d, err = openURL(ctx, acc, mb, u)
	}
	if err != nil {
		acc.Release()
		return nil, nil, err
	}
	return acc, d, nil
}

// reader reads the octets as they are in the message.
func (d *urlData) reader() io.Reader {
	if d.data != nil {
		return bytes.NewReader(d.data)
	}
	return io.NewSectionReader(d.f.body, d.start, d.size)
}
