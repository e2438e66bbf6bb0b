package search

import "mox/db"

// packer packs the blocks of a segment that is being made, to be stored in one transaction
// or several.
type packer struct {
	pack    func([]byte) []byte // of the codec
	out     segment             // its id comes before store
	details details
	filter  filterBuilder
	packed  []packedBlock // not stored yet
	size    int           // bytes of those
}

type packedBlock struct {
	n               int // its number in the segment
	terms, postings []byte
}

// emit takes the next block.
func (p *packer) emit(b block) error {
	one := packedBlock{p.out.blocks, p.pack(b.terms), p.pack(b.postings)}
	n := len(one.terms) + len(one.postings)
	p.out.blocks++
	p.out.bytes += int64(n)
	p.size += n
	p.filter.add(b.terms)
	p.details.firsts = append(p.details.firsts, string(b.first))
	p.packed = append(p.packed, one)
	return nil
}

// packFilter returns the chunks of the filter, none where the segment is to have none.
func (p *packer) packFilter() (chunks [][]byte) {
	if p.out.blocks < filterMinBlocks {
		return nil
	}
	for n := range filterBuckets / filterChunk {
		chunk := p.pack(p.filter.chunk(n))
		chunks = append(chunks, chunk)
		p.out.bytes += int64(len(chunk))
	}
	return chunks
}

// store stores the blocks that are packed and not stored yet.
func (p *packer) store(c *db.Conn) error {
	for _, b := range p.packed {
		if err := c.Exec("INSERT INTO term (id, data) VALUES (?,?)", blockID(p.out.id, b.n), b.terms); err != nil {
			return err
		}
		if err := c.Exec("INSERT INTO posting (id, data) VALUES (?,?)", blockID(p.out.id, b.n), b.postings); err != nil {
			return err
		}
	}
	return nil
}

// storeFilter stores what packFilter returned.
func (p *packer) storeFilter(c *db.Conn, chunks [][]byte) error {
	for n, chunk := range chunks {
		if err := c.Exec("INSERT INTO filter (id, data) VALUES (?,?)", blockID(p.out.id, n), chunk); err != nil {
			return err
		}
	}
	return nil
}

// stored forgets the blocks that have been stored for good.
func (p *packer) stored() { p.packed, p.size = p.packed[:0], 0 }
