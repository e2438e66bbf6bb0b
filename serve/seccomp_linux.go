//go:build amd64 || arm64

package serve

import (
	"errors"
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// What a confined process may not ask of the kernel, besides files: other processes, programs,
// memory that is both written and executed, and the parts of the kernel that are attacked most.
// Go and SQLite need none of it; the answer is EPERM, and the process goes on.
var deniedCalls = []uint32{
	// Programs and processes. (fork is clone without CLONE_THREAD, see filter.)
	unix.SYS_EXECVE, unix.SYS_EXECVEAT, unix.SYS_PTRACE, unix.SYS_PROCESS_VM_READV, unix.SYS_PROCESS_VM_WRITEV,
	unix.SYS_KCMP, unix.SYS_PIDFD_OPEN, unix.SYS_PIDFD_GETFD, unix.SYS_TKILL, unix.SYS_RT_SIGQUEUEINFO, unix.SYS_PERSONALITY,
	unix.SYS_LISTEN, // its sockets listen already; Landlock does not see those of MPTCP
	// Mounts and namespaces.
	unix.SYS_MOUNT, unix.SYS_UMOUNT2, unix.SYS_PIVOT_ROOT, unix.SYS_CHROOT, unix.SYS_MOVE_MOUNT, unix.SYS_OPEN_TREE,
	unix.SYS_FSOPEN, unix.SYS_FSCONFIG, unix.SYS_FSMOUNT, unix.SYS_FSPICK, unix.SYS_MOUNT_SETATTR, unix.SYS_SETNS,
	unix.SYS_UNSHARE, unix.SYS_OPEN_BY_HANDLE_AT, unix.SYS_QUOTACTL, unix.SYS_QUOTACTL_FD,
	// The kernel itself.
	unix.SYS_BPF, unix.SYS_PERF_EVENT_OPEN, unix.SYS_INIT_MODULE, unix.SYS_FINIT_MODULE, unix.SYS_DELETE_MODULE,
	unix.SYS_KEXEC_LOAD, unix.SYS_REBOOT, unix.SYS_SWAPON, unix.SYS_SWAPOFF, unix.SYS_SYSLOG, unix.SYS_ACCT,
	unix.SYS_USERFAULTFD, unix.SYS_IO_URING_SETUP, unix.SYS_IO_URING_ENTER, unix.SYS_IO_URING_REGISTER,
	unix.SYS_KEYCTL, unix.SYS_ADD_KEY, unix.SYS_REQUEST_KEY, unix.SYS_VHANGUP,
	// Clock and names.
	unix.SYS_SETTIMEOFDAY, unix.SYS_CLOCK_SETTIME, unix.SYS_CLOCK_ADJTIME, unix.SYS_ADJTIMEX, unix.SYS_SETHOSTNAME, unix.SYS_SETDOMAINNAME,
}

// Offsets in struct seccomp_data; both architectures that have a filter are little-endian.
const (
	dataNr   = 0
	dataArch = 4
	dataArgs = 16
)

// program is a BPF program under construction.
type program []unix.SockFilter

func (p *program) load(offset uint32) {
	*p = append(*p, unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: offset})
}

// skip passes over the next n instructions unless the comparison holds.
func (p *program) skip(compare uint16, k uint32, n uint8) {
	*p = append(*p, unix.SockFilter{Code: unix.BPF_JMP | compare | unix.BPF_K, K: k, Jf: n})
}

func (p *program) answer(action uint32) {
	*p = append(*p, unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: action})
}

const (
	deny    = unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)
	unknown = unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)
)

// filter is the program for this architecture and the process pid.
func filter(pid int) program {
	var p program
	p.load(dataArch)
	p.skip(unix.BPF_JEQ, auditArch, 1)
	p = append(p, unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JA, K: 1})
	p.answer(deny) // calls of another architecture have other numbers
	p.load(dataNr)
	if otherNumbers != 0 {
		p.skip(unix.BPF_JGE, otherNumbers, 1)
		p.answer(deny)
	}
	for _, nr := range append(archCalls, deniedCalls...) {
		p.skip(unix.BPF_JEQ, nr, 1)
		p.answer(deny)
	}
	// Its flags are behind a pointer, which a filter cannot follow; callers take clone instead.
	p.skip(unix.BPF_JEQ, unix.SYS_CLONE3, 1)
	p.answer(unknown)
	// New threads, not processes.
	p.skip(unix.BPF_JEQ, unix.SYS_CLONE, 4)
	p.load(dataArgs)
	p.skip(unix.BPF_JSET, unix.CLONE_THREAD, 1)
	p.answer(unix.SECCOMP_RET_ALLOW)
	p.answer(deny)
	// Signals to itself only; the runtime sends them to its threads.
	for _, nr := range []uint32{unix.SYS_KILL, unix.SYS_TGKILL} {
		p.skip(unix.BPF_JEQ, nr, 4)
		p.load(dataArgs)
		p.skip(unix.BPF_JEQ, uint32(pid), 1)
		p.answer(unix.SECCOMP_RET_ALLOW)
		p.answer(deny)
	}
	// Nothing that was written is executed: the third argument is the protection.
	for _, nr := range []uint32{unix.SYS_MMAP, unix.SYS_MPROTECT, unix.SYS_PKEY_MPROTECT} {
		p.skip(unix.BPF_JEQ, nr, 4)
		p.load(dataArgs + 2*8)
		p.skip(unix.BPF_JSET, unix.PROT_EXEC, 1)
		p.answer(deny)
		p.answer(unix.SECCOMP_RET_ALLOW)
	}
	p.answer(unix.SECCOMP_RET_ALLOW)
	return p
}

// forbidCalls installs the filter for all threads; no_new_privs must be set. Where the kernel has
// no filters, as in some containers, there is none.
func forbidCalls() error {
	p := filter(os.Getpid())
	prog := unix.SockFprog{Len: uint16(len(p)), Filter: &p[0]}
	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&prog)))
	if errno != 0 && !errors.Is(errno, unix.ENOSYS) && !errors.Is(errno, unix.EINVAL) && !errors.Is(errno, unix.EPERM) {
		return fmt.Errorf("restricting system calls: %w", errno)
	}
	return nil
}
