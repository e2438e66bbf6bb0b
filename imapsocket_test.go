package main

import (
	"bytes"
	"io"
	"net"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// imapSocket runs "mox admin imapserve -fd0" with a socket as standard input, and says there what is in a
// file: imapsocket FILE ADDRESS. Standard output becomes what comes back.
func imapSocket(ts *testscript.TestScript, neg bool, args []string) {
	l, err := net.Listen("unix", ts.MkAbs("socket"))
	ts.Check(err)
	defer l.Close()
	far, err := net.Dial("unix", ts.MkAbs("socket"))
	ts.Check(err)
	near, err := l.Accept()
	ts.Check(err)
	fd, err := near.(*net.UnixConn).File()
	ts.Check(err)
	near.Close()
	var stderr, none bytes.Buffer
	p := &program{commands: commands(), stdin: fd, stdout: &none, stderr: &stderr, getenv: func(name string) string {
		if name == "MOXCONF" {
			return ts.MkAbs(ts.Getenv(name))
		}
		return ""
	}}
	ended := make(chan int, 1)
	go func() {
		status := p.main([]string{"admin", "imapserve", "-fd0", args[1]})
		fd.Close()
		ended <- status
	}()
	far.SetDeadline(time.Now().Add(time.Minute))
	_, err = io.WriteString(far, ts.ReadFile(args[0]))
	ts.Check(err)
	out, err := io.ReadAll(far)
	ts.Check(err)
	far.Close()
	if status := <-ended; status != 0 || none.Len() > 0 {
		ts.Fatalf("exit status %d, %q on standard output, %s", status, none.String(), stderr.String())
	}
	_, err = io.Copy(ts.Stdout(), bytes.NewReader(out))
	ts.Check(err)
}
