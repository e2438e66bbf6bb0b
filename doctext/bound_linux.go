package doctext

import "golang.org/x/sys/unix"

// bound limits what a process that was just started, and waits for its input, may use.
func bound(pid int, o *Options) error {
	seconds := uint64(o.Timeout.Seconds()) + 1
	for resource, value := range map[int]uint64{
		unix.RLIMIT_AS:     o.Memory,
		unix.RLIMIT_CPU:    seconds,
		unix.RLIMIT_FSIZE:  64 << 20,
		unix.RLIMIT_CORE:   0,
		unix.RLIMIT_NOFILE: 64,
	} {
		if err := unix.Prlimit(pid, resource, &unix.Rlimit{Cur: value, Max: value}, nil); err != nil {
			return err
		}
	}
	return nil
}
