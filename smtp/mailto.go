package smtp

import (
	"net/url"
	"strings"
)

// ParseMailto returns the address of a "mailto:" URI, and false for any other URI and for
// one that does not have exactly one valid address.
func ParseMailto(uri string) (Address, bool) {
	scheme, rest, ok := strings.Cut(uri, ":")
	if !ok || !strings.EqualFold(scheme, "mailto") {
		return Address{}, false
	}
	// RFC 6068 2: fields for the message after "?". A fragment means nothing.
	rest, _, _ = strings.Cut(rest, "#")
	rest, _, _ = strings.Cut(rest, "?")
	addr, err := url.PathUnescape(rest)
	if err != nil {
		return Address{}, false
	}
	a, err := ParseAddressLax(addr)
	return a, err == nil
}
