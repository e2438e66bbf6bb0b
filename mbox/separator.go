package mbox

import (
	"bytes"
	"strconv"
	"strings"
	"time"
)

// maxSeparator is how long a separator line can be.
const maxSeparator = 1000

var fromSpace = []byte("From ")

// parseSeparator returns sender and time of a line "From sender date". ok is false when it
// has no date.
func parseSeparator(line []byte) (sender string, t time.Time, ok bool) {
	if len(line) > maxSeparator || !bytes.HasPrefix(line, fromSpace) {
		return "", time.Time{}, false
	}
	words := strings.Fields(string(line[len(fromSpace):]))
	// Senders can be quoted with spaces in them: the date begins at the last weekday.
	for i := len(words) - 4; i >= 0; i-- {
		if _, known := weekdays[strings.ToLower(strings.TrimSuffix(words[i], ","))]; !known {
			continue
		}
		if t, ok := parseDate(words[i+1:]); ok {
			return strings.Join(words[:i], " "), t, true
		}
	}
	return "", time.Time{}, false
}

var weekdays = map[string]bool{"mon": true, "tue": true, "wed": true, "thu": true, "fri": true, "sat": true, "sun": true}

var months = map[string]time.Month{
	"jan": time.January, "feb": time.February, "mar": time.March, "apr": time.April, "may": time.May, "jun": time.June,
	"jul": time.July, "aug": time.August, "sep": time.September, "oct": time.October, "nov": time.November, "dec": time.December,
}

// zones are names that are seen in separators, in hours east of Greenwich.
var zones = map[string]int{
	"utc": 0, "gmt": 0, "ut": 0, "z": 0, "wet": 0, "bst": 1, "cet": 1, "met": 1, "mez": 1, "cest": 2, "mest": 2, "mesz": 2, "eet": 2, "eest": 3,
	"est": -5, "edt": -4, "cst": -6, "cdt": -5, "mst": -7, "mdt": -6, "pst": -8, "pdt": -7, "jst": 9,
}

// parseDate reads what follows the weekday: "Jan 2 15:04:05 2006", with a zone before or
// after the year, or none, which is UTC; also "2 Jan 2006 15:04:05".
func parseDate(words []string) (time.Time, bool) {
	var month time.Month
	day, year, clock, offset := 0, 0, [3]int{-1}, 0
	for i, w := range words {
		if i == 7 {
			break
		}
		n, err := strconv.Atoi(w)
		switch m, isMonth := months[strings.ToLower(w)]; {
		case isMonth && month == 0:
			month = m
		case strings.Contains(w, ":") && clock[0] < 0:
			var ok bool
			if clock, ok = parseClock(w); !ok {
				return time.Time{}, false
			}
		case len(w) == 5 && (w[0] == '+' || w[0] == '-') && err == nil:
			sign := 1
			if n < 0 {
				sign, n = -1, -n
			}
			offset = sign * (n/100*3600 + n%100*60)
		case err == nil && len(w) <= 2 && day == 0 && n > 0:
			day = n
		case err == nil && len(w) == 4 && year == 0:
			year = n
		default:
			if h, known := zones[strings.ToLower(w)]; known {
				offset = h * 3600
			} else if year != 0 {
				break // "remote from somewhere"
			}
		}
	}
	if month == 0 || day < 1 || day > 31 || year < 1970 || clock[0] < 0 || offset < -86400 || offset > 86400 {
		return time.Time{}, false
	}
	return time.Date(year, month, day, clock[0], clock[1], clock[2], 0, time.UTC).Add(time.Duration(-offset) * time.Second), true
}

func parseClock(s string) (clock [3]int, ok bool) {
	parts := strings.Split(s, ":")
	if len(parts) < 2 || len(parts) > 3 {
		return [3]int{-1}, false
	}
	for i, p := range parts {
		n, err := strconv.Atoi(p)
		if err != nil || n < 0 || n > 60 || i == 0 && n > 23 {
			return [3]int{-1}, false
		}
		clock[i] = n
	}
	return clock, true
}

// isField tells whether a line begins like a field of a header.
func isField(line []byte) bool {
	i := bytes.IndexByte(line, ':')
	if i < 0 && len(line) < 70 {
		return false
	}
	if i < 0 {
		i = len(line)
	}
	name := bytes.TrimRight(line[:i], " \t")
	// A file can begin with a field of an old separator that was quoted.
	name = bytes.TrimPrefix(name, []byte(">From "))
	if len(name) == 0 {
		return false
	}
	for _, c := range name {
		if c <= ' ' || c >= 0x7f {
			return false
		}
	}
	return true
}

// quoted tells how many ">" are before "From " at the beginning of a line; -1 when
// it is no such line.
func quoted(line []byte) int {
	n := 0
	for n < len(line) && line[n] == '>' {
		n++
	}
	if bytes.HasPrefix(line[n:], fromSpace) {
		return n
	}
	return -1
}
