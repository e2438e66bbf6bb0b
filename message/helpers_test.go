package message

import (
	"time"
	"unicode/utf8"
)

var timeZero time.Time

func isValidUTF8(b []byte) bool { return utf8.Valid(b) }

// vectorShapes are the expected trees of published messages, by their number.
var vectorShapes = map[string]string{}
