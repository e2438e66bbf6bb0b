package serve

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// monotonic is the current time as systemd wants it with RELOADING=1.
func monotonic() string {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		return ""
	}
	return fmt.Sprintf("\nMONOTONIC_USEC=%d", ts.Nano()/1000)
}
