package dkim

import "errors"

// Status is the outcome for a signature, a word of Authentication-Results (RFC 8601
// 2.7.1).
type Status string

// The statuses. Messages without signature have no Result; "none" is theirs.
const (
	StatusNone      Status = "none"      // not signed
	StatusPass      Status = "pass"      // verified, and covers what it has to
	StatusFail      Status = "fail"      // signature or body hash do not match the message
	StatusPolicy    Status = "policy"    // verified but not acceptable, or expired
	StatusNeutral   Status = "neutral"   // not understood: syntax, version, algorithm; or one too many
	StatusTemperror Status = "temperror" // the key could not be looked up now
	StatusPermerror Status = "permerror" // no usable key, From not signed, or historic algorithm
)

// Why a signature did not pass. Result.Err wraps one of these.
var (
	ErrSyntax      = errors.New("syntax error in signature")            // neutral
	ErrVersion     = errors.New("unknown version of signature")         // neutral
	ErrAlgorithm   = errors.New("unknown signing algorithm")            // neutral
	ErrQuery       = errors.New("no known query method for the key")    // neutral
	ErrTooMany     = errors.New("too many signatures, not verified")    // neutral
	ErrHistoric    = errors.New("historic signing algorithm")           // permerror, RFC 8301 3.1
	ErrFromMissing = errors.New("field From is not signed")             // permerror
	ErrIdentity    = errors.New("identity is not below the domain")     // permerror
	ErrTimes       = errors.New("expires before it was signed")         // permerror
	ErrExpired     = errors.New("signature has expired")                // policy
	ErrFuture      = errors.New("signature is from the future")         // policy
	ErrFromExtra   = errors.New("message has an unsigned From field")   // policy
	ErrBodyPartial = errors.New("only the start of the body is signed") // policy

	ErrKeyLookup    = errors.New("looking up key record")                  // temperror
	ErrNoKey        = errors.New("no key record")                          // permerror
	ErrKeySyntax    = errors.New("syntax error in key record")             // permerror
	ErrKeyRevoked   = errors.New("key is revoked")                         // permerror
	ErrKeyService   = errors.New("key is not for email")                   // permerror
	ErrKeyHash      = errors.New("key is not for the hash algorithm")      // permerror
	ErrKeyAlgorithm = errors.New("key is not for the signing algorithm")   // permerror
	ErrKeySize      = errors.New("key has unacceptable size")              // permerror, RFC 8301 3.2
	ErrKeyStrict    = errors.New("key is not for identities below domain") // permerror

	ErrBodyHash  = errors.New("body hash did not verify") // fail
	ErrSignature = errors.New("signature did not verify") // fail
)

// statuses says which status an error gives; what is not listed is permerror.
var statuses = []struct {
	status Status
	errs   []error
}{
	{StatusNeutral, []error{ErrSyntax, ErrVersion, ErrAlgorithm, ErrQuery, ErrTooMany}},
	{StatusPolicy, []error{ErrExpired, ErrFuture, ErrFromExtra, ErrBodyPartial}},
	{StatusTemperror, []error{ErrKeyLookup}},
	{StatusFail, []error{ErrBodyHash, ErrSignature}},
}

// StatusOf returns the status that an error of this package stands for, pass for nil.
func StatusOf(err error) Status {
	if err == nil {
		return StatusPass
	}
	for _, row := range statuses {
		for _, e := range row.errs {
			if errors.Is(err, e) {
				return row.status
			}
		}
	}
	return StatusPermerror
}
