package quickstart

import (
	"golang.org/x/sys/unix"
)

// synchronised asks the kernel whether something keeps the clock right (adjtimex(2)).
func synchronised() (synchronised, known bool) {
	const unsynchronised = 0x40 // STA_UNSYNC
	var t unix.Timex
	if _, err := unix.Adjtimex(&t); err != nil {
		return false, false
	}
	return t.Status&unsynchronised == 0, true
}

func memory() (uint64, bool) {
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		return 0, false
	}
	return uint64(info.Totalram) * uint64(info.Unit), true
}
