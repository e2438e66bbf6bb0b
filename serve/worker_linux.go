package serve

import "syscall"

// endWithParent has the worker stopped when the parent was killed: ports must be free
// for a new start. The setting belongs to the thread that starts the worker.
func endWithParent(attr *syscall.SysProcAttr) { attr.Pdeathsig = syscall.SIGTERM }
