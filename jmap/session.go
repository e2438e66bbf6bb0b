package jmap

// Session is the session resource, RFC 8620 2.
type Session struct {
	Capabilities    map[string]any `json:"capabilities"`
	Accounts        map[ID]Account `json:"accounts"`
	PrimaryAccounts map[string]ID  `json:"primaryAccounts"`
	Username        string         `json:"username"`
	APIURL          string         `json:"apiUrl"`
	DownloadURL     string         `json:"downloadUrl"`    // template: accountId, blobId, type, name
	UploadURL       string         `json:"uploadUrl"`      // template: accountId
	EventSourceURL  string         `json:"eventSourceUrl"` // template: types, closeafter, ping
	State           string         `json:"state"`
}

// Account is one of a [Session].
type Account struct {
	Name                string         `json:"name"`
	IsPersonal          bool           `json:"isPersonal"`
	IsReadOnly          bool           `json:"isReadOnly"`
	AccountCapabilities map[string]any `json:"accountCapabilities"`
}

// CoreCapability is the value of urn:ietf:params:jmap:core, RFC 8620 2.
type CoreCapability struct {
	MaxSizeUpload         int64    `json:"maxSizeUpload"`
	MaxConcurrentUpload   int      `json:"maxConcurrentUpload"`
	MaxSizeRequest        int64    `json:"maxSizeRequest"`
	MaxConcurrentRequests int      `json:"maxConcurrentRequests"`
	MaxCallsInRequest     int      `json:"maxCallsInRequest"`
	MaxObjectsInGet       int      `json:"maxObjectsInGet"`
	MaxObjectsInSet       int      `json:"maxObjectsInSet"`
	CollationAlgorithms   []string `json:"collationAlgorithms"`
}

// MailCapability is the value of urn:ietf:params:jmap:mail of an account, RFC 8621 1.3.1.
type MailCapability struct {
	MaxMailboxesPerEmail       *int     `json:"maxMailboxesPerEmail"`
	MaxMailboxDepth            *int     `json:"maxMailboxDepth"`
	MaxSizeMailboxName         int      `json:"maxSizeMailboxName"`
	MaxSizeAttachmentsPerEmail int64    `json:"maxSizeAttachmentsPerEmail"`
	EmailQuerySortOptions      []string `json:"emailQuerySortOptions"`
	MayCreateTopLevelMailbox   bool     `json:"mayCreateTopLevelMailbox"`
}

// SubmissionCapability is the value of urn:ietf:params:jmap:submission of an account, RFC 8621 1.3.2.
type SubmissionCapability struct {
	MaxDelayedSend       int64               `json:"maxDelayedSend"` // seconds
	SubmissionExtensions map[string][]string `json:"submissionExtensions"`
}
