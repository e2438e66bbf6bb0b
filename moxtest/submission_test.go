package moxtest_test

import (
	"cmp"
	"net"
	"testing"

	"mox/config"
	"mox/moxtest"
	"mox/sessiontest"
)

// TestSubmission plays what clients of submission and, as connection "imap", of IMAP say.
func TestSubmission(t *testing.T) {
	sessiontest.RunAll(t, "testdata/session/submission-*.txt", func(t *testing.T) sessiontest.Options {
		mox := moxtest.New(t, moxtest.WithoutNetwork(),
			moxtest.WithAccount("mox", "mox@mox.example"), moxtest.WithAccount("other", "other@mox.example"), moxtest.WithAccount("small", "small@mox.example"),
			moxtest.WithConfig(func(_ *config.Static, d *config.Dynamic) {
				a := d.Accounts["small"]
				a.QuotaMessageSize = 3000
				d.Accounts["small"] = a
				a = d.Accounts["mox"]
				a.MaxOutgoingMessagesPerDay = 2
				d.Accounts["mox"] = a
			}))
		return sessiontest.Options{Dial: func(label string) (net.Conn, error) { return mox.Dial(t, cmp.Or(label, "submission")), nil }}
	})
}
