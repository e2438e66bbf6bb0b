package accountapi

import (
	"time"

	"mox/clientconf"
	"mox/loginlog"
)

// AccountRequest is for Account.
type AccountRequest struct{}

// AccountResult is the account of the session.
type AccountResult struct {
	CSRFToken       string     `doc:"For header x-mox-csrf of other calls, for a page that was loaded anew."`
	Account         string     `doc:"Name of the account."`
	LoginAddress    string     `doc:"Address that was logged in with."`
	FullName        string     `doc:"Name of the user, for From of messages and for mail programs; may be empty."`
	Addresses       []string   `doc:"Addresses of the account; @domain for all of a domain that nobody else has."`
	QuotaUsed       int64      `doc:"Octets of all messages."`
	QuotaLimit      int64      `doc:"Octets that they may have; 0: no limit."`
	PasswordChanged *time.Time `doc:"When the password was last changed; null where that was not recorded."`
}

// AccountSaveFullNameRequest is for AccountSaveFullName.
type AccountSaveFullNameRequest struct {
	FullName string `doc:"New name, of at most 200 characters; empty: none." required:"true"`
}

// AccountSaveFullNameResult has nothing.
type AccountSaveFullNameResult struct{}

// SetPasswordRequest is for SetPassword.
type SetPasswordRequest struct {
	CurrentPassword string `doc:"The password up to now." required:"true"`
	Password        string `doc:"The new one, of at least 8 characters." required:"true"`
}

// SetPasswordResult has nothing.
type SetPasswordResult struct{}

// GeneratePasswordRequest is for GeneratePassword.
type GeneratePasswordRequest struct{}

// GeneratePasswordResult has a password, which is not in use.
type GeneratePasswordResult struct {
	Password string `doc:"A random password, easy to type."`
}

// LoginAttemptsRequest is for LoginAttempts.
type LoginAttemptsRequest struct {
	Limit int `doc:"How many at most; 0: 50, and 500 is the most there is."`
}

// LoginAttemptsResult has attempts to log in.
type LoginAttemptsResult struct {
	LoginAttempts []loginlog.Attempt `doc:"The last ones, newest first. Those that are alike are counted as one."`
}

// ClientConfigRequest is for ClientConfig.
type ClientConfigRequest struct {
	Address string `doc:"An address of the account; empty: that which was logged in with."`
}

// ClientConfigResult has settings for mail programs.
type ClientConfigResult struct {
	clientconf.Description
	ProfileURL    string `doc:"Profile for the mail programs of Apple's devices; empty where the server has none."`
	ProfileQRCode string `doc:"QR code of ProfileURL, a PNG in a data: URL; empty where there is none."`
	AutoconfigURL string `doc:"Where Thunderbird and others find the settings by themselves; empty where the server has none."`
}

// TLSPublicKey is the key of a TLS client certificate that logs in without a password.
type TLSPublicKey struct {
	Fingerprint   string    `doc:"SHA-256 of the SubjectPublicKeyInfo, in base64url."`
	Type          string    `doc:"Of the key, such as \"ed25519\" or \"rsa-3072\"."`
	Name          string    `doc:"Chosen by the user."`
	LoginAddress  string    `doc:"Address that it logs in as."`
	NoIMAPPreauth bool      `doc:"IMAP sessions begin without being logged in, for mail programs that cannot cope with PREAUTH; they log in with EXTERNAL."`
	Created       time.Time `doc:"When it was added."`
}

// TLSPublicKeysRequest is for TLSPublicKeys.
type TLSPublicKeysRequest struct{}

// TLSPublicKeysResult has keys.
type TLSPublicKeysResult struct {
	TLSPublicKeys []TLSPublicKey `doc:"Of the account, oldest first."`
}

// TLSPublicKeyAddRequest is for TLSPublicKeyAdd.
type TLSPublicKeyAddRequest struct {
	PEM           string `doc:"The certificate in PEM; private keys are refused." required:"true"`
	Name          string `doc:"To know it by, at most 100 octets."`
	LoginAddress  string `doc:"Address of the account that it logs in as; empty: that which was logged in with."`
	NoIMAPPreauth bool   `doc:"IMAP sessions begin without being logged in."`
}

// TLSPublicKeyAddResult has the key.
type TLSPublicKeyAddResult struct {
	TLSPublicKey TLSPublicKey `doc:"As it was added."`
}

// TLSPublicKeyUpdateRequest is for TLSPublicKeyUpdate.
type TLSPublicKeyUpdateRequest struct {
	Fingerprint   string `doc:"Of the key." required:"true"`
	Name          string `doc:"New name." required:"true"`
	NoIMAPPreauth bool   `doc:"IMAP sessions begin without being logged in." required:"true"`
}

// TLSPublicKeyUpdateResult has nothing.
type TLSPublicKeyUpdateResult struct{}

// TLSPublicKeyRemoveRequest is for TLSPublicKeyRemove.
type TLSPublicKeyRemoveRequest struct {
	Fingerprint string `doc:"Of the key." required:"true"`
}

// TLSPublicKeyRemoveResult has nothing.
type TLSPublicKeyRemoveResult struct{}

// Token is what is known of an API token, which is not kept itself.
type Token struct {
	ID           int        `doc:"To remove it by."`
	Name         string     `doc:"Chosen by the user."`
	LoginAddress string     `doc:"Address that it logs in as."`
	Scopes       []string   `doc:"What it may do." enum:"send read write suppress"`
	Created      time.Time  `doc:"When it was made."`
	Expires      *time.Time `doc:"From when on it does not work; null: never."`
	LastUsed     *time.Time `doc:"When it was last used, to the hour; null: never."`
}

// TokensRequest is for Tokens.
type TokensRequest struct{}

// TokensResult has tokens.
type TokensResult struct {
	Tokens []Token `doc:"Of the account, oldest first."`
}

// TokenAddRequest is for TokenAdd.
type TokenAddRequest struct {
	Name         string   `doc:"To know it by, at most 100 octets." required:"true"`
	Scopes       []string `doc:"What it may do: send messages; read messages; write: change, move and delete messages; suppress: see and change the suppression list." required:"true" enum:"send read write suppress"`
	LoginAddress string   `doc:"Address of the account that it logs in as; empty: that which was logged in with."`
	ExpireDays   int      `doc:"How many days it works, 36500 at most; 0: for ever."`
}

// TokenAddResult has the token.
type TokenAddResult struct {
	Secret string `doc:"The token itself, for programs. It cannot be seen again."`
	Token  Token  `doc:"What is known of it later."`
}

// TokenRemoveRequest is for TokenRemove.
type TokenRemoveRequest struct {
	ID int `doc:"Of the token." required:"true"`
}

// TokenRemoveResult has nothing.
type TokenRemoveResult struct{}

// ImportStarted is the answer to a file that is to be imported.
type ImportStarted struct {
	Token string `doc:"Of the import, for importprogress and ImportAbort."`
}

// ImportAbortRequest is for ImportAbort.
type ImportAbortRequest struct {
	ImportToken string `doc:"That the import was answered with." required:"true"`
}

// ImportAbortResult has nothing.
type ImportAbortResult struct{}

// ImportLimitsRequest is for ImportLimits.
type ImportLimitsRequest struct{}

// ImportLimitsResult says what can be imported.
type ImportLimitsResult struct {
	MaxBytes int64 `doc:"How large a file may be."`
	Running  bool  `doc:"An import is under way, and another one not possible."`
}

// MailboxesRequest is for Mailboxes.
type MailboxesRequest struct{}

// MailboxesResult has mailboxes.
type MailboxesResult struct {
	Mailboxes []Mailbox `doc:"By name, Inbox first."`
}

// Mailbox is one.
type Mailbox struct {
	Name     string `doc:"Levels are separated by a slash."`
	Messages int    `doc:"How many there are."`
	Size     int64  `doc:"Their octets, as they came."`
}
