//go:build unix

package upgrade

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"

	"mox/ownership"
)

// keepOwner gives a file the owner and group of another, where we are allowed to.
func keepOwner(f *os.File, like fs.FileInfo) error {
	st, ok := like.Sys().(*syscall.Stat_t)
	if !ok || os.Geteuid() != 0 {
		return nil
	}
	return f.Chown(int(st.Uid), int(st.Gid))
}

// DataUser returns what makes a command run as the user of mox.conf, to whom the data belongs, and the data
// directory without links. Nil: this is not root, and commands run as who runs this.
//
// As root it refuses a directory that is not the user's, or in whose place the user could put another
// by a link; and a mox.conf that somebody other than root and the user wrote, who could name any user.
func DataUser(conf, name, data string) (func(*exec.Cmd), string, error) {
	if os.Geteuid() != 0 {
		return nil, data, nil
	}
	u, err := ownership.Lookup(name)
	if err != nil {
		return nil, "", err
	}
	if data, err = ownership.CheckData(data, u); err != nil {
		return nil, "", fmt.Errorf("data directory: %w", err)
	}
	info, err := os.Stat(conf)
	if err != nil {
		return nil, "", err
	}
	if st, ok := info.Sys().(*syscall.Stat_t); !ok || st.Uid != 0 && st.Uid != u.UID {
		return nil, "", fmt.Errorf("%s belongs to neither root nor its User (id %d): chown it to root", conf, u.UID)
	}
	cred := &syscall.Credential{Uid: u.UID, Gid: u.GID}
	return func(cmd *exec.Cmd) {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: cred}
		cmd.Dir = "/" // the directory of this process may not be theirs to enter
	}, data, nil
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
