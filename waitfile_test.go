package main

import (
	"os"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// waitFile is the script command "waitfile path": it waits until a file is there, at most
// 20 seconds.
func waitFile(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: waitfile path")
	}
	path := ts.MkAbs(args[0])
	for range 200 {
		if _, err := os.Stat(path); err == nil {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	ts.Fatalf("%s did not appear", args[0])
}
