package message

// Limits bounds what [Parse] does and keeps. A zero field stands for its default,
// so that Limits{} is what servers use. What lies beyond a limit is not lost: it
// stays in the message as opaque content, only without structure of its own.
type Limits struct {
	// Parts is the number of parts in the whole tree. Further delimiter lines that
	// would open a part stay content of the part before. Default 10,000.
	Parts int
	// Depth is how deep parts nest; the root has depth 1, and an embedded message
	// is one deeper than the part that holds it. A multipart or message at the last
	// level becomes application/octet-stream. Default 100, at most 1000.
	Depth int
	// HeaderBytes is how many bytes of one part's header are looked at; later
	// fields are skipped. Default 1 MiB.
	HeaderBytes int
	// HeaderFields is how many fields of one part's header are looked at. Default 10,000.
	HeaderFields int
	// FieldBytes is how many bytes of one field's value are kept before it is
	// parsed; the rest is dropped. Default 128 KiB.
	FieldBytes int
	// KeptBytes is how many bytes of field values the whole tree keeps. Once spent,
	// further parts have types and offsets, but no descriptions, ids, parameters
	// (other than boundary) or envelopes. Default 4 MiB.
	KeptBytes int
	// Boundary is the length of the longest boundary that is looked for; RFC 2046
	// allows 70. Default 8192, at most 16384.
	Boundary int
	// Params is how many parameters of one field are kept. Default 100.
	Params int
	// Addresses is how many addresses of one field are kept, counting those of
	// repeated fields and group markers. Default 4096.
	Addresses int
}

func (l Limits) withDefaults() Limits {
	set := func(v *int, def int) {
		if *v <= 0 {
			*v = def
		}
	}
	set(&l.Parts, 10_000)
	set(&l.Depth, 100)
	set(&l.HeaderBytes, 1<<20)
	set(&l.HeaderFields, 10_000)
	set(&l.FieldBytes, 128<<10)
	set(&l.KeptBytes, 4<<20)
	set(&l.Boundary, 8192)
	set(&l.Params, 100)
	set(&l.Addresses, 4096)
	// The window in which a delimiter line is recognised must fit the read buffer.
	l.Boundary = min(l.Boundary, maxBuffer/4)
	l.Depth = min(l.Depth, maxDepth)
	return l
}
