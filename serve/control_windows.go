package serve

import "syscall"

// errNoUnixSockets is WSAEAFNOSUPPORT.
const errNoUnixSockets = syscall.Errno(10047)
