package doctor

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"mox/admin"
	"mox/atomicfile"
)

// maxFaults bounds files that are told of one by one.
const maxFaults = 5

// files looks at directories, owners and modes, and what processes left that were killed.
func (x *examination) files() {
	n := len(x.found)
	x.directories()
	x.permissions()
	x.leftovers()
	if len(x.found) == n {
		x.add(Finding{Check: "files", Level: OK, Text: "All directories are there, and owners and modes of files are right."})
	}
}

// directories makes those that are missing. They have to belong to the user of the server.
func (x *examination) directories() {
	want := []string{filepath.Dir(x.snap.Path), x.dataDir}
	if place, ok := admin.BackupPlace(x.snap); ok && place.IsDirectory() {
		want = append(want, place.Repository)
	}
	for _, dir := range want {
		info, err := os.Stat(dir)
		switch {
		case os.IsNotExist(err):
			f := Finding{Check: "files", Level: Problem, Text: fmt.Sprintf("Directory %s does not exist.", dir), Remedy: run("mox doctor -fix"), CanFix: true}
			if x.Fix {
				if err := x.Tools.MakeDirectory(x.snap, dir); err != nil {
					f.Text += " It could not be made: " + err.Error() + "."
				} else {
					f.Fixed = "The directory was made."
				}
			}
			x.add(f)
		case err != nil:
			x.add(Finding{Check: "files", Level: Problem, Text: sentence(err.Error()), Remedy: "Run this as root, or as the user of the server"})
		case !info.IsDir():
			x.add(Finding{Check: "files", Level: Problem, Text: fmt.Sprintf("%s is no directory.", dir), Remedy: run("mv " + quote(dir) + " " + quote(dir+".old") + " && mox doctor -fix")})
		}
	}
}

// permissions finds files that the server cannot use, or that others can read.
func (x *examination) permissions() {
	faults, err := x.Tools.Permissions(x.snap, false)
	if err != nil {
		x.add(Finding{Check: "files", Level: Problem, Text: "Owners and modes of files could not be looked at: " + sentence(err.Error()), Remedy: "Run this as root, or as the user of the server"})
	}
	if len(faults) == 0 {
		return
	}
	if !x.Fix {
		for _, f := range faults {
			x.faulty[f.Path] = true
		}
	}
	var lines []string
	for _, f := range faults[:min(len(faults), maxFaults)] {
		lines = append(lines, f.Path+" "+f.Text)
	}
	text := strings.Join(lines, "; ")
	if more := len(faults) - len(lines); more > 0 {
		text += fmt.Sprintf("; and %d more like that", more)
	}
	f := Finding{Check: "files", Level: Problem, Text: "Owners or modes of files are wrong: " + text + ".", Remedy: run("mox doctor -fix"), CanFix: true}
	if x.Fix {
		if _, err := x.Tools.Permissions(x.snap, true); err != nil {
			f.Text += " They could not be set right: " + sentence(err.Error())
			f.Remedy = "Run this as root"
		} else {
			f.Fixed = fmt.Sprintf("Owner and mode of %d files and directories were set right.", len(faults))
		}
	}
	x.add(f)
}

// leftovers are temporary files of processes that were killed.
func (x *examination) leftovers() {
	for _, dir := range []string{filepath.Dir(x.snap.Path), x.dataDir} {
		old, err := atomicfile.Leftovers(dir)
		if err != nil || len(old) == 0 {
			continue
		}
		f := Finding{Check: "files", Level: Hint, Text: fmt.Sprintf("%d temporary files of processes that were killed are in %s: %s.", len(old), dir, strings.Join(old[:min(len(old), maxFaults)], ", ")), Remedy: run("mox doctor -fix"), CanFix: true}
		if x.Fix {
			if err := atomicfile.Clean(dir); err != nil {
				f.Text += " They could not be removed: " + sentence(err.Error())
			} else {
				f.Fixed = "They were removed."
			}
		}
		x.add(f)
	}
}

// quote is a path for a shell.
func quote(path string) string {
	if strings.Trim(path, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-+") == "" {
		return path
	}
	return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
}
