package webapi

// Code tells programs what is wrong.
type Code string

// The codes.
const (
	CodeUser     Code = "user"     // the request is not possible as it is
	CodeServer   Code = "server"   // a failure of the server; it may work later
	CodeProtocol Code = "protocol" // the request was not understood
	CodeError    Code = "error"    // anything else

	CodeBadAddress            Code = "badAddress"   // an address is not valid
	CodeMissingBody           Code = "missingBody"  // neither Text, HTML nor AlternativeFiles
	CodeMultipleFrom          Code = "multipleFrom" // more than one address in From
	CodeBadFrom               Code = "badFrom"      // From is not an address of the account
	CodeDomainDisabled        Code = "domainDisabled"
	CodeNoRecipients          Code = "noRecipients"
	CodeMessageLimitReached   Code = "messageLimitReached"   // messages of the account in a day
	CodeRecipientLimitReached Code = "recipientLimitReached" // recipients new to the account in a day
	CodeMessageTooLarge       Code = "messageTooLarge"
	CodeMalformedMessageID    Code = "malformedMessageID"
	CodeSentOverQuota         Code = "sentOverQuota" // no room for the copy that SaveSent asks for
	CodeMessageNotFound       Code = "messageNotFound"
	CodePartNotFound          Code = "partNotFound"

	// Beyond v0 of the first release.

	CodeForbidden           Code = "forbidden"           // the token has not the scope
	CodeIdempotencyConflict Code = "idempotencyConflict" // the key was used for another message, or its request is still under way
	CodeMailboxNotFound     Code = "mailboxNotFound"     // MessageMove
)

// Error is what a method answers when it fails. It is an error value of [Client] and of
// items of a batch.
type Error struct {
	Code    Code   `doc:"What is wrong, for programs."`
	Message string `doc:"What is wrong, for people."`
}

// Error implements error.
func (e *Error) Error() string { return string(e.Code) + ": " + e.Message }

// Is makes errors.Is(err, &Error{Code: c}) true for all errors with the code.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Code == e.Code && (t.Message == "" || t.Message == e.Message)
}
