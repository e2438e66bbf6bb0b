package db

import (
	"encoding/binary"
	"fmt"

	"modernc.org/libc"
	sqlite3 "modernc.org/sqlite/lib"
)

// LogPosition is a place in a write-ahead log: after that many of its pages. The salts differ
// each time that the log is started anew: the first is one higher then.
type LogPosition struct {
	Salt   [2]uint32
	Frames uint32
}

// logPosition tells the moment that the open read transaction sees. The zero value: there is
// no log, or nothing in it.
func (c *Conn) logPosition() (LogPosition, error) {
	main, err := libc.CString("main")
	if err != nil {
		return LogPosition{}, err
	}
	defer libc.Xfree(c.tls, main)
	out := c.tls.Alloc(8)
	defer c.tls.Free(8)
	*(*uintptr)(pointer(out)) = 0
	if rc := sqlite3.Xsqlite3_snapshot_get(c.tls, c.db, main, out); rc != sqlite3.SQLITE_OK {
		if rc&0xff == sqlite3.SQLITE_ERROR {
			return LogPosition{}, nil // an empty log, or none
		}
		return LogPosition{}, fmt.Errorf("position of the log: %w", c.error(rc))
	}
	p := *(*uintptr)(pointer(out))
	defer sqlite3.Xsqlite3_snapshot_free(c.tls, p)
	// A snapshot is the header of the log's index, with the salts as they are in the file.
	h := (*sqlite3.TWalIndexHdr)(pointer(p))
	var b [8]byte
	binary.NativeEndian.PutUint32(b[:], h.FaSalt[0])
	binary.NativeEndian.PutUint32(b[4:], h.FaSalt[1])
	return LogPosition{Salt: [2]uint32{binary.BigEndian.Uint32(b[:]), binary.BigEndian.Uint32(b[4:])}, Frames: h.FmxFrame}, nil
}
