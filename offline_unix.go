//go:build unix

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// checkOwner refuses to work as root on files of another user, who could not open afterwards
// what is made.
func checkOwner(dir string) error {
	fi, err := os.Stat(dir)
	if err != nil {
		return err
	}
	if st, ok := fi.Sys().(*syscall.Stat_t); ok && os.Geteuid() == 0 && st.Uid != 0 {
		return fmt.Errorf("%s belongs to the user with id %d: run this as that user, since the server could not open files that root makes", dir, st.Uid)
	}
	return nil
}

// ownerTimeout bounds what is done as another user.
const ownerTimeout = 6 * time.Hour

// runAsOwner runs this program as the user whom a directory belongs to, with no other group than its own, and returns
// what it prints.
func runAsOwner(ctx context.Context, dir string, args ...string) ([]byte, error) {
	fi, err := os.Stat(dir)
	if err != nil {
		return nil, err
	}
	st, ok := fi.Sys().(*syscall.Stat_t)
	exe, err := os.Executable()
	if err != nil || !ok {
		return nil, errors.Join(err, errors.New("the owner of the files is not known"))
	}
	ctx, cancel := context.WithTimeout(ctx, ownerTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, exe, args...)
	cmd.Dir = "/" // that of root may not be its to enter
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: st.Uid, Gid: groupOf(st.Uid), Groups: []uint32{}}}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("looking at files as the user with id %d, whom they belong to: %w: %.500s", st.Uid, err, strings.TrimSpace(stderr.String()))
	}
	return out, nil
}

// groupOf is the group of a user, or the one of the same number.
func groupOf(uid uint32) uint32 {
	if u, err := user.LookupId(strconv.FormatUint(uint64(uid), 10)); err == nil {
		if gid, err := strconv.ParseUint(u.Gid, 10, 32); err == nil {
			return uint32(gid)
		}
	}
	return uid
}

// hangup is what a lost terminal sends.
var hangup = []os.Signal{syscall.SIGHUP}
