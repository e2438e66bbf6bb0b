//go:build unix

package upgrade

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// keepOwner gives a file the owner and group of another, where we are allowed to.
func keepOwner(f *os.File, like fs.FileInfo) error {
	st, ok := like.Sys().(*syscall.Stat_t)
	if !ok || os.Geteuid() != 0 {
		return nil
	}
	return f.Chown(int(st.Uid), int(st.Gid))
}

// AsOwner returns what makes a command run as the owner of a directory; nil if that is who runs
// this, or not ours to choose.
func AsOwner(dir string) (func(*exec.Cmd), error) {
	info, err := os.Stat(dir)
	if err != nil {
		return nil, err
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok || os.Geteuid() != 0 || st.Uid == 0 {
		return nil, nil
	}
	cred := &syscall.Credential{Uid: st.Uid, Gid: st.Uid}
	if u, err := user.LookupId(strconv.Itoa(int(st.Uid))); err == nil {
		if gid, err := strconv.ParseUint(u.Gid, 10, 32); err == nil {
			cred.Gid = uint32(gid)
		}
	}
	return func(cmd *exec.Cmd) {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: cred}
		cmd.Dir = "/" // the directory of this process may not be theirs to enter
	}, nil
}

// OnlyRoots returns an error when root is to replace and execute a program that others than root
// could change: by its file, or by a directory above it. For other users there is none.
func OnlyRoots(path string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	for {
		info, err := os.Lstat(path)
		if err != nil {
			return err
		}
		st, ok := info.Sys().(*syscall.Stat_t)
		// In a sticky directory nobody can replace what is root's.
		sticky := info.IsDir() && info.Mode()&fs.ModeSticky != 0
		if !ok || st.Uid != 0 || info.Mode().Perm()&0o022 != 0 && !sticky {
			return fmt.Errorf("%s can be changed by others than root, who must not choose what root runs: chown it to root, without write permission for others", path)
		}
		up := filepath.Dir(path)
		if up == path {
			return nil
		}
		path = up
	}
}
