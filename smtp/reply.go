package smtp

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// MaxReplyLine is the most octets of a line of a reply, its CRLF included (RFC 5321
// 4.5.3.1.5).
const MaxReplyLine = 512

// MaxReplyLines is how many lines a reply may have that is read.
const MaxReplyLines = 200

// ErrReply: a line is not one of a reply.
var ErrReply = errors.New("invalid reply")

// Reply is what a server says.
type Reply struct {
	Code     int    // three digits
	Enhanced string // as in "2.1.0"; may be empty
	Lines    []string
}

// Text returns the lines, separated by "\n".
func (r Reply) Text() string { return strings.Join(r.Lines, "\n") }

// Append appends the reply as it goes over the wire. Control characters become "?",
// and lines that are too long are continued on another.
func (r Reply) Append(dst []byte) []byte {
	room := MaxReplyLine - len("250-\r\n")
	if r.Enhanced != "" {
		room -= len(r.Enhanced) + 1
	}
	lines := r.Lines
	if len(lines) == 0 {
		lines = []string{""}
	}
	var all []string
	for _, l := range lines {
		for len(l) > room {
			k := room
			for k > room-utf8.UTFMax && !utf8.RuneStart(l[k]) {
				k--
			}
			all = append(all, l[:k])
			l = l[k:]
		}
		all = append(all, l)
	}
	for i, l := range all {
		dst = strconv.AppendInt(dst, int64(r.Code), 10)
		sep := byte('-')
		if i == len(all)-1 {
			sep = ' '
		}
		dst = append(dst, sep)
		// RFC 2034 4: each line has the enhanced code.
		if r.Enhanced != "" {
			dst = append(dst, r.Enhanced...)
			dst = append(dst, ' ')
		}
		for _, c := range []byte(l) {
			if c < ' ' || c == 0x7f {
				c = '?'
			}
			dst = append(dst, c)
		}
		dst = append(dst, '\r', '\n')
	}
	return dst
}

// String returns the reply for people, on one line.
func (r Reply) String() string {
	s := strconv.Itoa(r.Code)
	if r.Enhanced != "" {
		s += " " + r.Enhanced
	}
	return s + " " + strings.Join(r.Lines, " / ")
}

// Error returns the reply as Error, for one that refuses.
func (r Reply) Error() *Error {
	return &Error{Code: r.Code, Enhanced: r.Enhanced, Text: r.Text()}
}

// ReadReply reads a reply by lines without CRLF, which readLine gives. Enhanced is
// only what RFC 2034 allows: of the class of the code; the lines are without it.
func ReadReply(readLine func() ([]byte, error)) (Reply, error) {
	var r Reply
	for n := 0; ; n++ {
		if n >= MaxReplyLines {
			return r, fmt.Errorf("%w: too many lines", ErrReply)
		}
		line, err := readLine()
		if err != nil {
			return r, err
		}
		code, last, text, err := ParseReplyLine(string(line))
		if err != nil {
			return r, err
		}
		if n > 0 && code != r.Code {
			return r, fmt.Errorf("%w: code %d after %d", ErrReply, code, r.Code)
		}
		r.Code = code
		r.Lines = append(r.Lines, text)
		if last {
			r.splitEnhanced()
			return r, nil
		}
	}
}

// ParseReplyLine parses a line of a reply, without CRLF.
func ParseReplyLine(s string) (code int, last bool, text string, err error) {
	if len(s) < 3 || strings.Trim(s[:3], "0123456789") != "" || s[0] < '2' || s[0] > '5' {
		return 0, false, "", fmt.Errorf("%w: %q", ErrReply, clip(s))
	}
	code, _ = strconv.Atoi(s[:3])
	// RFC 5321 4.2: a code alone is a whole line too.
	if len(s) == 3 {
		return code, true, "", nil
	}
	if s[3] != ' ' && s[3] != '-' {
		return 0, false, "", fmt.Errorf("%w: %q", ErrReply, clip(s))
	}
	return code, s[3] == ' ', s[4:], nil
}

func (r *Reply) splitEnhanced() {
	word, _, _ := strings.Cut(r.Lines[0], " ")
	if !IsEnhanced(word) || int(word[0]-'0') != r.Code/100 {
		return
	}
	for i, l := range r.Lines {
		if rest, ok := strings.CutPrefix(l, word); ok && (rest == "" || rest[0] == ' ') {
			r.Lines[i] = strings.TrimPrefix(rest, " ")
		}
	}
	r.Enhanced = word
}

// IsEnhanced tells whether s is an enhanced status code: class 2, 4 or 5, subject and
// detail of at most three digits (RFC 3463 2).
func IsEnhanced(s string) bool {
	parts := strings.Split(s, ".")
	if len(parts) != 3 || parts[0] != "2" && parts[0] != "4" && parts[0] != "5" {
		return false
	}
	for _, p := range parts[1:] {
		if p == "" || len(p) > 3 || strings.Trim(p, "0123456789") != "" || len(p) > 1 && p[0] == '0' {
			return false
		}
	}
	return true
}
