package adminapi

import (
	"mox/jsoncall"
	"mox/websession"
)

// Describe returns the description of the API.
func Describe() jsoncall.API {
	return jsoncall.API{
		Class: "AdminAPI", Title: "mox admin API", Cookie: "webadminsession",
		Description: "What administrators do in the admin pages. A session begins with LoginPrep and Login.",
		Functions: append(websession.Functions(), []jsoncall.Function{
			{Name: "Login", Request: LoginRequest{}, Result: LoginResult{}, Access: jsoncall.NeedsNothing, Summary: "Begin a session, which is set as a cookie.", Doc: "A wrong password is answered after a second, with the code user:loginFailed; too many of them from a network with 429 and user:tooMany. A session lasts 12 hours from when it was last used, at most until the server stops; there can be 10."},
			{Name: "Admin", Request: AdminRequest{}, Result: AdminResult{}, Access: jsoncall.NeedsSession, Summary: "Return what the session is for.", Doc: "It needs no CSRF token, but returns it: a page that was loaded anew begins with this call."},
			{Name: "AdminSetPassword", Request: AdminSetPasswordRequest{}, Result: AdminSetPasswordResult{}, Summary: "Change the password for administration.", Doc: "All other sessions of the admin pages end. A wrong current password is answered like one at Login."},
			{Name: "Status", Request: StatusRequest{}, Result: StatusResult{}, Summary: "Tell how the server is, as \"mox status -all\" does, and which certificates it has."},
			{Name: "Domains", Request: DomainsRequest{}, Result: DomainsResult{}, Summary: "List the domains."},
			{Name: "DomainRecords", Request: DomainRecordsRequest{}, Result: DomainRecordsResult{}, Summary: "Return the DNS records that a domain needs.", Doc: "Whether the zone of the host is signed with DNSSEC, for DANE, is looked up."},
			{Name: "ClientConfigsDomain", Request: ClientConfigsDomainRequest{}, Result: ClientConfigsDomainResult{}, Summary: "Return the settings for mail programs of a domain's users."},
			{Name: "Accounts", Request: AccountsRequest{}, Result: AccountsResult{}, Summary: "List the accounts."},
			{Name: "WebserverConfig", Request: WebserverConfigRequest{}, Result: WebserverConfigResult{}, Summary: "Return the configuration of web sites."},
			{Name: "WebserverConfigSave", Request: WebserverConfigSaveRequest{}, Result: WebserverConfigSaveResult{}, Summary: "Change the configuration of web sites.", Doc: "It fails if it was changed since Old was read, with the code user:changed, and if it is not valid, with what is wrong in lines of Message."},
			{Name: "LogLevels", Request: LogLevelsRequest{}, Result: LogLevelsResult{}, Summary: "List the levels of log lines."},
			{Name: "LogLevelSet", Request: LogLevelSetRequest{}, Result: LogLevelSetResult{}, Summary: "Change the level of a package, or the default, until the server stops."},
			{Name: "LogLevelRemove", Request: LogLevelRemoveRequest{}, Result: LogLevelRemoveResult{}, Summary: "Let the default level count for a package."},
			{Name: "LoginAttempts", Request: LoginAttemptsRequest{}, Result: LoginAttemptsResult{}, Summary: "List logins, and attempts, by all protocols."},
		}...),
	}
}
