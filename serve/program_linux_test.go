package serve

import (
	"bufio"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// TestProgramMappings takes what is as in the file, and nothing that was written.
func TestProgramMappings(t *testing.T) {
	const smaps = `00400000-01200000 r-xp 00000000 fe:00 123   /usr/local/bin/mox
Size:              14336 kB
Private_Dirty:         0 kB
Anonymous:             0 kB
VmFlags: rd ex mr mw me
01200000-02600000 r--p 00e00000 fe:00 123   /usr/local/bin/mox
Private_Dirty:         8 kB
02600000-02700000 r--p 02200000 fe:00 123   /usr/local/bin/mox
Private_Dirty:         8 kB
Anonymous:             8 kB
02700000-02800000 rw-p 02300000 fe:00 123   /usr/local/bin/mox
Private_Dirty:         0 kB
02800000-02900000 r--p 00000000 fe:00 124   /usr/local/bin/mox.old
Private_Dirty:         0 kB
02900000-02a00000 r--p 00000000 fe:00 124   /usr/local/bin/mox
Locked:              100 kB
7f0000000000-7f0000100000 rw-p 00000000 00:00 0
Private_Dirty:       100 kB
7f0000200000-7f0000300000 r--p 00000000 00:00 0 [vvar]
`
	want := []mapping{{0x400000, 0x1200000}, {0x1200000, 0x2600000}}
	if got := programMappings(bufio.NewScanner(strings.NewReader(smaps)), "/usr/local/bin/mox"); !slices.Equal(got, want) {
		t.Errorf("%x", got)
	}
}

// TestReleaseProgram goes on after its program was unmapped.
func TestReleaseProgram(t *testing.T) {
	for range 20 {
		releaseProgram()
		if s := fmt.Sprint(strings.Repeat("x", 1<<20)); len(s) != 1<<20 {
			t.Fatal(len(s))
		}
	}
}
