package message

import "unicode/utf8"

// stringTable holds strings common in messages. It is part of the binary form of
// trees: entries are only ever added at the end.
var stringTable = []string{
	"", "text", "plain", "html", "multipart", "mixed", "alternative", "related", "signed", "report", "digest",
	"application", "octet-stream", "pdf", "zip", "pgp-signature", "pkcs7-signature", "pgp-encrypted", "encrypted",
	"message", "rfc822", "global", "delivery-status", "disposition-notification", "rfc822-headers", "external-body", "partial",
	"image", "jpeg", "png", "gif", "webp", "svg+xml", "audio", "video", "calendar", "csv", "xml", "json", "ics", "msword", "ms-tnef", "x-patch", "x-diff",
	"vnd.openxmlformats-officedocument.wordprocessingml.document", "vnd.openxmlformats-officedocument.spreadsheetml.sheet",
	"charset", "boundary", "name", "filename", "format", "flowed", "fixed", "delsp", "yes", "no", "type", "protocol", "micalg",
	"report-type", "method", "size", "creation-date", "modification-date", "start", "differences", "access-type",
	"utf-8", "UTF-8", "us-ascii", "US-ASCII", "iso-8859-1", "ISO-8859-1", "iso-8859-15", "ISO-8859-15", "windows-1252", "Windows-1252",
	"windows-1251", "koi8-r", "KOI8-R", "gb2312", "GB2312", "gbk", "GBK", "big5", "iso-2022-jp", "ISO-2022-JP", "euc-kr", "ks_c_5601-1987",
	"iso-8859-2", "ISO-8859-2", "shift_jis", "utf8",
	"7bit", "8bit", "binary", "quoted-printable", "base64", "x-uuencode", "7BIT", "8BIT", "inline", "attachment", "form-data",
	"text/html", "text/plain", "multipart/alternative", "pgp-sha1", "pgp-sha256", "pgp-sha512", "sha-256", "sha1",
	"application/pgp-signature", "application/pkcs7-signature", "application/pgp-encrypted", "en", "en-us", "en-US", "REQUEST",
}

func isASCII[T []byte | string](s T) bool {
	for i := 0; i < len(s); i++ {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
