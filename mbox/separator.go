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
	d := date{clock: [3]int{-1}}
	for _, w := range words[:min(len(words), 7)] {
		if !d.take(w) {
			return time.Time{}, false
		}
	}
	return d.time()
}

// date is what words of a date have given so far; zero, and -1 in clock, is nothing.
type date struct {
	year, day int
	month     time.Month
	clock     [3]int
	offset    int // seconds east of Greenwich
}

// take reads one word, of which each kind counts once, in whatever order they come. Others are
// passed over, such as "remote from somewhere"; false is for a clock that shows no time.
func (d *date) take(w string) (ok bool) {
	lower := strings.ToLower(w)
	if m, is := months[lower]; is && d.month == 0 {
		d.month = m
		return true
	}
	if strings.Contains(w, ":") && d.clock[0] < 0 {
		d.clock, ok = parseClock(w)
		return ok
	}
	if n, err := strconv.Atoi(w); err == nil && d.number(w, n) {
		return true
	}
	if hours, known := zones[lower]; known {
		d.offset = hours * 3600
	}
	return true
}

// number takes a number for a zone, a day or a year, by its length.
func (d *date) number(w string, n int) bool {
	switch {
	case len(w) == 5 && (w[0] == '+' || w[0] == '-'):
		d.offset = n/100*3600 + n%100*60 // both have the sign
	case len(w) <= 2 && d.day == 0 && n > 0:
		d.day = n
	case len(w) == 4 && d.year == 0:
		d.year = n
	default:
		return false
	}
	return true
}

// time is the date, when it has all parts and they make sense.
func (d *date) time() (time.Time, bool) {
	const day = 24 * 3600
	if d.month == 0 || d.day < 1 || d.day > 31 || d.year < 1970 || d.clock[0] < 0 || d.offset < -day || d.offset > day {
		return time.Time{}, false
	}
	t := time.Date(d.year, d.month, d.day, d.clock[0], d.clock[1], d.clock[2], 0, time.UTC)
	return t.Add(time.Duration(-d.offset) * time.Second), true
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
