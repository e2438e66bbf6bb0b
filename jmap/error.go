package jmap

import "fmt"

// Types of problems of whole requests, RFC 8620 3.6.1.
const (
	ProblemUnknownCapability = "urn:ietf:params:jmap:error:unknownCapability"
	ProblemNotJSON           = "urn:ietf:params:jmap:error:notJSON"
	ProblemNotRequest        = "urn:ietf:params:jmap:error:notRequest"
	ProblemLimit             = "urn:ietf:params:jmap:error:limit"
)

// Problem refuses a request as a whole: RFC 8620 3.6.1, RFC 7807.
type Problem struct {
	Type   string `json:"type"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
	Limit  string `json:"limit,omitempty"` // with ProblemLimit: the field of the core capability
}

func (p *Problem) Error() string { return p.Detail }

// Types of method errors, RFC 8620 3.6.2 and where methods are described: those that are answered here.
const (
	ErrorServerFail             = "serverFail"
	ErrorUnknownMethod          = "unknownMethod"
	ErrorInvalidArguments       = "invalidArguments"
	ErrorInvalidResultReference = "invalidResultReference"
	ErrorForbidden              = "forbidden"
	ErrorAccountNotFound        = "accountNotFound"
	ErrorRequestTooLarge        = "requestTooLarge"
	ErrorCannotCalculateChanges = "cannotCalculateChanges"
	ErrorStateMismatch          = "stateMismatch"
	ErrorAnchorNotFound         = "anchorNotFound"
	ErrorUnsupportedSort        = "unsupportedSort"
	ErrorUnsupportedFilter      = "unsupportedFilter"
	ErrorTooManyChanges         = "tooManyChanges"
	ErrorFromAccountNotFound    = "fromAccountNotFound"
)

// Error is the response to a call that failed as a whole, RFC 8620 3.6.2. It is an error that methods return.
type Error struct {
	Type        string `json:"type"`
	Description string `json:"description,omitempty"` // for developers
}

func (e *Error) Error() string { return e.Type + ": " + e.Description }

// Errorf returns an Error.
func Errorf(typ, format string, args ...any) *Error {
	return &Error{Type: typ, Description: fmt.Sprintf(format, args...)}
}

// Types of errors of single objects in /set methods, RFC 8620 5.3, 5.4; RFC 8621 2.5, 4.6, 4.8, 7.5.
const (
	SetForbidden         = "forbidden"
	SetOverQuota         = "overQuota"
	SetTooLarge          = "tooLarge"
	SetRateLimit         = "rateLimit"
	SetNotFound          = "notFound"
	SetInvalidPatch      = "invalidPatch"
	SetWillDestroy       = "willDestroy"
	SetInvalidProperties = "invalidProperties"
	SetAlreadyExists     = "alreadyExists"
	SetServerFail        = "serverFail" // as the method error, for one object
	SetMailboxHasChild   = "mailboxHasChild"
	SetMailboxHasEmail   = "mailboxHasEmail"
	SetBlobNotFound      = "blobNotFound"
	SetTooManyKeywords   = "tooManyKeywords"
	SetTooManyMailboxes  = "tooManyMailboxes"
	SetInvalidEmail      = "invalidEmail"
	SetTooManyRecipients = "tooManyRecipients"
	SetNoRecipients      = "noRecipients"
	SetInvalidRecipients = "invalidRecipients"
	SetForbiddenMailFrom = "forbiddenMailFrom"
	SetForbiddenFrom     = "forbiddenFrom"
	SetForbiddenToSend   = "forbiddenToSend"
	SetCannotUnsend      = "cannotUnsend"
)

// SetError tells why one object could not be created, updated or destroyed, RFC 8620 5.3.
type SetError struct {
	Type              string   `json:"type"`
	Description       string   `json:"description,omitempty"`
	Properties        []string `json:"properties,omitempty"`        // with SetInvalidProperties
	ExistingID        ID       `json:"existingId,omitempty"`        // with SetAlreadyExists
	NotFound          []ID     `json:"notFound,omitempty"`          // with SetBlobNotFound
	MaxSize           int64    `json:"maxSize,omitempty"`           // with SetTooLarge
	MaxRecipients     int      `json:"maxRecipients,omitempty"`     // with SetTooManyRecipients
	InvalidRecipients []string `json:"invalidRecipients,omitempty"` // with SetInvalidRecipients
}

func (e *SetError) Error() string { return e.Type + ": " + e.Description }

// SetErrorf returns a SetError.
func SetErrorf(typ, format string, args ...any) *SetError {
	return &SetError{Type: typ, Description: fmt.Sprintf(format, args...)}
}

// InvalidProperty returns the SetError for a property with a wrong value.
func InvalidProperty(name, format string, args ...any) *SetError {
	return &SetError{Type: SetInvalidProperties, Description: fmt.Sprintf(format, args...), Properties: []string{name}}
}
