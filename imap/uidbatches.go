package imap

import "math"

// UIDBatches is UIDBATCHES, RFC 10022.
type UIDBatches struct {
	Size uint32 // messages of a batch
	// First and Last are the batches that are wanted, from 1; 0 for all.
	First, Last uint32
}

// parseUIDBatches: "UIDBATCHES" SP nz-number [SP nz-number ":" nz-number].
func parseUIDBatches(d *Decoder, _ *Request) any {
	p := &d.s
	p.space()
	b := &UIDBatches{Size: p.nzNumber("batch size")}
	if !p.accept(' ') {
		return b
	}
	b.First = p.nzNumber("batch")
	p.expect(':')
	b.Last = p.nzNumber("batch")
	if b.First > b.Last {
		b.First, b.Last = b.Last, b.First
	}
	return b
}

// UIDBatchesResponse is the UIDBATCHES response: ranges of UIDs, each from its highest.
type UIDBatchesResponse struct {
	Tag     string // empty when there is none
	Batches []NumRange
}

func readUIDBatches(p *scanner, _ string) Response {
	r := &UIDBatchesResponse{}
	if p.acceptWord(" (TAG ") {
		r.Tag = p.astring("tag")
		p.expect(')')
	}
	if !p.accept(' ') || p.end() {
		return r
	}
	for {
		b := NumRange{Start: uint32(p.number(math.MaxUint32, "UID"))}
		b.Stop = b.Start
		if p.accept(':') {
			b.Stop = uint32(p.number(math.MaxUint32, "UID"))
		}
		if p.err != nil {
			return r
		}
		p.count()
		r.Batches = append(r.Batches, b)
		if !p.accept(',') {
			return r
		}
	}
}

func (*UIDBatchesResponse) response() {}
