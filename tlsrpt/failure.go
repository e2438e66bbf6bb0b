package tlsrpt

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"strings"
)

// maxReason bounds FailureReasonCode as made here.
const maxReason = 200

// Failure returns what the error of a TLS handshake, or of verifying a certificate, is in a
// report, and the text for FailureReasonCode, empty where the type says all.
func Failure(err error) (ResultType, string) {
	if _, ok := errors.AsType[x509.HostnameError](err); ok {
		return ResultCertificateHostMismatch, ""
	}
	if e, ok := errors.AsType[x509.CertificateInvalidError](err); ok {
		if e.Reason == x509.Expired {
			return ResultCertificateExpired, ""
		}
		return ResultCertificateNotTrusted, reason(e)
	}
	if e, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return ResultCertificateNotTrusted, reason(e)
	}
	if e, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return ResultCertificateNotTrusted, reason(e)
	}
	return ResultValidationFailure, reason(err)
}

// reason is an error as printable ASCII.
func reason(err error) string {
	if err == nil {
		return ""
	}
	s := strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, err.Error())
	return s[:min(len(s), maxReason)]
}
