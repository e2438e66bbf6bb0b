package serve

import (
	"net"
	"os"
	"strconv"
	"time"
)

// notify tells systemd about the service's state (sd_notify). The unit needs
// NotifyAccess=all, as the worker is not its main process. Without a notify socket
// it does nothing: nobody asked.
func notify(state string) {
	path := os.Getenv("NOTIFY_SOCKET")
	if path == "" {
		return
	}
	conn, err := net.Dial("unixgram", path)
	if err != nil {
		return
	}
	defer conn.Close()
	conn.SetWriteDeadline(time.Now().Add(time.Second))
	conn.Write([]byte(state))
}

// watchdogInterval is how often systemd wants to hear of us, 0 for never.
func watchdogInterval() time.Duration {
	// sd_watchdog_enabled(3): meant for one process, which is us or our parent.
	if pid := os.Getenv("WATCHDOG_PID"); pid != "" && pid != strconv.Itoa(os.Getpid()) && pid != strconv.Itoa(os.Getppid()) {
		return 0
	}
	usec, err := strconv.ParseInt(os.Getenv("WATCHDOG_USEC"), 10, 64)
	if err != nil || usec <= 0 {
		return 0
	}
	return time.Duration(usec) * time.Microsecond / 2
}
