package lineio

import (
	"crypto/tls"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"mox/sessiontest"
)

// watched tells whether Watch has called gone within a time.
func watched(gone chan bool, d time.Duration) bool {
	select {
	case <-gone:
		return true
	case <-time.After(d):
		return false
	}
}

// TestWatch: the end of a connection is noticed, on a socket and with TLS; input is
// there for the next read, and ends the watch.
func TestWatch(t *testing.T) {
	for _, secure := range []bool{false, true} {
		for _, tc := range []struct {
			name string
			say  string
			gone bool
		}{{"silence", "", true}, {"input", "QUIT\r\n", false}} {
			client, nc := sessiontest.TCPPair(t)
			if secure {
				client = tls.Client(client, &tls.Config{InsecureSkipVerify: true})
				go client.(*tls.Conn).Handshake()
				ts := tls.Server(nc, &tls.Config{Certificates: []tls.Certificate{sessiontest.Certificate("mx.example")}})
				if err := ts.Handshake(); err != nil {
					t.Fatal(err)
				}
				nc = ts
			}
			c := New(nc, Options{ReadTimeout: time.Minute})
			gone := make(chan bool, 1)
			stop := c.Watch(0, func() { gone <- true })
			if watched(gone, 10*time.Millisecond) {
				t.Error(secure, tc.name, "gone before it was")
			}
			stop() // nothing has happened: the connection is as it was
			stop = c.Watch(0, func() { gone <- true })
			if tc.say != "" {
				io.WriteString(client, tc.say)
				time.Sleep(20 * time.Millisecond)
			}
			client.Close()
			if got := watched(gone, map[bool]time.Duration{true: time.Minute, false: 50 * time.Millisecond}[tc.gone]); got != tc.gone {
				t.Errorf("tls %v, %s: gone is %v", secure, tc.name, got)
			}
			stop()
			if tc.gone {
				continue
			}
			if err := c.WaitInput(time.Minute); err != nil {
				t.Error(err)
			}
			if line, err := c.ReadLine(100); err != nil || string(line)+"\r\n" != tc.say {
				t.Errorf("read %q, %v", line, err)
			}
		}
	}
}

// TestWatchLater: what ends before its time is not watched.
func TestWatchLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := net.Pipe()
		defer a.Close()
		c := New(a, Options{})
		stop := c.Watch(time.Second, func() { t.Error("gone") })
		b.Close()
		time.Sleep(time.Second - 1)
		stop()
		time.Sleep(time.Second)
	})
}

func TestPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := net.Pipe()
		defer a.Close()
		c := New(a, Options{WriteTimeout: time.Minute})
		hurry := make(chan struct{})
		c.SetPace(time.Second, hurry)
		go func() {
			c.WriteString("0123456789")
			if err := c.Flush(); err != nil || c.w != nil {
				t.Error(err)
			}
		}()
		start := time.Now()
		buf := make([]byte, 10)
		for i := range 5 {
			if n, err := b.Read(buf); n != 1 || err != nil || time.Since(start) != time.Duration(i+1)*time.Second {
				t.Fatal(n, err, time.Since(start))
			}
		}
		close(hurry)
		if n, _ := b.Read(buf); n != 5 || time.Since(start) != 5*time.Second {
			t.Error(n, time.Since(start))
		}
		synctest.Wait()
	})
}
