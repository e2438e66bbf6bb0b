package serve

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"mox/ownership"
)

// dropRights takes from the calling thread what a program at exe that it executes would get: new
// privileges of its file (no_new_privs), the inheritable and ambient capabilities, and, where we are allowed
// to, the bounding set, but for what the file has: without, such a file could not be executed (capabilities(7),
// "Safety checking for capability-dumb binaries"). Without root all others go too. Those of root that are in
// effect stay: to become another user needs them.
func dropRights(exe string) error {
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	if err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); err != nil && !errors.Is(err, unix.EINVAL) {
		return err
	}
	keep := ownership.FileCapabilities(exe)
	for c := range uintptr(64) {
		if keep&(1<<c) != 0 {
			continue
		}
		err := unix.Prctl(unix.PR_CAPBSET_DROP, c, 0, 0, 0)
		if errors.Is(err, unix.EINVAL) {
			break // there are no more
		} else if err != nil && !errors.Is(err, unix.EPERM) {
			return err
		}
	}
	h := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&h, &data[0]); err != nil {
		return err
	}
	before := data
	for i := range data {
		data[i].Inheritable = 0
		// What a thread has permitted, no_new_privs lets the file give again.
		if os.Geteuid() != 0 {
			data[i] = unix.CapUserData{}
		}
	}
	if data == before {
		return nil // and where there are no rights at all, the call may be forbidden
	}
	return unix.Capset(&h, &data[0])
}

// hasCapabilities tells whether the process has any right of root. A worker has none, as it was
// executed from a thread without.
func hasCapabilities() (bool, error) {
	h := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&h, &data[0]); err != nil {
		return false, err
	}
	for _, d := range data {
		if d.Effective|d.Permitted|d.Inheritable != 0 {
			return true, nil
		}
	}
	return false, nil
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

// checkRights refuses to serve with rights of root: they were to stay with the parent.
func checkRights() error {
	has, err := hasCapabilities()
	if err != nil {
		return fmt.Errorf("reading own capabilities: %w", err)
	} else if has {
		return errors.New("the worker has capabilities: it must not")
	}
	return nil
}
