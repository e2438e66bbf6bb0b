package serve

import (
	"fmt"
	"os"

	"github.com/landlock-lsm/go-landlock/landlock"
	ll "github.com/landlock-lsm/go-landlock/landlock/syscall"
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

// confine takes from this process what it does not need any more: new privileges, executing
// programs, starting processes, listening on further ports, sending signals to others, parts of
// the kernel (see deniedCalls), and files outside of dirs, which it may write, and readable, which
// may be files or directories. On kernels without Landlock or seccomp that part is not taken.
func confine(dirs, readable []string) error {
	if err := noNewPrivileges(); err != nil {
		return fmt.Errorf("setting no_new_privs: %w", err)
	}
	rules := []landlock.Rule{
		landlock.PathAccess(readWriteAccess, dirs...),
		landlock.PathAccess(readOnlyAccess, systemDirs...).IgnoreIfMissing(),
		landlock.ROFiles(systemFiles...).IgnoreIfMissing(),
		landlock.RWFiles("/dev/null").IgnoreIfMissing(),
	}
	for _, path := range readable {
		if info, err := os.Stat(path); err == nil && info.IsDir() {
			rules = append(rules, landlock.PathAccess(readOnlyAccess, path))
		} else if err == nil {
			rules = append(rules, landlock.ROFiles(path))
		}
	}
	if err := landlock.V5.BestEffort().RestrictPaths(rules...); err != nil {
		return fmt.Errorf("restricting file access: %w", err)
	}
	return forbidCalls()
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
