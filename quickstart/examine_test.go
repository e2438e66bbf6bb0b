package quickstart

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"mox/ownership"
)

// TestExaminePlace: of an installation, the directory of mox.conf is what the server's user must not be
// able to replace, and that of the data, which is the user's, is not.
func TestExaminePlace(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	dir, err := os.MkdirTemp("/var", "moxexamine")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	for _, name := range []string{"config", "data"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	const uid = 65534
	examine := func(owned string, want bool) {
		t.Helper()
		if err := os.Chown(filepath.Join(dir, owned), uid, uid); err != nil {
			t.Fatal(err)
		}
		o, _ := goodOptions(t)
		o.Dir, o.User = filepath.Join(dir, "data"), "mox"
		o.Machine.UserID = func(string) (ownership.User, error) { return ownership.User{UID: uid, GID: uid}, nil }
		found := false
		for _, f := range Examine(context.Background(), o, Installed{Config: filepath.Join(dir, "config")}) {
			found = found || f.Check == "user" && f.Level == Problem
		}
		if found != want {
			t.Errorf("with %q the user's: problem %v", owned, found)
		}
	}
	examine("data", false)
	examine("", true)
}
