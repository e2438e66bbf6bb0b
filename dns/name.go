package dns

import (
	"strings"

	mdns "github.com/miekg/dns"
)

// canonical returns a name in lower case without final dot, "." for the root. It costs
// nothing for a name that is so already.
func canonical(name string) string {
	if n := len(name); n > 1 && name[n-1] == '.' && name[n-2] != '.' {
		name = name[:len(name)-1]
	}
	for i := 0; i < len(name); i++ {
		if c := name[i]; c >= 'A' && c <= 'Z' {
			return lower(name)
		}
	}
	return name
}

// lower maps A to Z only: names are octets (RFC 4343).
func lower(s string) string {
	b := []byte(s)
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}

// presentation returns a canonical name in the form that package mdns has: with
// escapes and final dot. ok is false for what is no name: an empty or too long label,
// or too long as a whole (RFC 1035 2.3.4).
func presentation(name string) (fqdn string, ok bool) {
	if name == "." {
		return ".", true
	}
	if name == "" || len(name) > MaxDomain {
		return "", false
	}
	label, plain := 0, true
	for i := 0; i <= len(name); i++ {
		if i == len(name) || name[i] == '.' {
			if label == 0 || label > 63 {
				return "", false
			}
			label = 0
			continue
		}
		label++
		c := name[i]
		plain = plain && (c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-' || c == '_' || c == '*' || c == '/' || c == '=')
	}
	if plain {
		return name + ".", true
	}
	// There and back makes the escapes that names in answers will have.
	var wire [MaxDomain + 2]byte
	n, err := mdns.PackDomainName(strings.ReplaceAll(name, `\`, `\\`)+".", wire[:], 0, nil, false)
	if err != nil {
		return "", false
	}
	fqdn, _, err = mdns.UnpackDomainName(wire[:n], 0)
	return fqdn, err == nil
}

// unescape undoes the escapes of texts in package mdns: \X and \DDD.
func unescape(s string) string {
	if strings.IndexByte(s, '\\') < 0 {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			b = append(b, s[i])
			continue
		}
		i++
		if i+2 < len(s) && digit(s[i]) && digit(s[i+1]) && digit(s[i+2]) {
			b = append(b, (s[i]-'0')*100+(s[i+1]-'0')*10+s[i+2]-'0')
			i += 2
			continue
		}
		b = append(b, s[i])
	}
	return string(b)
}

func digit(c byte) bool { return c >= '0' && c <= '9' }
