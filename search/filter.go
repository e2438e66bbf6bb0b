package search

// A term that contains a string can be in any block. So a segment of more than a few
// blocks has a filter: a matrix of bits that says for each bucket of three bytes in
// which blocks a term has such three. It is kept in chunks of some buckets each, a row
// of the table filter: the bits of the first bucket, one for each block, padded to whole
// bytes, then those of the next.

const (
	filterBuckets   = 1 << 14
	filterChunk     = 1 << 10 // buckets of a chunk
	filterMinBlocks = 8       // segments with fewer have none
	filterGram      = 3
)

// filterBucket is the bucket of three bytes.
func filterBucket(a, b, c byte) int {
	return int((uint32(a)<<16 | uint32(b)<<8 | uint32(c)) * 0x9E3779B1 >> 18)
}

// filterBuilder gathers the filter of a segment, block by block.
type filterBuilder struct {
	blocks []*[filterBuckets / 64]uint64
}

// add takes the terms of the next block.
func (f *filterBuilder) add(terms []byte) {
	set := new([filterBuckets / 64]uint64)
	f.blocks = append(f.blocks, set)
	for i := 1; i < len(terms); {
		// i is at the first byte of a key.
		blob := terms[i] >= blobKeys
		i++
		start := i
		for terms[i] != '\n' {
			if !blob && i >= start+filterGram-1 {
				n := filterBucket(terms[i-2], terms[i-1], terms[i])
				set[n/64] |= 1 << (n % 64)
			}
			i++
		}
		i++
	}
}

// chunk returns a chunk of the matrix.
func (f *filterBuilder) chunk(n int) []byte {
	stride := filterStride(len(f.blocks))
	b := make([]byte, filterChunk*stride)
	for i, set := range f.blocks {
		for k := range filterChunk {
			bucket := n*filterChunk + k
			if set[bucket/64]&(1<<(bucket%64)) != 0 {
				b[k*stride+i/8] |= 1 << (i % 8)
			}
		}
	}
	return b
}

func filterStride(blocks int) int { return (blocks + 7) / 8 }

// filter returns the blocks of a segment in which a term that contains run can be, as
// bits; nil when it cannot tell.
func (r *reader) filter(s *segment, run []byte) ([]byte, error) {
	if s.blocks < filterMinBlocks || len(run) < filterGram {
		return nil, nil
	}
	stride := filterStride(s.blocks)
	pass := make([]byte, stride)
	for i := range pass {
		pass[i] = 0xff
	}
	for i := 0; i+filterGram <= len(run) && i < maxBlobGrams; i++ {
		bucket := filterBucket(run[i], run[i+1], run[i+2])
		chunk, err := r.blob(kindFilter, "SELECT data FROM filter WHERE id=?", s.id, bucket/filterChunk)
		if err != nil {
			return nil, err
		}
		if len(chunk) != filterChunk*stride {
			return nil, orDamaged(nil, "filter")
		}
		row := chunk[bucket%filterChunk*stride:][:stride]
		for i := range pass {
			pass[i] &= row[i]
		}
	}
	return pass, nil
}
