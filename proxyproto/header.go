package proxyproto

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net/netip"
	"strconv"
	"strings"
)

// ErrHeader: what came first is not a header, or one that cannot be used.
var ErrHeader = errors.New("bad PROXY header")

// Header is what a proxy says of a connection.
type Header struct {
	Version int // 1 or 2
	// Source and Destination are the ends of the connection that the proxy took. They are
	// not valid when the header has none: the proxy connects for itself (LOCAL), as for
	// a check of our health, or does not know (UNKNOWN, UNSPEC, a Unix socket).
	Source, Destination netip.AddrPort
}

// Known tells whether the header has addresses.
func (h Header) Known() bool { return h.Source.IsValid() && h.Destination.IsValid() }

const (
	maxV1 = 107 // octets of a line, CRLF included (2.1)
	minV1 = len("PROXY UNKNOWN\r\n")
	// maxV2 is the most octets behind the fixed part of version 2. Addresses take 36 at
	// most; what else there is, such as a client's certificate, is skipped.
	maxV2   = 16 << 10
	fixedV2 = 16
	prefix  = "PROXY "
)

// signature begins version 2 (2.2).
const signature = "\r\n\r\n\x00\r\nQUIT\n"

// ReadHeader reads a header and nothing behind it. Errors are those of r, with
// io.ErrUnexpectedEOF for an end inside, or wrap ErrHeader.
func ReadHeader(r io.Reader) (Header, error) {
	var b [fixedV2]byte
	// As long as the signature, and shorter than the shortest line of version 1.
	start := b[:len(signature)]
	if err := readFull(r, start); err != nil {
		return Header{}, err
	}
	switch {
	case string(start) == signature:
		if err := readFull(r, b[len(start):]); err != nil {
			return Header{}, err
		}
		return readV2(r, b)
	case string(start[:len(prefix)]) == prefix:
		return readV1(r, start)
	}
	return Header{}, fmt.Errorf("%w: neither version 1 nor 2", ErrHeader)
}

func readFull(r io.Reader, b []byte) error {
	_, err := io.ReadFull(r, b)
	return err
}

// readV1 reads the rest of a line, octet by octet: what follows is not ours.
func readV1(r io.Reader, start []byte) (Header, error) {
	line := append(make([]byte, 0, maxV1), start...)
	need := minV1
	for {
		k := len(line)
		line = line[:need]
		if err := readFull(r, line[k:]); err != nil {
			return Header{}, unexpected(err)
		}
		if line[need-1] == '\n' {
			break
		}
		if need++; need > maxV1 {
			return Header{}, fmt.Errorf("%w: line too long", ErrHeader)
		}
	}
	if bytes.IndexByte(line, '\n') != len(line)-1 || !bytes.HasSuffix(line, []byte("\r\n")) {
		return Header{}, fmt.Errorf("%w: line without CRLF", ErrHeader)
	}
	return parseV1(string(line[:len(line)-2]))
}

func unexpected(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// parseV1 parses a line without CRLF (2.1).
func parseV1(line string) (Header, error) {
	bad := fmt.Errorf("%w: line %q", ErrHeader, line)
	f := strings.Split(line, " ")
	h := Header{Version: 1}
	switch {
	case len(f) >= 2 && f[1] == "UNKNOWN":
		// What follows is to be ignored.
		return h, nil
	case len(f) != 6 || f[1] != "TCP4" && f[1] != "TCP6":
		return Header{}, bad
	}
	var ok1, ok2 bool
	h.Source, ok1 = addrPortV1(f[2], f[4], f[1] == "TCP4")
	h.Destination, ok2 = addrPortV1(f[3], f[5], f[1] == "TCP4")
	if !ok1 || !ok2 {
		return Header{}, bad
	}
	return h, nil
}

func addrPortV1(addr, port string, four bool) (netip.AddrPort, bool) {
	ip, err := netip.ParseAddr(addr)
	n, perr := strconv.ParseUint(port, 10, 16)
	if err != nil || perr != nil || ip.Zone() != "" || ip.Is4() != four || strconv.FormatUint(n, 10) != port {
		return netip.AddrPort{}, false
	}
	return netip.AddrPortFrom(ip.Unmap(), uint16(n)), true
}

// Commands and families of version 2 (2.2).
const (
	cmdLocal = 0x20
	cmdProxy = 0x21

	famUnspec = 0x00
	famTCP4   = 0x11
	famTCP6   = 0x21
	famUnix   = 0x31

	tlvCRC32C = 0x03
)

// readV2 reads what is behind the fixed part.
func readV2(r io.Reader, fixed [fixedV2]byte) (Header, error) {
	n := int(binary.BigEndian.Uint16(fixed[14:]))
	if n > maxV2 {
		return Header{}, fmt.Errorf("%w: %d octets", ErrHeader, n)
	}
	all := make([]byte, fixedV2+n)
	copy(all, fixed[:])
	if err := readFull(r, all[fixedV2:]); err != nil {
		return Header{}, unexpected(err)
	}
	return parseV2(all)
}

// parseV2 parses a whole header (2.2).
func parseV2(all []byte) (Header, error) {
	h := Header{Version: 2}
	cmd, family, rest := all[12], all[13], all[fixedV2:]
	size, ok := map[byte]int{famUnspec: 0, famTCP4: 12, famTCP6: 36, famUnix: 216}[family]
	switch {
	case cmd != cmdLocal && cmd != cmdProxy:
		return Header{}, fmt.Errorf("%w: version and command %#x", ErrHeader, cmd)
	case cmd == cmdLocal:
		// 2.2: the family is to be ignored, and so what is in it.
		return h, nil
	case !ok:
		return Header{}, fmt.Errorf("%w: family and protocol %#x", ErrHeader, family)
	case len(rest) < size:
		return Header{}, fmt.Errorf("%w: %d octets of addresses", ErrHeader, len(rest))
	}
	if family != famUnspec {
		// Of UNSPEC, all that is there may be anything.
		if err := checkTLVs(all, fixedV2+size); err != nil {
			return Header{}, err
		}
	}
	if family == famTCP4 || family == famTCP6 {
		k := (size - 4) / 2
		h.Source = addrPortV2(rest[:k], rest[2*k:])
		h.Destination = addrPortV2(rest[k:2*k], rest[2*k+2:])
	}
	return h, nil
}

func addrPortV2(addr, port []byte) netip.AddrPort {
	ip, _ := netip.AddrFromSlice(addr) // of the length of an address
	return netip.AddrPortFrom(ip.Unmap(), binary.BigEndian.Uint16(port))
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// checkTLVs skips the extensions from offset i on, and checks the checksum if there is
// one (2.2.3): a header that was damaged must not be used.
func checkTLVs(all []byte, i int) error {
	for sums := 0; i < len(all); {
		if i+3 > len(all) {
			return fmt.Errorf("%w: extension cut off", ErrHeader)
		}
		n := int(binary.BigEndian.Uint16(all[i+1:]))
		value := i + 3
		if value+n > len(all) {
			return fmt.Errorf("%w: extension cut off", ErrHeader)
		}
		if all[i] == tlvCRC32C {
			sums++
			if n != 4 || sums > 1 || !checksumOK(all, value) {
				return fmt.Errorf("%w: bad checksum", ErrHeader)
			}
		}
		i = value + n
	}
	return nil
}

// checksumOK tells whether the four octets at i are the checksum of all with zeros there.
func checksumOK(all []byte, i int) bool {
	sum := crc32.Update(0, castagnoli, all[:i])
	sum = crc32.Update(sum, castagnoli, make([]byte, 4))
	sum = crc32.Update(sum, castagnoli, all[i+4:])
	return sum == binary.BigEndian.Uint32(all[i:])
}

// Append appends the header as it goes over the wire, in its version.
func (h Header) Append(dst []byte) []byte {
	if h.Version == 1 {
		return h.appendV1(dst)
	}
	return h.appendV2(dst)
}

// four tells whether both addresses are IPv4. Mixed ones are written as IPv6.
func (h Header) four() bool { return h.Source.Addr().Is4() && h.Destination.Addr().Is4() }

func (h Header) appendV1(dst []byte) []byte {
	if !h.Known() {
		return append(dst, "PROXY UNKNOWN\r\n"...)
	}
	family, text := "TCP4", netip.Addr.String
	if !h.four() {
		family = "TCP6"
		text = func(a netip.Addr) string { return netip.AddrFrom16(a.As16()).String() }
	}
	return fmt.Appendf(dst, "PROXY %s %s %s %d %d\r\n", family, text(h.Source.Addr()), text(h.Destination.Addr()), h.Source.Port(), h.Destination.Port())
}

func (h Header) appendV2(dst []byte) []byte {
	dst = append(dst, signature...)
	if !h.Known() {
		return append(dst, cmdLocal, famUnspec, 0, 0)
	}
	if h.four() {
		dst = append(dst, cmdProxy, famTCP4, 0, 12)
		dst = append(append(dst, h.Source.Addr().AsSlice()...), h.Destination.Addr().AsSlice()...)
	} else {
		src, dest := h.Source.Addr().As16(), h.Destination.Addr().As16()
		dst = append(dst, cmdProxy, famTCP6, 0, 36)
		dst = append(append(dst, src[:]...), dest[:]...)
	}
	dst = binary.BigEndian.AppendUint16(dst, h.Source.Port())
	return binary.BigEndian.AppendUint16(dst, h.Destination.Port())
}
