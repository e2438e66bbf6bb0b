// Package websession has the sessions of browsers with the account and admin pages: how they begin with
// a login, by which cookies and tokens calls belong to them, and how they end.
//
// # Cookies and tokens
//
// A login begins with [Sessions.Prepare]: a token, signed with a key of this process, in the answer and in a cookie
// that lasts 30 seconds. The login has to come with both, so that a form of another site cannot log a browser in.
//
// A session has a secret token of 192 random bits. The browser has it, with the name of the account, in a cookie
// that scripts cannot read (HttpOnly), that requests of other sites do not carry (SameSite=Strict), and that is for
// https only where the login came by https (Secure). Of the token only its SHA-256 is kept. Calls also
// need the CSRF token of the session in a header field, which scripts of other sites cannot send; it is derived from the
// secret one.
//
// # Lives
//
// A session ends when it was not used for [Config.Life]; each use extends it, which is written at most every
// five minutes. There are at most [Config.Max] for an account: the oldest goes. A session is bound to the password
// of the time of its login: when that is changed, in whatever way, all sessions have ended, but for one that
// [Sessions.ChangePassword] keeps. Sessions also end with logins of the account being disabled, and with its
// address being another account's.
//
// # Files
//
// None of its own. [Keep] says where sessions are: those of accounts are a setting in the account's database, those
// of the admin pages in memory ([Memory]).
//
// Goroutines: none. A [Sessions] is safe for concurrent use; a lock is held while sessions of an account
// are read and written back.
package websession
