package serve

import (
	"fmt"

	"github.com/landlock-lsm/go-landlock/landlock"
	"golang.org/x/sys/unix"
)

// confine takes from this process what it does not need any more: new privileges, and
// files outside the given directories. Executing a program is not possible afterwards.
// On kernels without Landlock only the first applies.
func confine(readWrite, readOnly []string) error {
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("setting no_new_privs: %w", err)
	}
	rules := []landlock.Rule{
		landlock.RWDirs(readWrite...),
		landlock.RODirs(readOnly...).IgnoreIfMissing(),
		// What the runtime and the resolver read.
		landlock.ROFiles("/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf", "/etc/localtime", "/etc/services", "/etc/gai.conf").IgnoreIfMissing(),
		landlock.RODirs("/etc/ssl", "/usr/share/zoneinfo", "/etc/pki", "/usr/share/ca-certificates", "/proc/self", "/sys/kernel/mm/transparent_hugepage").IgnoreIfMissing(),
		landlock.RWFiles("/dev/null").IgnoreIfMissing(),
	}
	if err := landlock.V5.BestEffort().RestrictPaths(rules...); err != nil {
		return fmt.Errorf("restricting file access: %w", err)
	}
	return nil
}
