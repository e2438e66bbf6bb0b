package websession

import "time"

// Session is what is told of a session.
type Session struct {
	ID        string    `doc:"Of the session, to end it by; not secret."`
	Created   time.Time `doc:"When it began, by a login."`
	LastUsed  time.Time `doc:"When it was last used, to about five minutes."`
	Expires   time.Time `doc:"When it ends if it is not used."`
	RemoteIP  string    `doc:"Address that it was begun from."`
	UserAgent string    `doc:"What the browser calls itself."`
	Current   bool      `doc:"It is the session of this call."`
}
