package imapserver

import "testing"

func TestIsCapability(t *testing.T) {
	for name, want := range map[string]bool{"IDLE": true, "COMPRESS=DEFLATE": true, "IMAP4REV2": true, "APPENDLIMIT": true, "FOO": false, "": false} {
		if got := IsCapability(name); got != want {
			t.Errorf("%q: %v", name, got)
		}
	}
}
