package accountapi

import (
	"mox/jsoncall"
	"mox/websession"
)

// Describe returns the description of the API.
func Describe() jsoncall.API {
	return jsoncall.API{
		Class: "AccountAPI", Title: "mox account API", Cookie: "webaccountsession",
		Description: "What users do with their own account in the account pages. A session begins with LoginPrep and Login.",
		Functions: append(websession.Functions(), []jsoncall.Function{
			websession.LoginFunction(SessionLife, MaxSessions),
			{Name: "Account", Request: AccountRequest{}, Result: AccountResult{}, Access: jsoncall.NeedsSession, Summary: "Return the account of the session.", Doc: "It needs no CSRF token, but returns it: a page that was loaded anew begins with this call."},
			{Name: "AccountSaveFullName", Request: AccountSaveFullNameRequest{}, Result: AccountSaveFullNameResult{}, Summary: "Change the name of the user."},
			{Name: "SetPassword", Request: SetPasswordRequest{}, Result: SetPasswordResult{}, Summary: "Change the password.", Doc: "All other sessions of the account pages end. A wrong current password is answered like one at Login."},
			{Name: "GeneratePassword", Request: GeneratePasswordRequest{}, Result: GeneratePasswordResult{}, Summary: "Return a random password, for SetPassword."},
			{Name: "LoginAttempts", Request: LoginAttemptsRequest{}, Result: LoginAttemptsResult{}, Summary: "List logins, and attempts, to the account by all protocols."},
			{Name: "ClientConfig", Request: ClientConfigRequest{}, Result: ClientConfigResult{}, Summary: "Return the settings for mail programs."},
			{Name: "TLSPublicKeys", Request: TLSPublicKeysRequest{}, Result: TLSPublicKeysResult{}, Summary: "List the keys of TLS client certificates that log in without a password."},
			{Name: "TLSPublicKeyAdd", Request: TLSPublicKeyAddRequest{}, Result: TLSPublicKeyAddResult{}, Summary: "Let the key of a certificate log in.", Doc: "Only the key counts: the certificate may have expired, names in it mean nothing."},
			{Name: "TLSPublicKeyUpdate", Request: TLSPublicKeyUpdateRequest{}, Result: TLSPublicKeyUpdateResult{}, Summary: "Change the name and the setting of a key."},
			{Name: "TLSPublicKeyRemove", Request: TLSPublicKeyRemoveRequest{}, Result: TLSPublicKeyRemoveResult{}, Summary: "Make a key useless for logins."},
			{Name: "Tokens", Request: TokensRequest{}, Result: TokensResult{}, Summary: "List the tokens for the HTTP API."},
			{Name: "TokenAdd", Request: TokenAddRequest{}, Result: TokenAddResult{}, Summary: "Make a token for the HTTP API."},
			{Name: "TokenRemove", Request: TokenRemoveRequest{}, Result: TokenRemoveResult{}, Summary: "Make a token useless."},
			{Name: "Mailboxes", Request: MailboxesRequest{}, Result: MailboxesResult{}, Summary: "List the mailboxes of the account."},
			{Name: "ImportLimits", Request: ImportLimitsRequest{}, Result: ImportLimitsResult{}, Summary: "Tell what can be imported now."},
			{Name: "ImportAbort", Request: ImportAbortRequest{}, Result: ImportAbortResult{}, Summary: "Stop an import.", Doc: "It ends soon, which importprogress tells of. What was added stays; the same import once more adds the rest."},
		}...),
	}
}
