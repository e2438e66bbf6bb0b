package mtasts

import (
	"fmt"
	"strings"
)

// version is the only one there is, of records and of policies.
const version = "STSv1"

// maxRecord bounds the text of a record: some of the 65535 octets of data that DNS allows.
const maxRecord = 4096

// Pair is a field that RFC 8461 does not know, of a record or a policy.
type Pair struct{ Name, Value string }

// Record says that a domain has a policy (RFC 8461 3.1).
type Record struct {
	// ID is another for each policy: 1 to 32 letters and digits.
	ID string
	// Extensions are the other fields, in their order.
	Extensions []Pair
}

// String returns the text of the record.
func (r Record) String() string {
	var b strings.Builder
	b.WriteString("v=" + version + "; id=" + r.ID)
	for _, x := range r.Extensions {
		b.WriteString("; " + x.Name + "=" + x.Value)
	}
	return b.String()
}

// isRecord tells whether a text claims to be a record; those that do not are passed over
// (RFC 8461 3.1). The blanks before the semicolon are those of the syntax there.
func isRecord(s string) bool {
	rest, ok := strings.CutPrefix(s, "v="+version)
	return ok && strings.HasPrefix(strings.TrimLeft(rest, " \t"), ";")
}

// ParseRecord parses the text of a record. isRecord tells whether it is meant to be one of
// MTA-STS, which decides whether it counts when there are several. Errors wrap ErrRecord.
func ParseRecord(s string) (r Record, is bool, _ error) {
	if !isRecord(s) {
		return Record{}, false, fmt.Errorf("%w: does not begin with \"v=%s;\"", ErrRecord, version)
	}
	if len(s) > maxRecord {
		return Record{}, true, fmt.Errorf("%w: too long", ErrRecord)
	}
	fields := strings.Split(s, ";")
	last := len(fields) - 1
	seen := map[string]bool{"v": true}
	for i, f := range fields[1:] {
		// RFC 8461 3.1: there can be blanks around a semicolon, and one at the end.
		f = strings.TrimLeft(f, " \t")
		if i+1 < last {
			f = strings.TrimRight(f, " \t")
		} else if f == "" {
			break
		}
		name, value, ok := strings.Cut(f, "=")
		if !ok || !isName(name) || !isValue(value) {
			return Record{}, true, fmt.Errorf("%w: field %q", ErrRecord, f)
		}
		// RFC 8461 3.2: of a field that is there again, the first counts.
		if seen[name] {
			continue
		}
		seen[name] = true
		if name != "id" {
			r.Extensions = append(r.Extensions, Pair{name, value})
			continue
		}
		if !ValidID(value) {
			return Record{}, true, fmt.Errorf("%w: id %q", ErrRecord, value)
		}
		r.ID = value
	}
	if r.ID == "" {
		return Record{}, true, fmt.Errorf("%w: no id", ErrRecord)
	}
	return r, true, nil
}

// ValidID tells whether s can be the id of a policy: 1 to 32 letters and digits.
func ValidID(s string) bool {
	return len(s) >= 1 && len(s) <= 32 && strings.IndexFunc(s, func(c rune) bool { return !alphanumeric(c) }) < 0
}

func alphanumeric(c rune) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}

// isName: sts-ext-name of RFC 8461 3.1, and sts-policy-ext-name of 3.2.
func isName(s string) bool {
	if len(s) < 1 || len(s) > 32 || !alphanumeric(rune(s[0])) {
		return false
	}
	return strings.IndexFunc(s, func(c rune) bool { return !alphanumeric(c) && c != '_' && c != '-' && c != '.' }) < 0
}

// isValue: sts-ext-value of RFC 8461 3.1.
func isValue(s string) bool {
	return s != "" && strings.IndexFunc(s, func(c rune) bool { return c <= ' ' || c > '~' || c == ';' || c == '=' }) < 0
}
