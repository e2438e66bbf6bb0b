package ban

import (
	"flag"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

var update = flag.Bool("update", false, "write testdata anew")

// TestExport writes files for both packet filters; they are as in testdata, follow changes and ends of
// bans, and where the programs are, these take them.
func TestExport(t *testing.T) {
	for name, check := range map[string][]string{"bans.nft": {"nft", "-c", "-f"}, "bans.ipset": nil} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				dir := t.TempDir()
				format, ok := FormatOf(name)
				if !ok {
					t.Fatal("no format")
				}
				file := filepath.Join(dir, name)
				b := open(t, filepath.Join(dir, FileName), Options{
					Export: Export{Path: file, Format: format, Ports: [doors][]int{{25}, {143, 465, 587, 993}}},
					Exempt: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("::1/128")},
				})
				content := func() string {
					t.Helper()
					time.Sleep(3 * time.Second)
					synctest.Wait()
					data, err := os.ReadFile(file)
					if err != nil {
						t.Fatal(err)
					}
					return string(data)
				}
				golden(t, name+".empty", content())
				// An address within a network that is banned already is not told.
				for _, s := range []string{"192.0.2.0/24", "192.0.2.9/32", "2001:db8::/32", "198.51.100.1/32"} {
					if _, err := b.Add(t.Context(), netip.MustParsePrefix(s), []Door{Mail, Logins}, map[string]time.Duration{"192.0.2.0/24": time.Hour}[s], ""); err != nil {
						t.Fatal(err)
					}
				}
				guess(b, "203.0.113.5", 20)
				full := content()
				golden(t, name, full)
				// The wider ban ends.
				time.Sleep(time.Hour)
				golden(t, name+".later", content())
				closed(t, b)
				if check != nil {
					inNamespace(t, append(check, file)...)
				}
			})
		})
	}
	if _, ok := FormatOf("bans.txt"); ok {
		t.Error("bans.txt has a format")
	}
}

// inNamespace runs a program in a network namespace of its own, if there is that program and may be such
// a namespace.
func inNamespace(t *testing.T, args ...string) {
	t.Helper()
	if _, err := exec.LookPath(args[0]); err != nil || os.Getuid() != 0 || exec.Command("unshare", "--net", "true").Run() != nil {
		t.Log("not checked with", args[0])
		return
	}
	if out, err := exec.Command("unshare", append([]string{"--net"}, args...)...).CombinedOutput(); err != nil {
		t.Errorf("%s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s: got\n%s", name, got)
	}
}
