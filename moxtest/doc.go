// Package moxtest runs a whole mox inside a Go test: SMTP, submission and IMAP with
// accounts of your choice, throwaway storage, in-memory connections and DNS that you
// script. Everything ends with the test; tests can run side by side.
//
//	func TestMail(t *testing.T) {
//		mox := moxtest.New(t)
//		mox.Send(t, "a@example.org", "mox@mox.example", "Subject: hi\r\n\r\nHello.\r\n")
//		c := mox.DialIMAP(t) // logged in
//		...
//	}
//
// [New] listens on loopback ports that the system chooses, so that any client can
// connect; [Server.Dial] connects in memory, without a network.
package moxtest
