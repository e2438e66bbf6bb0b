package adminapi

import (
	"time"

	"mox/clientconf"
	"mox/config"
	"mox/loginlog"
)

// LoginRequest is for Login.
type LoginRequest struct {
	Token    string `doc:"Of LoginPrep." required:"true"`
	Password string `doc:"The password for administration." required:"true"`
}

// LoginResult is what a session begins with.
type LoginResult struct {
	CSRFToken string `doc:"For header x-mox-csrf of other calls."`
}

// AdminRequest is for Admin.
type AdminRequest struct{}

// AdminResult is the session of the call.
type AdminResult struct {
	CSRFToken string `doc:"For header x-mox-csrf of other calls, for a page that was loaded anew."`
	Hostname  string `doc:"Of the server."`
}

// AdminSetPasswordRequest is for AdminSetPassword.
type AdminSetPasswordRequest struct {
	CurrentPassword string `doc:"The password up to now." required:"true"`
	Password        string `doc:"The new one, of at least 8 characters and at most 72 octets." required:"true"`
}

// AdminSetPasswordResult has nothing.
type AdminSetPasswordResult struct{}

// StatusRequest is for Status.
type StatusRequest struct{}

// StatusResult tells how the server is.
type StatusResult struct {
	OK           bool             `doc:"There is nothing but hints."`
	Summary      string           `doc:"The good sentence, if OK."`
	Sentences    []StatusSentence `doc:"What there is to say, the worst first."`
	Certificates []Certificate    `doc:"For TLS."`
}

// StatusSentence tells of one thing.
type StatusSentence struct {
	Level   string `doc:"urgent: mail is refused or can be lost, now or soon. problem: something does not work as it should. hint: all works; something could be better." enum:"urgent problem hint"`
	Kind    string `doc:"Of the thing, such as \"certificate\": for programs."`
	Text    string `doc:"For people; ends with a full stop."`
	Command string `doc:"What to run next, in a shell on the server."`
}

// Certificate is one for TLS.
type Certificate struct {
	Names       []string   `doc:"That it is for; the first is the one it was gotten for."`
	Source      string     `doc:"Where it is from." enum:"acme file"`
	Provider    string     `doc:"Of ACME, as in mox.conf; empty for files."`
	File        string     `doc:"Of the certificate, for those from files."`
	Kind        string     `doc:"Type of the key: \"ecdsa\", \"rsa\" or another."`
	Issuer      string     `doc:"Who has issued it; empty: there is none yet."`
	Fingerprint string     `doc:"SHA-256 in hex; empty: there is none yet."`
	NotBefore   *time.Time `doc:"From when on it is valid; null: there is none yet."`
	NotAfter    *time.Time `doc:"Until when it is valid; null: there is none yet."`
	NextRenewal *time.Time `doc:"When it is renewed; null: not known, or not by mox."`
	Soon        bool       `doc:"It ends soon, and should have been renewed."`
	LastError   string     `doc:"Of the last attempt to get or load it; empty if that worked."`
}

// DomainsRequest is for Domains.
type DomainsRequest struct{}

// DomainsResult has the domains.
type DomainsResult struct {
	Domains []Domain `doc:"By name."`
}

// Domain is one of the configuration.
type Domain struct {
	Name        string `doc:"With U-labels, as in domains.conf."`
	ASCII       string `doc:"With A-labels, as in DNS."`
	Description string `doc:"As in domains.conf."`
	Disabled    bool   `doc:"Mail to and from it gets temporary errors."`
	ReportsOnly bool   `doc:"It is for reports about other domains, not for mail of users."`
}

// DomainRecordsRequest is for DomainRecords.
type DomainRecordsRequest struct {
	Domain string `doc:"A configured domain." required:"true"`
}

// DomainRecordsResult has records for DNS.
type DomainRecordsResult struct {
	Records []DNSRecord `doc:"To publish, in the order of their sections."`
	Zone    string      `doc:"The same as a fragment of a zone file, with purposes as comments."`
}

// DNSRecord is one to publish.
type DNSRecord struct {
	Name         string `doc:"Absolute, in A-labels, with its final dot."`
	Type         string `doc:"Such as \"TXT\"."`
	Value        string `doc:"As in a zone file, but for TXT, where it is the text without quotes. Empty: there is nothing to publish yet, and Precondition says what is missing."`
	Quoted       string `doc:"The value of a TXT record in strings as zone files have them; otherwise empty."`
	TTL          int    `doc:"Seconds."`
	Purpose      string `doc:"What it is for; records that follow each other may have the same one."`
	Precondition string `doc:"What must hold before it is added; empty: it is to be added now."`
	Section      string `doc:"Heading that it belongs under, such as \"Mail to the domain\"."`
}

// AccountsRequest is for Accounts.
type AccountsRequest struct{}

// AccountsResult has the accounts.
type AccountsResult struct {
	Accounts []Account `doc:"By name."`
}

// Account is one of the configuration.
type Account struct {
	Name          string   `doc:"Of the account."`
	FullName      string   `doc:"Of its user; may be empty."`
	Addresses     []string `doc:"Sorted; @domain for all of a domain that nobody else has."`
	State         string   `doc:"invited: the user has not set a password yet, but can. nopassword: nobody can log in with one. disabled: logins are refused." enum:"active invited nopassword disabled"`
	LoginDisabled string   `doc:"Text with which logins are refused; empty: they are not."`
	QuotaUsed     int64    `doc:"Octets of all messages."`
	QuotaLimit    int64    `doc:"Octets that they may have; 0: no limit."`
	DiskUsage     int64    `doc:"Octets of its files on disk."`
}

// ClientConfigsDomainRequest is for ClientConfigsDomain.
type ClientConfigsDomainRequest struct {
	Domain string `doc:"A configured domain." required:"true"`
}

// ClientConfigsDomainResult has settings for mail programs.
type ClientConfigsDomainResult struct {
	clientconf.Description
}

// DomainRedirect is an entry of WebDomainRedirects in domains.conf.
type DomainRedirect struct {
	From string `doc:"Domain of the request."`
	To   string `doc:"Domain that it is redirected to, permanently, keeping path and query."`
}

// WebserverConfig is the part of domains.conf about web sites.
type WebserverConfig struct {
	WebDomainRedirects []DomainRedirect    `doc:"Web sites redirected to other domains, by name. They come before WebHandlers."`
	WebHandlers        []config.WebHandler `doc:"Web sites, in order: the first that fits domain and path serves a request."`
}

// WebserverConfigRequest is for WebserverConfig.
type WebserverConfigRequest struct{}

// WebserverConfigResult is what is configured.
type WebserverConfigResult struct {
	Config  WebserverConfig `doc:"As it is now; Old for WebserverConfigSave."`
	Enabled bool            `doc:"A listener serves web sites (WebserverHTTP or WebserverHTTPS in mox.conf). Otherwise there can be none in domains.conf."`
}

// WebserverConfigSaveRequest is for WebserverConfigSave.
type WebserverConfigSaveRequest struct {
	Old WebserverConfig `doc:"What the change was made to, as WebserverConfig has returned it." required:"true"`
	New WebserverConfig `doc:"What it is to be." required:"true"`
}

// WebserverConfigSaveResult has what was saved.
type WebserverConfigSaveResult struct {
	Config WebserverConfig `doc:"As it is now; Old for the next WebserverConfigSave."`
}

// LogLevel is the level of log lines of a package.
type LogLevel struct {
	Package string `doc:"Name; empty for all that have no level of their own."`
	Level   string `doc:"Lines of this level and of those before it are logged. The traces have what is said in protocols: all of it, with passwords (traceauth), or with messages (tracedata)." enum:"print fatal error warn info debug trace traceauth tracedata"`
}

// LogLevelsRequest is for LogLevels.
type LogLevelsRequest struct{}

// LogLevelsResult has levels.
type LogLevelsResult struct {
	LogLevels []LogLevel `doc:"The default first, then the packages that have their own, by name."`
}

// LogLevelSetRequest is for LogLevelSet.
type LogLevelSetRequest struct {
	Package string `doc:"Name; empty for the default."`
	Level   string `doc:"New level." required:"true" enum:"print fatal error warn info debug trace traceauth tracedata"`
}

// LogLevelSetResult has nothing.
type LogLevelSetResult struct{}

// LogLevelRemoveRequest is for LogLevelRemove.
type LogLevelRemoveRequest struct {
	Package string `doc:"Name." required:"true"`
}

// LogLevelRemoveResult has nothing.
type LogLevelRemoveResult struct{}

// LoginAttemptsRequest is for LoginAttempts.
type LoginAttemptsRequest struct {
	Limit int `doc:"How many at most; 0: 50, and 500 is the most there is."`
}

// LoginAttemptsResult has attempts to log in.
type LoginAttemptsResult struct {
	LoginAttempts []loginlog.Attempt `doc:"Of all accounts, of the admin pages, and for unknown names: the last ones, newest first. Those that are alike are counted as one."`
}
