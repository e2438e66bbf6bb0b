package proxyproto

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"net/netip"
	"strings"
	"testing"
)

// v2 makes a header of version 2.
func v2(cmd, family byte, rest string) string {
	return signature + string([]byte{cmd, family}) + string(binary.BigEndian.AppendUint16(nil, uint16(len(rest)))) + rest
}

func tlv(typ byte, value string) string {
	return string(append(binary.BigEndian.AppendUint16([]byte{typ}, uint16(len(value))), value...))
}

// summed puts the checksum in place of the four octets at the end.
func summed(s string) string {
	b := []byte(s)
	clear(b[len(b)-4:])
	binary.BigEndian.PutUint32(b[len(b)-4:], crc32.Checksum(b, castagnoli))
	return string(b)
}

const (
	tcp4 = "\xc0\x00\x02\x01\x0a\x00\x00\x01\x30\x39\x00\x19" // 192.0.2.1:12345 to 10.0.0.1:25
	tcp6 = "\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\xff\xff\x00\x00"
)

func TestReadHeader(t *testing.T) {
	const from, to = "192.0.2.1:12345", "10.0.0.1:25"
	for _, tc := range []struct {
		name, in string
		src, dst string // "": not known
		bad      bool
	}{
		// Examples of 2.1, of the longest lines each.
		{"v1 tcp4", "PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n", "255.255.255.255:65535", "255.255.255.255:65535", false},
		{"v1 tcp6", "PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n", "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535", "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535", false},
		{"v1 unknown", "PROXY UNKNOWN\r\n", "", "", false},
		{"v1 unknown long", "PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n", "", "", false},
		{"v1", "PROXY TCP4 192.0.2.1 10.0.0.1 12345 25\r\n", from, to, false},
		{"v1 mapped", "PROXY TCP6 ::ffff:192.0.2.1 ::ffff:10.0.0.1 12345 25\r\n", from, to, false},
		{"v1 108 octets", "PROXY UNKNOWN " + strings.Repeat("x", 92) + "\r\n", "", "", true},
		{"v1 107 octets", "PROXY UNKNOWN " + strings.Repeat("x", 91) + "\r\n", "", "", false},
		{"v1 lf", "PROXY TCP4 192.0.2.1 10.0.0.1 12345 25\n", "", "", true},
		{"v1 early lf", "PROXY U\nKNOWN\r\n", "", "", true},
		{"v1 zero port", "PROXY TCP4 192.0.2.1 10.0.0.1 012345 25\r\n", "", "", true},
		{"v1 large port", "PROXY TCP4 192.0.2.1 10.0.0.1 65536 25\r\n", "", "", true},
		{"v1 family", "PROXY TCP4 ::1 ::1 1 25\r\n", "", "", true},
		{"v1 zone", "PROXY TCP6 fe80::1%eth0 ::1 1 25\r\n", "", "", true},
		{"v1 lower case", "PROXY tcp4 192.0.2.1 10.0.0.1 12345 25\r\n", "", "", true},
		{"v1 spaces", "PROXY TCP4  192.0.2.1 10.0.0.1 12345 25\r\n", "", "", true},
		{"v2 tcp4", v2(cmdProxy, famTCP4, tcp4), from, to, false},
		{"v2 tcp6", v2(cmdProxy, famTCP6, tcp6), "[2001:db8::1]:65535", "[2001:db8::2]:0", false},
		{"v2 local", v2(cmdLocal, famTCP4, tcp4), "", "", false},
		{"v2 local bare", v2(cmdLocal, famUnspec, ""), "", "", false},
		{"v2 unspec", v2(cmdProxy, famUnspec, "anything"), "", "", false},
		{"v2 unix", v2(cmdProxy, famUnix, strings.Repeat("/", 216)), "", "", false},
		{"v2 extensions", v2(cmdProxy, famTCP4, tcp4+tlv(1, "h2")+tlv(4, "")+tlv(0x20, strings.Repeat("x", 3000))), from, to, false},
		{"v2 checksum", summed(v2(cmdProxy, famTCP4, tcp4+tlv(2, "mx.example")+tlv(tlvCRC32C, "0000"))), from, to, false},
		{"v2 bad checksum", v2(cmdProxy, famTCP4, tcp4+tlv(tlvCRC32C, "0000")), "", "", true},
		{"v2 short checksum", v2(cmdProxy, famTCP4, tcp4+tlv(tlvCRC32C, "0")), "", "", true},
		{"v2 short", v2(cmdProxy, famTCP4, tcp4[:11]), "", "", true},
		{"v2 cut extension", v2(cmdProxy, famTCP4, tcp4+"\x01\x00"), "", "", true},
		{"v2 cut value", v2(cmdProxy, famTCP4, tcp4+"\x01\x00\x05abc"), "", "", true},
		{"v2 udp", v2(cmdProxy, 0x12, tcp4), "", "", true},
		{"v2 command", v2(0x22, famTCP4, tcp4), "", "", true},
		{"v3", v2(0x31, famTCP4, tcp4), "", "", true},
		{"v2 large", v2(cmdProxy, famTCP4, tcp4+strings.Repeat("\x04\x00\x00", 6000)), "", "", true},
		{"smtp", "EHLO client.example\r\n", "", "", true},
		{"tls", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\x00\x00\x00\x00\x00", "", "", true},
	} {
		r := strings.NewReader(tc.in + "rest")
		h, err := ReadHeader(r)
		if tc.bad {
			if !errors.Is(err, ErrHeader) {
				t.Errorf("%s: %v, %v", tc.name, h, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", tc.name, err)
			continue
		}
		var src, dst netip.AddrPort
		if tc.src != "" {
			src, dst = netip.MustParseAddrPort(tc.src), netip.MustParseAddrPort(tc.dst)
		}
		if h.Source != src || h.Destination != dst || h.Known() != (tc.src != "") {
			t.Errorf("%s: %v", tc.name, h)
		}
		if rest, _ := io.ReadAll(r); string(rest) != "rest" {
			t.Errorf("%s: what follows is %q", tc.name, rest)
		}
		// Wherever the connection ends, that is an end and nothing else.
		for i := range len(tc.in) {
			if _, err := ReadHeader(strings.NewReader(tc.in[:i])); err != io.EOF && err != io.ErrUnexpectedEOF {
				t.Errorf("%s, cut at %d: %v", tc.name, i, err)
			}
		}
	}
}

func FuzzReadHeader(f *testing.F) {
	f.Add([]byte("PROXY TCP4 192.0.2.1 10.0.0.1 12345 25\r\nx"))
	f.Add([]byte("PROXY UNKNOWN\r\n"))
	f.Add([]byte(v2(cmdProxy, famTCP4, tcp4)))
	f.Add([]byte(summed(v2(cmdProxy, famTCP6, tcp6+tlv(tlvCRC32C, "0000")))))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := ReadHeader(bytes.NewReader(b))
		if err != nil {
			return
		}
		again, err := ReadHeader(bytes.NewReader(h.Append(nil)))
		if err != nil || again != h {
			t.Errorf("%v printed and parsed is %v, %v", h, again, err)
		}
	})
}
