// Command mox is a complete mail server in one binary.
//
// Start reading here: commands.go lists the subcommands, command.go runs them.
// The server itself is composed in package serve. ARCHITECTURE.md is the map.
package main

import (
	"os"
	"path/filepath"
	"strings"

	"mox/config"
)

func main() {
	os.Exit(mainStatus())
}

// mainStatus runs the program with the process's own arguments and streams, and
// returns its exit status.
func mainStatus() int { return processProgram().mainProcess() }

// mainProcess is main with the process's own arguments.
func (p *program) mainProcess() int {
	// A setgid binary is only meant for sendmail, which reads a protected password;
	// nothing else may run with borrowed group rights.
	if os.Getgid() != os.Getegid() && !isSendmail() {
		os.Stderr.WriteString("mox: refusing to run setgid: effective and real group differ\n")
		return 1
	}
	return p.main(processArgs())
}

// isSendmail tells whether the program was started as /usr/sbin/sendmail.
func isSendmail() bool {
	return strings.TrimSuffix(filepath.Base(os.Args[0]), ".exe") == "sendmail"
}

// processArgs are the process's own arguments. As sendmail, all are that command's.
func processArgs() []string {
	if isSendmail() {
		return append([]string{"sendmail"}, os.Args[1:]...)
	}
	return os.Args[1:]
}

// processProgram is the program with the process's own streams and environment.
func processProgram() *program {
	return &program{
		commands: commands(),
		stdin:    os.Stdin,
		stdout:   os.Stdout,
		stderr:   os.Stderr,
		getenv:   os.Getenv,

		submitConf: config.SendmailPath,
	}
}
