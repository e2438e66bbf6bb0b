package upkeep

import "time"

// Due takes a name whose time has come out of a map, which its caller has locked. Without one, name is
// empty, and wait is how long until there is one, idle at most.
func Due(at map[string]time.Time, now time.Time, idle time.Duration) (name string, wait time.Duration) {
	wait = idle
	for name, t := range at {
		if !t.After(now) {
			delete(at, name)
			return name, 0
		}
		wait = min(wait, t.Sub(now))
	}
	return "", wait
}
