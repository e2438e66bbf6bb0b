package dbtest

import (
	"os"
	"strconv"
	"testing"
)

// CrashRounds is how often a test of crashes is to crash: n times, half as often with
// -short, or as often as MOX_CRASH_ROUNDS in the environment says.
func CrashRounds(n int) int {
	if n, err := strconv.Atoi(os.Getenv("MOX_CRASH_ROUNDS")); err == nil {
		return n
	}
	if testing.Short() {
		return (n + 1) / 2
	}
	return n
}
