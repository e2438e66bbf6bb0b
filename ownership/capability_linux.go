package ownership

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// capabilityName is the extended attribute with the capabilities of a program.
const capabilityName = "security.capability"

// FileCapabilities are the permitted capabilities that the file of a program gives (bit 10 is
// CAP_NET_BIND_SERVICE); 0 for none. The form of the attribute is that of vfs_cap_data in linux/capability.h.
func FileCapabilities(path string) uint64 { return permitted(capabilityOf(path)) }

func capabilityOf(path string) []byte {
	buf := make([]byte, 64) // version 3 has 24
	n, err := unix.Getxattr(path, capabilityName, buf)
	if err != nil {
		return nil // no such attribute, in the usual case
	}
	return buf[:n]
}

func permitted(data []byte) (caps uint64) {
	if len(data) >= 8 {
		caps = uint64(binary.LittleEndian.Uint32(data[4:]))
	}
	if len(data) >= 16 { // since version 2
		caps |= uint64(binary.LittleEndian.Uint32(data[12:])) << 32
	}
	return caps
}

// KeepCapabilities gives a program the capabilities that the file at like has. A change of content or owner
// takes them away again. The error tells what to do where we are not allowed to.
func KeepCapabilities(f *os.File, like string) error {
	data := capabilityOf(like)
	if data == nil {
		return nil
	}
	c, err := f.SyscallConn()
	if err != nil {
		return err
	}
	if cerr := c.Control(func(fd uintptr) { err = unix.Fsetxattr(int(fd), capabilityName, data, 0) }); cerr != nil {
		return cerr
	}
	if err != nil {
		return &CapabilityError{Path: like, Caps: permitted(data), Err: err}
	}
	return nil
}

// CapabilityError tells that a program's capabilities cannot be given to another.
type CapabilityError struct {
	Path string // of who has them
	Caps uint64
	Err  error
}

func (e *CapabilityError) Unwrap() error { return e.Err }

func (e *CapabilityError) Error() string {
	what := fmt.Sprintf("capabilities (%#x)", e.Caps)
	if e.Caps == 1<<unix.CAP_NET_BIND_SERVICE {
		what = "cap_net_bind_service"
	}
	text := fmt.Sprintf("%s has %s by its file, which the new program would lack: %v", e.Path, what, e.Err)
	if !errors.Is(e.Err, unix.EPERM) || e.Caps != 1<<unix.CAP_NET_BIND_SERVICE {
		return text
	}
	return text + fmt.Sprintf(": run this as root, or put the new program in its place by hand, with \"setcap cap_net_bind_service=+ep %s\" as root after that", e.Path)
}
