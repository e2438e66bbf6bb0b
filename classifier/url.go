package classifier

import (
	"bytes"
	"net/netip"
	"strings"
)

// maxURLWords is how many words of a path count.
const maxURLWords = 8

// url adds host and path of a URL without its scheme, and returns what follows it.
func (t *tokenizer) url(b []byte, prefix string) []byte {
	n := bytes.IndexAny(b, "<>\"'()[]{}|,; \t\r\n")
	if n < 0 {
		n = len(b)
	}
	u, rest := b[:n], b[n:]
	end := bytes.IndexAny(u, "/?#\\")
	if end < 0 {
		end = len(u)
	}
	authority, path := u[:end], u[end:]
	if i := bytes.LastIndexByte(authority, '@'); i >= 0 {
		t.fact(prefix, "odd:userinfo")
		authority = authority[i+1:]
	}
	host := strings.ToLower(limit(string(authority), 253))
	if h, port, ok := strings.Cut(host, ":"); ok {
		if port != "" && port != "80" && port != "443" {
			t.fact(prefix, "odd:port")
		}
		host = h
	}
	if strings.Contains(host, "%") {
		t.fact(prefix, "odd:escaped")
	}
	t.host(prefix, host)
	t.path(path)
	return rest
}

// host adds a domain and the domains above it, up to the one of two labels.
func (t *tokenizer) host(prefix, host string) {
	host = strings.TrimRight(host, ".")
	if host == "" {
		return
	}
	if _, err := netip.ParseAddr(host); err == nil || strings.Trim(host, "0123456789.") == "" {
		t.fact(prefix, "odd:address")
		t.fact(prefix, host)
		return
	}
	labels := strings.Count(host, ".") + 1
	for n := 0; n < 3; n++ {
		if labels <= 4 {
			t.fact(prefix, host)
		}
		if labels <= 2 {
			return
		}
		for {
			_, host, _ = strings.Cut(host, ".")
			if labels--; labels <= 4 {
				break
			}
		}
	}
}

// path adds the words of the path of a URL.
func (t *tokenizer) path(b []byte) {
	if i := bytes.IndexByte(b, '?'); i >= 0 {
		t.fact("url/", "?")
		b = b[:i]
	}
	words := 0
	for len(b) > 0 && words < maxURLWords {
		n := 0
		for n < len(b) && charClass[b[n]] == charLetter {
			n++
		}
		if n >= 3 && n <= 20 {
			if w := bytes.ToLower(b[:n]); !shapeOf(w).random(n) {
				t.fact("url/", string(w))
				words++
			}
		}
		b = b[min(n+1, len(b)):]
	}
}
