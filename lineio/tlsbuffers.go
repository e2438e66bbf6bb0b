package lineio

import (
	"bytes"
	"crypto/tls"
	"reflect"
	"unsafe"
)

// tlsBuffers are the places of the buffers for what was received in a tls.Conn. It keeps them
// at the size of the largest that came: 6 KiB after a handshake, 18 KiB after an upload,
// for each connection that is idle, and has no way to give them back.
var tlsBuffers = findTLSBuffers()

type tlsBufferPlaces struct {
	rawInput, hand, input uintptr
	ok                    bool // they are where and what they are expected to be
}

func findTLSBuffers() (p tlsBufferPlaces) {
	p.ok = true
	find := func(name string, want reflect.Type) uintptr {
		f, ok := reflect.TypeFor[tls.Conn]().FieldByName(name)
		p.ok = p.ok && ok && f.Type == want && len(f.Index) == 1
		return f.Offset
	}
	p.rawInput = find("rawInput", reflect.TypeFor[bytes.Buffer]())
	p.hand = find("hand", reflect.TypeFor[bytes.Buffer]())
	p.input = find("input", reflect.TypeFor[bytes.Reader]())
	return p
}

// releaseTLS gives back the buffers of a connection whose handshake is done, unless there is
// something in them. It is for the goroutine that reads from c, when it does not: nobody
// else uses them then.
func releaseTLS(c *tls.Conn) {
	if !tlsBuffers.ok {
		return
	}
	raw := (*bytes.Buffer)(unsafe.Add(unsafe.Pointer(c), tlsBuffers.rawInput))
	hand := (*bytes.Buffer)(unsafe.Add(unsafe.Pointer(c), tlsBuffers.hand))
	input := (*bytes.Reader)(unsafe.Add(unsafe.Pointer(c), tlsBuffers.input)) // a part of raw
	if raw.Len() == 0 && input.Len() == 0 && hand.Len() == 0 {
		*raw, *hand, *input = bytes.Buffer{}, bytes.Buffer{}, bytes.Reader{}
	}
}
