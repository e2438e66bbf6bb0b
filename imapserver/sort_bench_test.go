//go:build unix

package imapserver

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"mox/store"
)

const sortMessages = 100_000

// sortServer has a mailbox of 100,000 messages in threads of about five, and a client in
// it.
func sortServer(b *testing.B) (*testServer, *benchClient, store.MailboxID) {
	b.Helper()
	ts := newTestServer(b, testOptions{})
	ctx := context.Background()
	mb, err := ts.account.CreateMailbox(ctx, "Bench", 0)
	if err != nil {
		b.Fatal(err)
	}
	r := rand.New(rand.NewPCG(1, 2))
	for i := 0; i < sortMessages; i += 1000 {
		var msgs []store.NewMessage
		for j := i; j < i+1000; j++ {
			sp := ts.store.NewSpool()
			fmt.Fprint(sp, strings.ReplaceAll(sortBenchMail(r, j), "\n", "\r\n"))
			if err := sp.Finish(); err != nil {
				b.Fatal(err)
			}
			msgs = append(msgs, store.NewMessage{Spool: sp, Received: time.Unix(int64(1700000000+r.IntN(1e6)), 0)})
		}
		if _, err := ts.account.Add(ctx, mb.ID, msgs); err != nil {
			b.Fatal(err)
		}
		for _, m := range msgs {
			m.Spool.Close()
		}
	}
	nc, err := net.Dial("tcp", ts.tcp(Listener{Service: "imap", PlaintextAuth: true}))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { nc.Close() })
	c := &benchClient{b: b, nc: nc, r: bufio.NewReaderSize(nc, 256<<10)}
	c.r.ReadString('\n')
	c.cmd(fmt.Sprintf("LOGIN %q %q", testUser, testPassword))
	c.cmd("SELECT Bench")
	return ts, c, mb.ID
}

// cpuTime is what the process has used.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func sortBenchMail(r *rand.Rand, i int) string {
	var b strings.Builder
	words := []string{"invoice", "meeting", "Grüße", "release", "weekly report", "lunch", "ticket", "order", "password", "photos"}
	parent := i - 1 - r.IntN(20)
	re := "Re: "
	if i%5 == 0 || parent < 0 {
		re, parent = "", -1
	}
	fmt.Fprintf(&b, "From: Person %d <person%d@example.org>\nTo: Joe <joe@mox.example>, list%d@example.org\nSubject: %s[list] %s %s %d\n", r.IntN(3000), r.IntN(3000), r.IntN(50), re, words[r.IntN(10)], words[r.IntN(10)], r.IntN(30000))
	fmt.Fprintf(&b, "Date: %s\nMessage-ID: <%d.%x@mail.example.org>\n", time.Unix(int64(1700000000+r.IntN(1e6)), 0).Format(time.RFC1123Z), i, i*7919)
	if parent >= 0 {
		fmt.Fprintf(&b, "In-Reply-To: <%d.%x@mail.example.org>\nReferences:", parent, parent*7919)
		for k := max(0, parent-20); k <= parent; k += 5 {
			fmt.Fprintf(&b, " <%d.%x@mail.example.org>", k, k*7919)
		}
		b.WriteString(fmt.Sprintf(" <%d.%x@mail.example.org>\n", parent, parent*7919))
	}
	b.WriteString("List-Id: <list.example.org>\nUser-Agent: Bench\n\nHello\n")
	return b.String()
}

// BenchmarkSort measures SORT and THREAD of 100,000 messages: cold, with nothing in memory
// but the view, and warm.
func BenchmarkSort(b *testing.B) {
	ts, c, mailbox := sortServer(b)
	// Closing the mailbox drops its sort keys.
	forget := func() { c.cmd("UNSELECT"); c.cmd("SELECT Bench") }
	for _, bc := range []struct{ name, command string }{
		{"arrival", "SORT (ARRIVAL) UTF-8 ALL"},
		{"size", "SORT (SIZE) UTF-8 ALL"},
		{"date", "SORT (DATE) UTF-8 ALL"},
		{"subject", "SORT (SUBJECT) UTF-8 ALL"},
		{"subject_date", "UID SORT (SUBJECT REVERSE DATE) UTF-8 ALL"},
		{"displayfrom", "SORT (DISPLAYFROM) UTF-8 ALL"},
		{"date_last50", "UID SORT RETURN (COUNT PARTIAL -1:-50) (DATE) UTF-8 UNDELETED"},
		{"references", "THREAD REFERENCES UTF-8 ALL"},
		{"refs", "THREAD REFS UTF-8 ALL"},
		{"orderedsubject", "THREAD ORDEREDSUBJECT UTF-8 ALL"},
	} {
		for _, cold := range []bool{true, false} {
			name := bc.name + "/warm"
			if cold {
				name = bc.name + "/cold"
			}
			b.Run(name, func(b *testing.B) {
				b.ReportAllocs()
				c.cmd(bc.command)
				var used time.Duration
				for b.Loop() {
					if cold {
						b.StopTimer()
						forget()
						b.StartTimer()
					}
					start := cpuTime()
					c.cmd(bc.command)
					used += cpuTime() - start
				}
				// On a machine that does other things, this says more than the time.
				b.ReportMetric(float64(used.Milliseconds())/float64(b.N), "cpu-ms/op")
			})
		}
	}
	// A new message, then SORT again.
	b.Run("subject/grown", func(b *testing.B) {
		c.cmd("SORT (SUBJECT) UTF-8 ALL")
		for b.Loop() {
			b.StopTimer()
			ts.add("Bench", smallMessage(1), 0)
			b.StartTimer()
			c.cmd("SORT (SUBJECT) UTF-8 ALL")
		}
	})
	b.Run("octet/subject/cold", func(b *testing.B) {
		c.cmd("COMPARATOR i;octet")
		for b.Loop() {
			b.StopTimer()
			forget()
			b.StartTimer()
			c.cmd("SORT (SUBJECT) UTF-8 ALL")
		}
		c.cmd("COMPARATOR default")
	})
	// An idle context on 100,000 results, and a new message: nothing of the keys in memory.
	b.Run("context/new", func(b *testing.B) {
		ctx := context.Background()
		box, err := ts.account.OpenBox(ctx, mailbox)
		if err != nil {
			b.Fatal(err)
		}
		defer box.Close()
		forget()
		fmt.Fprint(c.nc, "u1 UID SORT RETURN (UPDATE COUNT) (SUBJECT) UTF-8 ALL\r\n")
		for line := ""; !strings.HasPrefix(line, "u1 "); {
			line, _ = c.r.ReadString('\n')
		}
		for b.Loop() {
			b.StopTimer()
			ts.add("Bench", smallMessage(1), 0)
			c.cmd("NOOP")
			ts.add("Bench", smallMessage(2), 0)
			b.StartTimer()
			c.cmd("NOOP")
		}
	})
}
