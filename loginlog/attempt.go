package loginlog

import "time"

// Attempt is logins, or attempts to log in, that are alike in all but their time.
type Attempt struct {
	First        time.Time `doc:"The first of them."`
	Last         time.Time `doc:"The last of them."`
	Count        int64     `doc:"How many there were."`
	Account      string    `doc:"Account that the login name leads to; \"-\" for none, \"(admin)\" for the admin pages."`
	LoginAddress string    `doc:"Login name, an address; empty where none was given."`
	RemoteIP     string    `doc:"Address of the client."`
	Protocol     string    `doc:"submission, imap, jmap, webmail, webapi, webaccount or webadmin."`
	AuthMech     string    `doc:"Mechanism: a SASL mechanism in lower case (external: the certificate of a TLS client), login, httpbasic, token, or weblogin for the form of the pages."`
	TLS          string    `doc:"Version of TLS and cipher suite, such as \"TLS 1.3 TLS_AES_128_GCM_SHA256\"; empty without."`
	UserAgent    string    `doc:"What the browser or program calls itself, where it does."`
	Result       string    `doc:"ok; badcreds: wrong name or password; baduser: not authorized as that user; logindisabled; aborted; badprotocol; badchanbind; error: a failure of the server."`
}
