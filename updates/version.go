package updates

import (
	"cmp"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// ErrVersion: a text is not a version.
var ErrVersion = errors.New("not a version such as v1.2.3")

// maxVersion bounds the text of a version, in bytes.
const maxVersion = 64

// Version is a version of a release (Semantic Versioning 2.0.0). The zero value is older than any
// other, and stands for none. It is comparable, but [Version.Compare] tells which is newer.
type Version struct {
	Major, Minor, Patch uint32
	// Pre has the identifiers of a pre-release, as in "rc.1"; "": it is none.
	Pre string
	// Build is of no meaning for the order.
	Build string
}

// ParseVersion parses "v1.2.3-rc.1+build"; the "v" may be missing. 0.0.0, which is none, is an
// error. Errors wrap ErrVersion.
func ParseVersion(s string) (Version, error) {
	bad := fmt.Errorf("%w: %.80q", ErrVersion, s)
	if len(s) > maxVersion {
		return Version{}, bad
	}
	rest, build, isBuild := strings.Cut(strings.TrimPrefix(s, "v"), "+")
	rest, pre, isPre := strings.Cut(rest, "-")
	v := Version{Pre: pre, Build: build}
	if isBuild && !areIdentifiers(build, false) || isPre && !areIdentifiers(pre, true) {
		return Version{}, bad
	}
	numbers := strings.Split(rest, ".")
	if len(numbers) != 3 {
		return Version{}, bad
	}
	for i, to := range []*uint32{&v.Major, &v.Minor, &v.Patch} {
		n, err := strconv.ParseUint(numbers[i], 10, 32)
		if err != nil || !isNumber(numbers[i]) {
			return Version{}, bad
		}
		*to = uint32(n)
	}
	if v.Compare(Version{}) == 0 {
		return Version{}, bad // 0.0.0 is none
	}
	return v, nil
}

// VersionOf is that of a program, from what it says with "version": the first word. False where
// that is none, as of a build from a checkout.
func VersionOf(program string) (Version, bool) {
	word, _, _ := strings.Cut(strings.TrimSpace(program), " ")
	v, err := ParseVersion(word)
	return v, err == nil
}

// isNumber: digits, without a zero before them.
func isNumber(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == "" && (s == "0" || s[0] != '0')
}

// areIdentifiers: words of letters, digits and hyphens with dots between them; of a pre-release,
// numbers have no zero before them.
func areIdentifiers(s string, pre bool) bool {
	for id := range strings.SplitSeq(s, ".") {
		if id == "" || strings.IndexFunc(id, func(c rune) bool { return !isWordRune(c) }) >= 0 {
			return false
		}
		if pre && strings.Trim(id, "0123456789") == "" && !isNumber(id) {
			return false
		}
	}
	return true
}

func isWordRune(c rune) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '-'
}

// String is the text with a "v"; "" of the zero value.
func (v Version) String() string {
	if v.IsZero() {
		return ""
	}
	s := fmt.Sprintf("v%d.%d.%d", v.Major, v.Minor, v.Patch)
	if v.Pre != "" {
		s += "-" + v.Pre
	}
	if v.Build != "" {
		s += "+" + v.Build
	}
	return s
}

// IsZero tells whether it is the zero value: none.
func (v Version) IsZero() bool { return v == Version{} }

// Newer tells whether v comes after o.
func (v Version) Newer(o Version) bool { return v.Compare(o) > 0 }

// Compare is -1 when v comes before o, 1 when it comes after, else 0 (Semantic Versioning 11).
func (v Version) Compare(o Version) int {
	if c := cmp.Or(cmp.Compare(v.Major, o.Major), cmp.Compare(v.Minor, o.Minor), cmp.Compare(v.Patch, o.Patch)); c != 0 || v.Pre == o.Pre {
		return c
	}
	switch { // A pre-release comes before what it is one of, and the zero value before all.
	case v.IsZero() || o.Pre == "" && !o.IsZero():
		return -1
	case o.IsZero() || v.Pre == "":
		return 1
	}
	a, b := strings.Split(v.Pre, "."), strings.Split(o.Pre, ".")
	for i := range min(len(a), len(b)) {
		if c := compareIdentifiers(a[i], b[i]); c != 0 {
			return c
		}
	}
	return cmp.Compare(len(a), len(b))
}

// compareIdentifiers: numbers by their value, before words, which are in the order of ASCII.
func compareIdentifiers(a, b string) int {
	switch an, bn := isNumber(a), isNumber(b); {
	case an && bn:
		return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b))
	case an != bn && an:
		return -1
	case an != bn:
		return 1
	}
	return cmp.Compare(a, b)
}
