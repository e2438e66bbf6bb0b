package mtasts

import (
	"errors"
	"fmt"
)

// Errors of records. ErrNoRecord and ErrRecord mean that the domain has no MTA-STS now, which
// does not end a policy it had (RFC 8461 3.1); a failed lookup is an error of the resolver.
var (
	ErrNoRecord = errors.New("no MTA-STS record")
	ErrRecord   = errors.New("invalid MTA-STS record")
	// ErrMultipleRecords wraps ErrRecord.
	ErrMultipleRecords = fmt.Errorf("%w: more than one", ErrRecord)
	// ErrPolicy: the text is not a policy.
	ErrPolicy = errors.New("invalid MTA-STS policy")
)

// Reason is why there is no policy, as a result type of TLS reports (RFC 8460 4.3.2.2).
type Reason string

// Reasons.
const (
	// ReasonPolicyFetch: the policy could not be fetched.
	ReasonPolicyFetch Reason = "sts-policy-fetch-error"
	// ReasonPolicyInvalid: what was fetched is not a policy. The error wraps ErrPolicy.
	ReasonPolicyInvalid Reason = "sts-policy-invalid"
	// ReasonWebPKI: the certificate of the server that has the policy is not valid.
	ReasonWebPKI Reason = "sts-webpki-invalid"
)

// Error is the failure to fetch a policy.
type Error struct {
	Reason Reason
	// Status is the code of an HTTP response that is not 200; 0: there was none.
	Status int
	Err    error // never nil
}

func (e *Error) Error() string { return fmt.Sprintf("mta-sts: %s: %v", e.Reason, e.Err) }

func (e *Error) Unwrap() error { return e.Err }
