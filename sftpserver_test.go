package main

import (
	"os"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"

	"mox/sftp/sftptest"
)

// scriptTest is a script as a test.
type scriptTest struct{ ts *testscript.TestScript }

func (s scriptTest) Helper()           {}
func (s scriptTest) Cleanup(f func())  { s.ts.Defer(f) }
func (s scriptTest) Fatal(args ...any) { s.ts.Fatalf("%v", args) }

func (s scriptTest) TempDir() string {
	dir, err := os.MkdirTemp(s.ts.Getenv("WORK"), "sftp")
	s.ts.Check(err)
	return dir
}

// sftpServer is the script command "sftpserver": an SFTP server until the end of the script, with $SFTP as its URL without
// path, $SFTPADDR, $SFTPKEY with a file of the private key, and $SFTPHOST with a host key, and $SFTPROOT, where its files are. The file
// sftp.conf is a section Backup for it, with the private key in "sshkey".
func sftpServer(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 0 {
		ts.Fatalf("usage: sftpserver")
	}
	s := sftptest.New(scriptTest{ts})
	ts.Setenv("SFTP", s.URL(""))
	conf := "Backup:\n\tRepository: " + s.URL("/mox/a") + "\n\tSSHKeyFile: sshkey\n\tHostKeys:\n\t\t- " + s.HostKeys[0] + "\n\tKeyFile: backup.key\n\tReplicate: true\n"
	ts.Check(os.WriteFile(ts.MkAbs("sftp.conf"), []byte(conf), 0o600))
	ts.Setenv("SFTPADDR", s.Addr)
	ts.Setenv("SFTPKEY", s.KeyFile)
	ts.Setenv("SFTPROOT", s.Root)
	ts.Setenv("SFTPHOST", strings.TrimSpace(s.HostKeys[0]))
}
