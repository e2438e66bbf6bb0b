package message

import (
	"time"
	"unicode/utf8"
)

var timeZero time.Time

func isValidUTF8(b []byte) bool { return utf8.Valid(b) }

// vectorShapes are the expected trees of published messages, by their number.
var vectorShapes = map[string]string{
	"0004": `mixed(text/plain"Attachment Test\n" text/plain"VGVzdAo=")`,
	"0007": `text/plain"This had better not end up in /tmp!\n"`,
	"0018": `text/plain"The header is not properly terminated; the \"blank line\" \r\nactually has a space in it.\r\n\r\n"`,
	"0030": `digest(rfc822{text/plain"This is implicitly-typed ASCII text.\r\nIt does NOT end with a linebreak."} rfc822{text/plain"This is explicitly typed plain ASCII text.\r\nIt DOES end with a linebreak.\r\n"})`,
	"0040": `rfc822{rfc822{text/plain"This is the original message.\r\nLet's see if we can embed it!\r\n"}}`,
	"0051": `mixed(text/plain"Text body\n")`,
	"0059": `mixed(text/plain"first part\r\n")`,
	"0064": `text/plain"This is an invalid header\r\nAnotherHeader: is this an header or the first part of the body?\r\n\r\nBody text\r\n"`,
	"0066": `mixed(text/plain"This should be a text including the --boundary\r\nstring and should not be parsed as multiple bodies\r\n")`,
	"0067": `alternative(text/plain"AAA\r\n\r\n")`,
	"0068": `mixed(text/plain"Foo\r\n" alternative(text/plain"AAA\r\n"))`,
	"0069": `mixed(text/plain"Foo\r\n" alternative(text/plain"AAA\r\n\r\n--inner-boundary--"))`,
	"0070": `digest(rfc822{mixed(text/plain"")})`,
	"0071": `mixed(text/plain"")`,
	"0072": `mixed(rfc822{mixed(text/plain"")})`,
	"0073": `mixed(mixed(text/plain""))`,
	"0081": `mixed(text/plain"Text body" text/plain"The above line is similar to the boundary but miss a final space, so it\r\nshould be part of the body.\r\n")`,
}

// goldenBinary is goldenMessage in version 1 of the binary form.
const goldenBinary = "\x01\x82\x18\x00]\xa5\x01\r\b\n\x01\x00^\x03x\x02\x00\x00\x00\x00\x00\x01\x00\x03A\x03a\rb.test\x00\x00\x03\x01\x03G\x00\x00\x03c\rd.test\x02\x00\x00\x00\x02\x99\x04\x05N\x01\x00\x02\x04\x01\xca\x01\x01\x01b\x05é\x01\xe6\x01\xa0 \a1\x10\x02&(\a<i>\x81\b\x00\x0f\x01\x00\x02\x04\x01\x02\x00\x05in\x00\x00\x00\x00\x00\x00\x00\x00\x00"
