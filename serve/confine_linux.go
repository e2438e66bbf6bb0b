package serve

import (
	"errors"
	"fmt"
	"syscall"

	"github.com/landlock-lsm/go-landlock/landlock"
	ll "github.com/landlock-lsm/go-landlock/landlock/syscall"
	"golang.org/x/sys/unix"
)

// What confine allows in a directory: nothing is executed from anywhere.
const (
	readOnlyAccess  = landlock.AccessFSSet(ll.AccessFSReadFile | ll.AccessFSReadDir)
	readWriteAccess = readOnlyAccess | landlock.AccessFSSet(ll.AccessFSWriteFile|ll.AccessFSTruncate|
		ll.AccessFSMakeReg|ll.AccessFSMakeDir|ll.AccessFSMakeSock|ll.AccessFSRemoveFile|ll.AccessFSRemoveDir|ll.AccessFSRefer)
)

// systemFiles are what the Go runtime and the resolver read.
var systemFiles = []string{
	"/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf", "/etc/localtime", "/etc/services", "/etc/protocols",
	"/etc/gai.conf", "/etc/mime.types", "/proc/sys/net/core/somaxconn", "/proc/sys/vm/overcommit_memory",
}

// systemDirs hold root certificates, time zones, and what is to be known about this
// process.
var systemDirs = []string{
	"/etc/ssl", "/etc/pki", "/etc/ca-certificates", "/usr/share/ca-certificates", "/usr/local/share/ca-certificates",
	"/usr/share/zoneinfo", "/usr/share/mime", "/proc/self", "/sys/kernel/mm/transparent_hugepage", "/sys/fs/cgroup", "/run/systemd/resolve",
}

// confine takes from this process what it does not need any more: new privileges,
// executing programs, and files outside the given directories, which it may write. On
// kernels without Landlock only the first is taken.
func confine(dirs []string) error {
	if err := noNewPrivileges(); err != nil {
		return fmt.Errorf("setting no_new_privs: %w", err)
	}
	rules := []landlock.Rule{
		landlock.PathAccess(readWriteAccess, dirs...),
		landlock.PathAccess(readOnlyAccess, systemDirs...).IgnoreIfMissing(),
		landlock.ROFiles(systemFiles...).IgnoreIfMissing(),
		landlock.RWFiles("/dev/null").IgnoreIfMissing(),
	}
	if err := landlock.V5.BestEffort().RestrictPaths(rules...); err != nil {
		return fmt.Errorf("restricting file access: %w", err)
	}
	return nil
}

// programDirs are what programs are made of.
var programDirs = []string{"/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/etc/fonts", "/etc/alternatives", "/nix/store"}

// confineReader leaves a process that runs programs on documents of strangers nothing but
// those, and what they are made of: no other file, none to write to, no network.
func confineReader(programs []string) error {
	if err := noNewPrivileges(); err != nil {
		return fmt.Errorf("setting no_new_privs: %w", err)
	}
	const run = readOnlyAccess | landlock.AccessFSSet(ll.AccessFSExecute)
	rules := []landlock.Rule{
		landlock.PathAccess(run, programDirs...).IgnoreIfMissing(),
		landlock.ROFiles("/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/localtime").IgnoreIfMissing(),
		landlock.RWFiles("/dev/null").IgnoreIfMissing(),
		landlock.PathAccess(landlock.AccessFSSet(ll.AccessFSReadFile|ll.AccessFSExecute), programs...).IgnoreIfMissing(),
	}
	// Not RestrictPaths: connections are refused as well.
	if err := landlock.V5.BestEffort().Restrict(rules...); err != nil {
		return fmt.Errorf("restricting file access: %w", err)
	}
	return nil
}

// noNewPrivileges sets no_new_privs on all threads. The runtime can do that in programs
// without cgo only; in others (race detector) it is set on the calling thread.
func noNewPrivileges() error {
	_, _, errno := syscall.AllThreadsSyscall6(unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0, 0)
	if errors.Is(errno, syscall.ENOTSUP) {
		return unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
	} else if errno != 0 {
		return errno
	}
	return nil
}
