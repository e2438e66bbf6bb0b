package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"regexp"
	"sync"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// waitFile is the script command "waitfile path": it waits until a file is there, or a socket
// takes connections, at most a minute.
func waitFile(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: waitfile path")
	}
	path := ts.MkAbs(args[0])
	for range 600 {
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

// waitText is the script command "waittext path regexp": it waits until a file has a match, at most a minute.
func waitText(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: waittext path regexp")
	}
	re, err := regexp.Compile(args[1])
	ts.Check(err)
	var text []byte
	for range 600 {
		if text, err = os.ReadFile(ts.MkAbs(args[0])); err == nil && re.Match(text) {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	ts.Fatalf("%s has no match for %s:\n%s", args[0], args[1], text)
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
		port, err := freePort()
		ts.Check(err)
		return fmt.Sprintf("Port: %d", port)
	})
	ts.Check(os.WriteFile(path, []byte(text), 0o600))
}

var takenPorts sync.Map // those that freePort has returned

// freePort returns a port on which nobody listens, once. It is below those that the system takes for
// connections, one of which could have it by the time that somebody listens there.
func freePort() (int, error) {
	for range 100 {
		port := 10_000 + rand.IntN(20_000)
		if _, taken := takenPorts.LoadOrStore(port, true); taken {
			continue
		}
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			return port, l.Close()
		}
	}
	return 0, errors.New("found no free port")
}
