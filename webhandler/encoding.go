package webhandler

import (
	"strconv"
	"strings"
)

// accepted is the weight that a client gives to a content coding (RFC 9110 12.5.3), from 0,
// which is not at all, to 1. A list that cannot be understood accepts nothing.
func accepted(fields []string, coding string) float64 {
	named, any := -1.0, -1.0
	for _, field := range fields {
		for element := range strings.SplitSeq(field, ",") {
			name, params, _ := strings.Cut(element, ";")
			name = strings.ToLower(strings.Trim(name, " \t"))
			q := weight(params)
			switch {
			// RFC 9110 8.4.1.3: x-gzip is gzip.
			case name == coding, coding == "gzip" && name == "x-gzip":
				named = max(named, q)
			case name == "*":
				any = max(any, q)
			}
		}
	}
	if named >= 0 {
		return named
	}
	return max(any, 0)
}

// weight is the q of parameters, 1 if there is none, 0 if it is malformed (RFC 9110 12.4.2).
func weight(params string) float64 {
	params = strings.Trim(params, " \t")
	if params == "" {
		return 1
	}
	name, value, ok := strings.Cut(params, "=")
	if !ok || !strings.EqualFold(strings.Trim(name, " \t"), "q") {
		return 0
	}
	value = strings.Trim(value, " \t")
	if len(value) > 5 || strings.Trim(value, "0123456789.") != "" {
		return 0
	}
	q, err := strconv.ParseFloat(value, 64)
	if err != nil || q > 1 {
		return 0
	}
	return q
}

// choose returns which of codings, best first, a client likes best; "" for none.
func choose(fields []string, codings []string) string {
	best, bestq := "", 0.0
	for _, c := range codings {
		if q := accepted(fields, c); q > bestq {
			best, bestq = c, q
		}
	}
	return best
}

// compressible tells whether content of a media type gets smaller by compression: http
// reference, section 6.
func compressible(contentType string) bool {
	t, _, _ := strings.Cut(contentType, ";")
	t = strings.ToLower(strings.Trim(t, " \t"))
	// It has to arrive as it is sent, which compression could hold up.
	if t == "text/event-stream" {
		return false
	}
	if strings.HasPrefix(t, "text/") || strings.HasSuffix(t, "+json") || strings.HasSuffix(t, "+xml") {
		return true
	}
	switch t {
	case "application/csv", "application/javascript", "application/x-javascript", "application/json", "application/xml",
		"image/vnd.microsoft.icon", "image/x-icon",
		"font/ttf", "font/eot", "font/otf", "font/opentype", "application/x-font-ttf", "application/x-font-opentype", "application/vnd.ms-fontobject":
		return true
	}
	return false
}
