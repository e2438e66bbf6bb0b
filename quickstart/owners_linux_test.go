package quickstart

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"mox/ownership"
)

// TestOwners: what root makes belongs to whom it is to at once.
func TestOwners(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root")
	}
	const user = 65534
	o, _ := goodOptions(t)
	o.Machine.UserID = func(string) (ownership.User, error) { return ownership.User{UID: user, GID: user}, nil }
	if _, err := Run(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]uint32{
		"config": 0, "config/mox.conf": 0, "config/domains.conf": user, "config/adminpasswd": user, "config/dkim": user,
		"config/hostkeys": user, "data": user, "data/accounts/you/account.db": user, "mox.service": 0,
	} {
		info, err := os.Stat(filepath.Join(o.Dir, name))
		if err != nil {
			t.Error(err)
			continue
		}
		if st, ok := info.Sys().(*syscall.Stat_t); !ok || st.Uid != want {
			t.Errorf("%s belongs to %d, want %d", name, st.Uid, want)
		}
		if name == "config/mox.conf" && info.Mode() != 0o640 || name == "config" && info.Mode() != os.ModeDir|os.ModeSetgid|os.ModeSticky|0o770 {
			t.Errorf("%s has mode %v", name, info.Mode())
		}
	}
}
