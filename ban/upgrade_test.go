package ban

import (
	"fmt"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mox/db/dbtest"
)

// upgradeTime is when the files were written, by their clocks.
var upgradeTime = time.Unix(1_800_000_000, 0)

// TestUpgrade opens databases that each version of the schema wrote.
func TestUpgrade(t *testing.T) {
	dbtest.Upgrade(t, dbtest.Versions{Schema: Schema(), Write: writeUpgrade, Check: func(t *testing.T, file []byte, text string) {
		b := open(t, dbtest.File(t, file, FileName), Options{Now: func() time.Time { return upgradeTime }})
		defer closed(t, b)
		dbtest.Equal(t, listing(b), text)
		// It is in full use.
		guess(b, "192.0.2.200", 20)
		want(t, b, "192.0.2.200", false, true)
	}})
}

func listing(b *Bans) string {
	var s strings.Builder
	for _, x := range b.List() {
		fmt.Fprintf(&s, "%s %s %s %q %d %d %d %d\n", x.Network, x.Door, x.Reason, x.Comment, x.Times, x.Events, seconds(x.Since), seconds(x.Expires))
	}
	fmt.Fprintf(&s, "login %d\n", seconds(b.Test(ip("198.51.100.1")).Login))
	if sender := b.Test(ip("198.51.100.65")).Mail; !sender.IsZero() { // since version 2
		fmt.Fprintf(&s, "mail %d\n", seconds(sender))
	}
	return s.String()
}

func writeUpgrade(t *testing.T) (path, text string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), FileName)
	b := open(t, path, Options{Now: func() time.Time { return upgradeTime }})
	guess(b, "192.0.2.1", 20)
	if _, err := b.Add(t.Context(), netip.MustParsePrefix("2001:db8::/32"), []Door{Mail, Logins}, 0, "a comment"); err != nil {
		t.Fatal(err)
	}
	b.LoginSucceeded(ip("198.51.100.1"))
	b.MailVerified(ip("198.51.100.65"))
	text = listing(b)
	closed(t, b)
	return path, text
}
