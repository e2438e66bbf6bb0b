package dane

import "fmt"

// Reason is why DANE failed, as a result type of TLS reports (RFC 8460 4.3).
type Reason string

// Reasons.
const (
	// ReasonDNSSECInvalid: the records could not be had, as they are not signed right or
	// the lookup failed.
	ReasonDNSSECInvalid Reason = "dnssec-invalid"
	// ReasonDANERequired: there are no records though the caller demands some. It is for
	// callers: nothing in this package gives it but [Dialer].
	ReasonDANERequired Reason = "dane-required"
	// ReasonTLSAInvalid: there are records, and none is usable.
	ReasonTLSAInvalid Reason = "tlsa-invalid"
	// ReasonHostMismatch: the certificate is vouched for, but for other names.
	ReasonHostMismatch Reason = "certificate-host-mismatch"
	// ReasonExpired: the certificate, or one above it, is not valid now.
	ReasonExpired Reason = "certificate-expired"
	// ReasonNotTrusted: no record is about the certificate or one above it.
	ReasonNotTrusted Reason = "certificate-not-trusted"
	// ReasonValidationFailure: anything else.
	ReasonValidationFailure Reason = "validation-failure"
)

// Error says why DANE failed.
type Error struct {
	Reason Reason
	// Code is a short word for reports, "failure-reason-code" in RFC 8460 4.4; it can be
	// empty.
	Code string
	Err  error // what happened, never nil
}

func (e *Error) Error() string { return fmt.Sprintf("dane: %s: %v", e.Reason, e.Err) }

func (e *Error) Unwrap() error { return e.Err }
