//go:build linux

package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"mox/config"
	"mox/db"
	"mox/updates"
)

// Tests of upgrades use copies of the test program, some of which have a fault: its name is
// appended to the file, where nothing reads it but this.
const faultMark = "\nMOX-TEST-FAULT:"

// appendFault writes a copy of a program that has a fault; "" for none.
func appendFault(src, dst, fault string) error {
	b, err := os.ReadFile(src)
	if err != nil {
		return err
	}
	if fault != "" {
		b = append(b, faultMark+fault...)
	}
	// A process forked meanwhile, by a test beside, would hold it open for writing: it could not be executed.
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	return os.WriteFile(dst, b, 0o755)
}

// fault is that of the running program.
func fault() string {
	f, err := os.Open("/proc/self/exe")
	if err != nil {
		return ""
	}
	defer f.Close()
	if _, err := f.Seek(-64, io.SeekEnd); err != nil {
		return ""
	}
	b, _ := io.ReadAll(f)
	_, name, _ := bytes.Cut(b, []byte(faultMark))
	return string(name)
}

// faultyStatus is scriptStatus for a program that may have a fault.
func faultyStatus() int {
	name := fault()
	worker := os.Getenv("MOX_SOCKETS") != "" && slices.Contains(os.Args, "serve")
	if _, err := updates.ParseVersion(name); err == nil {
		release = name // no fault, but a release
	}
	switch {
	case name == "":
	case name == "version" && slices.Contains(os.Args, "version"):
		fmt.Println("version from elsewhere")
	case name == "platform" && slices.Contains(os.Args, "version"):
		fmt.Print("v9.9.9\nplan9/mips\n")
		return 0
	case name == "verifydata" && slices.Contains(os.Args, "verifydata"):
		fmt.Println("error: account: it is not what was expected")
		return 1
	case slices.Contains(os.Args, "verifydata"):
		status := scriptStatus()
		faultySchema(name, os.Args[len(os.Args)-1])
		return status
	case worker:
		if status := faultyWorker(name); status >= 0 {
			return status
		}
	}
	return scriptStatus()
}

// faultySchema gives the account databases of a data directory another version: one that only
// the new program knows (own-...), or one that it says the old one can use (shared-...). own-start does so
// with all others too.
func faultySchema(name, data string) {
	paths, _ := filepath.Glob(filepath.Join(data, "accounts", "*", "account.db"))
	if name == "own-start" {
		for _, pattern := range []string{"*.db", "accounts/*/junk.db"} {
			more, _ := filepath.Glob(filepath.Join(data, pattern))
			paths = append(paths, more...)
		}
	}
	for _, path := range paths {
		v, err := db.FileVersion(path)
		if err != nil {
			panic(err)
		}
		pragma := 0
		switch {
		case strings.HasPrefix(name, "own-"):
			pragma = 999
		case strings.HasPrefix(name, "shared-"):
			pragma = v.Schema<<16 | (v.Schema + 1)
		default:
			return
		}
		d, err := db.Open(path, db.Options{})
		if err != nil {
			panic(err)
		}
		if err := d.Write(context.Background(), func(c *db.Conn) error {
			return c.Script(fmt.Sprintf("CREATE TABLE IF NOT EXISTS fresh (x INTEGER); PRAGMA user_version=%d", pragma))
		}); err != nil {
			panic(err)
		}
		if err := d.Close(); err != nil {
			panic(err)
		}
	}
}

// faultyWorker fails as a serving process, or returns -1.
func faultyWorker(name string) int {
	path := os.Args[slices.Index(os.Args, "-config")+1]
	snap, err := config.LoadOptions(path, config.Options{SkipFiles: true})
	if err != nil {
		panic(err)
	}
	later := func(fail func()) {
		go func() {
			for { // it serves when it answers
				if fi, err := os.Stat(snap.DataPath("ctl")); err == nil && fi.Mode()&os.ModeSocket != 0 {
					break
				}
				time.Sleep(10 * time.Millisecond)
			}
			time.Sleep(500 * time.Millisecond)
			fail()
		}()
	}
	crash := func() { os.Exit(3) }
	switch name {
	case "start":
		fmt.Fprintln(os.Stderr, "fault: cannot start")
		return 3
	case "hangstart":
		time.Sleep(time.Hour)
	case "own-start": // it has changed the schema before it fails
		faultySchema(name, snap.DataPath("."))
		return 3
	case "crash":
		later(crash)
	case "hang":
		later(func() { syscall.Kill(os.Getpid(), syscall.SIGSTOP) })
	case "shared-crash":
		faultySchema(name, snap.DataPath("."))
		later(crash)
	case "own-crash": // once; it serves on data that only it can use, as the rehearsal found
		once := snap.DataPath("crashed")
		if _, err := os.Stat(once); err != nil {
			later(func() {
				os.WriteFile(once, nil, 0o600)
				crash()
			})
		}
	}
	return -1
}
