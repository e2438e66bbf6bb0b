package imap

// Compress is COMPRESS, RFC 4978 3; the name is in upper case.
type Compress struct{ Algorithm string }

func parseCompress(d *Decoder, _ *Request) any {
	d.s.space()
	return &Compress{Algorithm: d.s.keyword("algorithm")}
}
