package message

// Collation is a way to compare text (RFC 4790). The zero value is UnicodeCasemap.
type Collation uint8

// The collations.
const (
	UnicodeCasemap Collation = iota // i;unicode-casemap, RFC 5051
	ASCIICasemap                    // i;ascii-casemap, RFC 4790 9.2
	Octet                           // i;octet, RFC 4790 9.3, of text in UTF-8
)

// Collations are all of them, the most useful first.
var Collations = [...]Collation{UnicodeCasemap, ASCIICasemap, Octet}

// String returns the identifier in the registry.
func (c Collation) String() string {
	return [...]string{"i;unicode-casemap", "i;ascii-casemap", "i;octet"}[c]
}

// Key transforms text so that comparing keys as bytes compares by the collation, for
// equality, order and substrings.
func (c Collation) Key(s string) string {
	switch c {
	case ASCIICasemap:
		return asciiUpper(s)
	case Octet:
		return s
	}
	return CasemapKey(s)
}

// asciiUpper: RFC 4790 9.2.1: a-z become A-Z, other octets stay.
func asciiUpper(s string) string {
	for i := range len(s) {
		if c := s[i]; 'a' <= c && c <= 'z' {
			b := []byte(s)
			for ; i < len(b); i++ {
				if 'a' <= b[i] && b[i] <= 'z' {
					b[i] -= 'a' - 'A'
				}
			}
			return string(b)
		}
	}
	return s
}
