package imap

import "fmt"

// Response conditions (RFC 9051 7.1).
const (
	OK      = "OK"
	NO      = "NO"
	BAD     = "BAD"
	BYE     = "BYE"
	PREAUTH = "PREAUTH"
)

// Response codes this server and client use (RFC 9051 7.1, RFC 5530 and the
// extensions' own). Codes with arguments are written with [Error.CodeArg].
const (
	CodeAlert                = "ALERT"
	CodeAlreadyExists        = "ALREADYEXISTS"
	CodeAppendUID            = "APPENDUID"
	CodeAuthenticationFailed = "AUTHENTICATIONFAILED"
	CodeAuthorizationFailed  = "AUTHORIZATIONFAILED"
	CodeBadComparator        = "BADCOMPARATOR"
	CodeBadCharset           = "BADCHARSET"
	CodeBadEvent             = "BADEVENT"
	CodeBadURL               = "BADURL"
	CodeCannot               = "CANNOT"
	CodeClientBug            = "CLIENTBUG"
	CodeClosed               = "CLOSED"
	CodeCompressionActive    = "COMPRESSIONACTIVE"
	CodeContactAdmin         = "CONTACTADMIN"
	CodeCopyUID              = "COPYUID"
	CodeCorruption           = "CORRUPTION"
	CodeExpungeIssued        = "EXPUNGEISSUED"
	CodeHasChildren          = "HASCHILDREN"
	CodeHighestModSeq        = "HIGHESTMODSEQ"
	CodeInUse                = "INUSE"
	CodeLimit                = "LIMIT"
	CodeMessageLimit         = "MESSAGELIMIT"
	CodeMailboxID            = "MAILBOXID"
	CodeMetadata             = "METADATA"
	CodeModified             = "MODIFIED"
	CodeNoPerm               = "NOPERM"
	CodeNonExistent          = "NONEXISTENT"
	CodeNotificationOverflow = "NOTIFICATIONOVERFLOW"
	CodeNotSaved             = "NOTSAVED"
	CodeNoUpdate             = "NOUPDATE"
	CodeOverQuota            = "OVERQUOTA"
	CodeParse                = "PARSE"
	CodePrivacyRequired      = "PRIVACYREQUIRED"
	CodeReadOnly             = "READ-ONLY"
	CodeReadWrite            = "READ-WRITE"
	CodeServerBug            = "SERVERBUG"
	CodeTooBig               = "TOOBIG"
	CodeTooFew               = "TOOFEW"
	CodeTryCreate            = "TRYCREATE"
	CodeUIDNext              = "UIDNEXT"
	CodeUIDRequired          = "UIDREQUIRED"
	CodeUIDValidity          = "UIDVALIDITY"
	CodeUndefinedFilter      = "UNDEFINED-FILTER"
	CodeUnavailable          = "UNAVAILABLE"
	CodeUnknownCTE           = "UNKNOWN-CTE"
	CodeURLMech              = "URLMECH"
	CodeUseAttr              = "USEATTR"
)

// Error refuses a command. Type, Code, CodeArg and Text are for the peer; the
// wrapped Err, when there is one, is for the log only.
type Error struct {
	Type    string // NO or BAD; BYE when the connection cannot go on.
	Code    string // Response code without brackets, empty for none.
	CodeArg string // What follows the code and a space, empty for none.
	Text    string // Human-readable, one line of printable ASCII.
	Err     error
}

// Error returns the text as the peer reads it, followed by the cause.
func (e *Error) Error() string {
	s := e.Type + " "
	if e.Code != "" {
		s += "[" + e.Code
		if e.CodeArg != "" {
			s += " " + e.CodeArg
		}
		s += "] "
	}
	s += e.Text
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Bad returns a syntax or protocol error: the tagged response is BAD.
func Bad(format string, args ...any) *Error {
	return &Error{Type: BAD, Text: fmt.Sprintf(format, args...)}
}

// No returns a refusal with an optional response code: the tagged response is NO.
func No(code, format string, args ...any) *Error {
	return &Error{Type: NO, Code: code, Text: fmt.Sprintf(format, args...)}
}
