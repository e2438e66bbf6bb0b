package main

import (
	"fmt"
	"net"
	"os"
	"regexp"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// waitFile is the script command "waitfile path": it waits until a file is there, or a socket
// takes connections, at most 20 seconds.
func waitFile(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: waitfile path")
	}
	path := ts.MkAbs(args[0])
	for range 200 {
		info, err := os.Stat(path)
		if err == nil && info.Mode()&os.ModeSocket != 0 {
			// It is there before the server listens.
			var conn net.Conn
			if conn, err = net.Dial("unix", path); err == nil {
				conn.Close()
			}
		}
		if err == nil {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	ts.Fatalf("%s did not appear", args[0])
}

// replacePorts is the script command "replaceports path": the services of a localserve
// configuration listen on ports that nobody else has.
func replacePorts(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: replaceports path")
	}
	path := ts.MkAbs(args[0])
	b, err := os.ReadFile(path)
	ts.Check(err)
	text := regexp.MustCompile(`Port: \d+`).ReplaceAllStringFunc(string(b), func(string) string {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		ts.Check(err)
		defer l.Close()
		return fmt.Sprintf("Port: %d", l.Addr().(*net.TCPAddr).Port)
	})
	ts.Check(os.WriteFile(path, []byte(text), 0o600))
}
