package serve

import "golang.org/x/sys/unix"

const (
	auditArch    = unix.AUDIT_ARCH_AARCH64
	otherNumbers = 0
)

// archCalls are denied calls that not every architecture has.
var archCalls = []uint32{unix.SYS_KEXEC_FILE_LOAD}
