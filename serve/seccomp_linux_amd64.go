package serve

import "golang.org/x/sys/unix"

const (
	auditArch    = unix.AUDIT_ARCH_X86_64
	otherNumbers = 0x40000000 // of the x32 interface
)

// archCalls are denied calls that only this architecture has.
var archCalls = []uint32{
	unix.SYS_FORK, unix.SYS_VFORK, unix.SYS_IOPL, unix.SYS_IOPERM, unix.SYS_MODIFY_LDT, unix.SYS_KEXEC_FILE_LOAD,
	unix.SYS_USELIB, unix.SYS_CREATE_MODULE, unix.SYS__SYSCTL,
}
