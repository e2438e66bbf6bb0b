package sasl

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/secure/precis"
	"golang.org/x/text/unicode/norm"
)

// NormalizeName prepares an identity for comparison: UsernameCasePreserved of RFC
// 8265, or, for what that does not allow and some directories have all the same, such
// as spaces, Unicode form C. Control characters are refused.
func NormalizeName(s string) (string, error) {
	if s == "" || len(s) > maxName || !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl) {
		return "", protocolError("bad user name")
	}
	if n, err := precis.UsernameCasePreserved.String(s); err == nil {
		return n, nil
	}
	return norm.NFC.String(s), nil
}

// NormalizePassword prepares a password for hashing: OpaqueString of RFC 8265, which
// took the place of SASLprep and agrees with it on what people type. A password that
// it does not allow is used as it is.
func NormalizePassword(s string) string {
	if n, err := precis.OpaqueString.String(s); err == nil {
		return n
	}
	return s
}
