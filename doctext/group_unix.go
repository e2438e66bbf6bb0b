//go:build unix

package doctext

import (
	"os/exec"
	"syscall"
)

// endWhole has the program end together with those that it has started.
func endWhole(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
}
