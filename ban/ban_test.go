package ban

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func ip(s string) netip.Addr { return netip.MustParseAddr(s) }

func open(t *testing.T, path string, o Options) *Bans {
	t.Helper()
	b, err := Open(path, o)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func closed(t *testing.T, b *Bans) {
	t.Helper()
	if err := b.Close(); err != nil {
		t.Error(err)
	}
}

// guess has n logins of an address fail, with passwords that were not tried before.
func guess(b *Bans, addr string, n int) {
	for range n {
		guesses++
		b.LoginFailed(ip(addr), guesses)
	}
}

var guesses uint64

func banned(b *Bans, addr string, door Door) bool {
	_, ok := b.Lookup(ip(addr), door)
	return ok
}

func want(t *testing.T, b *Bans, addr string, mail, logins bool) {
	t.Helper()
	if m, l := banned(b, addr, Mail), banned(b, addr, Logins); m != mail || l != logins {
		t.Errorf("%s: banned from mail %v, from logins %v", addr, m, l)
	}
}

// TestGrowth has somebody guess passwords for as long as it takes.
func TestGrowth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), FileName)
		b := open(t, path, Options{})
		for i, d := range []time.Duration{time.Hour, 24 * time.Hour, 7 * 24 * time.Hour, 7 * 24 * time.Hour} {
			guess(b, "192.0.2.1", 19)
			want(t, b, "192.0.2.1", false, false)
			guess(b, "192.0.2.1", 1)
			want(t, b, "192.0.2.1", false, true)
			want(t, b, "192.0.2.2", false, false)
			x, _ := b.Lookup(ip("::ffff:192.0.2.1"), Logins)
			if x.Times != i+1 || x.Events != 20 || x.Expires.Sub(x.Since) != d || x.Reason != Authentication {
				t.Errorf("ban %d: %+v", i+1, x)
			}
			// A restart changes nothing.
			closed(t, b)
			b = open(t, path, Options{})
			want(t, b, "192.0.2.1", false, true)
			time.Sleep(d - time.Second)
			want(t, b, "192.0.2.1", false, true)
			time.Sleep(time.Second)
			want(t, b, "192.0.2.1", false, false)
			time.Sleep(5 * time.Second)
			if n := b.held.Load(); n != 0 {
				t.Errorf("%d bans are held", n)
			}
			closed(t, b)
			b = open(t, path, Options{})
		}
		// Long after, all is forgotten.
		time.Sleep(remembered + time.Hour)
		guess(b, "192.0.2.1", 20)
		if x, _ := b.Lookup(ip("192.0.2.1"), Logins); x.Times != 1 {
			t.Errorf("%+v", x)
		}
		closed(t, b)
	})
}

// TestUsers has somebody with an old password in a network from which others log in.
func TestUsers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), FileName)
		b := open(t, path, Options{})
		// One wrong password is one guess, however often it is tried.
		for range 1000 {
			b.LoginFailed(ip("192.0.2.1"), 77)
		}
		want(t, b, "192.0.2.1", false, false)
		guess(b, "192.0.2.1", 18)
		b.LoginSucceeded(ip("192.0.2.1"))
		closed(t, b)
		b = open(t, path, Options{})
		guess(b, "192.0.2.1", 100)
		for range 100 {
			b.Offence(ip("192.0.2.1"), Mail, Protocol)
		}
		want(t, b, "192.0.2.1", false, false)
		time.Sleep(trusted - time.Minute)
		guess(b, "192.0.2.1", 100)
		want(t, b, "192.0.2.1", false, false)
		// Nobody has logged in for long.
		time.Sleep(2 * time.Minute)
		guess(b, "192.0.2.1", 100)
		want(t, b, "192.0.2.1", false, true)
		l := b.Users()
		if len(l) != 1 || l[0].Ban.Network.String() != "192.0.2.1/32" || time.Since(l[0].Login) < trusted {
			t.Errorf("%+v", l)
		}
		if _, err := b.Remove(t.Context(), netip.MustParsePrefix("192.0.2.1/32"), false); err != nil || b.Users() != nil {
			t.Error(err, b.Users())
		}
		// What is neither banned nor known any more leaves nothing.
		time.Sleep(knownFor + 2*time.Hour)
		if len(b.users.seen)+len(b.past)+len(b.offences) != 0 {
			t.Error(b.users.seen, b.past, b.offences)
		}
		closed(t, b)
		b = open(t, path, Options{})
		if len(b.users.seen)+len(b.past) != 0 {
			t.Error("left in the database", b.users.seen, b.past)
		}
		closed(t, b)
	})
}

// TestMail has a mail server that sends notifications about forged mail, and one that tries addresses: it is
// never banned for more than an hour, and not at all where verified mail has come from it.
func TestMail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), FileName)
		b := open(t, path, Options{Durations: []time.Duration{time.Minute, 24 * time.Hour, 7 * 24 * time.Hour}})
		offend := func(addr string, r Reason) {
			for range 100 {
				b.Offence(ip(addr), Mail, r)
			}
		}
		for i, d := range []time.Duration{time.Minute, time.Hour, time.Hour, time.Hour} {
			for j, r := range []Reason{Recipients, Protocol} {
				addr := fmt.Sprintf("192.0.2.%d", 1+64*j)
				offend(addr, r)
				if x, ok := b.Lookup(ip(addr), Mail); !ok || x.Times != i+1 || x.Expires.Sub(x.Since) != d {
					t.Errorf("ban %d for %s: %v %+v", i+1, r, ok, x)
				}
			}
			time.Sleep(d)
		}
		// Mail of a verified sender keeps the door of mail open, also after a restart, but no other.
		b.MailVerified(ip("198.51.100.1"))
		closed(t, b)
		b = open(t, path, Options{})
		offend("198.51.100.1", Recipients)
		offend("198.51.100.1", Protocol)
		want(t, b, "198.51.100.1", false, false)
		for i := range 20 {
			offend(fmt.Sprintf("198.51.100.%d", 2+i), Recipients)
		}
		want(t, b, "198.51.100.2", true, false)
		want(t, b, "198.51.100.63", false, false) // the wider network has a server that is trusted
		guess(b, "198.51.100.1", 20)
		want(t, b, "198.51.100.1", false, true)
		if v := b.Test(ip("198.51.100.1")); v.Mail.IsZero() || !v.Login.IsZero() {
			t.Errorf("%+v", v)
		}
		if b.Users() != nil {
			t.Error("a mail server is told of as a user")
		}
		time.Sleep(trusted + 2*time.Hour)
		if len(b.senders.seen) != 0 {
			t.Error(b.senders.seen)
		}
		offend("198.51.100.1", Recipients)
		want(t, b, "198.51.100.1", true, false)
		closed(t, b)
		b = open(t, path, Options{})
		if len(b.senders.seen) != 0 {
			t.Error("left in the database", b.senders.seen)
		}
		closed(t, b)
	})
}

// TestWide spreads guesses over addresses.
func TestWide(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, filepath.Join(t.TempDir(), FileName), Options{Exempt: []netip.Prefix{netip.MustParsePrefix("203.0.113.7/32")}})
		defer closed(t, b)
		b.LoginSucceeded(ip("198.51.100.60"))
		for _, net := range []string{"192.0.2.", "198.51.100.", "203.0.113.", "2001:db8:1:"} {
			for i := range 10 {
				addr := net + fmt.Sprint(i)
				if strings.Contains(net, ":") {
					addr += "::1"
				}
				guess(b, addr, 10)
			}
		}
		want(t, b, "192.0.2.63", false, true)  // nobody was there
		want(t, b, "192.0.2.64", false, false) // another network
		want(t, b, "198.51.100.9", false, false)
		want(t, b, "198.51.100.60", false, false) // somebody logs in there
		want(t, b, "203.0.113.6", false, false)
		want(t, b, "203.0.113.7", false, false) // it is allowed, and not banned with others
		want(t, b, "2001:db8:1:ff::1", false, true)
		want(t, b, "2001:db8:2::1", false, false)
		// By hand, wide networks can be banned; who is allowed comes through.
		if _, err := b.Add(t.Context(), netip.MustParsePrefix("203.0.113.0/24"), []Door{Mail, Logins}, 0, ""); err != nil {
			t.Fatal(err)
		}
		want(t, b, "203.0.113.6", true, true)
		want(t, b, "203.0.113.7", false, false)
	})
}

// TestDoors: what is done at one door does not close the other.
func TestDoors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var seen []string
		b := open(t, filepath.Join(t.TempDir(), FileName), Options{Banned: func(d Door, r Reason) { seen = append(seen, d.String()+" "+string(r)) }})
		defer closed(t, b)
		for range 10 {
			b.Offence(ip("192.0.2.1"), Mail, Protocol)
			b.Offence(ip("192.0.2.65"), Logins, Protocol)
			b.Offence(ip("192.0.2.129"), Logins, Scan)
		}
		want(t, b, "192.0.2.1", true, false)
		want(t, b, "192.0.2.65", false, true)
		want(t, b, "192.0.2.129", false, true)
		// A list with many dead addresses, and more that live.
		for i := range 1000 {
			if i%2 == 1 {
				b.Offence(ip("198.51.100.1"), Mail, Recipients)
			} else {
				b.Accepted(ip("198.51.100.1"), Mail, Recipients)
			}
			b.Offence(ip("198.51.100.65"), Mail, Recipients)
		}
		want(t, b, "198.51.100.1", false, false)
		want(t, b, "198.51.100.65", true, false)
		if got := fmt.Sprint(seen); got != "[mail protocol logins protocol logins scan mail recipients]" {
			t.Error(got)
		}
	})
}

// TestWindow: who tries slowly enough is not banned.
func TestWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, filepath.Join(t.TempDir(), FileName), Options{Limits: Limits{LoginFailures: 3}, Durations: []time.Duration{time.Minute}})
		defer closed(t, b)
		for range 5 {
			guess(b, "192.0.2.1", 2)
			want(t, b, "192.0.2.1", false, false)
			time.Sleep(window)
		}
		guess(b, "192.0.2.1", 3)
		want(t, b, "192.0.2.1", false, true)
		time.Sleep(time.Minute)
		want(t, b, "192.0.2.1", false, false)
	})
}

func TestManual(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), FileName)
		o := Options{Manual: true, Exempt: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}
		b := open(t, path, o)
		ctx := t.Context()
		guess(b, "192.0.2.1", 1000)
		want(t, b, "192.0.2.1", false, false)
		add := func(s string, d time.Duration, at ...Door) error {
			p, err := ParseNetwork(s)
			if err != nil {
				return err
			}
			_, err = b.Add(ctx, p, at, d, "why")
			return err
		}
		for s, problem := range map[string]string{
			"192.0.2.1/24": "must be written as 192.0.2.0/24", "0.0.0.0/0": "too large", "2000::/8": "too large", "10.1.2.3": "all of 10.0.0.0/8 is allowed",
			"here": "no address or network", "::ffff:192.0.2.0/120": "write it as IPv4",
		} {
			if err := add(s, 0, Mail); err == nil || !strings.Contains(err.Error(), problem) {
				t.Errorf("%s: %v", s, err)
			}
		}
		for _, err := range []error{add("192.0.2.0/24", time.Hour, Mail, Logins), add("2001:db8::1", 0, Logins)} {
			if err != nil {
				t.Fatal(err)
			}
		}
		closed(t, b)
		b = open(t, path, o)
		want(t, b, "192.0.2.99", true, true)
		want(t, b, "2001:db8::ffff", false, true)
		if l := b.List(); len(l) != 3 || l[0].Comment != "why" || l[0].Reason != Manual {
			t.Errorf("%+v", l)
		}
		v := b.Test(ip("192.0.2.99"))
		if len(v.Bans) != 2 || v.Allowed != "" {
			t.Errorf("%+v", v)
		}
		if v := b.Test(ip("10.2.3.4")); v.Allowed != "10.0.0.0/8" {
			t.Errorf("%+v", v)
		}
		if _, err := b.Remove(ctx, netip.MustParsePrefix("192.0.2.99/32"), false); !errors.Is(err, ErrNoBan) {
			t.Error(err)
		}
		if l, err := b.Remove(ctx, netip.MustParsePrefix("192.0.2.99/32"), true); err != nil || len(l) != 2 {
			t.Error(l, err)
		}
		time.Sleep(60 * 24 * time.Hour)
		want(t, b, "2001:db8::ffff", false, true)
		closed(t, b)
		b = open(t, path, o)
		if l := b.List(); len(l) != 1 {
			t.Errorf("%+v", l)
		}
		closed(t, b)
	})
}

// TestFlood bans and counts more than there is room for.
func TestFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const most = 200
		path := filepath.Join(t.TempDir(), FileName)
		b := open(t, path, Options{Max: most, Limits: Limits{LoginFailures: 2}})
		if _, err := b.Add(t.Context(), netip.MustParsePrefix("192.0.2.1/32"), []Door{Logins}, 0, ""); err != nil {
			t.Fatal(err)
		}
		addr := func(i int) string {
			var a [16]byte
			copy(a[:], []byte{0x20, 0x01})
			binary.BigEndian.PutUint32(a[2:], uint32(i))
			return netip.AddrFrom16(a).String()
		}
		for i := range 10 * most {
			guess(b, addr(i), 2)
			b.Offence(ip(addr(i)), Mail, Protocol)
			b.LoginSucceeded(ip(addr(100_000 + i)))
			b.MailVerified(ip(addr(200_000 + i)))
			time.Sleep(time.Millisecond)
		}
		guess(b, addr(10*most-1), 4) // what was counted of it may have been forgotten with the tenth that is
		if b.size() > most || len(b.offences) > most+1 || len(b.users.seen) > most || len(b.senders.seen) > most {
			t.Error(b.size(), len(b.offences), len(b.users.seen), len(b.senders.seen))
		}
		want(t, b, addr(10*most-1), false, true)
		want(t, b, addr(0), false, false) // the oldest has gone
		want(t, b, "192.0.2.1", false, true)
		closed(t, b)
		b = open(t, path, Options{Max: most})
		want(t, b, addr(10*most-1), false, true)
		want(t, b, "192.0.2.1", false, true)
		closed(t, b)
	})
}

// TestNil: a server without bans asks all the same.
func TestNil(t *testing.T) {
	var b *Bans
	b.LoginFailed(ip("192.0.2.1"), 1)
	b.LoginSucceeded(ip("192.0.2.1"))
	b.Offence(ip("192.0.2.1"), Mail, Protocol)
	b.Accepted(ip("192.0.2.1"), Mail, Recipients)
	if banned(b, "192.0.2.1", Mail) || b.Users() != nil {
		t.Error("banned by nobody")
	}
}

// TestDamaged: a file that is none is set aside.
func TestDamaged(t *testing.T) {
	path := filepath.Join(t.TempDir(), FileName)
	if err := os.WriteFile(path, []byte(strings.Repeat("no database ", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	b := open(t, path, Options{})
	if _, err := b.Add(context.Background(), netip.MustParsePrefix("192.0.2.1/32"), []Door{Logins}, 0, ""); err != nil {
		t.Error(err)
	}
	closed(t, b)
}

func FuzzParseNetwork(f *testing.F) {
	for _, s := range []string{"192.0.2.1", "192.0.2.0/24", "2001:db8::/32", "fe80::1%eth0", "::ffff:1.2.3.4/96", "/", "1.2.3.4/33"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := ParseNetwork(s)
		if err != nil {
			return
		}
		if p != p.Masked() || !p.IsValid() || p.Addr().Is4In6() {
			t.Errorf("%q: %s", s, p)
		}
		if again, err := ParseNetwork(p.String()); err != nil || again != p {
			t.Errorf("%q: %s, again %s: %v", s, p, again, err)
		}
	})
}

func BenchmarkLookup(b *testing.B) {
	for _, n := range []int{0, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			x := &Bans{o: Options{Now: time.Now}}
			x.sets[Logins].bans = map[netip.Prefix]*Ban{}
			for i := range n {
				x.sets[Logins].put(&Ban{Network: own(netip.AddrFrom4([4]byte{11, byte(i >> 16), byte(i >> 8), byte(i)}))})
			}
			x.held.Store(int64(n))
			a := ip("192.0.2.1")
			for b.Loop() {
				x.Lookup(a, Logins)
			}
		})
	}
}

// TestConcurrent uses everything at once; it is for the race detector.
func TestConcurrent(t *testing.T) {
	dir := t.TempDir()
	b := open(t, filepath.Join(dir, FileName), Options{Delay: time.Millisecond, Limits: Limits{LoginFailures: 2}, Export: Export{Path: filepath.Join(dir, "bans.nft"), Format: Nftables}})
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := range 50 {
				addr := netip.AddrFrom4([4]byte{192, 0, byte(g), byte(i)})
				b.LoginFailed(addr, uint64(2*i+1))
				b.LoginFailed(addr, uint64(2*i+2))
				b.LoginSucceeded(netip.AddrFrom4([4]byte{198, 51, byte(g), byte(i)}))
				b.Offence(addr, Mail, Recipients)
				b.Accepted(addr, Mail, Recipients)
				if _, ok := b.Lookup(addr, Logins); !ok {
					t.Errorf("%s is not banned", addr)
				}
				b.Test(addr)
				if i%10 != 0 {
					continue
				}
				b.List()
				b.Users()
				if _, err := b.Add(context.Background(), own(addr), []Door{Mail}, time.Hour, ""); err != nil {
					t.Error(err)
				}
				if _, err := b.Remove(context.Background(), own(addr), false); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	closed(t, b)
}
