package message

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// RFC5322Z is the layout of a date in a message header, for [time.Time.Format].
const RFC5322Z = "Mon, 2 Jan 2006 15:04:05 -0700"

// ErrDate says that a date could not be understood.
var ErrDate = errors.New("invalid date")

// FormatDate formats t, in its own zone, as in a message header (RFC 5322 3.3).
func FormatDate(t time.Time) string { return t.Format(RFC5322Z) }

const maxDate = 256

var months = map[string]time.Month{
	"jan": 1, "feb": 2, "mar": 3, "apr": 4, "may": 5, "jun": 6,
	"jul": 7, "aug": 8, "sep": 9, "oct": 10, "nov": 11, "dec": 12,
	// As some write them.
	"mrt": 3, "mai": 5, "mei": 5, "okt": 10, "dez": 12,
}

// zones in minutes east of UTC.
//
// RFC 5322 4.3: the American ones are as defined; military letters were defined
// wrongly and mean an unknown zone, as does any other name.
var zones = map[string]int{
	"ut": 0, "utc": 0, "gmt": 0, "z": 0,
	"est": -5 * 60, "edt": -4 * 60, "cst": -6 * 60, "cdt": -5 * 60,
	"mst": -7 * 60, "mdt": -6 * 60, "pst": -8 * 60, "pdt": -7 * 60,
	// Common in mail although in no RFC.
	"cet": 60, "cest": 120, "met": 60, "mest": 120, "mez": 60, "mesz": 120, "wet": 0, "west": 60,
	"bst": 60, "eet": 120, "eest": 180, "msk": 180, "msd": 240, "jst": 540, "kst": 540, "hkt": 480, "sgt": 480,
	"aest": 600, "aedt": 660, "nzst": 720, "nzdt": 780, "akst": -540, "akdt": -480, "hst": -600, "brt": -180,
}

// dateParser collects what the words of a date say.
type dateParser struct {
	year, day      int // -1 as long as unknown
	yearDigits     int
	month          time.Month
	hour, min, sec int
	haveTime, isPM bool
	haveAMPM       bool
	zone           int // minutes
	haveZone       bool
	relativeToGMT  bool // "GMT" was seen, "GMT+2" may follow
}

// ParseDate parses the value of a Date field: RFC 5322 3.3 and 4.3, and forms seen in
// the wild, such as those of ctime, ISO 8601, missing seconds or zones (then UTC), and
// 12-hour clocks. The weekday is not checked. The error is [ErrDate].
func ParseDate(s string) (time.Time, error) {
	if len(s) > maxDate {
		s = s[:maxDate]
	}
	p := dateParser{year: -1, day: -1}
	words := strings.FieldsFunc(joinColons(stripComments(s)), func(r rune) bool {
		return r == ' ' || r == '\t' || r == ',' || r == '\r' || r == '\n' || r == '"' || r == ';'
	})
	for _, w := range words {
		p.word(strings.ToLower(w))
	}
	t, ok := p.time()
	if !ok {
		return time.Time{}, fmt.Errorf("%w: %.60q", ErrDate, s)
	}
	return t, nil
}

// joinColons removes white space around colons, which obsolete syntax allows.
func joinColons(s string) string {
	if !strings.Contains(s, " :") && !strings.Contains(s, ": ") {
		return s
	}
	parts := strings.Split(s, ":")
	for i := range parts {
		if i > 0 {
			parts[i] = strings.TrimLeft(parts[i], " \t\r\n")
		}
		if i < len(parts)-1 {
			parts[i] = strings.TrimRight(parts[i], " \t\r\n")
		}
	}
	return strings.Join(parts, ":")
}

func (p *dateParser) word(w string) {
	c := w[0]
	switch {
	case strings.Contains(w, ":"):
		p.colons(w)
	case c >= '0' && c <= '9':
		p.number(w)
	case (c == '+' || c == '-') && len(w) > 1:
		p.offset(w)
	default:
		p.name(w)
	}
}

// name takes a month, zone, AM or PM; weekdays and unknown names are skipped.
func (p *dateParser) name(w string) {
	w = strings.Trim(w, ".")
	if len(w) >= 3 && p.month == 0 {
		if m, ok := months[w[:3]]; ok {
			p.month = m
			// "jan-02-2006"
			if _, rest, ok := strings.Cut(w, "-"); ok {
				for part := range strings.SplitSeq(rest, "-") {
					p.number(part)
				}
			}
			return
		}
	}
	switch w {
	case "am", "pm":
		p.haveAMPM, p.isPM = true, w == "pm"
		return
	}
	base := w
	if i := strings.IndexAny(w, "+-"); i > 0 {
		base = w[:i] // gmt+0200
	}
	if m, ok := zones[base]; ok && (!p.haveZone || p.relativeToGMT) {
		p.zone, p.haveZone = m, true
		p.relativeToGMT = m == 0
		if base != w {
			p.offset(w[len(base):])
		}
	}
}

// offset takes a numeric zone: +hhmm, +hh, +h.
func (p *dateParser) offset(w string) {
	if p.haveZone && !p.relativeToGMT {
		return
	}
	n, digits := digitsOf(w[1:])
	var m int
	switch {
	case digits == 0 || digits != len(w)-1:
		return
	case digits <= 2:
		m = n * 60
	case digits <= 4:
		m = n/100*60 + n%100
	default:
		return
	}
	// RFC 5322 3.3: the last two digits are minutes; no zone is beyond a day.
	if m >= 24*60 {
		m = 0
	}
	if w[0] == '-' {
		m = -m
	}
	p.zone, p.haveZone, p.relativeToGMT = m, true, false
}

func digitsOf(s string) (n, digits int) {
	for digits < len(s) && digits < 9 && s[digits] >= '0' && s[digits] <= '9' {
		n = n*10 + int(s[digits]-'0')
		digits++
	}
	return n, digits
}

// number takes a day, a year, or a date with "-" or "/" or ".".
func (p *dateParser) number(w string) {
	n, digits := digitsOf(w)
	rest := w[digits:]
	switch {
	case digits == 0:
		return
	case rest != "" && strings.ContainsRune("-/.", rune(rest[0])) && len(rest) > 1:
		p.dashed(w)
	case rest == "am" || rest == "pm":
		p.hour, p.haveTime, p.haveAMPM, p.isPM = n, !p.haveTime, true, rest == "pm"
	case digits == 8 && p.year < 0 && p.month == 0:
		p.year, p.yearDigits, p.month, p.day = n/10000, 4, time.Month(n/100%100), n%100
	case p.day < 0 && digits <= 2 && n >= 1 && n <= 31:
		p.day = n
	case p.year < 0 && digits <= 5:
		p.year, p.yearDigits = n, digits
	case p.year >= 0 && p.haveTime && !p.haveZone && digits == 4:
		p.offset("+" + w[:digits]) // the sign is missing
	}
}

// dashed takes 2-jan-2006, 2006-01-02 and 2006/01/02. Numeric dates that start with
// day or month are ambiguous: 2.1.2006 is European, 1/2/2006 American.
func (p *dateParser) dashed(w string) {
	sep := strings.IndexAny(w, "-/.")
	parts := strings.SplitN(w, w[sep:sep+1], 3)
	if len(parts) < 3 || p.month != 0 {
		return
	}
	third, tail, _ := strings.Cut(parts[2], "t")
	a, aDigits := digitsOf(parts[0])
	c, cDigits := digitsOf(third)
	if m, ok := months[parts[1][:min(3, len(parts[1]))]]; ok {
		p.day, p.month, p.year, p.yearDigits = a, m, c, cDigits
		return
	}
	b, bDigits := digitsOf(parts[1])
	switch {
	case bDigits == 0 || cDigits == 0:
		return
	case aDigits == 4:
		p.year, p.yearDigits, p.month, p.day = a, 4, time.Month(b), c
	case w[sep] == '/' && a <= 12:
		p.month, p.day, p.year, p.yearDigits = time.Month(a), b, c, cDigits
	default:
		p.day, p.month, p.year, p.yearDigits = a, time.Month(b), c, cDigits
	}
	if tail != "" {
		p.word(tail)
	}
}

// colons takes a time, with what may be joined to it: a date and "t" before, fraction,
// zone, am or pm after; or a zone with a colon.
func (p *dateParser) colons(w string) {
	if w[0] == '+' || w[0] == '-' {
		p.offset(strings.Replace(w, ":", "", 1))
		return
	}
	if date, clock, ok := strings.Cut(w, "t"); ok && date != "" && strings.Contains(date, "-") {
		p.number(date)
		w = clock
	}
	if p.haveTime {
		return
	}
	var v [3]int
	for i := range v {
		n, digits := digitsOf(w)
		if digits == 0 || digits > 2 {
			return
		}
		v[i], w = n, w[digits:]
		if i == 2 || !strings.HasPrefix(w, ":") {
			break
		}
		w = w[1:]
	}
	p.hour, p.min, p.sec, p.haveTime = v[0], v[1], v[2], true
	if strings.HasPrefix(w, ".") {
		w = strings.TrimLeft(w[1:], "0123456789")
	}
	if w != "" && (w[0] < '0' || w[0] > '9') && w[0] != ':' {
		p.word(w)
	} else if strings.HasPrefix(w, ":") && len(w) > 1 {
		p.offset("+" + strings.TrimLeft(w, ":"))
	}
}

// time puts it together. A date without time is midnight.
func (p *dateParser) time() (time.Time, bool) {
	if p.day < 1 || p.month < 1 || p.month > 12 || p.year < 0 {
		return time.Time{}, false
	}
	year := p.year
	// RFC 5322 4.3: years of two and three digits.
	switch {
	case p.yearDigits <= 2 && year < 50:
		year += 2000
	case p.yearDigits <= 3:
		year += 1900
	}
	hour := p.hour
	if p.haveAMPM && hour <= 12 {
		hour %= 12
		if p.isPM {
			hour += 12
		}
	}
	if year > 9999 || hour > 24 || p.min > 59 || p.sec > 60 || p.day > daysIn(p.month, year) {
		return time.Time{}, false
	}
	zone := time.UTC
	if p.zone != 0 {
		zone = time.FixedZone("", p.zone*60)
	}
	return time.Date(year, p.month, p.day, hour, p.min, p.sec, 0, zone), true
}

func daysIn(m time.Month, year int) int {
	return time.Date(year, m+1, 0, 0, 0, 0, 0, time.UTC).Day()
}

// SentDate returns the date of the message, the zero time where there is none or none
// that can be understood.
func (e *Envelope) SentDate() time.Time {
	if e == nil {
		return time.Time{}
	}
	t, err := ParseDate(e.Date)
	if err != nil {
		return time.Time{}
	}
	return t
}
