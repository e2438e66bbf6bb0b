package serve

import (
	"bufio"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// releaseProgram unmaps what is in memory of the program's own file: most of it was needed for the
// start only, or never, as the system maps the pages around each that is used. What is needed again is mapped
// again, from the cache of files.
func releaseProgram() {
	f, err := os.Open("/proc/self/smaps")
	if err != nil {
		return
	}
	defer f.Close()
	exe, err := os.Readlink(selfExe)
	if err != nil {
		return
	}
	for _, m := range programMappings(bufio.NewScanner(f), exe) {
		_, _, _ = unix.Syscall(unix.SYS_MADVISE, m.start, m.end-m.start, unix.MADV_DONTNEED)
	}
}

// mapping is a range of addresses.
type mapping struct{ start, end uintptr }

// programMappings returns the mappings of a file that hold nothing but what is in it: they cannot be
// written, and never were, as a dynamic linker does ("Anonymous"; pages of a program just installed
// may be dirty). The form is that of proc_pid_smaps(5).
func programMappings(lines *bufio.Scanner, path string) []mapping {
	var found []mapping
	last := false // whether the mapping that lines tell of is the last one found
	for lines.Scan() {
		key, rest, _ := strings.Cut(lines.Text(), " ")
		if strings.HasSuffix(key, ":") {
			changed := key == "Anonymous:" || key == "Swap:" || key == "Locked:"
			if last && changed && strings.TrimSpace(rest) != "0 kB" {
				found, last = found[:len(found)-1], false
			}
			continue
		}
		from, to, _ := strings.Cut(key, "-")
		start, err1 := strconv.ParseUint(from, 16, 64)
		end, err2 := strconv.ParseUint(to, 16, 64)
		rights, _, _ := strings.Cut(rest, " ")
		_, name, ok := strings.Cut(rest, "/")
		last = err1 == nil && err2 == nil && end > start && ok && "/"+name == path && rights[:min(2, len(rights))] == "r-"
		if last {
			found = append(found, mapping{uintptr(start), uintptr(end)})
		}
	}
	return found
}
